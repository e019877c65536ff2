/*
 * Snapshots that are in use by the mount: their root entries by slot, in a small cache.
 */
#ifndef VARVE_FS_SNAP_H
#define VARVE_FS_SNAP_H

#include <stdatomic.h>

#include "repo/repo.h"

/* A snapshot that is open; immutable, counted. */
struct snap {
	uint32_t slot;
	struct id id;
	struct manifest manifest;
	unsigned refs;     /* under the cache's lock */
	bool cached;
	atomic_bool entered;
};

struct snap_cache;

/* ${repo} is borrowed until snap_cache_free().  NULL without memory. */
struct snap_cache *snap_cache_new(struct repo *repo);
void snap_cache_free(struct snap_cache *c);

/**
 * snap_get(c, slot, out):
 * The snapshot of a slot, from the cache or the store; give it back with snap_put().  Return 0; -ESTALE if there is
 * no such snapshot any more; -EIO if its manifest is damaged or cannot be read (logged).
 */
int snap_get(struct snap_cache *c, uint32_t slot, struct snap **out);
void snap_put(struct snap_cache *c, struct snap *s);

/* Its tree is about to be read: see catalog_enter(). */
void snap_enter(struct snap_cache *c, struct snap *s);

#endif
