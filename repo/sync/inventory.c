/*
 * What a store has of one kind.  See inventory.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/generation.h"
#include "repo/crypt/keys/revocation.h"
#include "repo/snapshot/manifest/manifest.h"
#include "repo/sync/inventory.h"

/* How objects are named. */
static const struct {
	const char *prefix;
	bool folders; /* by the first two digits */
	unsigned hash_len;
} kinds[SYNC_KINDS] = {
	[SYNC_GENERATIONS] = { GENERATIONS_PREFIX, false, ID_LEN },
	[SYNC_PACKS] = { "packs/", true, ID_LEN },
	[SYNC_TREES] = { "trees/", true, ID_LEN },
	[SYNC_INDEX] = { "index/", false, ID_LEN },
	[SYNC_KEYS] = { "keys/", false, ID_LEN },
	[SYNC_REVOKED] = { REVOKED_PREFIX, false, ID_LEN },
	[SYNC_SNAPSHOTS] = { "snapshots/", false, SNAPSHOT_HASH_LEN },
};

char *sync_name(enum sync_kind kind, const struct id *id, char out[SYNC_NAME_SIZE])
{
	char hex[ID_HEX_SIZE];

	id_hex(id, hex);
	if (kinds[kind].folders)
		snprintf(out, SYNC_NAME_SIZE, "%s%.2s/%s", kinds[kind].prefix, hex, hex);
	else
		snprintf(out, SYNC_NAME_SIZE, "%s%s", kinds[kind].prefix, hex);
	return out;
}

unsigned sync_hash_len(enum sync_kind kind)
{
	return kinds[kind].hash_len;
}

static int append(struct inventory *v, const struct inventory_entry *e)
{
	struct inventory_entry *grown;
	size_t cap;

	if (v->n == v->cap) {
		cap = v->cap == 0 ? 256 : 2 * v->cap;
		grown = reallocarray(v->entries, cap, sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		v->entries = grown;
		v->cap = cap;
	}
	v->entries[v->n++] = *e;
	return 0;
}

struct loading {
	struct inventory *v;
	enum sync_kind kind;
	bool no_memory;
};

static int add(void *arg, const char *name, uint64_t size)
{
	struct loading *l = arg;
	char expected[SYNC_NAME_SIZE];
	const char *hex = strrchr(name, '/');
	struct id id;

	if (hex == NULL || id_parse(hex + 1, &id) != 0 || strcmp(sync_name(l->kind, &id, expected), name) != 0)
		return 0;
	l->no_memory = append(l->v, &(struct inventory_entry){ .id = id, .size = size }) < 0;
	return l->no_memory ? -ENOMEM : 0;
}

static int compare(const void *a, const void *b)
{
	return id_compare(&((const struct inventory_entry *)a)->id, &((const struct inventory_entry *)b)->id);
}

int inventory_load(struct store *s, enum sync_kind kind, struct inventory *out)
{
	struct loading l = { .v = out, .kind = kind };
	int rc;

	out->n = 0;
	rc = store_list(s, kinds[kind].prefix, add, &l);
	if (l.no_memory)
		log_error(store_log(s), "%s: list %s: out of memory", store_url(s), kinds[kind].prefix);
	if (rc == 0 && out->n > 0)
		qsort(out->entries, out->n, sizeof(*out->entries), compare);
	return rc;
}

void inventory_free(struct inventory *v)
{
	free(v->entries);
	*v = (struct inventory){ 0 };
}

int inventory_difference(const struct inventory *a, const struct inventory *b, bool sizes, struct inventory *out)
{
	size_t j = 0;
	int rc = 0;

	*out = (struct inventory){ 0 };
	for (size_t i = 0; i < a->n && rc == 0; i++) {
		const struct inventory_entry *e = &a->entries[i];

		while (j < b->n && id_compare(&b->entries[j].id, &e->id) < 0)
			j++;
		if (j == b->n || !id_equal(&b->entries[j].id, &e->id) || (sizes && b->entries[j].size != e->size))
			rc = append(out, e);
	}
	if (rc < 0)
		inventory_free(out);
	return rc;
}

uint64_t inventory_bytes(const struct inventory *v)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < v->n; i++)
		bytes += v->entries[i].size;
	return bytes;
}
