/*
 * Commit queue: makes packs durable behind the committer's back, as the store takes its time over it.
 *
 * One user (the committer); the threads are its own.
 */
#ifndef VARVE_OBJECT_COMMIT_QUEUE_H
#define VARVE_OBJECT_COMMIT_QUEUE_H

#include "repo/object/packing/packing.h"

#define COMMITS_MAX 16

struct commit_queue;

/*
 * ${limit} packs are on their way at most (store_parallel_puts(); at least 1, at most COMMITS_MAX count), with a thread
 * each.  Return NULL if there is no memory or no thread to be had.
 */
struct commit_queue *commit_queue_new(unsigned limit);

/* End: what is being committed is waited for, the rest is given up. */
void commit_queue_free(struct commit_queue *q);

/* Hand over a pack, which the queue owns from here on; waits as long as the limit is reached. */
void commit_queue_add(struct commit_queue *q, struct packing *p);

/**
 * commit_queue_take(q, wait, out):
 * Append the packs that have been committed since to the list ${*out}; with ${wait}, all that are on their way first.
 * Return 0, or the first error of a commit, now and ever after.
 */
int commit_queue_take(struct commit_queue *q, bool wait, struct packing **out);

#endif
