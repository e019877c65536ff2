/*
 * Index: loading runs, looking up, runs that come, go, overlap, replace each other or are damaged, slots, kept objects.
 * What happens to the environment on the disk is in index_env_test.c, rebuilding in index_rebuild_test.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "repo/util/bytes/le.h"
#include "tests/unit/index/indexes.h"

static void test_empty(void **state)
{
	struct indexes *w = *state;
	struct pack_info info;
	struct index_stats s;

	assert_true(indexes_absent(w->x, 0, 10));
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_absent(w->x, 0, 10));
	assert_int_equal(index_pack(w->x, 0, &info), -ENOENT);
	s = indexes_stats(w->x);
	assert_int_equal(s.objects, 0);
	assert_int_equal(s.packs, 0);
	assert_int_equal(s.runs, 0);
	assert_int_not_equal(s.disk_bytes, 0);
	assert_non_null(strstr(index_path(w->x), w->cache_dir));
	assert_int_equal(w->messages.len, 0);
}

struct seen {
	uint64_t n, stop_at;
	struct id last;
	uint32_t last_number;
};

static int see_object(void *arg, const struct id *id, const struct place *place)
{
	struct seen *s = arg;

	assert_true(s->n == 0 || id_compare(&s->last, id) < 0);
	assert_true(place->len > 0);
	s->last = *id;
	return ++s->n == s->stop_at ? 5 : 0;
}

static int see_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct seen *s = arg;
	struct pack_info want;

	assert_true(s->n == 0 || number > s->last_number);
	packs_info(100 + number, &want);
	assert_true(packs_same_info(info, &want));
	s->last_number = number;
	return ++s->n == s->stop_at ? 5 : 0;
}

static void test_one_run(void **state)
{
	struct indexes *w = *state;
	struct store_counters before, after;
	struct seen seen = { 0 };

	indexes_put_run(w, 10, 5000, 100, 700);
	assert_true(indexes_absent(w->x, 10, 5000));
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 10, 5000, 100, 700));
	assert_true(indexes_absent(w->x, 0, 10));
	assert_int_equal(indexes_stats(w->x).objects, 5000);
	assert_int_equal(indexes_stats(w->x).packs, 700);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	assert_int_equal(index_each_object(w->x, see_object, &seen), 0);
	assert_int_equal(seen.n, 5000);
	seen = (struct seen){ .stop_at = 600 };
	assert_int_equal(index_each_object(w->x, see_object, &seen), 5);
	seen = (struct seen){ 0 };
	assert_int_equal(index_each_pack(w->x, see_pack, &seen), 0);
	assert_int_equal(seen.n, 700);
	seen = (struct seen){ .stop_at = 600 };
	assert_int_equal(index_each_pack(w->x, see_pack, &seen), 5);

	/* Opened again, it has it all, and does not ask the store for what it has. */
	indexes_close(w);
	indexes_open(w);
	store_get_counters(w->store, &before);
	assert_true(indexes_right(w->x, 10, 5000, 100, 700));
	assert_int_equal(index_refresh(w->x), 0);
	store_get_counters(w->store, &after);
	assert_int_equal(after.gets, before.gets);
	assert_int_equal(after.lists, before.lists + 1);
	assert_int_equal(w->messages.len, 0);
}

/* Runs that share objects, each with packs of its own: the one with the lowest id has them. */
static void test_overlap(void **state)
{
	struct indexes *w = *state;
	struct id run[6];
	unsigned wins[6] = { 0 };

	for (unsigned i = 0; i < 6; i++)
		run[i] = indexes_put_run(w, 1000 * i, 3000, 10000 + 100 * i, 10);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).objects, 8000);
	for (unsigned n = 0; n < 8000; n += 100) {
		unsigned best = 6;

		for (unsigned i = 0; i < 6; i++)
			if (n >= 1000 * i && n < 1000 * i + 3000 && (best == 6 || id_compare(&run[i], &run[best]) < 0))
				best = i;
		assert_true(indexes_right(w->x, n, 100, 10000 + 100 * best, 10));
		wins[best]++;
	}
	assert_true(wins[0] < 80);
}

