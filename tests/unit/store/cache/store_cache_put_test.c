/*
 * Cache: what is put is kept if its writer will read it again, and only then.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/store/cache/cache_rig.h"

#define MIB (1024u * 1024)
#define SIZE (3 * MIB + 12345)
#define LARGE (CACHE_BYTES_MIN / 4 + 1)

/* An object on its way through the cache, with all its bytes. */
static struct store_put *begin(struct cache_rig *rig, const char *name, uint64_t len, bool keep)
{
	uint8_t *data = malloc(len);
	struct store_put *p;

	assert_non_null(data);
	cache_rig_bytes(name, 0, len, data);
	assert_int_equal(store_put_begin(rig->cache, &p), 0);
	if (keep)
		store_put_keep(p);
	for (uint64_t at = 0, n; at < len; at += n) {
		n = len - at < 70000 ? len - at : 70000;
		assert_int_equal(store_put_append(p, data + at, n), 0);
	}
	free(data);
	return p;
}

static uint64_t kept_bytes(struct cache_rig *rig)
{
	struct cache_usage u;

	assert_int_equal(store_cache_usage(rig->cache, &u), 0);
	return u.bytes;
}

static void test_kept(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct store_counters n;
	uint64_t size;

	cache_rig_open(&rig, *state, 0, false);
	assert_int_equal(store_put_commit(begin(&rig, "trees/aa/1", SIZE, true), "trees/aa/1", 0), 0);
	assert_int_equal(store_put_commit(begin(&rig, "index/1", 1000, true), "index/1", 0), 0);
	/* Short and long reads, and how long it is: nobody is asked. */
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", SIZE, 100, 60000), 0);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", SIZE, SIZE - 1000, 1000), 0);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", SIZE, 0, SIZE), 0);
	assert_int_equal(cache_rig_read(&rig, "index/1", 1000, 0, 1000), 0);
	assert_int_equal(store_stat(rig.cache, "trees/aa/1", &size), 0);
	assert_int_equal(size, SIZE);
	store_get_counters(rig.inner, &n);
	assert_int_equal(n.gets + n.stats, 0);
	assert_int_equal(n.put_bytes, SIZE + 1000);
	/* What turns bad on the disk is asked for. */
	assert_int_equal(cache_rig_flip(&rig, 4096 + 77), 5);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", SIZE, 100, 60000), 0);
	assert_int_equal(cache_rig_read(&rig, "index/1", 1000, 0, 1000), 0);
	assert_int_equal(cache_rig_gets(&rig), 2);
	cache_rig_close(&rig);

	/* Another process has it. */
	cache_rig_open(&rig, *state, 0, true);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", SIZE, 100, 60000), 0);
	cache_rig_close(&rig);
}

static void test_not_kept(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct store_put *p;

	cache_rig_open(&rig, *state, 0, false);
	assert_int_equal(store_put_commit(begin(&rig, "packs/aa/1", SIZE, false), "packs/aa/1", 0), 0);
	assert_int_equal(kept_bytes(&rig), 0);
	/* What the store has not taken is not there. */
	store_put_abort(begin(&rig, "trees/aa/1", SIZE, true));
	p = begin(&rig, "trees/aa/1", SIZE, true);
	store_mem_set_faults(rig.inner, &(struct store_fault_rule){
	    .fault = STORE_FAULT_ERROR,
	    .ops = STORE_OP_PUT,
	    .prefix = "",
	    .err = -EIO,
	}, 1);
	assert_int_equal(store_put_commit(p, "trees/aa/1", 0), -EIO);
	store_mem_set_faults(rig.inner, NULL, 0);
	assert_int_equal(kept_bytes(&rig), 0);
	/* What may change under its name. */
	assert_int_equal(store_put_commit(begin(&rig, "config", 1000, true), "config", 0), 0);
	assert_int_equal(kept_bytes(&rig), 0);
	cache_rig_close(&rig);

	/* What would drive out much of what others want. */
	cache_rig_open(&rig, *state, CACHE_BYTES_MIN, false);
	assert_int_equal(store_put_commit(begin(&rig, "trees/aa/3", LARGE, true), "trees/aa/3", 0), 0);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/3", LARGE, 0, 10), 0);
	assert_int_equal(cache_rig_gets(&rig), 1);
	cache_rig_close(&rig);
}

/* More than fits: the bound holds, and what came last is there. */
static void test_bound(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	char name[32];

	cache_rig_open(&rig, *state, CACHE_BYTES_MIN, false);
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "trees/aa/%u", i);
		assert_int_equal(store_put_commit(begin(&rig, name, 24 * MIB, true), name, 0), 0);
		assert_true(kept_bytes(&rig) <= CACHE_BYTES_MIN);
	}
	assert_true(kept_bytes(&rig) > CACHE_BYTES_MIN / 2);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/7", 24 * MIB, 100, 1000), 0);
	assert_int_equal(cache_rig_gets(&rig), 0);
	cache_rig_close(&rig);
}

/* Nothing can be kept: what is put is put all the same. */
static void test_no_room(void **state)
{
	struct cache_rig rig = { .dir = "/proc/nowhere/cache" };

	cache_rig_open(&rig, *state, 0, false);
	assert_int_equal(store_put_commit(begin(&rig, "trees/aa/1", SIZE, true), "trees/aa/1", 0), 0);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", SIZE, 100, 1000), 0);
	assert_int_equal(cache_rig_gets(&rig), 1);
	cache_rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_not_kept, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_bound, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_room, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
