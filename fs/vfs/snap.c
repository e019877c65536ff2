/*
 * Snapshots in use: a table of the most recently used, found by slot.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fs/vfs/snap.h"

#define SNAPS_CACHED 256 /* power of two; a manifest takes about 2 KiB */

struct snap_cache {
	struct repo *repo;
	pthread_mutex_t lock;
	struct snap *table[SNAPS_CACHED]; /* by slot modulo: consecutive slots do not meet */
};

struct snap_cache *snap_cache_new(struct repo *repo)
{
	struct snap_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->repo = repo;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void snap_free(struct snap *s)
{
	manifest_destroy(&s->manifest);
	free(s);
}

/* Under the lock. */
static void unref(struct snap *s)
{
	if (--s->refs == 0 && !s->cached)
		snap_free(s);
}

static void evict(struct snap **place)
{
	struct snap *s = *place;

	*place = NULL;
	if (s == NULL)
		return;
	s->cached = false;
	if (s->refs == 0)
		snap_free(s);
}

void snap_cache_free(struct snap_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < SNAPS_CACHED; i++)
		evict(&c->table[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct snap *find(struct snap_cache *c, uint32_t slot)
{
	struct snap *s;

	pthread_mutex_lock(&c->lock);
	s = c->table[slot % SNAPS_CACHED];
	if (s != NULL && s->slot == slot)
		s->refs++;
	else
		s = NULL;
	pthread_mutex_unlock(&c->lock);
	return s;
}

static int load(struct snap_cache *c, uint32_t slot, struct snap **out)
{
	struct catalog_options co = repo_catalog_options(c->repo);
	struct snap *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->slot = slot;
	rc = index_slot_snapshot(c->repo->index, slot, &s->id);
	if (rc == -ENOENT)
		rc = -ESTALE;
	else if (rc == 0)
		rc = catalog_read_manifest(&co, &s->id, &s->manifest);
	if (rc == 0) {
		*out = s;
		return 0;
	}
	free(s);
	if (rc == -ENOENT)
		return -ESTALE;
	return rc == -ENOMEM || rc == -ESTALE || rc == -ETIMEDOUT ? rc : -EIO;
}

int snap_get(struct snap_cache *c, uint32_t slot, struct snap **out)
{
	struct snap *s = find(c, slot);
	int rc;

	if (s == NULL) {
		rc = load(c, slot, &s);
		if (rc != 0)
			return rc;
		pthread_mutex_lock(&c->lock);
		evict(&c->table[slot % SNAPS_CACHED]);
		c->table[slot % SNAPS_CACHED] = s;
		s->cached = true;
		s->refs++;
		pthread_mutex_unlock(&c->lock);
	}
	*out = s;
	return 0;
}

void snap_put(struct snap_cache *c, struct snap *s)
{
	pthread_mutex_lock(&c->lock);
	unref(s);
	pthread_mutex_unlock(&c->lock);
}

void snap_enter(struct snap_cache *c, struct snap *s)
{
	if (!atomic_load_explicit(&s->entered, memory_order_acquire)) {
		catalog_enter(c->repo->index, &s->manifest);
		atomic_store_explicit(&s->entered, true, memory_order_release);
	}
}