/* Runs that come one by one. */
static void test_add(void **state)
{
	struct indexes *w = *state;
	struct id a = indexes_put_run(w, 0, 2000, 0, 10), b = indexes_put_run(w, 1000, 2000, 5, 10), absent = { { 1 } };

	assert_int_equal(index_add_run(w->x, &a, 0), 0);
	assert_true(indexes_right(w->x, 0, 2000, 0, 10));
	assert_true(indexes_absent(w->x, 2000, 1000));
	assert_int_equal(index_add_run(w->x, &a, 0), 0);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	assert_int_equal(index_add_run(w->x, &b, 0), 0);
	/* What was loaded last counts. */
	assert_true(indexes_right(w->x, 0, 1000, 0, 10));
	assert_true(indexes_right(w->x, 1000, 2000, 5, 10));
	assert_int_equal(indexes_stats(w->x).packs, 15);
	assert_true(index_add_run(w->x, &absent, 0) > 0);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 2);
	assert_int_equal(indexes_stats(w->x).objects, 3000);
}

static void test_vanished(void **state)
{
	struct indexes *w = *state;
	struct id a = indexes_put_run(w, 0, 3000, 0, 10), b = indexes_put_run(w, 1000, 3000, 5, 10);
	uint32_t number[15];
	struct pack_info info, want;
	struct place place;
	struct id id;

	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).packs, 15);
	for (uint32_t n = 0; n < 10; n++) {
		packs_id(3000 + n, &id);
		assert_int_equal(index_lookup(w->x, &id, &place), 0);
		number[5 + n] = place.pack;
	}
	indexes_delete_run(w, &a);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_absent(w->x, 0, 1000));
	assert_true(indexes_right(w->x, 1000, 3000, 5, 10));
	assert_int_equal(indexes_stats(w->x).packs, 10);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	/* Numbers stay good for who has looked them up before. */
	for (uint32_t n = 0; n < 10; n++) {
		assert_int_equal(index_pack(w->x, number[5 + n], &info), 0);
		packs_info(5 + n, &want);
		assert_true(packs_same_info(&info, &want));
	}
	indexes_delete_run(w, &b);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_absent(w->x, 0, 4000));
	assert_int_equal(indexes_stats(w->x).packs, 0);
	indexes_put_run(w, 0, 3000, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, 3000, 0, 10));
}

static struct id put_replacing(struct indexes *w, const struct id *old, size_t n, uint64_t pack0)
{
	struct packs_run p = { .count = 3000, .pack0 = pack0, .npacks = 10, .replaced = old, .nreplaced = n };

	return packs_put_run(w->store, &w->k.metadata, &p);
}

static void test_replaced(void **state)
{
	struct indexes *w = *state;
	struct id old[2] = { indexes_put_run(w, 0, 2000, 0, 10), indexes_put_run(w, 1000, 2000, 20, 10) };
	struct id merged, again;

	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 2);
	merged = put_replacing(w, old, 2, 40);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	assert_true(indexes_right(w->x, 0, 3000, 40, 10));
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	/* The same on a machine that sees all three for the first time. */
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	assert_true(indexes_right(w->x, 0, 3000, 40, 10));
	/* And with the next in the chain, and when the first are gone. */
	again = put_replacing(w, &merged, 1, 60);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, 3000, 60, 10));
	indexes_delete_run(w, &old[0]);
	indexes_delete_run(w, &old[1]);
	indexes_delete_run(w, &merged);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	assert_true(indexes_right(w->x, 0, 3000, 60, 10));
	assert_int_equal(index_add_run(w->x, &again, 0), 0);
}

static void flip(struct indexes *w, const struct id *id, size_t at)
{
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];

	assert_int_equal(store_get_all(w->store, run_name(id, name), 1 << 30, &b), 0);
	assert_true(at < b.len);
	b.data[at] ^= 1;
	assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
	buf_free(&b);
}

