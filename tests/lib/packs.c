/*
 * Objects, packs and runs for tests.  See packs.h.
 */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/packs.h"

#define SMALL_LEN 100     /* bytes of an object in packs_put_pack() */
#define SMALL_SHARE 8     /* objects of a segment there */

void packs_keys_make(struct packs_keys *k)
{
	struct config c = { .cipher = CIPHER_XCHACHA20_POLY1305 };
	struct secrets *s;

	assert_int_equal(crypt_init(), 0);
	crypt_random(k->repo_id, sizeof(k->repo_id));
	s = secrets_generate(k->repo_id, "tester", 0);
	assert_non_null(s);
	crypt_box_public(&s->metadata, &c.metadata);
	crypt_box_public(&s->data, &c.data);
	seal_data_domain(&c, s, &k->data);
	seal_metadata_domain(&c, s, &k->metadata);
	secrets_free(s);
}

int packs_setup(void **state)
{
	struct packs_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	packs_keys_make(&w->k);
	assert_int_equal(store_mem_open(NULL, &w->store), 0);
	*state = w;
	return 0;
}

int packs_teardown(void **state)
{
	struct packs_world *w = *state;

	store_close(w->store);
	free(w);
	return 0;
}

void packs_id(uint64_t n, struct id *out)
{
	uint8_t b[8];

	le64enc(b, n);
	crypt_hash(b, sizeof(b), out);
}

void packs_place(uint64_t n, uint32_t pack, struct place *out)
{
	struct id seed;
	uint32_t left;

	packs_id(~n, &seed);
	memset(out, 0, sizeof(*out));
	out->pack = pack;
	out->offset = PACK_HEADER_LEN + le24dec(seed.b);
	if (seed.b[3] % 4 != 0) {
		out->len = 1 + le16dec(seed.b + 4) % 30000;
		out->shared_skip = le16dec(seed.b + 6);
		out->shared_len = out->len + out->shared_skip + seed.b[8];
		out->box[0] = 18 + out->shared_len / 2;
		return;
	}
	out->nown = (uint8_t)(1 + seed.b[4] % 8);
	left = out->len = (out->nown - 1u) * PACKS_SEGMENT_SIZE + 1 + le16dec(seed.b + 5);
	/* Of each segment, all of its plaintext, half of it, or a third, and what a box adds. */
	for (unsigned i = 0; i < out->nown; i++, left -= PACKS_SEGMENT_SIZE) {
		uint32_t plain = left < PACKS_SEGMENT_SIZE ? left : PACKS_SEGMENT_SIZE, part = 1 + seed.b[i] % 3u;

		out->box[i] = 17 + (plain + part - 1) / part;
	}
}

void packs_info(uint64_t n, struct pack_info *out)
{
	uint8_t b[9] = "p";

	memset(out, 0, sizeof(*out));
	le64enc(b + 1, n);
	crypt_hash(b, sizeof(b), &out->id);
	out->kind = n % 3 == 0 ? PACK_TREE : PACK_DATA;
	out->size = (uint32_t)(n * 7919);
	for (size_t i = 0; i < sizeof(out->wrapped); i++)
		out->wrapped[i] = (uint8_t)(n + i);
}

bool packs_same_place(const struct place *a, const struct place *b)
{
	if (a->pack != b->pack || a->offset != b->offset || a->len != b->len || a->nown != b->nown ||
	    a->shared_len != b->shared_len || a->shared_skip != b->shared_skip)
		return false;
	return memcmp(a->box, b->box, place_nsegments(a) * sizeof(a->box[0])) == 0;
}

bool packs_same_info(const struct pack_info *a, const struct pack_info *b)
{
	return id_equal(&a->id, &b->id) && a->kind == b->kind && a->size == b->size &&
	    memcmp(a->wrapped, b->wrapped, sizeof(a->wrapped)) == 0;
}

struct numbered {
	struct id id;
	uint64_t n;
};

