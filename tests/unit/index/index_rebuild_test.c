/*
 * New index runs from the tables of packs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "tests/unit/index/indexes.h"

#define NPACKS 30
#define PER_PACK 100

static int rebuild_from(struct indexes *w, bool all, uint64_t *nruns, uint64_t *nobjects)
{
	struct index_options opts;

	indexes_options(w, &opts);
	*nruns = *nobjects = UINT64_MAX;
	return index_rebuild_runs(&opts, all, nruns, nobjects);
}

static int rebuild(struct indexes *w, uint64_t *nruns, uint64_t *nobjects)
{
	return rebuild_from(w, false, nruns, nobjects);
}

/* ${pack[i]} has objects from PER_PACK * i on. */
static void put_packs(struct indexes *w, struct pack_info pack[NPACKS])
{
	for (unsigned i = 0; i < NPACKS; i++)
		pack[i] = packs_put_pack(w->store, &w->k, i % 4 == 0 ? PACK_TREE : PACK_DATA, PER_PACK * i, PER_PACK);
}

struct compare {
	struct index *x;
	unsigned n;
};

/* An object as the pack's own table has it is in the index the same. */
static int compare_object(void *arg, const struct id *id, const struct place *place)
{
	struct compare *c = arg;
	struct place got;

	assert_int_equal(index_lookup(c->x, id, &got), 0);
	got.pack = 0;
	assert_true(packs_same_place(place, &got));
	c->n++;
	return 0;
}

static void expect_pack(struct indexes *w, const struct pack_info *pack, uint64_t first)
{
	struct compare c = { .x = w->x };
	struct pack_info info;
	struct place place;
	struct id id;

	packs_id(first, &id);
	assert_int_equal(index_lookup(w->x, &id, &place), 0);
	assert_int_equal(index_pack(w->x, place.pack, &info), 0);
	assert_true(packs_same_info(&info, pack));
	assert_int_equal(pack_read_table(w->store, pack->kind, &pack->id, &w->k.metadata, PACKS_SEGMENT_SIZE, &info,
	    compare_object, &c), 0);
	assert_int_equal(c.n, PER_PACK);
}

static int delete_run(void *arg, const char *name, uint64_t size)
{
	(void)size;
	return store_delete(arg, name);
}

static void test_from_packs_alone(void **state)
{
	struct indexes *w = *state;
	struct pack_info pack[NPACKS];
	uint64_t nruns, nobjects;

	put_packs(w, pack);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
		assert_int_equal(nruns, 1);
		assert_int_equal(nobjects, NPACKS * PER_PACK);
		assert_int_equal(index_refresh(w->x), 0);
		for (unsigned i = 0; i < NPACKS; i++)
			expect_pack(w, &pack[i], PER_PACK * i);
		assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
		assert_int_equal(nruns, 0);
		assert_int_equal(nobjects, 0);
		assert_int_equal(store_list(w->store, "index/", delete_run, w->store), 0);
		assert_int_equal(index_refresh(w->x), 0);
		assert_true(indexes_absent(w->x, 0, NPACKS * PER_PACK));
	}
	assert_int_equal(w->messages.len, 0);
}

static void damage(struct indexes *w, const char *name, int64_t at)
{
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(w->store, name, 1 << 30, &b), 0);
	b.data[at < 0 ? (int64_t)b.len + at : at] ^= 1;
	assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
	buf_free(&b);
}

static int remember_name(void *arg, const char *name, uint64_t size)
{
	(void)size;
	snprintf(arg, RUN_NAME_SIZE, "%s", name);
	return 1;
}

/* Of two runs one is damaged: only its packs are read. */
static void test_damaged_run(void **state)
{
	struct indexes *w = *state;
	struct pack_info pack[NPACKS], more;
	char first[RUN_NAME_SIZE];
	uint64_t nruns, nobjects;

	put_packs(w, pack);
	assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
	assert_int_equal(store_list(w->store, "index/", remember_name, first), 1);
	more = packs_put_pack(w->store, &w->k, PACK_DATA, 7000, PER_PACK);
	assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
	assert_int_equal(nruns, 1);
	assert_int_equal(nobjects, PER_PACK);
	damage(w, first, 5000);
	assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
	assert_int_equal(nruns, 1);
	assert_int_equal(nobjects, NPACKS * PER_PACK);
	assert_int_equal(indexes_logged(w, first), 1);
	assert_int_equal(index_refresh(w->x), 1);
	for (unsigned i = 0; i < NPACKS; i++)
		expect_pack(w, &pack[i], PER_PACK * i);
	expect_pack(w, &more, 7000);
}

