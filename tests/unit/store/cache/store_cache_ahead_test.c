/*
 * Cache: how many requests of which length readers of different habits cause.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/store/cache/cache_rig.h"

#define KIB 1024u
#define MIB (1024u * 1024)
#define PACK (32u * MIB)
#define BOX (100 * KIB + 17)

/* Boxes of a pack, one after the other, as restore reads them. */
static void read_in_order(struct cache_rig *rig, const char *name, uint64_t from, uint64_t to)
{
	for (uint64_t off = from; off < to; off += BOX)
		assert_int_equal(cache_rig_read(rig, name, PACK, off, off + BOX < to ? BOX : (size_t)(to - off)), 0);
}

static void delay(struct cache_rig *rig, uint64_t ms)
{
	store_mem_set_faults(rig->inner, &(struct store_fault_rule){
	    .fault = STORE_FAULT_DELAY,
	    .ops = STORE_OP_GET,
	    .prefix = "",
	    .amount = ms,
	}, 1);
}

/* Everything is fetched once, in long ranges, and mostly ahead. */
static void test_in_order(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct cache_counters n;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	cache_rig_put(&rig, "packs/aa/2", PACK);
	read_in_order(&rig, "packs/aa/1", 96, PACK - 300 * KIB);
	read_in_order(&rig, "packs/aa/2", 96, PACK - 300 * KIB);
	cache_rig_settle(&rig);
	store_cache_counters(rig.cache, &n);
	assert_int_equal(cache_rig_get_bytes(&rig), 2 * PACK);
	assert_int_equal(n.fetched_bytes, 2 * PACK);
	assert_true(n.fetched_bytes / n.fetches >= 400 * KIB);
	assert_true(n.ahead * 10 >= n.fetches * 7);
	assert_int_equal(n.dropped, 0);
	cache_rig_close(&rig);
}

/*
 * A link of 20 ms: one reader needs the bytes of a pack (1.3 s at 200 Mbit/s, which the store in memory does not heed)
 * with at most as many waits as a link that is 80 % full allows.
 */
static int64_t timed(struct cache_rig *rig, const char *name)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	read_in_order(rig, name, 96, PACK);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
}

static void test_in_flight(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	int64_t ms, without;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/0", PACK);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	without = timed(&rig, "packs/aa/0");
	delay(&rig, 20);
	ms = timed(&rig, "packs/aa/1");
	/* One by one it would be 328 waits, more than 6.5 s; what the machine takes comes on top, and varies. */
	assert_true(ms < 3000 + 3 * without);
	cache_rig_close(&rig);
}

/* Who reads here and there causes one request each time, of as many blocks as it takes. */
static void test_random(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	uint64_t bytes = 0;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(cache_rig_read(&rig, "packs/aa/1", PACK, i * 7 % 20 * 1600000 + i * 3000, 60000), 0);
		assert_int_equal(cache_rig_gets(&rig), i + 1);
		assert_true(cache_rig_get_bytes(&rig) - bytes < 60000 + 2 * 16 * KIB);
		bytes = cache_rig_get_bytes(&rig);
	}
	cache_rig_settle(&rig);
	assert_int_equal(cache_rig_gets(&rig), 20);
	cache_rig_close(&rig);
}

/* A chunk of some segments, one after the other, is no reading in order yet. */
static void test_two_neighbours(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	read_in_order(&rig, "packs/aa/1", 5 * MIB, 5 * MIB + 2 * BOX);
	cache_rig_settle(&rig);
	assert_int_equal(cache_rig_gets(&rig), 2);
	assert_true(cache_rig_get_bytes(&rig) <= 2 * BOX + 3 * 16 * KIB);
	cache_rig_close(&rig);
}

/* Tree packs: in any order never a byte twice, in ranges of 256 KiB and more; and little for the first of them. */
static void test_trees(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	const uint64_t size = 6 * MIB + 12345;
	uint64_t at = 1;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "trees/aa/1", size);
	assert_int_equal(cache_rig_read(&rig, "trees/aa/1", size, size - 70000, 60000), 0);
	assert_int_equal(cache_rig_gets(&rig), 1);
	assert_true(cache_rig_get_bytes(&rig) <= 256 * KIB + 60000);
	for (unsigned i = 0; i < 1000; i++) {
		at = (at * 2862933555777941757 + 3037000493) % (size - 60000);
		assert_int_equal(cache_rig_read(&rig, "trees/aa/1", size, at, 60000), 0);
	}
	assert_true(cache_rig_get_bytes(&rig) <= size);
	assert_true(cache_rig_get_bytes(&rig) / cache_rig_gets(&rig) >= 256 * KIB);
	cache_rig_close(&rig);
}

struct reader {
	struct cache_rig *rig;
	unsigned n;
	pthread_t thread;
	int rc;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct buf b = BUF_INIT;
	uint8_t *box = malloc(BOX);

