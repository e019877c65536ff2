/*
 * Finding objects without loading the index: what is asked of the store, what is learned, and what becomes of it.
 *
 * The large runs here are made up: their packs are not in the store.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "repo/util/bytes/le.h"
#include "tests/unit/index/indexes.h"

#define LARGE 200000 /* objects of a large run: more than what is loaded for one object */
#define REAL 1000000 /* the first number of objects that are in a real pack */
#define NREAL 3000

static struct store_counters counters(struct indexes *w)
{
	struct store_counters c;

	store_get_counters(w->store, &c);
	return c;
}

/* Requests since ${before}; bytes. */
static uint64_t requests(struct indexes *w, const struct store_counters *before)
{
	struct store_counters c = counters(w);

	return c.gets + c.stats + c.lists - before->gets - before->stats - before->lists;
}

static uint64_t bytes(struct indexes *w, const struct store_counters *before)
{
	return counters(w).get_bytes - before->get_bytes;
}

/* A real pack, and a run that names it: too large to be loaded by opening it. */
static struct pack_info put_real(struct indexes *w, enum pack_kind kind, uint64_t first)
{
	struct pack_info info = packs_put_pack(w->store, &w->k, kind, first, NREAL);
	struct index_options opts;
	uint64_t nruns, nobjects;

	indexes_options(w, &opts);
	assert_int_equal(index_rebuild_runs(&opts, false, &nruns, &nobjects), 0);
	assert_int_equal(nruns, 1);
	assert_int_equal(nobjects, NREAL);
	return info;
}

static int resolve(struct indexes *w, enum pack_kind kind, uint64_t n, struct place *place)
{
	struct id id;

	packs_id(n, &id);
	return index_resolve(w->x, kind, &id, place);
}

static int find(struct indexes *w, uint64_t n)
{
	struct place place;
	struct id id;

	packs_id(n, &id);
	return index_find(w->x, &id, &place);
}

static int lookup(struct indexes *w, uint64_t n)
{
	struct place place;
	struct id id;

	packs_id(n, &id);
	return index_lookup(w->x, &id, &place);
}

/* It is found, and where it should be in made-up packs. */
static void expect_resolved(struct indexes *w, uint64_t n, uint64_t pack0, uint32_t npacks)
{
	struct pack_info info, want_info;
	struct place place, want;

	assert_int_equal(resolve(w, PACK_DATA, n, &place), 0);
	packs_place(n, place.pack, &want);
	assert_true(packs_same_place(&place, &want));
	assert_int_equal(index_pack(w->x, place.pack, &info), 0);
	packs_info(pack0 + n % npacks, &want_info);
	assert_true(packs_same_info(&info, &want_info));
}

static void reopen(struct indexes *w)
{
	indexes_close(w);
	indexes_open(w);
}

/* What is small is loaded as ever. */
static void test_small(void **state)
{
	struct indexes *w = *state;

	indexes_put_run(w, 0, 3000, 0, 10);
	indexes_put_run(w, 3000, 3000, 0, 10);
	expect_resolved(w, 7, 0, 10);
	assert_int_equal(indexes_stats(w->x).objects, 6000);
	assert_int_equal(lookup(w, 4000), 0);
}

/* After the pack of object ${n} comes made-up pack ${want}; 0: none that is known. */
static void expect_after(struct indexes *w, uint64_t n, uint64_t want)
{
	struct pack_info info, want_info;
	struct place place;

	assert_int_equal(resolve(w, PACK_DATA, n, &place), 0);
	assert_int_equal(index_pack_after(w->x, place.pack, &info), want > 0 ? 0 : -ENOENT);
	packs_info(want, &want_info);
	if (want > 0)
		assert_true(packs_same_info(&info, &want_info));
}

/* Packs in the order in which they were stored, each kind by itself (every third is of trees), loaded or not. */
static void test_order(void **state)
{
	struct indexes *w = *state;

	indexes_put_run(w, 0, 3000, 0, 10);
	expect_after(w, 1, 2);
	expect_after(w, 2, 4);
	expect_after(w, 3, 6);
	expect_after(w, 8, 0);
	indexes_put_run(w, 10000, LARGE, 100, 100);
	reopen(w);
	expect_after(w, 10001, 103);
	expect_after(w, 10003, 104);
	expect_after(w, 10099, 0);
	expect_after(w, 2, 4);
	assert_int_equal(indexes_stats(w->x).objects, 3000);
}

