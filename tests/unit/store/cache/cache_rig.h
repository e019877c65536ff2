/*
 * For tests of the cache: one around a store in memory whose requests are counted.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_CACHE_RIG_H
#define VARVE_TEST_CACHE_RIG_H

#include "repo/store/cache/store_cache.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/scratch.h"

struct cache_rig {
	struct scratch *scratch;
	char dir[SCRATCH_PATH_SIZE]; /* of the cache */
	struct store *inner;         /* the cache owns it */
	struct store *cache;
};

/* A cache in the scratch directory around a new store in memory; or, with ${rig->dir} set, in that directory. */
void cache_rig_open(struct cache_rig *rig, struct scratch *s, uint64_t max_bytes, bool offline);
void cache_rig_close(struct cache_rig *rig);

/* Have the store hold ${len} reproducible bytes under ${name}. */
void cache_rig_put(struct cache_rig *rig, const char *name, uint64_t len);

/* Read through the cache, knowing the size, and compare.  Return what store_get_in() returned. */
int cache_rig_read(struct cache_rig *rig, const char *name, uint64_t size, uint64_t off, size_t len);

/* Read so with those bytes that ${rig->inner} would have. */
void cache_rig_bytes(const char *name, uint64_t off, size_t len, uint8_t *out);

/* Requests for bytes that the store has had. */
uint64_t cache_rig_gets(const struct cache_rig *rig);
uint64_t cache_rig_get_bytes(const struct cache_rig *rig);

/* Wait until the store has had no further request for a while. */
void cache_rig_settle(const struct cache_rig *rig);

/* Invert a bit at byte ${at} of each file of the cache's pieces that is so long.  Return how many. */
unsigned cache_rig_flip(const struct cache_rig *rig, uint64_t at);

#endif
