/*
 * Directories being restored: handles with a descriptor that the feeder, batches and links share by count.
 *
 * They are handles of repo/util/files/dir.h, whose references are *shares* here: of the feeder while it is inside, of
 * each batch with entries of it, of each directory in it that is not finished.  When the last share ends the
 * directory gets its final attributes: all that is in it has been made by then, and all below it is finished, so that
 * no later work changes its mtime or is shut out by its mode.
 *
 *   new      known, not there yet (with includes a directory is made when the first thing in it is)
 *   made     by outdir_make(): there, and pinned by the feeder
 *   resting  the feeder is deep inside and has given its pin up for now
 *   left     the feeder has gone on; its pin stays until the directory is finished
 *
 * Descriptors are counted in a pool, so that the feeder can wait before there are too many: its own pins are few, and
 * all others end without it.  Thread-safe; only the feeder makes, rests, wakes and leaves.
 */
#ifndef VARVE_RESTORE_OUTDIR_H
#define VARVE_RESTORE_OUTDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "repo/tree/entry.h"
#include "repo/util/files/dir.h"

struct outdir_pool;
struct restore;

struct outdir {
	struct dir base;         /* first */
	struct outdir *parent;   /* ${base.parent}; NULL: the target */
	struct tree_entry e;     /* name and attributes; its strings are the handle's own */
	uint64_t number;         /* preorder number below what is restored */
	uid_t uid;               /* as it is now */
	gid_t gid;
	mode_t mode;
	bool made;
	bool fresh;    /* made just now: there is nothing in it but what we put there */
	bool own;      /* what is made in it gets this process's user and group */
	bool inherits; /* what is made in it gets an ACL */
	bool keep;     /* its attributes are left as they are */
	bool absent;   /* in a dry run: not there */
	bool failed;   /* could not be made, or opened again: nothing is done in it any more */
};

/* ${max}: descriptors above which the pool is full; ${finish} gives a directory, still open, its attributes. */
struct outdir_pool *outdir_pool_new(unsigned max, void (*finish)(void *arg, struct outdir *d), void *arg);
void outdir_pool_free(struct outdir_pool *p);
bool outdir_pool_full(struct outdir_pool *p);

/* Wait until some descriptor was closed, but for a tenth of a second at most. */
void outdir_pool_wait(struct outdir_pool *p);

/* A new handle with the feeder's share; the entry is copied.  ${parent} NULL: the target.  NULL without memory. */
struct outdir *outdir_new(struct outdir_pool *p, struct outdir *parent, const struct tree_entry *e, uint64_t number);

/* It is there now: ${fd} (taken over; -1 in a dry run if it is absent) is pinned once. */
void outdir_set_made(struct outdir *d, int fd);

/* A share with a pin, of a directory that is pinned; and the end of one, which may finish it and those above it. */
void outdir_hold(struct outdir *d);
void outdir_release(struct outdir *d);

/* As hold, of a directory that has a share: false if its descriptor is closed. */
bool outdir_try_hold(struct outdir *d);

/* The feeder gives its pin up, and takes it again: by ".." of ${child} (if not NULL), else from above.  0, -errno. */
void outdir_rest(struct outdir *d);
int outdir_wake(struct outdir *d, const struct outdir *child);

/* End of the feeder's share. */
void outdir_leave(struct outdir *d);

/* Append the path of ${name} in ${d}, from the target on.  ${d} NULL: nothing.  Return 0 or -ENOMEM. */
int outdir_path(const struct outdir *d, const char *name, size_t len, struct buf *out);

/**
 * outdir_make(rs, d):
 * Make or open the directory, whose parent is made and awake.  What is no directory is removed.  Return true, or false
 * after telling why not (${d->failed} is set).
 */
bool outdir_make(struct restore *rs, struct outdir *d);

/**
 * outdir_open_target(rs, e, out):
 * The target directory, made with those above it if it is missing, as the place of ${e}.  A symlink there is the
 * user's and is followed.  Its attributes are left alone unless it is used.  Return 0 or a negative errno, which has
 * been logged.
 */
int outdir_open_target(struct restore *rs, const struct tree_entry *e, struct outdir **out);

/* Something is restored in the target: if it is the place of a directory it is an entry like others. */
void outdir_use_target(struct restore *rs, struct outdir *d);

#endif
