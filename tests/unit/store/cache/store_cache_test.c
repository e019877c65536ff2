/*
 * Cache: what is asked of the store and what is not, damage on the disk, offline.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/store/cache/cache_rig.h"

#define KIB 1024u
#define MIB (1024u * 1024)
#define BLOCK (16 * KIB)

static void fail_all(struct cache_rig *rig, int err)
{
	store_mem_set_faults(rig->inner, &(struct store_fault_rule){
	    .fault = STORE_FAULT_ERROR,
	    .ops = STORE_OP_GET | STORE_OP_STAT | STORE_OP_LIST,
	    .prefix = "",
	    .err = err,
	}, 1);
}

static void test_second_time(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", 5 * MIB + 123);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 3 * MIB + 777, 100000), 0);
	assert_int_equal(cache_rig_gets(&rig), 1);
	/* Rounded to blocks, and no further. */
	assert_int_equal(cache_rig_get_bytes(&rig) % BLOCK, 0);
	assert_true(cache_rig_get_bytes(&rig) <= 100000 + 2 * BLOCK);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 3 * MIB + 777, 100000), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 3 * MIB + 50000, 3), 0);
	assert_int_equal(cache_rig_gets(&rig), 1);
	/* The end, which is short; and across the border of a piece, of which one side is there. */
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 5 * MIB + 100, 23), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 5 * MIB + 100, 23), 0);
	assert_int_equal(cache_rig_gets(&rig), 2);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 4 * MIB - 10, 10), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 4 * MIB - 10, 20), 0);
	assert_int_equal(cache_rig_gets(&rig), 4);
	cache_rig_close(&rig);

	/* As another process: the same directory, and a store that has nothing. */
	cache_rig_open(&rig, *state, 0, false);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB + 123, 3 * MIB + 777, 100000), 0);
	assert_int_equal(cache_rig_gets(&rig), 0);
	cache_rig_close(&rig);
}

static void test_not_kept(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	uint8_t *data = malloc(4 * MIB);
	struct buf b = BUF_INIT;
	uint64_t size;

	assert_non_null(data);
	cache_rig_open(&rig, *state, 0, false);
	/* That something is absent. */
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 100, 0, 100), -ENOENT);
	assert_int_equal(store_get_all(rig.cache, "keys/a", 100, &b), -ENOENT);
	cache_rig_put(&rig, "packs/aa/1", 4 * MIB);
	cache_rig_put(&rig, "keys/a", 100);
	assert_int_equal(store_get_all(rig.cache, "keys/a", 100, &b), 0);
	/* Long reads. */
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 4 * MIB, 0, 4 * MIB), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 4 * MIB, 0, MIB), 0);
	assert_int_equal(cache_rig_gets(&rig), 5);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 4 * MIB, 0, MIB), 0);
	assert_int_equal(cache_rig_gets(&rig), 6);
	/* What ends before it should. */
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 5 * MIB, 4 * MIB + 10, 100), -EBADMSG);
	assert_int_equal(store_get(rig.cache, "packs/aa/1", 4 * MIB, 1, data), -EBADMSG);
	assert_int_equal(cache_rig_gets(&rig), 8);
	/* What is put. */
	assert_int_equal(store_put(rig.cache, "packs/aa/2", "0123456789", 10, 0), 0);
	assert_int_equal(store_get_in(rig.cache, "packs/aa/2", 10, 0, 10, data), 0);
	assert_memory_equal(data, "0123456789", 10);
	assert_int_equal(cache_rig_gets(&rig), 9);
	/* What is deleted is not there any more. */
	assert_int_equal(store_put(rig.cache, "packs/aa/3", "0123456789", 10, 0), 0);
	assert_int_equal(store_stat(rig.cache, "packs/aa/3", &size), 0);
	assert_int_equal(store_delete(rig.cache, "packs/aa/3"), 0);
	assert_int_equal(store_stat(rig.cache, "packs/aa/3", &size), -ENOENT);
	assert_int_equal(store_delete(rig.cache, "packs/aa/2"), 0);
	assert_int_equal(store_get_in(rig.cache, "packs/aa/2", 10, 0, 10, data), -ENOENT);
	buf_free(&b);
	free(data);
	cache_rig_close(&rig);
}

/* Without the size only what is known already is kept; asking for it makes it known. */
static void test_size_unknown(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct store_counters n;
	uint64_t size;
	uint8_t b[100];

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "index/a", 70000);
	/* Of a pack it is asked for, as it will be read again. */
	cache_rig_put(&rig, "trees/aa/a", 70000);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(store_get(rig.cache, "trees/aa/a", 69900 - i, 100, b), 0);
	store_get_counters(rig.inner, &n);
	assert_int_equal(n.gets, 1);
	assert_int_equal(n.stats, 1);
	assert_int_equal(store_stat(rig.cache, "trees/aa/a", &size), 0);
	assert_int_equal(size, 70000);
	assert_int_equal(store_stat(rig.cache, "trees/aa/b", &size), -ENOENT);
	store_get_counters(rig.inner, &n);
	assert_int_equal(n.stats, 2);
	assert_int_equal(store_get(rig.cache, "index/a", 69900, 100, b), 0);
	assert_int_equal(store_get(rig.cache, "index/a", 69900, 100, b), 0);
	assert_int_equal(cache_rig_gets(&rig), 3);
	assert_int_equal(store_stat(rig.cache, "index/a", &size), 0);
	assert_int_equal(size, 70000);
	assert_int_equal(store_get(rig.cache, "index/a", 69900, 100, b), 0);
	assert_int_equal(store_get(rig.cache, "index/a", 69900, 100, b), 0);
	assert_int_equal(cache_rig_gets(&rig), 4);
	cache_rig_close(&rig);
}