/* What is large is not, neither now nor later, and what was learned stays. */
static void test_large(void **state)
{
	struct indexes *w = *state;
	struct store_counters before;
	struct place place;

	indexes_put_run(w, 0, LARGE, 0, 100);
	indexes_put_run(w, LARGE, LARGE, 100, 100);
	before = counters(w);
	expect_resolved(w, 7, 0, 100);
	/* The listing; of each run its end and a block; a block of packs. */
	assert_in_range(requests(w, &before), 4, 6);
	assert_true(bytes(w, &before) < 400 * 1024);
	assert_int_equal(indexes_stats(w->x).objects, 0);
	assert_int_equal(indexes_stats(w->x).packs, 0);
	assert_int_equal(find(w, 7), 0);
	assert_int_equal(lookup(w, 7), -ENOENT);
	assert_int_equal(resolve(w, PACK_DATA, 5000000, &place), -ENOENT);

	reopen(w);
	before = counters(w);
	expect_resolved(w, 7, 0, 100);
	assert_int_equal(requests(w, &before), 0);
	/* The ends are kept: the listing, three blocks at most, the table (of a pack of trees, which is not there). */
	expect_resolved(w, LARGE + 5, 100, 100);
	assert_in_range(requests(w, &before), 4, 5);
	before = counters(w);
	expect_resolved(w, LARGE + 6, 100, 100);
	assert_in_range(requests(w, &before), 3, 4);
}

/* Somebody who has learned of a place tells it, and no run is asked. */
static void learn_first(struct indexes *w, const struct pack_info *info)
{
	struct pack_info hint = *info;
	struct buf record = BUF_INIT;
	struct place place;
	struct id id;

	/* Whatever is said of the first one: it is the table that knows the others. */
	packs_place(REAL, 0, &place);
	assert_int_equal(place_encode(&place, &record), 0);
	packs_id(REAL, &id);
	hint.size = 0;
	assert_int_equal(index_learn(w->x, &id, &hint, record.data, record.len - 1), -EBADMSG);
	assert_int_equal(index_learn(w->x, &id, &hint, record.data, record.len), 0);
	buf_free(&record);
}

/* A backup wants them all: what was learned, and the numbers of packs, go well with that. */
static void test_loaded_later(void **state)
{
	struct indexes *w = *state;
	struct place before, after;
	struct pack_info info;
	struct id id;

	indexes_put_run(w, 0, LARGE, 0, 100);
	expect_resolved(w, 7, 0, 100);
	packs_id(7, &id);
	assert_int_equal(index_find(w->x, &id, &before), 0);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_lookup(w->x, &id, &after), 0);
	assert_int_equal(before.pack, after.pack);
	assert_int_equal(indexes_stats(w->x).objects, LARGE);
	assert_int_equal(indexes_stats(w->x).packs, 100);
	assert_true(indexes_right(w->x, 0, LARGE, 0, 100));
	/* What is put from now on is loaded, too, by this process, as soon as it knows of a snapshot of it. */
	indexes_put_run(w, LARGE, LARGE, 100, 100);
	packs_info(1, &info);
	learn_first(w, &info);
	expect_resolved(w, LARGE + 1, 100, 100);
	assert_int_equal(lookup(w, LARGE + 2), 0);
}

/* What was learned of a run that is gone is not taken for what is in the store. */
static void test_learned_is_not_loaded(void **state)
{
	struct indexes *w = *state;
	struct id run = indexes_put_run(w, 0, LARGE, 0, 100);

	expect_resolved(w, 7, 0, 100);
	indexes_delete_run(w, &run);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(lookup(w, 7), -ENOENT);
	assert_int_equal(indexes_stats(w->x).objects, 0);
	assert_int_equal(find(w, 7), -ENOENT);
}

/* One request for the neighbours of all. */
static void test_neighbours(void **state)
{
	struct indexes *w = *state;
	struct store_counters before;
	struct pack_info info, found;
	struct place place;

	indexes_put_run(w, 0, LARGE, 0, 100);
	info = put_real(w, PACK_TREE, REAL);
	before = counters(w);
	assert_int_equal(resolve(w, PACK_TREE, REAL, &place), 0);
	assert_true(requests(w, &before) <= 7);
	assert_int_equal(index_pack(w->x, place.pack, &found), 0);
	assert_true(packs_same_info(&found, &info));
	before = counters(w);
	for (uint64_t n = REAL; n < REAL + NREAL; n++)
		assert_int_equal(find(w, n), 0);
	assert_int_equal(lookup(w, REAL + 1), -ENOENT);
	assert_int_equal(requests(w, &before), 0);
	reopen(w);
	for (uint64_t n = REAL; n < REAL + NREAL; n++)
		assert_int_equal(resolve(w, PACK_TREE, n, &place), 0);
	assert_int_equal(requests(w, &before), 0);
}

