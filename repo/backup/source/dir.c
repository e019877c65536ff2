/*
 * Directory handles.  One lock a pool covers counts and descriptors of all its handles: it is held for a few
 * instructions (and a close), once or twice an entry.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "repo/backup/source/dir.h"

#define WAIT_NS 100000000L

struct dir_pool {
	pthread_mutex_t lock;
	pthread_cond_t closed;
	unsigned open, max;
};

struct dir_pool *dir_pool_new(unsigned max)
{
	struct dir_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->closed, NULL);
	p->max = max;
	return p;
}

void dir_pool_free(struct dir_pool *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->closed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool dir_pool_full(struct dir_pool *p)
{
	bool full;

	pthread_mutex_lock(&p->lock);
	full = p->open >= p->max;
	pthread_mutex_unlock(&p->lock);
	return full;
}

void dir_pool_wait(struct dir_pool *p)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += WAIT_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&p->lock);
	if (p->open >= p->max)
		pthread_cond_timedwait(&p->closed, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
}

int dir_new(struct dir_pool *p, struct dir *parent, const char *name, size_t len, int fd, struct dir **out)
{
	struct dir *d = malloc(sizeof(*d) + len + 1);
	struct stat st;
	int err = 0;

	if (!d)
		err = -ENOMEM;
	else if (fstat(fd, &st) < 0)
		err = -errno;
	if (err < 0) {
		free(d);
		close(fd);
		return err;
	}
	*d = (struct dir){ .pool = p, .parent = parent, .dev = st.st_dev, .ino = st.st_ino, .fd = fd, .holds = 1,
		.refs = 1, .len = len };
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	pthread_mutex_lock(&p->lock);
	p->open++;
	if (parent)
		parent->refs++;
	pthread_mutex_unlock(&p->lock);
	*out = d;
	return 0;
}

struct dir *dir_hold(struct dir *d)
{
	pthread_mutex_lock(&d->pool->lock);
	d->holds++;
	d->refs++;
	pthread_mutex_unlock(&d->pool->lock);
	return d;
}

struct dir *dir_ref(struct dir *d)
{
	pthread_mutex_lock(&d->pool->lock);
	d->refs++;
	pthread_mutex_unlock(&d->pool->lock);
	return d;
}

/* With the lock held: one reference less.  Return the handles that are to be freed, linked by their parents. */
static struct dir *unref_locked(struct dir *d)
{
	struct dir *dead = NULL, **tail = &dead;

	while (d && --d->refs == 0) {
		*tail = d;
		tail = &d->parent;
		d = d->parent;
	}
	*tail = NULL;
	return dead;
}

static void free_chain(struct dir *dead)
{
	while (dead) {
		struct dir *parent = dead->parent;

		free(dead);
		dead = parent;
	}
}

void dir_release(struct dir *d)
{
	struct dir_pool *p;
	struct dir *dead;
	int fd = -1;

	if (!d)
		return;
	p = d->pool;
	pthread_mutex_lock(&p->lock);
	if (--d->holds == 0) {
		fd = d->fd;
		d->fd = -1;
	}
	dead = unref_locked(d);
	pthread_mutex_unlock(&p->lock);
	free_chain(dead);
	if (fd < 0)
		return;
	close(fd);
	pthread_mutex_lock(&p->lock);
	p->open--;
	pthread_cond_signal(&p->closed);
	pthread_mutex_unlock(&p->lock);
}

void dir_unref(struct dir *d)
{
	struct dir_pool *p;
	struct dir *dead;

	if (!d)
		return;
	p = d->pool;
	pthread_mutex_lock(&p->lock);
	dead = unref_locked(d);
	pthread_mutex_unlock(&p->lock);
	free_chain(dead);
}

/* Hold ${d} if its descriptor is still open. */
static bool try_hold(struct dir *d)
{
	bool held;

	pthread_mutex_lock(&d->pool->lock);
	held = d->holds > 0;
	if (held) {
		d->holds++;
		d->refs++;
	}
	pthread_mutex_unlock(&d->pool->lock);
	return held;
}

/* Open ${name} at ${fd} and see that it is ${d}.  Return a descriptor or a negative errno. */
static int open_checked(int fd, const char *name, const struct dir *d)
{
	struct stat st;
	int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (sub < 0)
		return -errno;
	if (fstat(sub, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino)
		return sub;
	close(sub);
	return -ESTALE;
}

/* The way down: the handles from below ${top} to ${d}, ${n} of them. */
static struct dir **path_down(struct dir *d, const struct dir *top, size_t *n)
{
	struct dir **way, *i;
	size_t count = 0;

	for (i = d; i != top; i = i->parent)
		count++;
	way = malloc((count + 1) * sizeof(struct dir *));
	*n = count;
	for (i = d; way && i != top; i = i->parent)
		way[--count] = i;
	return way;
}

static int open_from_above(struct dir *d)
{
	struct dir *top = d->parent, **way;
	size_t n, i;
	int fd, sub;

	while (top && !try_hold(top))
		top = top->parent;
	if (!top)
		return -ESTALE;
	way = path_down(d, top, &n);
	fd = way ? dup(top->fd) : -1;
	if (fd < 0)
		fd = way ? -errno : -ENOMEM;
	for (i = 0; fd >= 0 && i < n; i++) {
		sub = open_checked(fd, way[i]->name, way[i]);
		close(fd);
		fd = sub;
	}
	free(way);
	dir_release(top);
	return fd;
}

int dir_reopen(struct dir *d, const struct dir *child)
{
	int fd;

	if (try_hold(d))
		return 0;
	fd = child ? open_checked(child->fd, "..", d) : -ESTALE;
	if (fd < 0)
		fd = open_from_above(d);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&d->pool->lock);
	d->fd = fd;
	d->holds = 1;
	d->refs++;
	d->pool->open++;
	pthread_mutex_unlock(&d->pool->lock);
	return 0;
}

/* The source "." goes without saying. */
static bool is_here(const struct dir *d)
{
	return !d->parent && strcmp(d->name, ".") == 0;
}

int dir_path(const struct dir *d, const char *name, size_t len, struct buf *out)
{
	const struct dir *i;
	size_t total = len, at;
	char *p;

	for (i = d; i && !is_here(i); i = i->parent)
		total += i->len + 1;
	if (buf_reserve(out, total + 1) < 0)
		return -ENOMEM;
	p = (char *)out->data + out->len;
	at = total - len;
	memcpy(p + at, name, len);
	for (i = d; i && !is_here(i); i = i->parent) {
		p[--at] = '/';
		at -= i->len;
		memcpy(p + at, i->name, i->len);
	}
	out->len += total;
	return 0;
}