static void test_whole(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct buf b = BUF_INIT;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "config", 300);
	cache_rig_put(&rig, "snapshots/a", 40000);
	for (unsigned i = 0; i < 3; i++) {
		buf_clear(&b);
		assert_int_equal(store_get_all(rig.cache, "snapshots/a", 50000, &b), 0);
		assert_int_equal(b.len, 40000);
	}
	assert_int_equal(cache_rig_gets(&rig), 1);
	/* Too long for who asks: the store says so. */
	assert_int_equal(store_get_all(rig.cache, "snapshots/a", 30000, &b), -EBADMSG);
	assert_int_equal(b.len, 40000);
	/* It may be another repository's by now. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(store_get_all(rig.cache, "config", 1000, &b), 0);
	assert_int_equal(cache_rig_gets(&rig), 5);
	assert_int_equal(store_mem_replace(rig.inner, "config", "another", 7), 0);
	buf_clear(&b);
	assert_int_equal(store_get_all(rig.cache, "config", 1000, &b), 0);
	assert_int_equal(b.len, 7);
	fail_all(&rig, -ETIMEDOUT);
	buf_clear(&b);
	assert_int_equal(store_get_all(rig.cache, "config", 1000, &b), 0);
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.data, "another", 7);
	assert_true(scratch_logged(*state, "cannot be reached"));
	buf_free(&b);
	cache_rig_close(&rig);
}

/* A bit of the checksums, of the head, of the blocks: found, and fetched again. */
static void test_bit_flips(void **state)
{
	static const uint64_t at[] = { 3, 17, 30, 285, 1024 + 5, 4096, 4096 + BLOCK + 77 };
	struct cache_rig rig = { .cache = NULL };
	struct cache_counters n;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", 2 * BLOCK + 100);
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 2 * BLOCK + 100, 0, 2 * BLOCK + 100), 0);
		assert_int_equal(cache_rig_gets(&rig), 1 + i);
		assert_int_equal(cache_rig_flip(&rig, at[i]), 1);
		assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 2 * BLOCK + 100, 0, 2 * BLOCK + 100), 0);
		assert_int_equal(cache_rig_gets(&rig), 2 + i);
	}
	store_cache_counters(rig.cache, &n);
	assert_int_equal(n.dropped, 3);
	cache_rig_close(&rig);
}

/* What came damaged from the store has a right checksum; who notices says so. */
static void test_distrust(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	uint8_t good[1000], bad[1000];

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", 100000);
	cache_rig_bytes("packs/aa/1", 20000, 1000, good);
	store_mem_set_faults(rig.inner, &(struct store_fault_rule){
	    .fault = STORE_FAULT_FLIP,
	    .ops = STORE_OP_GET,
	    .prefix = "",
	    .count = 1,
	    .amount = 8 * 20500,
	}, 1);
	assert_int_equal(store_get_in(rig.cache, "packs/aa/1", 100000, 20000, 1000, bad), 0);
	assert_memory_not_equal(bad, good, 1000);
	assert_int_equal(store_get_in(rig.cache, "packs/aa/1", 100000, 20000, 1000, bad), 0);
	assert_memory_not_equal(bad, good, 1000);
	assert_int_equal(store_distrust(rig.cache, "packs/aa/1", 20000, 1000), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", 100000, 20000, 1000), 0);
	assert_int_equal(cache_rig_gets(&rig), 2);
	/* Nothing of it is kept: the store in memory would answer the same again. */
	assert_int_equal(store_distrust(rig.cache, "packs/aa/1", 60000, 1000), -ENOENT);
	cache_rig_close(&rig);
}

/* --- Listings, offline -------------------------------------------------------------------------------------------- */

static int count_names(void *arg, const char *name, uint64_t size)
{
	(void)name;
	*(uint64_t *)arg += 1000 + size;
	return 0;
}

static uint64_t list(struct cache_rig *rig, const char *prefix, int want)
{
	uint64_t n = 0;

	assert_int_equal(store_list(rig->cache, prefix, count_names, &n), want);
	return n;
}

static void test_listings(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "snapshots/a", 3);
	cache_rig_put(&rig, "packs/aa/a", 3);
	assert_int_equal(list(&rig, "snapshots/", 0), 1003);
	cache_rig_put(&rig, "snapshots/b", 4);
	assert_int_equal(list(&rig, "snapshots/", 0), 2007);
	/* What this process puts and deletes is known without another listing. */
	assert_int_equal(store_put(rig.cache, "snapshots/c", "12345", 5, 0), 0);
	assert_int_equal(store_delete(rig.cache, "snapshots/a"), 0);
	fail_all(&rig, -EIO);
	assert_int_equal(list(&rig, "snapshots/", 0), 2009);
	assert_true(scratch_logged(*state, "cannot be reached"));
	assert_int_equal(list(&rig, "keys/", -EIO), 0);
	assert_int_equal(list(&rig, "packs/", -EIO), 0);
	/* No permission is an answer. */
	fail_all(&rig, -EACCES);
	assert_int_equal(list(&rig, "snapshots/", -EACCES), 0);
	store_mem_set_faults(rig.inner, NULL, 0);
	assert_int_equal(list(&rig, "snapshots/", 0), 2009);
	cache_rig_close(&rig);
}

