/*
 * The queue of jobs in flight: filled in order by the producer, worked on by any worker, taken in order by the
 * committer.  Bounded by the bytes that the jobs say they cost, and in number.
 *
 * A failure, of whatever thread, ends it: nobody waits any more, and all get the first error.
 *
 * Thread-safe: one producer, one committer, any number of workers.
 */
#ifndef VARVE_BACKUP_QUEUE_H
#define VARVE_BACKUP_QUEUE_H

#include "repo/backup/job/job.h"

struct queue;

/* NULL without memory. */
struct queue *queue_new(size_t max_bytes);

/* Frees the jobs in it too.  All threads must have ended.  Does nothing for NULL. */
void queue_free(struct queue *q);

/* Producer: an empty job to fill, used again where there is one.  NULL without memory. */
struct job *queue_job(struct queue *q);

/**
 * queue_data(q, j, len):
 * Producer: give ${j}, which has none, room for ${len} bytes of a large file: a buffer that was used before where one
 * of that length is kept, as fresh memory costs more than reading into it.  Return 0 or -ENOMEM.
 */
int queue_data(struct queue *q, struct job *j, size_t len);

/* Worker: that room is not needed any more.  Does nothing without. */
void queue_data_done(struct queue *q, struct job *j);

/*
 * Producer: append ${j} (taken over in any case) with its ${cost}; waits for room.  Return 0, or what the queue
 * failed with.
 */
int queue_push(struct queue *q, struct job *j);

/* Producer: there will be no more. */
void queue_end(struct queue *q);

/* Worker: the next job to work on, in order.  NULL at the end or after a failure. */
struct job *queue_take(struct queue *q);

/* Worker: ${j} is done; its ${cost} becomes what it still holds. */
void queue_done(struct queue *q, struct job *j);

/* Worker, at its end: segments (a list, taken over) that none of its jobs got, as they were not full then. */
void queue_leave(struct queue *q, struct segment_out *segments);

/* Committer, when all workers have ended: all of those, the caller's. */
struct segment_out *queue_left(struct queue *q);

/* Committer: the next job in order, once it is done; NULL at the end or after a failure (queue_error()). */
struct job *queue_pop(struct queue *q);

/* Committer: ${j} is dealt with. */
void queue_recycle(struct queue *q, struct job *j);

/* Producer: is everything that was pushed dealt with? */
bool queue_idle(struct queue *q);

/* Any thread: end everything with ${err} (a negative errno), unless it has failed before. */
void queue_fail(struct queue *q, int err);

/* 0, or what it failed with. */
int queue_error(struct queue *q);

#endif
