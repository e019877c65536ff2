/*
 * Merging runs: when, what becomes of the index here and elsewhere, and what a failure leaves.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repo/index/run/run_combine.h"
#include "repo/store/mem/store_mem.h"
#include "tests/unit/index/indexes.h"

#define EACH 100 /* objects of a small run */

static uint64_t bytes_read(struct indexes *w)
{
	struct store_counters c;

	store_get_counters(w->store, &c);
	return c.get_bytes;
}

/* Runs ${from} to ${to}, the i-th of EACH objects in ten packs of its own. */
static void put_small(struct indexes *w, unsigned from, unsigned to, struct id *id)
{
	for (unsigned i = from; i < to; i++)
		id[i] = indexes_put_run(w, (uint64_t)EACH * i, EACH, 10 * i, 10);
}

static bool all_right(struct index *x, unsigned nruns)
{
	for (unsigned i = 0; i < nruns; i++)
		if (!indexes_right(x, (uint64_t)EACH * i, EACH, 10 * i, 10))
			return false;
	return true;
}

static void test_too_few(void **state)
{
	struct indexes *w = *state;
	struct id id[16];

	assert_int_equal(index_merge_runs(w->x, NULL), 0);
	put_small(w, 0, 15, id);
	indexes_put_run(w, 100000, 40000, 5000, 10);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_merge_runs(w->x, NULL), 0);
	assert_int_equal(indexes_runs(w), 16);
	/* What is not loaded is not merged. */
	put_small(w, 15, 16, id);
	assert_int_equal(index_merge_runs(w->x, NULL), 0);
}

static void test_merge(void **state)
{
	struct indexes *w = *state;
	struct index *other = indexes_open_other(w), *fresh;
	struct id id[40];
	uint64_t before;

	put_small(w, 0, 16, id);
	indexes_put_run(w, 100000, 40000, 5000, 10);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_refresh(other), 0);
	assert_int_equal(index_merge_runs(w->x, NULL), 16);
	assert_int_equal(indexes_runs(w), 18);
	assert_int_equal(indexes_stats(w->x).runs, 2);
	assert_int_equal(indexes_stats(w->x).packs, 170);
	assert_true(all_right(w->x, 16));
	/* There is nothing more to do, nor to load. */
	before = bytes_read(w);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(bytes_read(w), before);
	assert_int_equal(index_merge_runs(w->x, NULL), 0);

	/* Who had loaded the old ones loads the new one in their place, and no other again. */
	assert_int_equal(index_refresh(other), 0);
	assert_true(bytes_read(w) - before < 300000);
	assert_int_equal(indexes_stats(other).runs, 2);
	assert_int_equal(indexes_stats(other).objects, 40000 + 16 * EACH);
	assert_true(all_right(other, 16));

	/* Who has loaded none reads the new one only. */
	fresh = indexes_open_other(w);
	assert_int_equal(index_refresh(fresh), 0);
	assert_int_equal(indexes_stats(fresh).runs, 2);
	assert_true(all_right(fresh, 16));
	index_close(fresh);

	/* The old ones are pruned: that is no news to anybody. */
	for (unsigned i = 0; i < 16; i++)
		indexes_delete_run(w, &id[i]);
	before = bytes_read(w);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_refresh(other), 0);
	assert_int_equal(bytes_read(w), before);
	assert_true(all_right(w->x, 16) && all_right(other, 16));
	assert_true(indexes_right(other, 100000, 40000, 5000, 10));
	index_close(other);
}

/* A year of backups: few runs are in use, and what the merged ones have replaced need not be opened by anybody. */
static void test_year(void **state)
{
	struct indexes *w = *state;
	struct store_counters before, after;
	struct index *fresh;
	struct id id[365];

	for (unsigned i = 0; i < 365; i++) {
		put_small(w, i, i + 1, id);
		assert_int_equal(index_add_run(w->x, &id[i], 0), 0);
		assert_true(index_merge_runs(w->x, NULL) >= 0);
	}
	assert_true(indexes_stats(w->x).runs <= 32);
	assert_true(all_right(w->x, 365));
	fresh = indexes_open_other(w);
	store_get_counters(w->store, &before);
	assert_int_equal(index_refresh(fresh), 0);
	store_get_counters(w->store, &after);
	assert_true(after.gets - before.gets < 100);
	assert_int_equal(indexes_stats(fresh).runs, indexes_stats(w->x).runs);
	assert_int_equal(indexes_stats(fresh).objects, 365 * EACH);
	assert_true(all_right(fresh, 365));
	index_close(fresh);
}

