/*
 * What the threads of one restore share, and how they count and tell what they have done and could not do.
 */
#ifndef VARVE_RESTORE_SESSION_H
#define VARVE_RESTORE_SESSION_H

#include "repo/restore/output/outdir.h"
#include "repo/restore/restore.h"

struct batch_queue;
struct linkset;

/* As in struct restore_result. */
struct restore_counts {
	_Atomic uint64_t files, dirs, others, bytes, skipped, errors, damaged, no_owner, no_xattr, no_device;
};

/* Fixed once the threads run, but for what is atomic or has a lock of its own. */
struct restore {
	struct repo *repo;
	const struct restore_options *opts;
	struct restore_progress *progress; /* the caller's, or ${own_progress} */
	struct restore_progress own_progress;
	struct restore_counts n;
	const char *target;      /* as the user wrote it */
	char *prefix;            /* path in the snapshot of what is put into the target: "" or "/a/b" */
	struct outdir_pool *dirs;
	struct batch_queue *queue;
	struct linkset *links;
	unsigned threads;        /* workers */
	size_t memory;           /* bytes to get along with */
	uid_t uid;               /* whom that belongs to which is made */
	gid_t gid;
	mode_t umask;            /* 07777 if it is not known */
	_Atomic int stop;        /* error that ends the restore, or 0 */
};

/* What went wrong with one entry. */
struct trouble {
	int err;          /* negative errno; 0: ${what} says all */
	bool repo;        /* it is the repository's contents that could not be had */
	bool minor;       /* not a reason to end: an attribute that does not fit is no full disk */
	const char *what;
};

/* Shall the threads end (the caller has asked to, or going on makes no sense)?  Any thread. */
bool restore_stopped(struct restore *rs);

/* End the restore with ${err}.  Any thread. */
void restore_stop(struct restore *rs, int err);

/*
 * Count and tell that something is wrong with the entry ${name} of ${dir} (NULL: the target itself).  Damage in the
 * repository is told and counted as such; a full or read-only disk ends the restore, and so does a key that does not
 * open contents.  Any thread.
 */
void restore_trouble(struct restore *rs, const struct outdir *dir, const char *name, size_t len,
    const struct trouble *t);

/* The same for what failed on the target: ${what} ("cannot create"), and the cause ${err}. */
void restore_failed(struct restore *rs, const struct outdir *dir, const char *name, size_t len, int err,
    const char *what);

/* Count an entry of this type as restored, and name it to who wants to know.  Any thread. */
void restore_done(struct restore *rs, const struct outdir *dir, const char *name, size_t len, uint8_t type);

/* Count an entry as left as it was. */
void restore_skipped(struct restore *rs);

/* Count bytes of contents as restored. */
void restore_bytes(struct restore *rs, uint64_t n);

#endif
