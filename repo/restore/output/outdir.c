/*
 * Directory handles.  One lock a pool covers counts and descriptors: it is held for a few instructions, once a batch.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "repo/restore/work/copy.h"
#include "repo/restore/output/outdir.h"

#define WAIT_NS 100000000L

struct outdir_pool {
	pthread_mutex_t lock;
	pthread_cond_t closed;
	unsigned open, max;
	void (*finish)(void *arg, struct outdir *d);
	void *arg;
};

struct outdir_pool *outdir_pool_new(unsigned max, void (*finish)(void *, struct outdir *), void *arg)
{
	struct outdir_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->closed, NULL);
	p->max = max;
	p->finish = finish;
	p->arg = arg;
	return p;
}

void outdir_pool_free(struct outdir_pool *p)
{
	if (p == NULL)
		return;
	pthread_cond_destroy(&p->closed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool outdir_pool_full(struct outdir_pool *p)
{
	bool full;

	pthread_mutex_lock(&p->lock);
	full = p->open >= p->max;
	pthread_mutex_unlock(&p->lock);
	return full;
}

void outdir_pool_wait(struct outdir_pool *p)
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

struct outdir *outdir_new(struct outdir_pool *p, struct outdir *parent, const struct tree_entry *e, uint64_t number)
{
	struct outdir *d = malloc(sizeof(*d) + entry_copy_size(e));

	if (d == NULL)
		return NULL;
	*d = (struct outdir){ .pool = p, .parent = parent, .number = number, .fd = -1, .shares = 1 };
	entry_copy(&d->e, e, d + 1);
	pthread_mutex_lock(&p->lock);
	if (parent != NULL)
		parent->shares++;
	pthread_mutex_unlock(&p->lock);
	return d;
}

static void set_open(struct outdir *d, int fd)
{
	pthread_mutex_lock(&d->pool->lock);
	d->fd = fd;
	d->pins++;
	d->pool->open += fd >= 0;
	pthread_mutex_unlock(&d->pool->lock);
}

void outdir_set_made(struct outdir *d, int fd)
{
	d->made = true;
	d->absent = fd < 0;
	set_open(d, fd);
}

static void close_fd(struct outdir_pool *p, int fd)
{
	if (fd < 0)
		return;
	close(fd);
	pthread_mutex_lock(&p->lock);
	p->open--;
	pthread_cond_signal(&p->closed);
	pthread_mutex_unlock(&p->lock);
}

/* One share of ${d} has ended: finish it if that was the last, and then perhaps its parent, and so on. */
static void end_share(struct outdir *d)
{
	struct outdir_pool *p = d->pool;
	struct outdir *parent;
	bool last;

	for (; d != NULL; d = parent) {
		pthread_mutex_lock(&p->lock);
		last = --d->shares == 0;
		pthread_mutex_unlock(&p->lock);
		if (!last)
			return;
		if (d->made && !d->failed && !d->absent)
			p->finish(p->arg, d);
		close_fd(p, d->fd);
		parent = d->parent;
		free(d);
	}
}

void outdir_hold(struct outdir *d)
{
	pthread_mutex_lock(&d->pool->lock);
	d->pins++;
	d->shares++;
	pthread_mutex_unlock(&d->pool->lock);
}

bool outdir_try_hold(struct outdir *d)
{
	bool held;

	pthread_mutex_lock(&d->pool->lock);
	held = d->pins > 0 && d->fd >= 0;
	if (held) {
		d->pins++;
		d->shares++;
	}
	pthread_mutex_unlock(&d->pool->lock);
	return held;
}

/* One pin less. */
static void unpin(struct outdir *d)
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

void outdir_release(struct outdir *d)
{
	unpin(d);
	end_share(d);
}

void outdir_rest(struct outdir *d)
{
	unpin(d);
}

void outdir_leave(struct outdir *d)
{
	end_share(d);
}

/* Open ${name} at ${fd} and see that it is ${d}.  Return a descriptor or a negative errno. */
static int open_checked(int fd, const char *name, const struct outdir *d)
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
static struct outdir **path_down(struct outdir *d, const struct outdir *top)
{
	struct outdir **way, *i;
	size_t count = 1;

	for (i = d->parent; i != top; i = i->parent)
		count++;
	way = calloc(count + 1, sizeof(struct outdir *));
	for (i = d; way != NULL && i != top; i = i->parent)
		way[--count] = i;
	return way;
}

static int open_from_above(struct outdir *d)
{
	struct outdir *top = d->parent, **way;
	int fd, sub;

	while (top != NULL && !outdir_try_hold(top))
		top = top->parent;
	if (top == NULL)
		return -ESTALE;
	way = path_down(d, top);
	fd = way == NULL ? -ENOMEM : dup(top->fd);
	if (way != NULL && fd < 0)
		fd = -errno;
	for (size_t i = 0; fd >= 0 && way[i] != NULL; i++) {
		sub = open_checked(fd, way[i]->e.name, way[i]);
		close(fd);
		fd = sub;
	}
	free(way);
	outdir_release(top);
	return fd;
}

int outdir_wake(struct outdir *d, const struct outdir *child)
{
	int fd = -ESTALE;
	bool open;

	pthread_mutex_lock(&d->pool->lock);
	open = d->pins > 0 || d->absent;
	if (open)
		d->pins++;
	pthread_mutex_unlock(&d->pool->lock);
	if (open)
		return 0;
	if (child != NULL && child->fd >= 0)
		fd = open_checked(child->fd, "..", d);
	if (fd < 0)
		fd = open_from_above(d);
	if (fd < 0)
		return fd;
	set_open(d, fd);
	return 0;
}

int outdir_path(const struct outdir *d, const char *name, size_t len, struct buf *out)
{
	const struct outdir *i;
	size_t total = len, at;
	uint8_t *p;

	for (i = d; i != NULL && i->parent != NULL; i = i->parent)
		total += i->e.name_len + (size_t)(total > 0);
	if (total == 0)
		return 0;
	if (buf_reserve(out, total) < 0)
		return -ENOMEM;
	p = out->data + out->len;
	at = total - len;
	memcpy(p + at, name, len);
	for (i = d; i != NULL && i->parent != NULL; i = i->parent) {
		if (at < total)
			p[--at] = '/';
		at -= i->e.name_len;
		memcpy(p + at, i->e.name, i->e.name_len);
	}
	out->len += total;
	return 0;
}
