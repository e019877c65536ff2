/*
 * Who reads in order, and what he wants next.  See cache_impl.h.
 *
 * A stream is seen at its third read: before that, who reads a chunk of several segments looks the same.  What is
 * fetched ahead is as much as has been read, from 512 KiB to 8 MiB: of a link of 200 Mbit/s and 20 ms 512 KiB are in
 * flight at a time, and the requests of several connections that begin slowly share it.
 *
 * A window that reaches beyond the end of an object goes on in the one that was stored after it, from its beginning:
 * its reader would come to it with nothing in flight, and begin somewhere in it, as several threads read and what two
 * workers have stored is not quite in the order of the tree.
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

/* The stream that a read at ${off} belongs to, or NULL: what is being fetched for somebody is his. */
static struct stream *find_stream(struct ahead *a, const char *name, uint64_t off)
{
	for (unsigned i = 0; i < AHEAD_STREAMS; i++) {
		struct stream *s = &a->stream[i];
		uint64_t to = s->issued > s->front + FORTH ? s->issued : s->front + FORTH;

		if (off + BACK >= s->front && off <= to && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* Who has just come to the end of an object and begins another is the same reader. */
static void hand_on(struct ahead *a, struct stream *s, bool first)
{
	uint64_t run = 0;

	for (unsigned i = 0; i < AHEAD_PAIRS && run == 0; i++) {
		struct pair *p = &a->pair[i];

		if (p->run == 0 || s->front > p->issued + FORTH || strcmp(p->next, s->name) != 0)
			continue;
		s->issued = p->issued;
		run = p->run;
		p->run = 0;
		p->taken = true;
	}
	if (run == 0 && first) {
		run = a->carry;
		a->carry = 0;
	}
	if (run > 0) {
		s->run = run;
		s->reads = READS_MIN;
	}
}

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
	hand_on(a, s, first);
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

/* Tasks for what is not issued up to ${limit}, of one length but for the last.  Are there all? */
static bool issue(struct ahead *a, const struct cached_object *o, uint64_t *issued, uint64_t limit, uint64_t task)
{
	uint64_t end;

	while (*issued < o->size && *issued + task / 2 <= limit) {
		end = (*issued / BLOCK_LEN) * BLOCK_LEN + task;
		end = end < o->size ? end : o->size;
		if (!add_task(a, o, *issued / BLOCK_LEN, (end + BLOCK_LEN - 1) / BLOCK_LEN - *issued / BLOCK_LEN))
			return false;
		*issued = end;
	}
	return true;
}

/* The end comes first: a table in it may say where in the object the rest of what he wants is. */
static void look_beyond(struct ahead *a, struct pair *p, uint64_t limit, uint64_t task)
{
	struct cached_object next = { p->next, p->size };
	uint64_t blocks = object_blocks(&next), n = blocks < END_NEAR / BLOCK_LEN ? blocks : END_NEAR / BLOCK_LEN;

	if (p->issued == 0 && limit >= task / 2)
		add_task(a, &next, blocks - n, n);
	issue(a, &next, &p->issued, limit, task);
}

static struct pair *find_pair(struct ahead *a, const char *name)
{
	for (unsigned i = 0; i < AHEAD_PAIRS; i++)
		if (strcmp(a->pair[i].name, name) == 0)
			return &a->pair[i];
	return NULL;
}

/* What is within the window, here and in the object that follows. */
static void look_ahead(struct store_cache *c, const struct cached_object *o, struct stream *s)
{
	uint64_t window = s->run < WINDOW_MIN ? WINDOW_MIN : s->run > WINDOW_MAX ? WINDOW_MAX : s->run;
	uint64_t task = window >= 4 * TASK_MAX ? TASK_MAX : TASK_MIN, end = s->front + window;
	struct pair *p = find_pair(&c->ahead, o->name);
	bool near = o->size - s->front < END_NEAR;

	if (s->issued < s->front)
		s->issued = s->front;
	start_threads(c);
	if (!issue(&c->ahead, o, &s->issued, end, task))
		return;
	if (p != NULL && !p->taken && (near || end > o->size)) {
		p->run = s->run;
		if (end > o->size)
			look_beyond(&c->ahead, p, end - o->size, task);
	} else if (p == NULL && near && !s->ended) {
		c->ahead.carry = s->run;
		s->ended = true;
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
	if (s->reads >= READS_MIN && !c->offline && room_usable(&c->room))
		look_ahead(c, o, s);
	pthread_mutex_unlock(&a->lock);
}

void ahead_pair(struct store_cache *c, const char *name, const char *next, uint64_t size)
{
	struct ahead *a = &c->ahead;
	struct pair *p;

	pthread_mutex_lock(&a->lock);
	p = find_pair(a, name);
	if (p == NULL)
		p = &a->pair[a->next_pair++ % AHEAD_PAIRS];
	if (p->taken || strcmp(p->name, name) != 0 || strcmp(p->next, next) != 0) {
		memset(p, 0, sizeof(*p));
		memcpy(p->name, name, strlen(name) + 1);
		memcpy(p->next, next, strlen(next) + 1);
		p->size = size;
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
