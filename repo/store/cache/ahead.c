/*
 * Who reads in order, and what he wants next.  See cache_impl.h.
 *
 * A stream is seen at its third read: before that, who reads a chunk of several segments looks the same.  What is
 * fetched ahead is as much as has been read, from 512 KiB to 8 MiB: of a link of 200 Mbit/s and 20 ms 512 KiB are in
 * flight at a time, and the requests of several connections that begin slowly share it.
 */
#include <errno.h>
#include <string.h>

#include "repo/store/cache/cache_impl.h"

#define READS_MIN 3u
#define WINDOW_MIN (512u * 1024)
#define WINDOW_MAX (8u * 1024 * 1024)
#define TASK_MIN (512u * 1024)
#define TASK_MAX (1024u * 1024)
#define BACK (512u * 1024)      /* reads that other threads make a little late, or early, belong to it */
#define FORTH (512u * 1024)
#define END_NEAR (1024u * 1024) /* the end of an object holds a table that its reader leaves alone */

_Static_assert(TASK_MAX / BLOCK_LEN <= LOAD_BLOCKS_MAX, "a task is loaded at once");

void ahead_init(struct ahead *a)
{
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
}

void ahead_stop(struct ahead *a)
{
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->work);
	pthread_mutex_unlock(&a->lock);
	for (unsigned i = 0; i < a->nthreads; i++)
		pthread_join(a->thread[i], NULL);
	pthread_cond_destroy(&a->work);
	pthread_mutex_destroy(&a->lock);
}