	for (unsigned i = 0; i < 40 && r->rc == 0 && box != NULL; i++)
		r->rc = store_get_in(r->rig->cache, i % 2 ? "packs/aa/1" : "trees/aa/1", PACK,
		    (i * 7 + (r->n % 2) * i) % 40 * BOX, BOX, box);
	if (r->rc == 0)
		r->rc = store_get_all(r->rig->cache, "keys/a", 1000, &b);
	free(box);
	buf_free(&b);
	return NULL;
}

/* However many want the same at once. */
static void test_single_flight(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct reader r[8];
	struct store_counters n;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	cache_rig_put(&rig, "trees/aa/1", PACK);
	cache_rig_put(&rig, "keys/a", 1000);
	delay(&rig, 5);
	for (unsigned i = 0; i < 8; i++) {
		r[i] = (struct reader){ .rig = &rig, .n = i };
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_all, &r[i]), 0);
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(r[i].thread, NULL), 0);
		assert_int_equal(r[i].rc, 0);
	}
	cache_rig_settle(&rig);
	store_get_counters(rig.inner, &n);
	/* No byte was fetched twice: whatever is read now is there, and not more has come than there is. */
	assert_true(n.get_bytes <= 2 * PACK + 1000);
	delay(&rig, 0);
	read_in_order(&rig, "trees/aa/1", 0, PACK);
	read_in_order(&rig, "packs/aa/1", 0, PACK);
	cache_rig_settle(&rig);
	assert_int_equal(cache_rig_get_bytes(&rig), 2 * PACK + 1000);
	cache_rig_close(&rig);
}

/* How many of the first bytes of a pack are there, without asking for them. */
static uint64_t bytes_there(struct cache_rig *rig, const char *name)
{
	struct cache_rig reader = { .cache = NULL };
	uint64_t n = 0;

	memcpy(reader.dir, rig->dir, sizeof(reader.dir));
	cache_rig_open(&reader, rig->scratch, 0, true);
	while (n < PACK && cache_rig_read(&reader, name, PACK, n, 16 * KIB) == 0)
		n += 16 * KIB;
	cache_rig_close(&reader);
	return n;
}

/*
 * Who comes to the end of a pack has the beginning of the next one fetched before he is there, and no more than that;
 * and wherever in it he begins, nothing is fetched in small pieces.
 */
static void test_next_pack(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct cache_counters before, after;

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	cache_rig_put(&rig, "packs/aa/2", PACK);
	store_follows(rig.cache, "packs/aa/1", "packs/aa/2", PACK);
	read_in_order(&rig, "packs/aa/1", 96, PACK - 9 * MIB);
	cache_rig_settle(&rig);
	assert_int_equal(bytes_there(&rig, "packs/aa/2"), 0);
	read_in_order(&rig, "packs/aa/1", PACK - 9 * MIB, PACK - 300 * KIB);
	cache_rig_settle(&rig);
	assert_in_range(bytes_there(&rig, "packs/aa/2"), 7 * MIB, 9 * MIB);
	assert_true(cache_rig_get_bytes(&rig) <= PACK + 10 * MIB);
	store_cache_counters(rig.cache, &before);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(cache_rig_read(&rig, "packs/aa/2", PACK, (i * 13 + 9) % 40 * BOX, BOX), 0);
	read_in_order(&rig, "packs/aa/2", 40 * BOX, PACK);
	cache_rig_settle(&rig);
	store_cache_counters(rig.cache, &after);
	assert_true((after.fetched_bytes - before.fetched_bytes) / (after.fetches - before.fetches) >= 900 * KIB);
	assert_int_equal(cache_rig_get_bytes(&rig), 2 * PACK);
	cache_rig_close(&rig);
}

/* Who reads here and there, near an end too, has nothing of what follows. */
static void test_no_next_pack(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	cache_rig_put(&rig, "packs/aa/2", PACK);
	store_follows(rig.cache, "packs/aa/1", "packs/aa/2", PACK);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(cache_rig_read(&rig, "packs/aa/1", PACK, PACK - (1 + i * 7 % 20) * 1500000, 60000), 0);
	cache_rig_settle(&rig);
	assert_int_equal(cache_rig_gets(&rig), 20);
	assert_int_equal(bytes_there(&rig, "packs/aa/2"), 0);
	cache_rig_close(&rig);
}

/* Closing does not wait for what has not begun. */
static void test_close(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, 0, false);
	cache_rig_put(&rig, "packs/aa/1", PACK);
	delay(&rig, 10);
	read_in_order(&rig, "packs/aa/1", 0, 20 * BOX);
	assert_true(cache_rig_gets(&rig) < 20);
	cache_rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_in_flight, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_random, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_two_neighbours, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_trees, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_single_flight, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_next_pack, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_next_pack, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_close, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
