/*
 * Handles of source directories: a descriptor that walker and jobs share by count, and the way up to the source's
 * top, for messages and for opening it again.
 *
 * A handle is *held* by whoever needs the descriptor, which is closed when nobody does; and lives as long as it is
 * held or has children.  Descriptors are counted in a pool, so that the walker can wait before there are too many.
 *
 * Thread-safe; only the walker opens and reopens.
 */
#ifndef VARVE_BACKUP_DIR_H
#define VARVE_BACKUP_DIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "repo/util/buf.h"

struct dir_pool;

/* ${max}: descriptors above which dir_pool_full() says so.  NULL without memory. */
struct dir_pool *dir_pool_new(unsigned max);
void dir_pool_free(struct dir_pool *p);

bool dir_pool_full(struct dir_pool *p);

/* Wait until some descriptor was closed, but for a tenth of a second at most. */
void dir_pool_wait(struct dir_pool *p);

struct dir {
	struct dir_pool *pool;
	struct dir *parent; /* NULL: the top of a source */
	dev_t dev;
	ino_t ino;
	int fd;             /* -1 while nobody holds it */
	unsigned holds;     /* who needs ${fd} */
	unsigned refs;      /* who needs the handle: holds and children */
	size_t len;
	char name[];        /* in its parent, or the path of a source's top; NUL behind */
};

/**
 * dir_new(pool, parent, name, len, fd, out):
 * A handle for the open directory ${fd}, which it takes over (also on failure), held once.  Return 0, -ENOMEM, what
 * fstat() says.
 */
int dir_new(struct dir_pool *p, struct dir *parent, const char *name, size_t len, int fd, struct dir **out);

/* Hold it once more (it must be held); and once less.  release does nothing for NULL. */
struct dir *dir_hold(struct dir *d);
void dir_release(struct dir *d);

/* Keep the handle without its descriptor; and give it up.  unref does nothing for NULL. */
struct dir *dir_ref(struct dir *d);
void dir_unref(struct dir *d);

/**
 * dir_reopen(d, child):
 * Hold ${d}, which the caller has a reference to, again: by ".." of the directory ${child} (if not NULL), else down
 * from the nearest ancestor that is open (a source's top must be held all the time).  Return 0; -ESTALE if it is not
 * there any more; what open said.
 */
int dir_reopen(struct dir *d, const struct dir *child);

/*
 * Append the path of ${name} in ${d} to ${out}, as the user would write it.  ${d} NULL: ${name}.  Return 0 or
 * -ENOMEM.
 */
int dir_path(const struct dir *d, const char *name, size_t len, struct buf *out);

#endif
