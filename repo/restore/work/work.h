/*
 * Workers: take batches and restore what is in them.
 */
#ifndef VARVE_RESTORE_WORK_H
#define VARVE_RESTORE_WORK_H

#include <pthread.h>

#include "repo/restore/work/batch.h"
#include "repo/restore/session.h"

struct worker {
	struct restore *rs;
	pthread_t thread;
	struct buf chunk; /* contents on their way */
	struct buf check; /* and read back */
};

/* A worker's thread; ${worker} is a struct worker whose ${rs} is set. */
void *worker_thread(void *worker);

/* Restore one regular file, or join the others at a big one. */
bool file_restore(struct worker *w, const struct batch_item *i);

/* Restore a symlink, fifo, socket or device node.  These return whether there is now something to link to. */
bool node_restore(struct worker *w, const struct batch_item *i);

/**
 * link_restore(w, i, first):
 * Make the entry a hard link to the entry with number ${first}.  Return false if that cannot be done (told), and a copy
 * should be made.
 */
bool link_restore(struct worker *w, const struct batch_item *i, uint64_t first);

#endif
