/*
 * Bounded cache of opened segments.  See segment_cache.h.
 *
 * One mutex: what is done under it takes some fifty nanoseconds, and the bytes are loaded and copied outside.
 *
 *   in the table, refs > 0    held, or being loaded (its loader is one of the holders)
 *   in the table, refs = 0    in the list of the idle
 *   not in the table          failed to load; the last holder frees it
 *
 * An evicted segment's memory is used again for the one that replaces it, as faulting in a fresh quarter of a megabyte
 * each time would cost a good part of what decrypting it does.  Sizes are rounded up so that most are the same.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "repo/object/segment/segment_cache.h"

#define SIZE_STEPS 8       /* different sizes of segments in memory */
#define GROUP 8            /* tags of verified objects that stand together: a cache line */
#define BYTES_PER_TAG 512  /* of a segment: enough for files that small, at 1/64 of the memory */
#define BUCKETS_MIN 64u
#define BUCKETS_MAX 65536u

enum state { LOADING, READY, FAILED };

struct cached {
	struct segment seg; /* the first member: what the holders see */
	struct segment_key key;
	struct cached *chain;          /* in the bucket */
	struct cached *older, *newer;  /* among the idle */
	unsigned refs;
	enum state state;
	int error;
	size_t cap;                    /* of ${bytes} */
	uint8_t *bytes;                /* behind the tags */
	size_t ngroups;
	_Atomic uint64_t verified[][GROUP]; /* tags; 0: none */
};

struct segment_cache {
	pthread_mutex_t lock; /* of all below, and of all in struct cached but bytes and verified */
	pthread_cond_t loaded;
	struct cached **bucket;
	size_t nbuckets; /* power of two */
	struct cached *oldest, *newest; /* the idle */
	size_t step;    /* to a multiple of this sizes are rounded up */
	size_t ngroups; /* of tags in each segment */
	size_t bytes, limit;
	uint64_t nopened, nshared;
};

struct segment_cache *segment_cache_new(size_t limit, uint32_t segment_size)
{
	struct segment_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->limit = limit;
	c->step = (segment_size + SIZE_STEPS - 1) / SIZE_STEPS;
	c->ngroups = segment_size / (GROUP * BYTES_PER_TAG) + 1;
	c->nbuckets = BUCKETS_MIN;
	while (c->nbuckets < BUCKETS_MAX && c->nbuckets < limit / c->step)
		c->nbuckets *= 2;
	c->bucket = calloc(c->nbuckets, sizeof(struct cached *));
	if (c->bucket == NULL) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->loaded, NULL);
	return c;
}

void segment_cache_free(struct segment_cache *c)
{
	struct cached *e;

	if (c == NULL)
		return;
	while ((e = c->oldest) != NULL) {
		c->oldest = e->newer;
		free(e);
	}
	pthread_cond_destroy(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c->bucket);
	free(c);
}

static struct cached **bucket_of(struct segment_cache *c, const struct segment_key *k)
{
	uint64_t h = ((uint64_t)k->pack << 32 | k->offset) * 0x9e3779b97f4a7c15;

	return &c->bucket[(h >> 32) & (c->nbuckets - 1)];
}

static bool same_key(const struct segment_key *a, const struct segment_key *b)
{
	return a->pack == b->pack && a->offset == b->offset && a->len == b->len && a->kind == b->kind;
}

static struct cached *find(struct segment_cache *c, const struct segment_key *k)
{
	struct cached *e = *bucket_of(c, k);

	while (e != NULL && !same_key(&e->key, k))
		e = e->chain;
	return e;
}

static void enter(struct segment_cache *c, struct cached *e)
{
	struct cached **b = bucket_of(c, &e->key);

	e->chain = *b;
	*b = e;
}

static void leave(struct segment_cache *c, struct cached *e)
{
	struct cached **b = bucket_of(c, &e->key);

	while (*b != e)
		b = &(*b)->chain;
	*b = e->chain;
}

