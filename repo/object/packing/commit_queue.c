/*
 * Threads that commit packs.  See commit_queue.h.
 *
 * After the first error nothing more is committed: what is still handed over is freed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "repo/object/packing/commit_queue.h"
#include "repo/util/process/harden.h"

struct commit_queue {
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work;  /* for the threads */
	pthread_cond_t done;  /* for the user */
	struct packing *todo, *finished;
	unsigned in_flight;   /* todo, and in a thread's hands */
	int error;            /* the first */
	bool ending;
	pthread_t thread[COMMITS_MAX];
	unsigned limit, nthreads;
};

static void append(struct packing **list, struct packing *p)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = p;
}

/* Commit the first of the list; called and left with the lock held. */
static void commit_one(struct commit_queue *q)
{
	struct packing *p = q->todo;
	int rc = q->error;

	q->todo = p->next;
	p->next = NULL;
	pthread_mutex_unlock(&q->lock);
	if (rc == 0)
		rc = packing_commit(p);
	if (rc < 0) {
		packing_free(p);
		p = NULL;
	}
	pthread_mutex_lock(&q->lock);
	if (p != NULL)
		append(&q->finished, p);
	else if (q->error == 0)
		q->error = rc;
	q->in_flight--;
	pthread_cond_broadcast(&q->done);
}

static void *commit_thread(void *arg)
{
	struct commit_queue *q = arg;

	pthread_mutex_lock(&q->lock);
	while (!q->ending) {
		if (q->todo == NULL)
			pthread_cond_wait(&q->work, &q->lock);
		else
			commit_one(q);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* The program's signals are not for these threads. */
static void start_threads(struct commit_queue *q)
{
	sigset_t old;

	harden_block_signals(&old);
	while (q->nthreads < q->limit) {
		if (pthread_create(&q->thread[q->nthreads], NULL, commit_thread, q) != 0)
			break;
		q->nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct commit_queue *commit_queue_new(unsigned limit)
{
	struct commit_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->limit = limit < 1 ? 1 : limit > COMMITS_MAX ? COMMITS_MAX : limit;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->done, NULL);
	start_threads(q);
	if (q->nthreads == 0) {
		commit_queue_free(q);
		q = NULL;
	}
	return q;
}

void commit_queue_free(struct commit_queue *q)
{
	if (q == NULL)
		return;
	pthread_mutex_lock(&q->lock);
	q->ending = true;
	pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->lock);
	for (unsigned i = 0; i < q->nthreads; i++)
		pthread_join(q->thread[i], NULL);
	packing_free(q->todo);
	packing_free(q->finished);
	pthread_cond_destroy(&q->done);
	pthread_cond_destroy(&q->work);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

void commit_queue_add(struct commit_queue *q, struct packing *p)
{
	pthread_mutex_lock(&q->lock);
	while (q->in_flight >= q->limit)
		pthread_cond_wait(&q->done, &q->lock);
	append(&q->todo, p);
	q->in_flight++;
	pthread_cond_signal(&q->work);
	pthread_mutex_unlock(&q->lock);
}

int commit_queue_take(struct commit_queue *q, bool wait, struct packing **out)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	while (wait && q->in_flight > 0)
		pthread_cond_wait(&q->done, &q->lock);
	append(out, q->finished);
	q->finished = NULL;
	rc = q->error;
	pthread_mutex_unlock(&q->lock);
	return rc;
}
