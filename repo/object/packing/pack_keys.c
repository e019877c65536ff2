/*
 * Cache of unwrapped pack keys.  See pack_keys.h.
 *
 * Direct-mapped by pack number: numbers are handed out in sequence and packs that are read together have numbers close
 * to each other, so that there is little to be gained by anything cleverer.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "repo/object/packing/pack_keys.h"

#define SLOTS 4096 /* 128 GiB of packs of the default size; 128 KiB of keys */

struct slot {
	bool used;
	uint32_t number;
	uint32_t size;
	enum pack_kind kind;
	struct id id;
};

struct pack_keys {
	struct index *index;
	const struct seal_domain *data, *metadata;
	pthread_mutex_t lock; /* of the two below */
	struct slot *slot;
	struct aead_key *key; /* secret memory */
};

struct pack_keys *pack_keys_new(struct index *index, const struct seal_domain *data,
    const struct seal_domain *metadata)
{
	struct pack_keys *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->index = index;
	k->data = data;
	k->metadata = metadata;
	pthread_mutex_init(&k->lock, NULL);
	k->slot = calloc(SLOTS, sizeof(*k->slot));
	k->key = crypt_secret_alloc(SLOTS * sizeof(*k->key));
	if (k->slot == NULL || k->key == NULL) {
		pack_keys_free(k);
		k = NULL;
	}
	return k;
}

void pack_keys_free(struct pack_keys *k)
{
	if (k == NULL)
		return;
	crypt_secret_free(k->key);
	free(k->slot);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static bool recall(struct pack_keys *k, uint32_t number, struct pack_info *info, struct aead_key *key)
{
	const struct slot *s = &k->slot[number % SLOTS];
	bool found;

	pthread_mutex_lock(&k->lock);
	found = s->used && s->number == number;
	if (found) {
		info->id = s->id;
		info->kind = s->kind;
		info->size = s->size;
		*key = k->key[number % SLOTS];
	}
	pthread_mutex_unlock(&k->lock);
	return found;
}

static void remember(struct pack_keys *k, uint32_t number, const struct pack_info *info, const struct aead_key *key)
{
	pthread_mutex_lock(&k->lock);
	k->slot[number % SLOTS] = (struct slot){
		.used = true,
		.number = number,
		.size = info->size,
		.kind = info->kind,
		.id = info->id,
	};
	k->key[number % SLOTS] = *key;
	pthread_mutex_unlock(&k->lock);
}

int pack_keys_get(struct pack_keys *k, uint32_t number, struct pack_info *info, struct aead_key *key)
{
	int rc;

	if (recall(k, number, info, key))
		return 0;
	rc = index_pack(k->index, number, info);
	if (rc == 0)
		rc = seal_open_key(info->kind == PACK_DATA ? k->data : k->metadata, info->wrapped, key);
	if (rc == 0)
		remember(k, number, info, key);
	return rc;
}

void pack_keys_forget(struct pack_keys *k, uint32_t number)
{
	struct slot *s = &k->slot[number % SLOTS];

	pthread_mutex_lock(&k->lock);
	if (s->used && s->number == number) {
		s->used = false;
		crypt_wipe(&k->key[number % SLOTS], sizeof(k->key[0]));
	}
	pthread_mutex_unlock(&k->lock);
}
