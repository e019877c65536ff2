/*
 * A few open files of the directory store, by object name, so that the many small ranged reads of a mount do not open
 * the same pack again and again.  Least recently used ones go first; a file in use is never closed under its reader.
 * Safe to use from several threads.
 */
#ifndef VARVE_STORE_FD_CACHE_H
#define VARVE_STORE_FD_CACHE_H

#include <stdbool.h>

struct fd_cache;

#define FD_CACHE_SIZE 64 /* files */

/* A file that is being read.  ${slot} is the cache's own. */
struct fd_lease {
	int fd;
	int slot;
};

/* Return NULL if there is no memory. */
struct fd_cache *fd_cache_new(void);

/* Close what is cached.  No lease may be out.  Does nothing for NULL. */
void fd_cache_free(struct fd_cache *c);

/* Lease the file cached for ${name}.  Return false if there is none. */
bool fd_cache_take(struct fd_cache *c, const char *name, struct fd_lease *out);

/**
 * fd_cache_add(c, name, fd, out):
 * Take over the newly opened ${fd} of ${name} and lease it.  If another thread has been faster, ${fd} is closed and its
 * file is leased; if all files of the cache are in use, ${fd} is closed when it is given back.
 */
void fd_cache_add(struct fd_cache *c, const char *name, int fd, struct fd_lease *out);

/* Give a lease back. */
void fd_cache_give(struct fd_cache *c, const struct fd_lease *lease);

/* Forget ${name}, which may now be another file or none.  Those who read it read on. */
void fd_cache_drop(struct fd_cache *c, const char *name);

#endif
