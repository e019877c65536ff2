/*
 * Sync: make one store a copy of another store of the same repository, verbatim.  No key is needed: what is named by
 * the hash of its bytes is verified by it.
 *
 * The target is at no time inconsistent.  Objects are copied in the order in which they are made: generations, packs,
 * trees, index, keyslots, snapshots; and the source is listed in the opposite order before, so that whatever a
 * snapshot of the list relies on is in the lists too.  If something of the lists has gone meanwhile (a prune, a merge
 * of index runs), everything is listed anew before snapshots are copied.  A copy that was interrupted goes on by what
 * is there.
 *
 * doomed/ is not copied: it is between the writers and the prune of one store.  Sync is such a writer: if the target's
 * doomed/ names packs that the source has, nothing is copied.
 */
#ifndef VARVE_SYNC_H
#define VARVE_SYNC_H

#include <stdatomic.h>

#include "repo/store/store.h"

/* May be read at any time. */
struct sync_progress {
	_Atomic uint64_t objects, bytes;             /* copied */
	_Atomic uint64_t total_objects, total_bytes; /* to be copied, as far as is known */
	_Atomic uint64_t damaged;
};

struct sync_options {
	struct store *from;
	struct store *to;      /* NULL (only with ${dry_run}): there is nothing yet */
	bool dry_run;
	bool remove;           /* delete what ${from} does not have */
	unsigned threads;      /* objects in flight; 0: SYNC_THREADS */
	const atomic_int *cancel; /* NULL: none; non-zero: end with -EINTR */
	struct sync_progress *progress; /* NULL: none */
	/* An object of ${from} is damaged or cannot be read, and is not copied (it has been logged).  One at a time. */
	void (*damaged)(void *arg, const char *name);
	void *arg;
	const struct log *log;
};

#define SYNC_THREADS 4
#define SYNC_THREADS_MAX 64
#define SYNC_PIECE (4u * 1024 * 1024) /* bytes of an object in memory, for each thread */

struct sync_result {
	uint64_t copied, copied_bytes;   /* with ${dry_run}: would be, and so on */
	uint64_t present;                /* had it already */
	uint64_t removed, removed_bytes;
	uint64_t damaged;
	bool kept;                       /* nothing was removed although it was wanted, for safety (logged) */
};

/**
 * sync_run(o, out):
 * Copy.  ${out} is filled in any case.  Memory: ${threads} pieces, and about 80 bytes for each object.  An object that
 * the target has under another length is copied again.  Deleting comes last, snapshots first, and is left out if
 * anything was damaged, or if the source has no snapshots or keyslots while the target has some.
 *
 * Return 0, also if there was damage; -ENOENT if ${from} is no repository; -EXDEV if ${to} is of another repository,
 * -ENOTEMPTY if it is none but has something in it; -EBUSY if packs of the source are doomed in ${to}; -EAGAIN if the
 * source changed faster than it could be copied; -EINTR; -ENOMEM; what the stores return.  All failures but -EINTR have
 * been logged.
 */
int sync_run(const struct sync_options *o, struct sync_result *out);

#endif
