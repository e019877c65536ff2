/*
 * Directory handles.  One lock a pool covers counts and descriptors of all its handles: it is held for a few
 * instructions, once or twice an entry.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "repo/util/files/dir.h"

#define WAIT_NS 100000000L

struct dir_pool {
	pthread_mutex_t lock;
	pthread_cond_t closed;
	unsigned open, max;
	dir_end_fn *end;
	void *arg;
};

struct dir_pool *dir_pool_new(unsigned max, dir_end_fn *end, void *arg)
{
	struct dir_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->closed, NULL);
	p->max = max;
	p->end = end;
	p->arg = arg;
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

static void close_fd(struct dir_pool *p, int fd)
{
	if (fd < 0)
		return;
	close(fd);
	pthread_mutex_lock(&p->lock);
	p->open--;
	pthread_cond_signal(&p->closed);
	pthread_mutex_unlock(&p->lock);
}

/* --- Handles ------------------------------------------------------------------------------------------------------ */

void dir_init(struct dir *d, struct dir_pool *p, struct dir *parent, const char *name, size_t len)
{
	*d = (struct dir){ .pool = p, .parent = parent, .fd = -1, .refs = 1, .len = len, .name = name };
	if (!parent)
		return;
	pthread_mutex_lock(&p->lock);
	parent->refs++;
	pthread_mutex_unlock(&p->lock);
}

void dir_set_open(struct dir *d, int fd)
{
	pthread_mutex_lock(&d->pool->lock);
	d->fd = fd;
	d->pins++;
	d->pool->open += fd >= 0;
	pthread_mutex_unlock(&d->pool->lock);
}

int dir_new(struct dir_pool *p, struct dir *parent, const char *name, size_t len, int fd, struct dir **out)
{
	struct dir *d = malloc(sizeof(*d) + len + 1);
	struct stat st;
	int err = 0;
	char *copy;

	if (!d)
		err = -ENOMEM;
	else if (fstat(fd, &st) < 0)
		err = -errno;
	if (err < 0) {
		free(d);
		close(fd);
		return err;
	}
	copy = (char *)(d + 1);
	memcpy(copy, name, len);
	copy[len] = '\0';
	dir_init(d, p, parent, copy, len);
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	dir_set_open(d, fd);
	*out = d;
	return 0;
}

struct dir *dir_hold(struct dir *d)
{
	pthread_mutex_lock(&d->pool->lock);
	d->pins++;
	d->refs++;
	pthread_mutex_unlock(&d->pool->lock);
	return d;
}

bool dir_try_hold(struct dir *d)
{
	bool held;

	pthread_mutex_lock(&d->pool->lock);
	held = d->pins > 0 && d->fd >= 0;
	if (held) {
		d->pins++;
		d->refs++;
	}
	pthread_mutex_unlock(&d->pool->lock);
	return held;
}

void dir_rest(struct dir *d)
{
	int fd = -1;

	pthread_mutex_lock(&d->pool->lock);
	if (--d->pins == 0) {
		fd = d->fd;
		d->fd = -1;
	}
	pthread_mutex_unlock(&d->pool->lock);
	close_fd(d->pool, fd);
}

void dir_unref(struct dir *d)
{
	struct dir_pool *p = d ? d->pool : NULL;
	struct dir *parent;
	bool last;

	/* The last reference to one may have been the last but for it to its parent, and so on. */
	for (; d; d = parent) {
		pthread_mutex_lock(&p->lock);
		last = --d->refs == 0;
		pthread_mutex_unlock(&p->lock);
		if (!last)
			return;
		if (p->end)
			p->end(p->arg, d);
		close_fd(p, d->fd);
		parent = d->parent;
		free(d);
	}
}

void dir_release(struct dir *d)
{
	bool others;

	if (!d)
		return;
	/* Mostly it is one of many that are for files of one directory. */
	pthread_mutex_lock(&d->pool->lock);
	others = d->pins > 1 && d->refs > 1;
	d->pins -= others;
	d->refs -= others;
	pthread_mutex_unlock(&d->pool->lock);
	if (others)
		return;
	dir_rest(d);
	dir_unref(d);
}

/* --- Opening again ------------------------------------------------------------------------------------------------ */

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

/* The way down: the handles from below ${top} to ${d}, and NULL. */
static struct dir **path_down(struct dir *d, const struct dir *top)
{
	struct dir **way, *i;
	size_t count = 1;

	for (i = d->parent; i != top; i = i->parent)
		count++;
	way = calloc(count + 1, sizeof(struct dir *));
	for (i = d; way && i != top; i = i->parent)
		way[--count] = i;
	return way;
}

static int open_from_above(struct dir *d)
{
	struct dir *top = d->parent, **way;
	int fd, sub;

	while (top && !dir_try_hold(top))
		top = top->parent;
	if (!top)
		return -ESTALE;
	way = path_down(d, top);
	fd = way ? dup(top->fd) : -1;
	if (fd < 0)
		fd = way ? -errno : -ENOMEM;
	for (size_t i = 0; fd >= 0 && way[i]; i++) {
		sub = open_checked(fd, way[i]->name, way[i]);
		close(fd);
		fd = sub;
	}
	free(way);
	dir_release(top);
	return fd;
}

int dir_wake(struct dir *d, const struct dir *child)
{
	int fd = -ESTALE;
	bool open;

	pthread_mutex_lock(&d->pool->lock);
	open = d->pins > 0;
	d->pins += open;
	pthread_mutex_unlock(&d->pool->lock);
	if (open)
		return 0;
	if (child && child->fd >= 0)
		fd = open_checked(child->fd, "..", d);
	if (fd < 0)
		fd = open_from_above(d);
	if (fd < 0)
		return fd;
	dir_set_open(d, fd);
	return 0;
}

/* --- Paths -------------------------------------------------------------------------------------------------------- */

/* A top "." goes without saying. */
static bool is_said(const struct dir *d)
{
	return d && (d->parent || strcmp(d->name, ".") != 0);
}

int dir_path(const struct dir *d, const char *name, size_t len, struct buf *out)
{
	const struct dir *i;
	size_t total = len, at;
	bool slash = len > 0;
	uint8_t *p;

	for (i = d; is_said(i); i = i->parent) {
		total += i->len + slash;
		slash = true;
	}
	if (buf_reserve(out, total + 1) < 0)
		return -ENOMEM;
	p = out->data + out->len;
	at = total - len;
	memcpy(p + at, name, len);
	for (i = d; is_said(i); i = i->parent) {
		if (at < total)
			p[--at] = '/';
		at -= i->len;
		memcpy(p + at, i->name, i->len);
	}
	out->len += total;
	return 0;
}
