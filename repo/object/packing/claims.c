/*
 * Set of ids in shards: each is a mutex and a hash table with linear probing.
 *
 * Ids are keyed hashes, so their bytes are the hash: the last one chooses the shard, the first eight the slot.  The id
 * of zeros marks a free slot; a hash that comes out so does not happen.  A table is at most 3/4 full, and a removed
 * id's followers move up, so that there are no gravestones.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "repo/object/packing/claims.h"

#define SHARDS 64 /* divides 256 */
#define SLOTS_MIN 64

struct shard {
	pthread_mutex_t lock;
	struct id *slot;
	size_t nslots; /* power of two, or 0 */
	size_t used;
} __attribute__((aligned(64)));

struct claims {
	struct shard shard[SHARDS];
	size_t limit; /* of a shard; 0: none */
};

struct claims *claims_new(size_t limit)
{
	struct claims *c = aligned_alloc(_Alignof(struct claims), sizeof(*c));

	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->limit = limit == 0 ? 0 : limit / SHARDS + 1;
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&c->shard[i].lock, NULL);
	return c;
}

void claims_free(struct claims *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&c->shard[i].lock);
		free(c->shard[i].slot);
	}
	free(c);
}

/* The locked shard of an id. */
static struct shard *take_shard(struct claims *c, const struct id *id)
{
	struct shard *s = &c->shard[id->b[ID_LEN - 1] % SHARDS];

	pthread_mutex_lock(&s->lock);
	return s;
}

/* The slot that holds the id, or the free one where it belongs. */
static size_t find(const struct shard *s, const struct id *id)
{
	size_t i = id_hash(id) & (s->nslots - 1);

	while (!id_is_zero(&s->slot[i]) && !id_equal(&s->slot[i], id))
		i = (i + 1) & (s->nslots - 1);
	return i;
}

static bool holds(const struct shard *s, const struct id *id)
{
	return s->nslots > 0 && !id_is_zero(&s->slot[find(s, id)]);
}

static int grow(struct shard *s)
{
	struct shard old = *s;

	s->nslots = old.nslots == 0 ? SLOTS_MIN : 2 * old.nslots;
	s->slot = calloc(s->nslots, sizeof(*s->slot));
	if (s->slot == NULL) {
		s->slot = old.slot;
		s->nslots = old.nslots;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.nslots; i++) {
		if (!id_is_zero(&old.slot[i]))
			s->slot[find(s, &old.slot[i])] = old.slot[i];
	}
	free(old.slot);
	return 0;
}

static int insert(struct claims *c, struct shard *s, const struct id *id)
{
	if (c->limit > 0 && s->used >= c->limit) {
		memset(s->slot, 0, s->nslots * sizeof(*s->slot));
		s->used = 0;
	}
	if (s->used >= s->nslots / 4 * 3 && grow(s) < 0)
		return -ENOMEM;
	s->slot[find(s, id)] = *id;
	s->used++;
	return 1;
}

int claims_add(struct claims *c, const struct id *id)
{
	struct shard *s = take_shard(c, id);
	int rc = holds(s, id) ? 0 : insert(c, s, id);

	pthread_mutex_unlock(&s->lock);
	return rc;
}

bool claims_has(struct claims *c, const struct id *id)
{
	struct shard *s = take_shard(c, id);
	bool found = holds(s, id);

	pthread_mutex_unlock(&s->lock);
	return found;
}

/* Free slot ${hole}: each follower that may not stand behind a free slot moves into it and leaves the next hole. */
static void vacate(struct shard *s, size_t hole)
{
	size_t mask = s->nslots - 1, home;

	for (size_t i = (hole + 1) & mask; !id_is_zero(&s->slot[i]); i = (i + 1) & mask) {
		home = id_hash(&s->slot[i]) & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			s->slot[hole] = s->slot[i];
			hole = i;
		}
	}
	memset(&s->slot[hole], 0, sizeof(s->slot[hole]));
	s->used--;
}

void claims_drop(struct claims *c, const struct id *id)
{
	struct shard *s = take_shard(c, id);

	if (holds(s, id))
		vacate(s, find(s, id));
	pthread_mutex_unlock(&s->lock);
}

size_t claims_count(struct claims *c)
{
	size_t n = 0;

	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&c->shard[i].lock);
		n += c->shard[i].used;
		pthread_mutex_unlock(&c->shard[i].lock);
	}
	return n;
}
