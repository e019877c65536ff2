/*
 * What store_dir.c, store_dir_list.c and store_dir_put.c share.
 */
#ifndef VARVE_STORE_STORE_DIR_IMPL_H
#define VARVE_STORE_STORE_DIR_IMPL_H

#include <pthread.h>

#include "repo/store/dir/fd_cache.h"
#include "repo/store/store_impl.h"
#include "repo/util/bytes/buf.h"

#define DIR_MODE 0700
#define FILE_MODE 0400
#define TMP_DIR "tmp"

struct store_dir {
	struct store base;
	int root; /* the directory, open as long as the store; all paths are relative to it */
	struct fd_cache *fds;
	atomic_bool tidied; /* tmp/ has been looked through for what killed writers left */
	pthread_mutex_t lock; /* of what follows */
	struct buf kept; /* directories that survive a power cut, by name, each with a NUL */
};

static inline struct store_dir *store_dir_of(struct store *s)
{
	return (struct store_dir *)s;
}

/* Log "${name}: ${what}: cause" for the failure in errno, and return the store's error for it; never -ENOENT. */
int store_dir_fail(const struct store_dir *d, const char *name, const char *what);

/*
 * The system has found no file ${name}.  Return -ENOENT, as that is certain; but if the store's directory has itself
 * been removed, or its config was seen and is not there, log and return -EIO.
 */
int store_dir_absent(const struct store_dir *d, const char *name);

/* Make the directory ${name} unless it is there, and see to it that it survives a power cut.  Logs failures. */
int store_dir_make(const struct store_dir *d, const char *name);

/* Sync the directory that holds ${name}.  Logs failures. */
int store_dir_sync_parent(const struct store_dir *d, const char *name);

int store_dir_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
int store_dir_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
int store_dir_put_begin(struct store *s, struct store_put **out);
int store_dir_put_append(struct store_put *p, const void *data, size_t len);
int store_dir_put_commit(struct store_put *p, const char *name, unsigned flags);
void store_dir_put_abort(struct store_put *p);

#endif
