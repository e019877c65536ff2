/*
 * Blocks, from the disk or from the store.  See cache_impl.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/cache/cache_impl.h"

#define TREES "trees/"
#define TREE_BLOCKS_FIRST 16u /* 256 KiB: the root of a snapshot is had with little */
#define TREE_BLOCKS 64u       /* 1 MiB: who comes again wants more of it */
#define TREE_MISSES_FIRST 2u
#define WINDOW_MAX (LOAD_BLOCKS_MAX + TREE_BLOCKS)
#define LOOKS_MAX 4u          /* at a disk that says it has blocks, and gives none */

void fetching_init(struct fetching *f)
{
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->landed, NULL);
}

void fetching_destroy(struct fetching *f)
{
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->landed);
}

/* A range of blocks. */
struct window {
	uint64_t first;
	unsigned n;
};

/* Called locked: somebody who is fetching one of these. */
static struct flight *find_flight(const struct fetching *f, const char *name, uint64_t first, uint64_t n)
{
	struct flight *l;

	for (l = f->flights; l != NULL; l = l->next)
		if (first < l->first + l->n && l->first < first + n && strcmp(l->name, name) == 0)
			return l;
	return NULL;
}

/* Called locked. */
static void put_flight(struct flight *l)
{
	if (--l->refs == 0)
		free(l);
}

/* Called locked. */
static int wait_for(struct fetching *f, struct flight *l)
{
	int rc;

	l->refs++;
	while (!l->done)
		pthread_cond_wait(&f->landed, &f->lock);
	rc = l->rc;
	put_flight(l);
	return rc;
}

/* Called locked: say that these are being fetched.  NULL without memory. */
static struct flight *take_off(struct fetching *f, const char *name, const struct window *w)
{
	struct flight *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct flight){ .next = f->flights, .name = name, .first = w->first, .n = w->n, .refs = 1 };
	f->flights = l;
	return l;
}