/* Nobody has a lock: two make the same at a time. */
static void test_both(void **state)
{
	struct indexes *w = *state;
	struct index *a = indexes_open_other(w), *b = indexes_open_other(w);
	struct id id[16];

	put_small(w, 0, 16, id);
	assert_int_equal(index_refresh(a), 0);
	assert_int_equal(index_refresh(b), 0);
	assert_int_equal(index_merge_runs(a, NULL), 16);
	assert_int_equal(index_merge_runs(b, NULL), 16);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_refresh(a), 0);
	assert_int_equal(index_refresh(b), 0);
	assert_true(all_right(w->x, 16) && all_right(a, 16) && all_right(b, 16));
	assert_int_equal(indexes_stats(w->x).objects, 16 * EACH);
	/* The old ones vanish while one of the new ones is not known yet. */
	for (unsigned i = 0; i < 16; i++)
		indexes_delete_run(w, &id[i]);
	assert_int_equal(index_refresh(a), 0);
	assert_true(all_right(a, 16));
	index_close(a);
	index_close(b);
}

/* The store fails at each request in turn: nothing is left behind, and the index stays right. */
static void test_failures(void **state)
{
	struct indexes *w = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .prefix = "index/", .count = 1, .err = -EIO,
		.ops = STORE_OP_GET | STORE_OP_LIST | STORE_OP_PUT };
	struct id id[16];
	unsigned failed = 0;
	int rc;

	put_small(w, 0, 16, id);
	assert_int_equal(index_refresh(w->x), 0);
	for (;; rule.skip++) {
		store_mem_set_faults(w->store, &rule, 1);
		rc = index_merge_runs(w->x, NULL);
		if (rc != -EIO)
			break;
		failed++;
		store_mem_set_faults(w->store, NULL, 0);
		assert_int_equal(indexes_runs(w), 16);
		assert_int_equal(indexes_stats(w->x).runs, 16);
		assert_true(all_right(w->x, 16));
	}
	assert_int_equal(rc, 16);
	assert_true(failed >= 18);
	store_mem_set_faults(w->store, NULL, 0);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 1);
	assert_true(all_right(w->x, 16));
}

/* A run does not say that it replaces what is not in it. */
static void test_claim(void **state)
{
	struct indexes *w = *state;
	struct run_reading how = { w->store, &w->k.metadata, &w->log, PACKS_SEGMENT_SIZE };
	struct id a = indexes_put_run(w, 0, 100, 0, 10), b = indexes_put_run(w, 100, 100, 0, 10), made;
	struct packs_run p = { .count = 300, .npacks = 10, .replaced = &a, .nreplaced = 1 };
	struct run_combining c = { .n = 1, .also = &a, .nalso = 1 };
	const struct id *replaced;
	struct run *r;
	size_t n;

	assert_int_equal(run_open(&how, &b, 0, &r), 0);
	c.runs = &r;
	assert_int_equal(run_combine(w->store, &w->k.metadata, &c, &made), -EINVAL);
	run_close(r);
	b = packs_put_run(w->store, &w->k.metadata, &p);
	assert_int_equal(run_open(&how, &b, 0, &r), 0);
	assert_int_equal(run_combine(w->store, &w->k.metadata, &c, &made), 0);
	run_close(r);
	assert_int_equal(run_open(&how, &made, 0, &r), 0);
	replaced = run_replaced(r, &n);
	assert_int_equal(n, 2);
	assert_true(id_equal(&replaced[0], &b) && id_equal(&replaced[1], &a));
	assert_int_equal(run_nobjects(r), 300);
	run_close(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_too_few),
		TEST(test_merge),
		TEST(test_year),
		TEST(test_both),
		TEST(test_failures),
		TEST(test_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