/* Who writes by a listing gets the store's of now, or an error. */
static void test_exact(void **state)
{
	struct scratch *s = *state;
	struct cache_options opts = { .exact = true, .log = &s->log };
	struct cache_rig rig = { .cache = NULL };
	char dir[SCRATCH_PATH_SIZE];

	cache_rig_open(&rig, s, 0, false);
	cache_rig_put(&rig, "index/a", 3);
	assert_int_equal(list(&rig, "index/", 0), 1003);
	fail_all(&rig, -ETIMEDOUT);
	assert_int_equal(list(&rig, "index/", 0), 1003);
	cache_rig_close(&rig);

	opts.dir = scratch_path(s, "cache/repo", dir);
	assert_int_equal(store_mem_open(&s->log, &rig.inner), 0);
	assert_int_equal(store_cache_open(rig.inner, &opts, &rig.cache), 0);
	fail_all(&rig, -ETIMEDOUT);
	assert_int_equal(list(&rig, "index/", -ETIMEDOUT), 0);
	cache_rig_close(&rig);
}

static void test_offline(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct buf b = BUF_INIT;
	uint64_t size;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", MIB);
	cache_rig_put(&rig, "snapshots/a", 500);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 1000, 600 * KIB), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 1000, 300 * KIB), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 301 * KIB, 300 * KIB), 0);
	assert_int_equal(store_get_all(rig.cache, "snapshots/a", 500, &b), 0);
	list(&rig, "snapshots/", 0);
	cache_rig_close(&rig);

	cache_rig_open(&rig, *state, 0, true);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 50000, 200 * KIB), 0);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 1000, 600 * KIB), 0);
	assert_int_equal(store_get_all(rig.cache, "snapshots/a", 500, &b), 0);
	assert_int_equal(list(&rig, "snapshots/", 0), 1500);
	assert_int_equal(store_stat(rig.cache, "packs/aa/1", &size), 0);
	assert_int_equal(size, MIB);
	assert_false(scratch_logged(*state, "offline"));
	/* What is not there is not said to be absent. */
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, MIB - 1000, 1000), -ENETDOWN);
	assert_true(scratch_logged(*state, "packs/aa/1: not in the cache, and offline"));
	assert_int_equal(store_get_all(rig.cache, "snapshots/b", 500, &b), -ENETDOWN);
	assert_int_equal(store_get_all(rig.cache, "config", 500, &b), -ENETDOWN);
	assert_int_equal(store_stat(rig.cache, "packs/aa/2", &size), -ENETDOWN);
	assert_int_equal(list(&rig, "index/", -ENETDOWN), 0);
	assert_int_equal(list(&rig, "", -ENETDOWN), 0);
	assert_int_equal(store_put(rig.cache, "packs/aa/3", "1", 1, 0), -ENETDOWN);
	assert_int_equal(store_delete(rig.cache, "packs/aa/3"), -ENETDOWN);
	assert_int_equal(cache_rig_gets(&rig), 0);
	buf_free(&b);
	cache_rig_close(&rig);
}

/* The store fails: what is cached is read, without a request, the rest fails as the store does. */
static void test_unreachable(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", MIB);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 1000, 300 * KIB), 0);
	fail_all(&rig, -ETIMEDOUT);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 1000, 300 * KIB), 0);
	assert_int_equal(cache_rig_gets(&rig), 1);
	assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, 900 * KIB, 1000), -ETIMEDOUT);
	cache_rig_close(&rig);
}

/* A place where nothing can be kept costs requests, not answers. */
static void test_no_room(void **state)
{
	struct cache_rig rig = { .dir = "/proc/nowhere/cache" };
	struct cache_usage u;

	cache_rig_open(&rig, *state, 0, false);
	assert_true(scratch_logged(*state, "cannot be used as a cache"));
	cache_rig_put(&rig, "packs/aa/1", MIB);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(cache_rig_read(&rig, "packs/aa/1", MIB, i * 1000, 1000), 0);
	assert_int_equal(list(&rig, "packs/", 0), 1000 + MIB);
	assert_int_equal(store_cache_usage(rig.cache, &u), 0);
	assert_int_equal(u.pieces, 0);
	assert_null(store_cache_dir(rig.cache));
	cache_rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_second_time, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_not_kept, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_size_unknown, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_whole, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_bit_flips, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_distrust, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_listings, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_exact, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_offline, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_room, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
