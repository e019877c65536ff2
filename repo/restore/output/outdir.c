/*
 * Directories being restored, as handles of the pool in repo/util/files/dir.h: who ends the last share of one
 * finishes it.
 */
#include <stdlib.h>

#include "repo/restore/work/copy.h"
#include "repo/restore/output/outdir.h"

struct outdir_pool {
	struct dir_pool *dirs;
	void (*finish)(void *arg, struct outdir *d);
	void *arg;
};

/* The handle is the first member. */
static void end(void *arg, struct dir *base)
{
	struct outdir *d = (struct outdir *)base;
	const struct outdir_pool *p = arg;

	if (d->made && !d->failed && !d->absent)
		p->finish(p->arg, d);
}

struct outdir_pool *outdir_pool_new(unsigned max, void (*finish)(void *, struct outdir *), void *arg)
{
	struct outdir_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->dirs = dir_pool_new(max, end, p);
	p->finish = finish;
	p->arg = arg;
	if (p->dirs == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

void outdir_pool_free(struct outdir_pool *p)
{
	if (p == NULL)
		return;
	dir_pool_free(p->dirs);
	free(p);
}

bool outdir_pool_full(struct outdir_pool *p)
{
	return dir_pool_full(p->dirs);
}

void outdir_pool_wait(struct outdir_pool *p)
{
	dir_pool_wait(p->dirs);
}

struct outdir *outdir_new(struct outdir_pool *p, struct outdir *parent, const struct tree_entry *e, uint64_t number)
{
	struct outdir *d = malloc(sizeof(*d) + entry_copy_size(e));

	if (d == NULL)
		return NULL;
	*d = (struct outdir){ .parent = parent, .number = number };
	entry_copy(&d->e, e, d + 1);
	/* Paths are those below the target. */
	if (parent != NULL)
		dir_init(&d->base, p->dirs, &parent->base, d->e.name, d->e.name_len);
	else
		dir_init(&d->base, p->dirs, NULL, ".", 1);
	return d;
}

void outdir_set_made(struct outdir *d, int fd)
{
	d->made = true;
	d->absent = fd < 0;
	dir_set_open(&d->base, fd);
}

void outdir_hold(struct outdir *d)
{
	dir_hold(&d->base);
}

bool outdir_try_hold(struct outdir *d)
{
	return dir_try_hold(&d->base);
}

void outdir_release(struct outdir *d)
{
	dir_release(&d->base);
}

void outdir_rest(struct outdir *d)
{
	dir_rest(&d->base);
}

int outdir_wake(struct outdir *d, const struct outdir *child)
{
	if (!d->absent)
		return dir_wake(&d->base, child != NULL ? &child->base : NULL);
	dir_set_open(&d->base, -1);
	return 0;
}

void outdir_leave(struct outdir *d)
{
	dir_unref(&d->base);
}

int outdir_path(const struct outdir *d, const char *name, size_t len, struct buf *out)
{
	return d != NULL ? dir_path(&d->base, name, len, out) : 0;
}
