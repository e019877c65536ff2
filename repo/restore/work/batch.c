/*
 * Batches and their queue: a ring, and a list of spare batches, so that memory is allocated a few times only.
 */
#include <pthread.h>
#include <stdlib.h>

#include "repo/restore/file/bigfile.h"
#include "repo/restore/work/batch.h"

struct batch_queue {
	pthread_mutex_t lock;
	pthread_cond_t room, work;
	unsigned slots;
	uint64_t head, tail;
	bool ended;
	struct batch *spare;
	struct batch *ring[];
};

/* Hold ${dir} for the batch; items of one directory mostly stand together.  False if there is no place. */
static bool hold_dir(struct batch *b, struct outdir *dir)
{
	for (unsigned i = b->ndirs; i-- > 0;)
		if (b->dirs[i] == dir)
			return true;
	if (b->ndirs == BATCH_DIRS_MAX)
		return false;
	outdir_hold(dir);
	b->dirs[b->ndirs++] = dir;
	return true;
}

struct batch_item *batch_add(struct batch *b, struct outdir *dir)
{
	struct batch_item *i;

	if (b->nitems == BATCH_ITEMS_MAX || !hold_dir(b, dir))
		return NULL;
	i = &b->items[b->nitems++];
	*i = (struct batch_item){ .dir = dir };
	return i;
}

struct batch_item *batch_add_entry(struct batch *b, struct outdir *dir, const struct tree_entry *e)
{
	size_t size = entry_copy_size(e);
	struct batch_item *i;

	if (size > BATCH_ROOM - b->room_used || b->bytes >= BATCH_BYTES)
		return NULL;
	i = batch_add(b, dir);
	if (i == NULL)
		return NULL;
	entry_copy(&i->e, e, b->room + b->room_used);
	b->room_used += size;
	b->bytes += e->type == ENTRY_REG ? e->data_bytes : 0;
	return i;
}

struct batch_queue *batch_queue_new(unsigned slots)
{
	struct batch_queue *q = calloc(1, sizeof(*q) + slots * sizeof(struct batch *));

	if (q == NULL)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->room, NULL);
	pthread_cond_init(&q->work, NULL);
	q->slots = slots;
	return q;
}

static void empty(struct batch *b)
{
	for (unsigned i = 0; i < b->nitems; i++)
		bigfile_unref(b->items[i].big);
	for (unsigned i = 0; i < b->ndirs; i++)
		outdir_release(b->dirs[i]);
	b->nitems = b->ndirs = 0;
	b->bytes = 0;
	b->room_used = 0;
}

void batch_queue_free(struct batch_queue *q)
{
	struct batch *b;

	if (q == NULL)
		return;
	for (; q->head < q->tail; q->head++) {
		empty(q->ring[q->head % q->slots]);
		free(q->ring[q->head % q->slots]);
	}
	while ((b = q->spare) != NULL) {
		q->spare = b->next;
		free(b);
	}
	pthread_cond_destroy(&q->work);
	pthread_cond_destroy(&q->room);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

struct batch *batch_queue_get(struct batch_queue *q)
{
	struct batch *b;

	pthread_mutex_lock(&q->lock);
	b = q->spare;
	if (b != NULL)
		q->spare = b->next;
	pthread_mutex_unlock(&q->lock);
	if (b == NULL && (b = malloc(sizeof(*b))) != NULL) {
		b->nitems = b->ndirs = 0;
		b->bytes = 0;
		b->room_used = 0;
	}
	return b;
}

void batch_queue_put(struct batch_queue *q, struct batch *b)
{
	if (b == NULL)
		return;
	empty(b);
	pthread_mutex_lock(&q->lock);
	b->next = q->spare;
	q->spare = b;
	pthread_mutex_unlock(&q->lock);
}

void batch_queue_push(struct batch_queue *q, struct batch *b)
{
	pthread_mutex_lock(&q->lock);
	while (q->tail - q->head == q->slots)
		pthread_cond_wait(&q->room, &q->lock);
	q->ring[q->tail++ % q->slots] = b;
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
}

void batch_queue_end(struct batch_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->lock);
}

struct batch *batch_queue_take(struct batch_queue *q)
{
	struct batch *b = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->head == q->tail && !q->ended)
		pthread_cond_wait(&q->work, &q->lock);
	if (q->head < q->tail) {
		b = q->ring[q->head++ % q->slots];
		pthread_cond_signal(&q->room);
	}
	pthread_mutex_unlock(&q->lock);
	return b;
}
