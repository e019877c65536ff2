/*
 * Comparing of objects with their ids.  See verify.h.
 *
 * Data and tree objects have different keys: those of one kind are hashed together.
 */
#include "repo/check/scan/verify.h"

#include <errno.h>
#include <stdlib.h>

#include "repo/check/scan/pack_scan.h"

#define WAIT_MAX 512
#define ALIGN 64

struct waiting {
	struct pack_scan *scan;
	struct id id, found;
	struct place place;
	const uint8_t *data;
};

struct verify {
	struct check *c;
	uint8_t *room;
	size_t cap, used;
	struct waiting wait[WAIT_MAX];
	unsigned n;
};

struct verify *verify_new(struct check *c)
{
	struct verify *v = malloc(sizeof(*v));

	if (v == NULL)
		return NULL;
	v->c = c;
	v->cap = VERIFY_ROOM;
	v->used = 0;
	v->n = 0;
	v->room = malloc(v->cap);
	if (v->room == NULL) {
		free(v);
		v = NULL;
	}
	return v;
}

void verify_free(struct verify *v)
{
	if (v == NULL)
		return;
	free(v->room);
	free(v);
}

static void hash(struct verify *v, enum pack_kind kind)
{
	const struct hash_key *key = kind == PACK_DATA ? v->c->r->object_id : v->c->r->tree_id;
	struct hash_job jobs[WAIT_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < v->n; i++) {
		struct waiting *w = &v->wait[i];

		if (pack_scan_kind(w->scan) == kind)
			jobs[n++] = (struct hash_job){ .data = w->data, .len = w->place.len, .out = &w->found };
	}
	if (n > 0)
		crypt_object_ids(key, jobs, n);
}

static int judge(struct verify *v)
{
	int rc = 0;

	hash(v, PACK_DATA);
	hash(v, PACK_TREE);
	for (unsigned i = 0; i < v->n && rc == 0; i++) {
		const struct waiting *w = &v->wait[i];

		rc = pack_scan_judge(w->scan, &w->id, &w->place, id_equal(&w->found, &w->id));
	}
	v->n = 0;
	return rc;
}

int verify_flush(struct verify *v)
{
	v->used = 0;
	return judge(v);
}

uint8_t *verify_room(struct verify *v, size_t len)
{
	uint8_t *at;

	if (len > v->cap - v->used && verify_flush(v) < 0)
		return NULL;
	if (len > v->cap) {
		at = realloc(v->room, len);
		if (at == NULL)
			return NULL;
		v->room = at;
		v->cap = len;
	}
	at = v->room + v->used;
	v->used += len + (ALIGN - len % ALIGN);
	v->used = v->used < v->cap ? v->used : v->cap;
	return at;
}

int verify_add(struct verify *v, struct pack_scan *p, const struct id *id, const struct place *place,
    const uint8_t *data)
{
	int rc = v->n == WAIT_MAX ? judge(v) : 0;

	if (rc == 0)
		v->wait[v->n++] = (struct waiting){ .scan = p, .id = *id, .place = *place, .data = data };
	return rc;
}
