/*
 * Commit queue: makes packs durable behind the committer's back, as the store takes its time over it.
 *
 * One user (the committer); the threads are its own.
 */
#ifndef VARVE_OBJECT_COMMIT_QUEUE_H
#define VARVE_OBJECT_COMMIT_QUEUE_H

#include "repo/object/packing/packing.h"

#define COMMITS_IN_FLIGHT 2 /* packs that are on their way at most, and threads */

struct commit_queue;

/* Return NULL if there is no memory or no thread to be had. */
struct commit_queue *commit_queue_new(void);

/* End: what is being committed is waited for, the rest is given up. */
void commit_queue_free(struct commit_queue *q);

/* Hand over a pack, which the queue owns from here on; waits as long as COMMITS_IN_FLIGHT are on their way. */
void commit_queue_add(struct commit_queue *q, struct packing *p);

/**
 * commit_queue_take(q, wait, out):
 * Append the packs that have been committed since to the list ${*out}; with ${wait}, all that are on their way first.
 * Return 0, or the first error of a commit, now and ever after.
 */
int commit_queue_take(struct commit_queue *q, bool wait, struct packing **out);

#endif