static void test_hint(void **state)
{
	struct indexes *w = *state;
	struct store_counters before;
	struct pack_info info;
	struct place place;
	struct id id;

	indexes_put_run(w, 0, LARGE, 0, 100);
	info = put_real(w, PACK_TREE, REAL);
	before = counters(w);
	learn_first(w, &info);
	assert_int_equal(find(w, REAL), 0);
	assert_int_equal(requests(w, &before), 0);
	/* Only what is of trees may be in there. */
	assert_int_equal(resolve(w, PACK_TREE, REAL + 5, &place), 0);
	assert_int_equal(requests(w, &before), 2);
	for (uint64_t n = REAL; n < REAL + NREAL; n++)
		assert_int_equal(find(w, n), 0);
	/* Again, of what is known. */
	reopen(w);
	before = counters(w);
	learn_first(w, &info);
	assert_int_equal(resolve(w, PACK_TREE, REAL + 5, &place), 0);
	assert_int_equal(requests(w, &before), 0);
	/* What cannot be read there is forgotten, once. */
	packs_id(REAL, &id);
	assert_int_equal(index_find(w->x, &id, &place), 0);
	assert_int_equal(index_doubt(w->x, &id, &place, false), 0);
	assert_int_equal(find(w, REAL), -ENOENT);
	assert_int_equal(index_resolve(w->x, PACK_TREE, &id, &place), 0);
	assert_int_equal(index_doubt(w->x, &id, &place, false), -ENOENT);
	assert_int_equal(find(w, REAL), 0);
}

/* A hint that is wrong, of a pack that is gone. */
static void test_stale_hint(void **state)
{
	struct indexes *w = *state;
	struct pack_info info, gone;
	struct place place;
	struct id id;

	packs_info(77777, &gone);
	gone.kind = PACK_TREE;
	indexes_put_run(w, 0, LARGE, 0, 100);
	info = put_real(w, PACK_TREE, REAL);
	learn_first(w, &gone);
	assert_int_equal(resolve(w, PACK_TREE, REAL + 5, &place), 0);
	packs_id(REAL, &id);
	assert_int_equal(index_find(w->x, &id, &place), 0);
	assert_int_equal(index_doubt(w->x, &id, &place, false), 0);
	assert_int_equal(index_resolve(w->x, PACK_TREE, &id, &place), 0);
	assert_int_equal(index_pack(w->x, place.pack, &gone), 0);
	assert_true(packs_same_info(&gone, &info));
}

/* Many small runs, and the one that they were merged to: that is asked first, and tells that they need not be. */
static void test_merged(void **state)
{
	struct indexes *w = *state;
	struct packs_run p = { .count = LARGE, .npacks = 100, .nreplaced = 365 };
	struct store_counters before;
	struct id old[365];
	struct place place;

	for (unsigned i = 0; i < 365; i++)
		old[i] = indexes_put_run(w, 100 * i, 100, 0, 100);
	p.replaced = old;
	packs_put_run(w->store, &w->k.metadata, &p);
	before = counters(w);
	expect_resolved(w, 7, 0, 100);
	assert_int_equal(resolve(w, PACK_DATA, 5000000, &place), -ENOENT);
	assert_true(requests(w, &before) <= 10);
	assert_int_equal(indexes_stats(w->x).runs, 0);
	/* The same if all is loaded. */
	before = counters(w);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(requests(w, &before) <= 10);
	assert_int_equal(indexes_stats(w->x).runs, 1);
}

/* What a damaged run was merged from is asked in its place, as long as it is there. */
static void test_damaged_merge(void **state)
{
	struct indexes *w = *state;
	struct id old = indexes_put_run(w, 0, LARGE, 0, 100), id;
	struct packs_run p = { .count = LARGE, .npacks = 100, .nreplaced = 1, .replaced = &old };
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];

	id = packs_put_run(w->store, &w->k.metadata, &p);
	assert_int_equal(store_get_all(w->store, run_name(&id, name), 1 << 30, &b), 0);
	for (size_t i = 1000; i < b.len - 200000; i += 30000)
		b.data[i] ^= 1;
	assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
	buf_free(&b);
	for (uint64_t n = 0; n < 10; n++)
		expect_resolved(w, n * 100, 0, 100);
}

