/*
 * The queue of jobs: a ring with three positions, head <= next <= tail.
 *
 *   [head, next)  taken by workers; done in any order
 *   [next, tail)  waiting for a worker
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "repo/backup/job/queue.h"

#define SLOTS 64 /* jobs in flight */
#define SPARE 4  /* empty jobs kept, and buffers */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t room;  /* producer: there is room */
	pthread_cond_t work;  /* workers: there is work */
	pthread_cond_t first; /* committer: the first job is done */
	struct job *ring[SLOTS];
	uint64_t head, next, tail;
	size_t bytes, max_bytes;
	struct job *spare[SPARE];
	unsigned nspare;
	uint8_t *data[SPARE]; /* buffers of ${data_len} bytes kept for the next jobs */
	size_t data_len;
	unsigned ndata;
	struct segment_out *left;
	bool ended;
	int err;
};

struct queue *queue_new(size_t max_bytes)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->room, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->first, NULL);
	q->max_bytes = max_bytes;
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	for (; q->head < q->tail; q->head++)
		job_free(q->ring[q->head % SLOTS]);
	while (q->nspare > 0)
		job_free(q->spare[--q->nspare]);
	while (q->ndata > 0)
		job_data_unmap(q->data[--q->ndata], q->data_len);
	segments_free(q->left);
	pthread_cond_destroy(&q->first);
	pthread_cond_destroy(&q->work);
	pthread_cond_destroy(&q->room);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

struct job *queue_job(struct queue *q)
{
	struct job *j = NULL;

	pthread_mutex_lock(&q->lock);
	if (q->nspare > 0)
		j = q->spare[--q->nspare];
	pthread_mutex_unlock(&q->lock);
	return j ? j : job_new();
}

/* The last one given back comes first: of that the processor's caches know most. */
int queue_data(struct queue *q, struct job *j, size_t len)
{
	pthread_mutex_lock(&q->lock);
	if (q->ndata > 0 && q->data_len == len) {
		j->data = q->data[--q->ndata];
		j->data_len = len;
	}
	pthread_mutex_unlock(&q->lock);
	return j->data ? 0 : job_data_alloc(j, len);
}

void queue_data_done(struct queue *q, struct job *j)
{
	pthread_mutex_lock(&q->lock);
	if (j->data && q->ndata < SPARE && (q->ndata == 0 || q->data_len == j->data_len)) {
		q->data_len = j->data_len;
		q->data[q->ndata++] = j->data;
		j->data = NULL;
		j->data_len = 0;
	}
	pthread_mutex_unlock(&q->lock);
	job_data_free(j);
}

static bool has_room(const struct queue *q, size_t cost)
{
	return q->tail == q->head || (q->tail - q->head < SLOTS && q->bytes + cost <= q->max_bytes);
}

int queue_push(struct queue *q, struct job *j)
{
	int err;

	pthread_mutex_lock(&q->lock);
	while (q->err == 0 && !has_room(q, j->cost))
		pthread_cond_wait(&q->room, &q->lock);
	err = q->err;
	if (err == 0) {
		j->seq = q->tail;
		q->ring[q->tail++ % SLOTS] = j;
		q->bytes += j->cost;
		pthread_cond_signal(&q->work);
	}
	pthread_mutex_unlock(&q->lock);
	if (err < 0)
		job_free(j);
	return err;
}

void queue_end(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	pthread_cond_broadcast(&q->work);
	pthread_cond_broadcast(&q->first);
	pthread_mutex_unlock(&q->lock);
}

struct job *queue_take(struct queue *q)
{
	struct job *j = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->err == 0 && q->next == q->tail && !q->ended)
		pthread_cond_wait(&q->work, &q->lock);
	if (q->err == 0 && q->next < q->tail)
		j = q->ring[q->next++ % SLOTS];
	pthread_mutex_unlock(&q->lock);
	return j;
}

void queue_done(struct queue *q, struct job *j)
{
	size_t cost = job_memory(j);

	pthread_mutex_lock(&q->lock);
	q->bytes = q->bytes - j->cost + cost;
	j->cost = cost;
	j->done = true;
	if (j->seq == q->head)
		pthread_cond_signal(&q->first);
	pthread_cond_signal(&q->room);
	pthread_mutex_unlock(&q->lock);
}

void queue_leave(struct queue *q, struct segment_out *segments)
{
	struct segment_out **end;

	pthread_mutex_lock(&q->lock);
	for (end = &q->left; *end; end = &(*end)->next)
		;
	*end = segments;
	pthread_mutex_unlock(&q->lock);
}

struct segment_out *queue_left(struct queue *q)
{
	struct segment_out *left;

	pthread_mutex_lock(&q->lock);
	left = q->left;
	q->left = NULL;
	pthread_mutex_unlock(&q->lock);
	return left;
}

struct job *queue_pop(struct queue *q)
{
	struct job *j = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->err == 0 && !(q->head < q->tail ? q->ring[q->head % SLOTS]->done : q->ended))
		pthread_cond_wait(&q->first, &q->lock);
	if (q->err == 0 && q->head < q->tail)
		j = q->ring[q->head % SLOTS];
	pthread_mutex_unlock(&q->lock);
	return j;
}

void queue_recycle(struct queue *q, struct job *j)
{
	size_t cost = j->cost;
	bool kept;

	job_reset(j);
	pthread_mutex_lock(&q->lock);
	q->head++;
	q->bytes -= cost;
	kept = q->nspare < SPARE;
	if (kept)
		q->spare[q->nspare++] = j;
	pthread_cond_signal(&q->room);
	pthread_mutex_unlock(&q->lock);
	if (!kept)
		job_free(j);
}

bool queue_idle(struct queue *q)
{
	bool idle;

	pthread_mutex_lock(&q->lock);
	idle = q->head == q->tail;
	pthread_mutex_unlock(&q->lock);
	return idle;
}

void queue_fail(struct queue *q, int err)
{
	pthread_mutex_lock(&q->lock);
	if (q->err == 0)
		q->err = err;
	pthread_cond_broadcast(&q->room);
	pthread_cond_broadcast(&q->work);
	pthread_cond_broadcast(&q->first);
	pthread_mutex_unlock(&q->lock);
}

int queue_error(struct queue *q)
{
	int err;

	pthread_mutex_lock(&q->lock);
	err = q->err;
	pthread_mutex_unlock(&q->lock);
	return err;
}