static void *run_thread(void *arg)
{
	struct store_cache *c = arg;
	struct ahead *a = &c->ahead;
	struct ahead_task t;

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		if (a->ntasks == 0) {
			pthread_cond_wait(&a->work, &a->lock);
			continue;
		}
		t = a->task[a->first_task];
		a->first_task = (a->first_task + 1) % AHEAD_TASKS;
		a->ntasks--;
		pthread_mutex_unlock(&a->lock);
		cache_load_ahead(c, &(struct cached_object){ t.name, t.size }, t.first, t.n);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* Called locked: the threads are started when they are first wanted; with fewer it is slower. */
static void start_threads(struct store_cache *c)
{
	struct ahead *a = &c->ahead;

	if (a->started)
		return;
	a->started = true;
	while (a->nthreads < AHEAD_THREADS && pthread_create(&a->thread[a->nthreads], NULL, run_thread, c) == 0)
		a->nthreads++;
}

/* --- Streams ------------------------------------------------------------------------------------------------------ */

/* The stream that a read at ${off} belongs to, or NULL. */
static struct stream *find_stream(struct ahead *a, const char *name, uint64_t off)
{
	for (unsigned i = 0; i < AHEAD_STREAMS; i++) {
		struct stream *s = &a->stream[i];

		if (off + BACK >= s->front && off <= s->front + FORTH && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* Who has just come to the end of an object and begins another is the same reader. */
static struct stream *new_stream(struct ahead *a, const char *name, uint64_t off)
{
	struct stream *s = &a->stream[0];
	bool first = true;

	for (unsigned i = 0; i < AHEAD_STREAMS; i++) {
		if (a->stream[i].used < s->used)
			s = &a->stream[i];
		first = first && strcmp(a->stream[i].name, name) != 0;
	}
	memset(s, 0, sizeof(*s));
	memcpy(s->name, name, strlen(name) + 1);
	s->front = s->issued = off;
	if (first && a->carry > 0) {
		s->run = a->carry;
		s->reads = READS_MIN;
		a->carry = 0;
	}
	return s;
}

static bool add_task(struct ahead *a, const struct cached_object *o, uint64_t first, uint64_t n)
{
	struct ahead_task *t = &a->task[(a->first_task + a->ntasks) % AHEAD_TASKS];

	if (a->ntasks == AHEAD_TASKS || n == 0)
		return false;
	memcpy(t->name, o->name, strlen(o->name) + 1);
	t->size = o->size;
	t->first = first;
	t->n = (unsigned)n;
	a->ntasks++;
	pthread_cond_signal(&a->work);
	return true;
}

/* Tasks up to the window's end, of one length but for the last of the object. */
static void look_ahead(struct store_cache *c, const struct cached_object *o, struct stream *s)
{
	uint64_t window = s->run < WINDOW_MIN ? WINDOW_MIN : s->run > WINDOW_MAX ? WINDOW_MAX : s->run;
	uint64_t task = window >= 4 * TASK_MAX ? TASK_MAX : TASK_MIN, end;

	if (s->issued < s->front)
		s->issued = s->front;
	start_threads(c);
	while (s->issued < o->size && s->issued + task / 2 <= s->front + window) {
		end = (s->issued / BLOCK_LEN) * BLOCK_LEN + task;
		end = end < o->size ? end : o->size;
		if (!add_task(&c->ahead, o, s->issued / BLOCK_LEN,
		    (end + BLOCK_LEN - 1) / BLOCK_LEN - s->issued / BLOCK_LEN))
			return;
		s->issued = end;
	}
}

void ahead_reads(struct store_cache *c, const struct cached_object *o, uint64_t off, size_t len)
{
	struct ahead *a = &c->ahead;
	struct stream *s;

	pthread_mutex_lock(&a->lock);
	s = find_stream(a, o->name, off);
	if (s == NULL && o->size - off < END_NEAR) {
		pthread_mutex_unlock(&a->lock);
		return;
	}
	if (s == NULL)
		s = new_stream(a, o->name, off);
	s->used = ++a->tick;
	if (off + len > s->front) {
		s->reads++;
		s->run += off + len - s->front;
		s->front = off + len;
	}
	if (s->reads >= READS_MIN && !c->offline && room_usable(&c->room)) {
		look_ahead(c, o, s);
		if (o->size - s->front < END_NEAR)
			a->carry = s->run;
	}
	pthread_mutex_unlock(&a->lock);
}

/* --- Objects ------------------------------------------------------------------------------------------------------ */

/* Called locked: what is known of an object; of a new one nothing, in the place of the one that was unused longest. */
static struct known_object *know(struct ahead *a, const char *name)
{
	struct known_object *k = &a->object[0];

	for (unsigned i = 0; i < AHEAD_OBJECTS; i++) {
		if (strcmp(a->object[i].name, name) == 0) {
			k = &a->object[i];
			break;
		}
		if (a->object[i].used < k->used)
			k = &a->object[i];
	}
	if (strcmp(k->name, name) != 0) {
		memset(k, 0, sizeof(*k));
		memcpy(k->name, name, strlen(name) + 1);
	}
	k->used = ++a->tick;
	return k;
}

unsigned ahead_missed(struct store_cache *c, const struct cached_object *o)
{
	struct known_object *k;
	unsigned n;

	pthread_mutex_lock(&c->ahead.lock);
	k = know(&c->ahead, o->name);
	k->size = o->size;
	n = ++k->misses;
	pthread_mutex_unlock(&c->ahead.lock);
	return n;
}

void ahead_know(struct store_cache *c, const char *name, uint64_t size)
{
	pthread_mutex_lock(&c->ahead.lock);
	know(&c->ahead, name)->size = size;
	pthread_mutex_unlock(&c->ahead.lock);
}

int ahead_known(struct store_cache *c, const char *name, uint64_t *size)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&c->ahead.lock);
	for (unsigned i = 0; i < AHEAD_OBJECTS && rc != 0; i++) {
		if (c->ahead.object[i].size > 0 && strcmp(c->ahead.object[i].name, name) == 0) {
			*size = c->ahead.object[i].size;
			rc = 0;
		}
	}
	pthread_mutex_unlock(&c->ahead.lock);
	return rc;
}