static void land(struct fetching *f, struct flight *l, int rc)
{
	struct flight **at;

	pthread_mutex_lock(&f->lock);
	for (at = &f->flights; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	l->done = true;
	l->rc = rc;
	pthread_cond_broadcast(&f->landed);
	put_flight(l);
	pthread_mutex_unlock(&f->lock);
}

/* --- Fetching ----------------------------------------------------------------------------------------------------- */

static void keep_blocks(struct store_cache *c, const struct cached_object *o, const struct window *w,
    const uint8_t *data)
{
	int rc;

	if (!room_usable(&c->room))
		return;
	rc = piece_write(&c->room, o, w->first, w->n, data);
	if (rc < 0)
		room_failed(&c->room, rc);
}

/* Fetch the blocks of a flight to ${buf}, keep them, and end it. */
static int fly(struct store_cache *c, const struct cached_object *o, struct flight *l, const struct window *w,
    uint8_t *buf)
{
	uint64_t end = (w->first + w->n) * BLOCK_LEN;
	size_t len = (size_t)((end < o->size ? end : o->size) - w->first * BLOCK_LEN);
	int rc;

	rc = buf == NULL ? -ENOMEM : store_get(c->inner, o->name, w->first * BLOCK_LEN, len, buf);
	if (rc == 0) {
		c->fetches++;
		c->fetched_bytes += len;
		keep_blocks(c, o, w, buf);
	}
	land(&c->fetching, l, rc);
	return rc;
}

static bool any(const bool *have, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (have[i])
			return true;
	return false;
}

/* Called locked: make ${w} as large as it may be: what is there already, or being fetched, is left out. */
static void grow(struct store_cache *c, const struct cached_object *o, unsigned step, struct window *w)
{
	uint64_t first = w->first, end = w->first + w->n, from = first / step * step, to = from + step;
	bool have[WINDOW_MAX];

	if (to < end)
		to = end;
	if (to > object_blocks(o))
		to = object_blocks(o);
	if (to - from > WINDOW_MAX)
		return;
	piece_has(&c->room, o, from, (unsigned)(to - from), have);
	while (first > from && !have[first - 1 - from] && !find_flight(&c->fetching, o->name, first - 1, 1))
		first--;
	while (end < to && !have[end - from] && !find_flight(&c->fetching, o->name, end, 1))
		end++;
	w->first = first;
	w->n = (unsigned)(end - first);
}

/*
 * Called locked: begin to fetch the missing blocks ${*w}, which may grow to ${step}; or wait for who does.  Return 0
 * with ${*out}, or without one if they may be on the disk now; else why they cannot be had.
 */
static int begin(struct store_cache *c, const struct cached_object *o, unsigned look, unsigned step, struct window *w,
    struct flight **out)
{
	struct flight *l = find_flight(&c->fetching, o->name, w->first, w->n);
	bool have[LOAD_BLOCKS_MAX];
	int rc;

	*out = NULL;
	if (l != NULL) {
		rc = wait_for(&c->fetching, l);
		return rc == -EBADMSG ? 0 : rc;
	}
	/* Somebody may have fetched them since they were looked for. */
	if (look < LOOKS_MAX) {
		piece_has(&c->room, o, w->first, w->n, have);
		if (any(have, w->n))
			return 0;
	}
	if (step > 1 && room_usable(&c->room))
		grow(c, o, step, w);
	*out = take_off(&c->fetching, o->name, w);
	return *out != NULL ? 0 : -ENOMEM;
}

/* How far to go around blocks that are missing. */
static unsigned step_of(struct store_cache *c, const struct cached_object *o)
{
	if (strncmp(o->name, TREES, strlen(TREES)) != 0)
		return 1;
	return ahead_missed(c, o) <= TREE_MISSES_FIRST ? TREE_BLOCKS_FIRST : TREE_BLOCKS;
}

/* Fetch the missing blocks ${*run} to ${out}, and set ${have}, unless others have fetched some of them. */
static int fetch_run(struct store_cache *c, const struct cached_object *o, unsigned look, const struct window *run,
    uint8_t *out, bool *have)
{
	struct window w = *run;
	struct flight *l;
	unsigned step = step_of(c, o);
	uint8_t *buf;
	int rc;

	pthread_mutex_lock(&c->fetching.lock);
	rc = begin(c, o, look, step, &w, &l);
	pthread_mutex_unlock(&c->fetching.lock);
	if (rc < 0 || l == NULL)
		return rc;
	buf = malloc((size_t)w.n * BLOCK_LEN);
	rc = fly(c, o, l, &w, buf);
	if (rc == 0) {
		memcpy(out, buf + (run->first - w.first) * BLOCK_LEN, (size_t)run->n * BLOCK_LEN);
		memset(have, true, run->n);
	}
	free(buf);
	return rc;
}

int cache_load(struct store_cache *c, const struct cached_object *o, uint64_t first, unsigned n, uint8_t *out)
{
	bool have[LOAD_BLOCKS_MAX] = { false };
	unsigned dropped = 0, from, to;
	struct window run;
	int rc = 0;

	for (unsigned look = 0; rc == 0; look++) {
		c->hits += piece_read(&c->room, o, first, n, out, have, &dropped);
		for (from = 0; from < n && have[from]; from++)
			;
		if (from == n)
			break;
		for (to = from; to < n && !have[to]; to++)
			;
		run = (struct window){ first + from, to - from };
		rc = c->offline ? cache_refuse(c, o->name) :
		    fetch_run(c, o, look, &run, out + (size_t)from * BLOCK_LEN, have + from);
	}
	c->dropped += dropped;
	if (rc == 0)
		cache_pin_blocks(c, o->name, first, n);
	return rc;
}

/* Called locked: the next blocks of ${*w} that are neither there nor being fetched; ${w->n} 0: none. */
static void trim(struct store_cache *c, const struct cached_object *o, struct window *w)
{
	bool have[LOAD_BLOCKS_MAX];
	unsigned from = 0, to;

	piece_has(&c->room, o, w->first, w->n, have);
	while (from < w->n && (have[from] || find_flight(&c->fetching, o->name, w->first + from, 1)))
		from++;
	for (to = from; to < w->n && !have[to] && !find_flight(&c->fetching, o->name, w->first + to, 1); to++)
		;
	w->first += from;
	w->n = to - from;
}

void cache_load_ahead(struct store_cache *c, const struct cached_object *o, uint64_t first, unsigned n)
{
	uint64_t end = first + n;
	uint8_t *buf = malloc((size_t)n * BLOCK_LEN);

	for (struct window w; buf != NULL && first < end; first = w.first + w.n) {
		struct flight *l = NULL;

		w = (struct window){ first, (unsigned)(end - first) };
		pthread_mutex_lock(&c->fetching.lock);
		trim(c, o, &w);
		if (w.n > 0)
			l = take_off(&c->fetching, o->name, &w);
		pthread_mutex_unlock(&c->fetching.lock);
		if (l == NULL || fly(c, o, l, &w, buf) != 0)
			break;
		c->nahead++;
	}
	free(buf);
}

/* --- Whole objects ------------------------------------------------------------------------------------------------ */

/* Append a small object that is on the disk as a whole.  Return 0 or -ENOENT. */
static int whole_from_disk(struct store_cache *c, const char *name, size_t max, struct buf *out)
{
	struct cached_object o = { .name = name };
	bool have[PIECE_BLOCKS] = { false };
	unsigned dropped = 0, n;

	if (piece_size(&c->room, name, 0, &o.size) < 0 || o.size == 0 || o.size > max || o.size > PIECE_LEN)
		return -ENOENT;
	n = (unsigned)object_blocks(&o);
	if (buf_reserve(out, (size_t)n * BLOCK_LEN) < 0)
		return -ENOENT;
	if (piece_read(&c->room, &o, 0, n, out->data + out->len, have, &dropped) < n) {
		c->dropped += dropped;
		return -ENOENT;
	}
	c->hits += n;
	out->len += (size_t)o.size;
	cache_pin_blocks(c, name, 0, n);
	return 0;
}

static int whole_from_store(struct store_cache *c, const char *name, size_t max, struct buf *out)
{
	struct cached_object o = { .name = name };
	struct window w = { 0, 0 };
	size_t before = out->len;
	int rc = store_get_all(c->inner, name, max, out);

	o.size = out->len - before;
	w.n = (unsigned)object_blocks(&o);
	if (rc == 0 && o.size > 0 && o.size <= PIECE_LEN) {
		keep_blocks(c, &o, &w, out->data + before);
		cache_pin_blocks(c, name, 0, w.n);
	}
	return rc;
}

int cache_get_changing(struct store_cache *c, const char *name, size_t max, struct buf *out)
{
	int rc = c->offline ? -ENETDOWN : whole_from_store(c, name, max, out);

	if (!cache_unreachable(rc))
		return rc;
	if (whole_from_disk(c, name, max, out) < 0)
		return c->offline ? cache_refuse(c, name) : rc;
	if (!c->offline)
		cache_warn(c, name);
	return 0;
}

/*
 * Called locked: wait for whoever is fetching it; or, if nobody is, say that we do.  Return 0 with ${*out}, or without
 * one if it may be on the disk now; else why it cannot be had.
 */
static int begin_whole(struct store_cache *c, const char *name, unsigned look, struct flight **out)
{
	const struct window w = { 0, PIECE_BLOCKS };
	struct flight *l = find_flight(&c->fetching, name, w.first, w.n);
	struct cached_object o = { .name = name };
	bool have;

	*out = NULL;
	if (l != NULL)
		return wait_for(&c->fetching, l);
	/* Somebody may have fetched it since it was looked for. */
	if (look < LOOKS_MAX && piece_size(&c->room, name, 0, &o.size) == 0) {
		piece_has(&c->room, &o, 0, 1, &have);
		if (have)
			return 0;
	}
	*out = take_off(&c->fetching, name, &w);
	return *out != NULL ? 0 : -ENOMEM;
}

int cache_get_whole(struct store_cache *c, const char *name, size_t max, struct buf *out)
{
	struct flight *l = NULL;
	int rc = 0;

	for (unsigned look = 0; rc == 0 && l == NULL; look++) {
		if (whole_from_disk(c, name, max, out) == 0)
			return 0;
		if (c->offline)
			return cache_refuse(c, name);
		pthread_mutex_lock(&c->fetching.lock);
		rc = begin_whole(c, name, look, &l);
		pthread_mutex_unlock(&c->fetching.lock);
	}
	if (l == NULL)
		return rc;
	rc = whole_from_store(c, name, max, out);
	land(&c->fetching, l, rc);
	return rc;
}