static void test_damaged(void **state)
{
	struct indexes *w = *state;
	struct id a = indexes_put_run(w, 0, 1000, 0, 10), b = indexes_put_run(w, 1000, 20000, 10, 10);
	char name[RUN_NAME_SIZE];

	/* In the header, and in the middle, where objects before it have been read already. */
	flip(w, &a, 50);
	flip(w, &b, 600000);
	assert_int_equal(index_refresh(w->x), 2);
	assert_int_equal(indexes_logged(w, run_name(&a, name)), 1);
	assert_int_equal(indexes_logged(w, run_name(&b, name)), 1);
	assert_int_equal(index_refresh(w->x), 2);
	assert_int_equal(indexes_logged(w, run_name(&a, name)), 1);
	assert_int_equal(indexes_logged(w, run_name(&b, name)), 1);
	assert_true(indexes_absent(w->x, 0, 1000));
	assert_true(indexes_right_or_absent(w->x, 1000, 20000, 10, 10));
	assert_int_equal(indexes_stats(w->x).runs, 0);
	/* Others are not kept from being loaded. */
	indexes_put_run(w, 50000, 1000, 30, 3);
	assert_int_equal(index_refresh(w->x), 2);
	assert_true(indexes_right(w->x, 50000, 1000, 30, 3));
	/* Mended. */
	flip(w, &a, 50);
	flip(w, &b, 600000);
	indexes_close(w);
	indexes_open(w);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, 1000, 0, 10));
	assert_true(indexes_right(w->x, 1000, 20000, 10, 10));
	assert_int_equal(indexes_stats(w->x).runs, 3);
}

/* A run that was loaded in part only is gone: so are its places. */
static void test_part_vanished(void **state)
{
	struct indexes *w = *state;
	struct id a = indexes_put_run(w, 0, 20000, 0, 10);

	flip(w, &a, 600000);
	assert_int_equal(index_refresh(w->x), 1);
	assert_int_not_equal(indexes_stats(w->x).objects, 0);
	indexes_delete_run(w, &a);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).objects, 0);
	assert_true(indexes_absent(w->x, 0, 20000));
}

static void test_failing_store(void **state)
{
	struct indexes *w = *state;
	struct store_fault_rule list = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_LIST, .prefix = "",
		.err = -ETIMEDOUT };
	struct store_fault_rule get = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "index/",
		.err = -EIO };
	struct id a = indexes_put_run(w, 0, 3000, 0, 10);

	store_mem_set_faults(w->store, &list, 1);
	assert_int_equal(index_refresh(w->x), -ETIMEDOUT);
	store_mem_set_faults(w->store, NULL, 0);
	/* Each request in turn, and recovered at once. */
	for (get.count = 1, get.skip = 0; get.skip < 4; get.skip++) {
		store_mem_set_faults(w->store, &get, 1);
		assert_in_range(index_refresh(w->x), 0, 1);
		assert_true(indexes_right_or_absent(w->x, 0, 3000, 0, 10));
	}
	store_mem_set_faults(w->store, NULL, 0);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, 3000, 0, 10));

	/*
	 * One is gone and another cannot be read: what can be known stays known, and what is new comes in.  But who
	 * stores by it is told that places of what is gone are still there.
	 */
	indexes_put_run(w, 3000, 3000, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	indexes_delete_run(w, &a);
	indexes_put_run(w, 9000, 100, 50, 3);
	get.count = 0;
	get.skip = 1;
	store_mem_set_faults(w->store, &get, 1);
	assert_int_equal(index_refresh(w->x), -EIO);
	assert_true(indexes_right(w->x, 3000, 3000, 0, 10));
	store_mem_set_faults(w->store, NULL, 0);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_absent(w->x, 0, 3000));
	assert_true(indexes_right(w->x, 3000, 3000, 0, 10));
	assert_true(indexes_right(w->x, 9000, 100, 50, 3));
}

/* More runs than are merged at a time. */
static void test_many_runs(void **state)
{
	struct indexes *w = *state;

	for (unsigned i = 0; i < 1100; i++)
		indexes_put_run(w, 20 * i, 20, i % 7, 3);
	assert_int_equal(index_refresh(w->x), 0);
	for (unsigned i = 0; i < 1100; i++)
		assert_true(indexes_right(w->x, 20 * i, 20, i % 7, 3));
	assert_int_equal(indexes_stats(w->x).objects, 22000);
	assert_int_equal(indexes_stats(w->x).packs, 9);
	assert_int_equal(indexes_stats(w->x).runs, 1100);
}

static void test_slots(void **state)
{
	struct indexes *w = *state;
	uint32_t slot[50], got;
	struct id id;

	assert_int_equal(index_slot_snapshot(w->x, 1, &id), -ENOENT);
	for (unsigned i = 0; i < 50; i++) {
		packs_id(i, &id);
		assert_int_equal(index_slot(w->x, &id, &slot[i]), 0);
		assert_in_range(slot[i], 1, (1u << 22) - 1);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(slot[i], slot[j]);
	}
	indexes_close(w);
	indexes_open(w);
	for (unsigned i = 50; i-- > 0;) {
		struct id back;

		packs_id(i, &id);
		assert_int_equal(index_slot(w->x, &id, &got), 0);
		assert_int_equal(got, slot[i]);
		assert_int_equal(index_slot_snapshot(w->x, slot[i], &back), 0);
		assert_true(id_equal(&id, &back));
	}
	/* A machine that forgets everything gives most of them the same. */
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
	for (unsigned i = 50; i-- > 0;) {
		packs_id(i, &id);
		assert_int_equal(index_slot(w->x, &id, &got), 0);
		assert_int_equal(got, slot[i]);
	}
}

