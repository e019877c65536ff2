/*
 * Handles of directories in a tree that is walked: a descriptor that several threads share by count, and the way up to
 * the top, for messages and for opening it again.
 *
 * A handle is *pinned* by whoever needs its descriptor, which is closed when nobody does; it lives as long as there are
 * *references* to it, of which each handle in it has one.  To *hold* it is both.  Descriptors are counted in a pool, so
 * that who opens more of them can wait before there are too many.
 *
 * Nothing is ever opened through a symlink, and what is opened again must be the directory that it was.
 *
 * Thread-safe; only one thread, the walker, makes, opens, rests and wakes.
 */
#ifndef VARVE_UTIL_DIR_H
#define VARVE_UTIL_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "repo/util/bytes/buf.h"

struct dir;
struct dir_pool;

/* Called when the last reference to a handle has ended, its descriptor still open if it was pinned. */
typedef void dir_end_fn(void *arg, struct dir *d);

/* ${max}: descriptors above which dir_pool_full() says so.  ${end} may be NULL.  NULL without memory. */
struct dir_pool *dir_pool_new(unsigned max, dir_end_fn *end, void *arg);
void dir_pool_free(struct dir_pool *p);

bool dir_pool_full(struct dir_pool *p);

/* Wait until some descriptor was closed, but for a tenth of a second at most. */
void dir_pool_wait(struct dir_pool *p);

/* May be the first member of a larger struct, which is freed with it. */
struct dir {
	struct dir_pool *pool;
	struct dir *parent; /* NULL: the top */
	dev_t dev;
	ino_t ino;
	int fd;             /* -1: closed, or there is none */
	unsigned pins, refs;
	size_t len;
	const char *name;   /* in its parent; of the top what paths begin with, "." for nothing; NUL behind */
};

/**
 * dir_init(d, pool, parent, name, len):
 * A handle without a descriptor, referenced once, in memory from malloc(), which the last dir_unref() frees.  ${name}
 * is borrowed as long as the handle.
 */
void dir_init(struct dir *d, struct dir_pool *p, struct dir *parent, const char *name, size_t len);

/* Pin it once, with the descriptor ${fd} (taken over) or, -1, without.  ${d->dev} and ${d->ino} are the caller's. */
void dir_set_open(struct dir *d, int fd);

/**
 * dir_new(pool, parent, name, len, fd, out):
 * A handle for the open directory ${fd}, which it takes over (also on failure), held once; the name is copied.  Return
 * 0, -ENOMEM, what fstat() says.
 */
int dir_new(struct dir_pool *p, struct dir *parent, const char *name, size_t len, int fd, struct dir **out);

/* Hold it once more (it must be pinned); and once less.  release does nothing for NULL. */
struct dir *dir_hold(struct dir *d);
void dir_release(struct dir *d);

/* As hold, of a handle that is referenced: false if its descriptor is closed. */
bool dir_try_hold(struct dir *d);

/* End a reference.  Does nothing for NULL. */
void dir_unref(struct dir *d);

/**
 * dir_rest(d), dir_wake(d, child):
 * Give a pin up and keep the reference; take it again: by ".." of the directory ${child} (if not NULL), else down from
 * the nearest ancestor that is open.  Return 0; -ESTALE if it is not there any more, or no ancestor is open; what open
 * said.
 */
void dir_rest(struct dir *d);
int dir_wake(struct dir *d, const struct dir *child);

/*
 * Append the path of ${name} (empty: of the directory itself) in ${d}, with the names from the top on.  ${d} NULL:
 * ${name}.  Return 0 or -ENOMEM.
 */
int dir_path(const struct dir *d, const char *name, size_t len, struct buf *out);

#endif