/* Of two runs that name the same packs, each with a part of what is in them, one is damaged or has gone. */
static void test_damaged_part(void **state)
{
	static const int64_t at[] = { 5000, -40, 20, 0 };
	struct indexes *w = *state;
	struct pack_info pack[NPACKS];
	char name[RUN_NAME_SIZE];
	uint64_t nruns, nobjects;
	struct id id, part[2];

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		put_packs(w, pack);
		assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
		assert_int_equal(store_list(w->store, "index/", remember_name, name), 1);
		assert_int_equal(id_parse(name + strlen("index/"), &id), 0);
		packs_split_run(w->store, &w->k.metadata, PACKS_SEGMENT_SIZE, &id, part);
		assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
		assert_int_equal(nruns, 0);
		/* The last time it has gone without a trace. */
		if (at[i] == 0)
			assert_int_equal(store_delete(w->store, run_name(&part[0], name)), 0);
		else
			damage(w, run_name(&part[0], name), at[i]);
		assert_int_equal(rebuild_from(w, at[i] == 0, &nruns, &nobjects), 0);
		assert_int_equal(nruns, 1);
		assert_int_equal(nobjects, NPACKS * PER_PACK);
		assert_int_equal(rebuild_from(w, at[i] == 0, &nruns, &nobjects), 0);
		assert_int_equal(nruns, 0);
		assert_int_equal(index_refresh(w->x), at[i] != 0);
		for (unsigned k = 0; k < NPACKS; k++)
			expect_pack(w, &pack[k], PER_PACK * k);
		assert_int_equal(store_list(w->store, "", delete_run, w->store), 0);
	}
}

static void test_damaged_pack(void **state)
{
	struct indexes *w = *state;
	struct pack_info pack[NPACKS];
	char name[PACK_NAME_SIZE];
	uint64_t nruns, nobjects;

	put_packs(w, pack);
	damage(w, pack_name(pack[7].kind, &pack[7].id, name), -100);
	damage(w, pack_name(pack[9].kind, &pack[9].id, name), 5);
	assert_int_equal(rebuild(w, &nruns, &nobjects), 2);
	assert_int_equal(nruns, 1);
	assert_int_equal(nobjects, (NPACKS - 2) * PER_PACK);
	assert_int_equal(indexes_logged(w, name), 1);
	assert_int_equal(index_refresh(w->x), 0);
	for (unsigned i = 0; i < NPACKS; i++)
		if (i != 7 && i != 9)
			expect_pack(w, &pack[i], PER_PACK * i);
	assert_true(indexes_absent(w->x, PER_PACK * 7, PER_PACK));
	assert_true(indexes_absent(w->x, PER_PACK * 9, PER_PACK));
}

/* The same object in two packs is named once. */
static void test_twice(void **state)
{
	struct indexes *w = *state;
	uint64_t nruns, nobjects;

	packs_put_pack(w->store, &w->k, PACK_DATA, 0, PER_PACK);
	packs_put_pack(w->store, &w->k, PACK_DATA, PER_PACK / 2, PER_PACK);
	assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
	assert_int_equal(nobjects, PER_PACK * 3 / 2);
	assert_int_equal(index_refresh(w->x), 0);
}

static void test_refused(void **state)
{
	struct store_fault_rule list = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_LIST, .prefix = "packs/",
		.err = -EIO };
	struct store_fault_rule put = { .fault = STORE_FAULT_NOSPACE, .ops = STORE_OP_PUT, .prefix = "" };
	struct indexes *w = *state;
	struct pack_info pack[NPACKS];
	uint64_t nruns, nobjects;

	put_packs(w, pack);
	store_mem_set_faults(w->store, &list, 1);
	assert_int_equal(rebuild(w, &nruns, &nobjects), -EIO);
	store_mem_set_faults(w->store, &put, 1);
	assert_int_equal(rebuild(w, &nruns, &nobjects), -ENOSPC);
	store_mem_set_faults(w->store, NULL, 0);
	w->k.metadata.can_seal = false;
	assert_int_equal(rebuild(w, &nruns, &nobjects), -EACCES);
	assert_true(nruns == UINT64_MAX && nobjects == UINT64_MAX);
}

/* More objects than a run is given: 200000 in a pack, all in one segment. */
static void put_large_pack(struct indexes *w, uint64_t first)
{
	struct place place = { .len = 1, .shared_len = 1 };
	uint8_t segment[2 + CRYPT_TAG_LEN] = { 0 };
	struct pack_writer *p;
	struct pack_info info;
	struct id id;

	assert_int_equal(pack_begin(w->store, PACK_DATA, &w->k.data, &w->k.metadata, &p), 0);
	assert_int_equal(pack_append(p, segment, 2, &place.offset, &place.box[0]), 0);
	for (uint64_t n = first; n < first + 200000; n++) {
		packs_id(n, &id);
		assert_int_equal(pack_enter(p, &id, &place), 0);
	}
	assert_int_equal(pack_commit(p, &info), 0);
}

static void test_several_runs(void **state)
{
	struct indexes *w = *state;
	uint64_t nruns, nobjects;
	struct index_stats s;

	for (unsigned i = 0; i < 4; i++)
		put_large_pack(w, 200000 * i);
	assert_int_equal(rebuild(w, &nruns, &nobjects), 0);
	assert_int_equal(nruns, 2);
	assert_int_equal(nobjects, 800000);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_stats(w->x, &s), 0);
	assert_int_equal(s.objects, 800000);
	assert_int_equal(s.packs, 4);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_from_packs_alone),
		TEST(test_damaged_run),
		TEST(test_damaged_part),
		TEST(test_damaged_pack),
		TEST(test_twice),
		TEST(test_refused),
		TEST(test_several_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