/* Snapshots whose ids lead to the same slot, the last there is. */
static void test_slots_meet(void **state)
{
	struct indexes *w = *state;
	uint32_t slot, again;
	struct id id = { { 0 } };

	le32enc(id.b, (1u << 22) - 2);
	for (uint8_t i = 0; i < 20; i++) {
		id.b[31] = i;
		assert_int_equal(index_slot(w->x, &id, &slot), 0);
		assert_int_equal(slot, i == 0 ? (1u << 22) - 1 : i);
		assert_int_equal(index_slot(w->x, &id, &again), 0);
		assert_int_equal(slot, again);
	}
}

/* Many at once get what each would get alone, whether some have theirs already or not. */
static void test_slots_at_once(void **state)
{
	struct indexes *w = *state;
	uint32_t slot[3000], again[3000], one;
	struct id *ids = calloc(3000, sizeof(*ids)), back;

	assert_non_null(ids);
	for (unsigned i = 0; i < 3000; i++)
		packs_id(i, &ids[i]);
	/* Two that meet, the later one first. */
	le32enc(ids[10].b, 77);
	le32enc(ids[20].b, 77);
	assert_int_equal(index_slots(w->x, ids, 0, slot), 0);
	assert_int_equal(index_slot(w->x, &ids[20], &one), 0);
	assert_int_equal(index_slots(w->x, ids, 3000, slot), 0);
	assert_int_equal(slot[20], one);
	assert_int_equal(slot[10], one + 1);
	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(index_slot_snapshot(w->x, slot[i], &back), 0);
		assert_true(id_equal(&back, &ids[i]));
	}
	indexes_close(w);
	indexes_open(w);
	assert_int_equal(index_slots(w->x, ids, 3000, again), 0);
	assert_memory_equal(slot, again, sizeof(slot));
	/* The same snapshot twice in one call. */
	packs_id(5000, &ids[0]);
	ids[1] = ids[0];
	assert_int_equal(index_slots(w->x, ids, 2, again), 0);
	assert_int_equal(again[0], again[1]);
	free(ids);
}

static void test_kept(void **state)
{
	struct indexes *w = *state;
	struct buf b = BUF_INIT;
	uint8_t large[100000];

	assert_int_equal(index_kept(w->x, "snapshots/1", &b), -ENOENT);
	index_keep(w->x, "snapshots/1", "one", 3);
	memset(large, 7, sizeof(large));
	index_keep(w->x, "snapshots/2", large, sizeof(large));
	assert_int_equal(buf_append(&b, "x", 1), 0);
	assert_int_equal(index_kept(w->x, "snapshots/1", &b), 0);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "xone", 4);
	index_keep(w->x, "snapshots/1", "other", 5);
	indexes_close(w);
	indexes_open(w);
	buf_clear(&b);
	assert_int_equal(index_kept(w->x, "snapshots/1", &b), 0);
	assert_memory_equal(b.data, "other", 5);
	buf_clear(&b);
	assert_int_equal(index_kept(w->x, "snapshots/2", &b), 0);
	assert_int_equal(b.len, sizeof(large));
	assert_memory_equal(b.data, large, sizeof(large));
	index_drop(w->x, "snapshots/2");
	index_drop(w->x, "snapshots/3");
	assert_int_equal(index_kept(w->x, "snapshots/2", &b), -ENOENT);
	index_keep(w->x, "", "no name", 7);
	assert_int_equal(index_kept(w->x, "", &b), -ENOENT);
	buf_free(&b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_one_run),
		TEST(test_overlap),
		TEST(test_add),
		TEST(test_vanished),
		TEST(test_replaced),
		TEST(test_damaged),
		TEST(test_part_vanished),
		TEST(test_failing_store),
		TEST(test_many_runs),
		TEST(test_slots),
		TEST(test_slots_meet),
		TEST(test_slots_at_once),
		TEST(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