/* Small runs beside a large one: a request for each that is asked, once for all. */
static void test_many_small(void **state)
{
	struct indexes *w = *state;
	struct store_counters before;
	struct id run[40];
	struct place place;

	for (unsigned i = 0; i < 40; i++)
		run[i] = indexes_put_run(w, REAL + 100 * i, 100, 50 * i, 10);
	indexes_put_run(w, 0, LARGE, 0, 100);
	before = counters(w);
	assert_int_equal(resolve(w, PACK_DATA, 5000000, &place), -ENOENT);
	assert_true(requests(w, &before) <= 44);
	assert_int_equal(indexes_stats(w->x).runs, 40);
	for (unsigned i = 0; i < 40; i++)
		assert_true(indexes_right(w->x, REAL + 100 * i, 100, 50 * i, 10));
	before = counters(w);
	assert_int_equal(resolve(w, PACK_DATA, 5000001, &place), -ENOENT);
	assert_true(requests(w, &before) <= 1);
	/* One of them is gone: so are its places, at the next listing. */
	indexes_delete_run(w, &run[3]);
	reopen(w);
	assert_int_equal(resolve(w, PACK_DATA, 5000001, &place), -ENOENT);
	assert_int_equal(lookup(w, REAL + 300), -ENOENT);
	assert_true(indexes_right(w->x, REAL + 400, 100, 200, 10));
}

/* A run that cannot be read, now or ever, and an object that is in another, or may be in it. */
static void test_failing_run(void **state)
{
	struct indexes *w = *state;
	struct store_fault_rule fault = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .err = -ETIMEDOUT };
	struct id run = indexes_put_run(w, 0, LARGE + 50000, 0, 100);
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];
	struct place place;

	indexes_put_run(w, REAL, LARGE, 100, 100);
	fault.prefix = run_name(&run, name);
	store_mem_set_faults(w->store, &fault, 1);
	expect_resolved(w, REAL + 1, 100, 100);
	assert_int_equal(resolve(w, PACK_DATA, 1, &place), -ETIMEDOUT);
	assert_int_equal(find(w, 1), -ENOENT);
	store_mem_set_faults(w->store, NULL, 0);
	expect_resolved(w, 1, 0, 100);

	/* Damaged for good: said once. */
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
	assert_int_equal(store_get_all(w->store, name, 1 << 30, &b), 0);
	b.data[b.len - 200] ^= 1;
	assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
	buf_free(&b);
	indexes_log_clear(w);
	expect_resolved(w, REAL + 1, 100, 100);
	assert_int_equal(resolve(w, PACK_DATA, 1, &place), -EBADMSG);
	assert_int_equal(resolve(w, PACK_DATA, 2, &place), -EBADMSG);
	assert_int_equal(indexes_logged(w, name), 1);
}

/* No listing, no answer; one that fails later does no harm to what is known. */
static void test_failing_listing(void **state)
{
	struct indexes *w = *state;
	struct store_fault_rule fault = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_LIST, .prefix = "", .err = -EIO };
	struct place place;

	indexes_put_run(w, 0, LARGE, 0, 100);
	store_mem_set_faults(w->store, &fault, 1);
	assert_int_equal(resolve(w, PACK_DATA, 1, &place), -EIO);
	store_mem_set_faults(w->store, NULL, 0);
	reopen(w);
	expect_resolved(w, 1, 0, 100);
	store_mem_set_faults(w->store, &fault, 1);
	expect_resolved(w, 2, 0, 100);
	expect_resolved(w, 1, 0, 100);
}

/* Who reads everywhere has the index loaded in the end, at about twice what it would have cost at once. */
static void test_rent_or_buy(void **state)
{
	struct indexes *w = *state;
	struct store_counters before;
	uint64_t n;

	indexes_put_run(w, 0, LARGE, 0, 100);
	before = counters(w);
	for (n = 0; n < 1000 && indexes_stats(w->x).objects == 0; n++)
		expect_resolved(w, n * 97, 0, 100);
	assert_in_range(n, 20, 200);
	assert_true(bytes(w, &before) < 20u * 1024 * 1024);
	assert_true(indexes_right(w->x, 0, LARGE, 0, 100));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_small),
		TEST(test_order),
		TEST(test_large),
		TEST(test_loaded_later),
		TEST(test_learned_is_not_loaded),
		TEST(test_neighbours),
		TEST(test_hint),
		TEST(test_stale_hint),
		TEST(test_merged), TEST(test_damaged_merge),
		TEST(test_many_small),
		TEST(test_failing_run),
		TEST(test_failing_listing),
		TEST(test_rent_or_buy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