static void idle_add(struct segment_cache *c, struct cached *e)
{
	e->older = c->newest;
	e->newer = NULL;
	*(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
}

static void idle_remove(struct segment_cache *c, struct cached *e)
{
	*(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
	*(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
}

/* Memory of a segment of up to ${cap} bytes. */
static size_t size_of(const struct segment_cache *c, size_t cap)
{
	return sizeof(struct cached) + c->ngroups * GROUP * sizeof(uint64_t) + cap;
}

static void discard(struct segment_cache *c, struct cached *e)
{
	c->bytes -= size_of(c, e->cap);
	free(e);
}

/* Take the oldest idle one out.  NULL if all are held. */
static struct cached *evict(struct segment_cache *c)
{
	struct cached *e = c->oldest;

	if (e == NULL)
		return NULL;
	c->oldest = e->newer;
	*(e->newer != NULL ? &e->newer->older : &c->newest) = NULL;
	leave(c, e);
	return e;
}

/* Memory for a segment: that of an evicted one if it suits, else new. */
static struct cached *obtain(struct segment_cache *c, size_t cap)
{
	struct cached *e = NULL;

	while (c->bytes + size_of(c, cap) > c->limit && (e = evict(c)) != NULL) {
		if (e->cap == cap && c->bytes <= c->limit)
			return e;
		discard(c, e);
	}
	e = malloc(size_of(c, cap));
	if (e != NULL) {
		e->cap = cap;
		e->ngroups = c->ngroups;
		e->bytes = (uint8_t *)e + size_of(c, 0);
		c->bytes += size_of(c, cap);
	}
	return e;
}

/* A new entry in the table, to be loaded by the caller. */
static struct cached *add(struct segment_cache *c, const struct segment_key *key)
{
	size_t cap = (key->len + c->step - 1) / c->step * c->step;
	struct cached *e = obtain(c, cap);

	if (e == NULL)
		return NULL;
	e->key = *key;
	e->seg.data = e->bytes;
	e->seg.len = key->len;
	e->refs = 1;
	e->state = LOADING;
	e->error = 0;
	for (size_t i = 0; i < e->ngroups; i++)
		for (size_t k = 0; k < GROUP; k++)
			atomic_init(&e->verified[i][k], 0);
	enter(c, e);
	return e;
}

static void release(struct segment_cache *c, struct cached *e)
{
	if (--e->refs > 0)
		return;
	if (e->state == FAILED) {
		discard(c, e);
		return;
	}
	idle_add(c, e);
	while (c->bytes > c->limit && (e = evict(c)) != NULL)
		discard(c, e);
}

/* Called and left with the lock held. */
static void load_entry(struct segment_cache *c, struct cached *e, segment_load_fn *load, void *arg)
{
	int rc;

	pthread_mutex_unlock(&c->lock);
	rc = load(arg, e->bytes);
	pthread_mutex_lock(&c->lock);
	e->error = rc;
	e->state = rc == 0 ? READY : FAILED;
	if (rc == 0)
		c->nopened++;
	else
		leave(c, e);
	pthread_cond_broadcast(&c->loaded);
}

/* Hold an entry that is there.  Called and left with the lock held. */
static void share_entry(struct segment_cache *c, struct cached *e)
{
	if (e->refs++ == 0)
		idle_remove(c, e);
	while (e->state == LOADING)
		pthread_cond_wait(&c->loaded, &c->lock);
	if (e->state == READY)
		c->nshared++;
}

int segment_cache_get(struct segment_cache *c, const struct segment_key *key, segment_load_fn *load, void *arg,
    struct segment **out)
{
	struct cached *e;
	int rc;

	pthread_mutex_lock(&c->lock);
	e = find(c, key);
	if (e != NULL)
		share_entry(c, e);
	else if ((e = add(c, key)) != NULL)
		load_entry(c, e, load, arg);
	rc = e == NULL ? -ENOMEM : e->error;
	if (rc == 0)
		*out = &e->seg;
	else if (e != NULL)
		release(c, e);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int segment_cache_read(struct segment_cache *c, const struct segment_key *key, segment_load_fn *load, void *arg,
    uint8_t *out)
{
	struct cached *e;
	int rc;

	pthread_mutex_lock(&c->lock);
	e = find(c, key);
	if (e != NULL)
		share_entry(c, e);
	pthread_mutex_unlock(&c->lock);
	rc = e != NULL ? e->error : load(arg, out);
	if (e != NULL && rc == 0)
		memcpy(out, e->bytes, key->len);
	pthread_mutex_lock(&c->lock);
	if (e != NULL)
		release(c, e);
	else if (rc == 0)
		c->nopened++;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void segment_cache_put(struct segment_cache *c, struct segment *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	release(c, (struct cached *)s);
	pthread_mutex_unlock(&c->lock);
}

/* 64 bits that stand for an object in a segment; ids are hashes, so theirs alone would nearly do. */
static uint64_t object_tag(const struct id *id, uint32_t skip, uint32_t len)
{
	uint64_t tag = id_hash(id) ^ ((uint64_t)skip << 32 | len) * 0x9e3779b97f4a7c15;

	return tag == 0 ? 1 : tag;
}

/* The place of ${tag} in its group, or else of a free one, or GROUP. */
static size_t find_tag(_Atomic uint64_t *group, uint64_t tag)
{
	uint64_t found;

	for (size_t k = 0; k < GROUP; k++) {
		found = atomic_load_explicit(&group[k], memory_order_relaxed);
		if (found == tag || found == 0)
			return k;
	}
	return GROUP;
}

bool segment_verified(struct segment *s, const struct id *id, uint32_t skip, uint32_t len)
{
	struct cached *e = (struct cached *)s;
	uint64_t tag = object_tag(id, skip, len);
	_Atomic uint64_t *group = e->verified[tag % e->ngroups];
	size_t k = find_tag(group, tag);

	return k < GROUP && atomic_load_explicit(&group[k], memory_order_relaxed) == tag;
}

/* A full group forgets one.  Two threads that take the same free place do no harm: one is forgotten. */
void segment_set_verified(struct segment *s, const struct id *id, uint32_t skip, uint32_t len)
{
	struct cached *e = (struct cached *)s;
	uint64_t tag = object_tag(id, skip, len);
	_Atomic uint64_t *group = e->verified[tag % e->ngroups];
	size_t k = find_tag(group, tag);

	if (k == GROUP)
		k = (tag >> 32) % GROUP;
	atomic_store_explicit(&group[k], tag, memory_order_relaxed);
}

void segment_cache_counters(struct segment_cache *c, struct object_reader_counters *out)
{
	pthread_mutex_lock(&c->lock);
	out->segments_opened = c->nopened;
	out->segments_shared = c->nshared;
	out->cache_bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
}