static int compare_numbered(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

struct id packs_put_run(struct store *store, const struct seal_domain *metadata, const struct packs_run *run)
{
	struct numbered *obj = calloc(run->count + 1, sizeof(*obj));
	struct run_writer *w;
	struct pack_info info;
	struct place place;
	uint32_t number, npacks = run->npacks ? run->npacks : 1;
	struct id id;

	assert_non_null(obj);
	for (uint64_t i = 0; i < run->count; i++) {
		obj[i].n = run->first + i;
		packs_id(obj[i].n, &obj[i].id);
	}
	qsort(obj, run->count, sizeof(*obj), compare_numbered);
	assert_int_equal(run_begin(store, metadata, &w), 0);
	for (uint32_t i = 0; i < run->npacks; i++) {
		packs_info(run->pack0 + i, &info);
		assert_int_equal(run_add_pack(w, &info, &number), 0);
		assert_int_equal(number, i);
	}
	for (uint64_t i = 0; i < run->count; i++) {
		packs_place(obj[i].n, (uint32_t)(obj[i].n % npacks), &place);
		assert_int_equal(run_add(w, &obj[i].id, &place), 0);
	}
	for (size_t i = 0; i < run->nreplaced; i++)
		assert_int_equal(run_replaces(w, &run->replaced[i]), 0);
	assert_int_equal(run_commit(w, &id, NULL), 0);
	free(obj);
	return id;
}

struct split {
	struct run_writer *w[2];
	unsigned n;
};

static int split_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct split *s = arg;
	uint32_t mine;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(run_add_pack(s->w[i], info, &mine), 0);
		assert_int_equal(mine, number);
	}
	return 0;
}

static int split_object(void *arg, const struct id *id, const struct place *place)
{
	struct split *s = arg;

	assert_int_equal(run_add(s->w[s->n++ % 2], id, place), 0);
	return 0;
}

void packs_split_run(struct store *store, const struct seal_domain *metadata, uint32_t segment_size,
    const struct id *id, struct id out[2])
{
	const struct run_reading how = { store, metadata, NULL, segment_size };
	struct split s = { .n = 0 };
	char name[RUN_NAME_SIZE];
	struct run *r;

	assert_int_equal(run_open(&how, id, 0, &r), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(run_begin(store, metadata, &s.w[i]), 0);
	assert_int_equal(run_each_pack(r, split_pack, &s), 0);
	assert_int_equal(run_each_object(r, split_object, &s), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(run_commit(s.w[i], &out[i], NULL), 0);
	run_close(r);
	assert_int_equal(store_delete(store, run_name(id, name)), 0);
}

static void append_segment(struct pack_writer *w, uint64_t first, unsigned n)
{
	uint8_t segment[1 + SMALL_SHARE * SMALL_LEN + CRYPT_TAG_LEN] = { 0 };
	struct place place = { .len = SMALL_LEN, .shared_len = n * SMALL_LEN };
	struct id id;

	for (unsigned i = 0; i < n; i++)
		memset(segment + 1 + i * SMALL_LEN, (int)(first + i), SMALL_LEN);
	assert_int_equal(pack_append(w, segment, 1 + place.shared_len, &place.offset, &place.box[0]), 0);
	for (unsigned i = 0; i < n; i++) {
		packs_id(first + i, &id);
		place.shared_skip = i * SMALL_LEN;
		assert_int_equal(pack_enter(w, &id, &place), 0);
	}
}

struct pack_info packs_put_pack(struct store *store, const struct packs_keys *k, enum pack_kind kind, uint64_t first,
    unsigned count)
{
	struct pack_writer *w;
	struct pack_info info;

	assert_int_equal(pack_begin(store, kind, kind == PACK_DATA ? &k->data : &k->metadata, &k->metadata, &w), 0);
	for (unsigned i = 0; i < count; i += SMALL_SHARE)
		append_segment(w, first + i, count - i < SMALL_SHARE ? count - i : SMALL_SHARE);
	assert_int_equal(pack_commit(w, &info), 0);
	return info;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void packs_remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
