/*
 * Segment cache: opened segments, shared and counted, within a bound of bytes.
 *
 * Whoever first asks for a segment loads it, outside of the lock; others who want it meanwhile wait for that (single
 * flight) and share the result or the error.  A segment that nobody holds stays until the bound wants its memory, least
 * recently used first.  What is held is never dropped, so the bound can be passed by what is held beyond it.
 *
 * Thread-safe.
 */
#ifndef VARVE_OBJECT_SEGMENT_CACHE_H
#define VARVE_OBJECT_SEGMENT_CACHE_H

#include "repo/object/reader.h"

struct segment_cache;

/* What a segment is known by.  With ${len} in it, two opinions about one box are two segments, and one fails. */
struct segment_key {
	uint32_t pack;   /* the index's number, which it gives to no other pack ever */
	uint32_t offset; /* of the box */
	uint32_t len;    /* plaintext bytes; at most the segment size */
	uint32_t kind;   /* enum pack_kind */
};

/* ${limit}: bytes of memory.  NULL if there is no memory. */
struct segment_cache *segment_cache_new(size_t limit, uint32_t segment_size);

/* Free; nobody holds a segment any more. */
void segment_cache_free(struct segment_cache *c);

/**
 * segment_cache_get(c, key, load, arg, out):
 * Hold a segment, calling ${load} to write its ${key->len} bytes to ${out} if it is not there.  Return 0 (${*out} is to
 * be given back with segment_cache_put()), -ENOMEM, or what ${load} returned.
 */
typedef int segment_load_fn(void *arg, uint8_t *out);
int segment_cache_get(struct segment_cache *c, const struct segment_key *key, segment_load_fn *load, void *arg,
    struct segment **out);

/**
 * segment_cache_read(c, key, load, arg, out):
 * Write the ${key->len} bytes of a segment to ${out}, for a reader who needs all of it once: a copy if it is there or
 * being loaded, else ${load} writes to ${out}, and nothing is kept.  Return 0, or what ${load} returned.
 */
int segment_cache_read(struct segment_cache *c, const struct segment_key *key, segment_load_fn *load, void *arg,
    uint8_t *out);

/* Give it back.  Does nothing for NULL. */
void segment_cache_put(struct segment_cache *c, struct segment *s);

/**
 * segment_verified(s, id, skip, len), segment_set_verified(...):
 * Has it been remembered of this held segment that its bytes [${skip}, ${skip} + ${len}) hash to ${id}?  It may be
 * forgotten, but is never made up.
 */
bool segment_verified(struct segment *s, const struct id *id, uint32_t skip, uint32_t len);
void segment_set_verified(struct segment *s, const struct id *id, uint32_t skip, uint32_t len);

/* Figures so far. */
void segment_cache_counters(struct segment_cache *c, struct object_reader_counters *out);

#endif
