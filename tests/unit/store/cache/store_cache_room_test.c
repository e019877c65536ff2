/*
 * Cache: its bound, several processes, processes that are killed, pins.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store/cache/cache_rig.h"

#define KIB 1024u
#define MIB (1024u * 1024)
#define PACK (4u * MIB)
#define BOUND (128u * MIB)

static char *pack(unsigned n, char out[32])
{
	snprintf(out, 32, "packs/aa/%u", n);
	return out;
}

static struct cache_usage usage(struct cache_rig *rig)
{
	struct cache_usage u;

	assert_int_equal(store_cache_usage(rig->cache, &u), 0);
	return u;
}

/* Read a whole pack, which the store holds only meanwhile. */
static void read_pack(struct cache_rig *rig, unsigned n)
{
	char name[32];

	cache_rig_put(rig, pack(n, name), PACK);
	for (uint64_t off = 0; off < PACK; off += 512 * KIB)
		assert_int_equal(cache_rig_read(rig, name, PACK, off, 512 * KIB), 0);
	cache_rig_settle(rig);
	assert_int_equal(store_delete(rig->inner, name), 0);
}

/* Is any of it there?  The store has not got it. */
static bool has_pack(struct cache_rig *rig, unsigned n)
{
	char name[32];

	for (uint64_t off = 0; off < PACK; off += 512 * KIB)
		if (cache_rig_read(rig, pack(n, name), PACK, off, 100) == 0)
			return true;
	return false;
}

static void test_bound(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct cache_usage u;
	unsigned old = 0;

	cache_rig_open(&rig, *state, 1, false);
	assert_int_equal(usage(&rig).max_bytes, BOUND);
	for (unsigned n = 0; n < 80; n++) {
		read_pack(&rig, n);
		/* Somebody comes back to the first one now and then. */
		assert_true(has_pack(&rig, 0));
		u = usage(&rig);
		assert_true(u.bytes <= BOUND);
	}
	assert_true(u.bytes > BOUND / 2);
	assert_int_equal(u.pinned_pieces, 0);
	for (unsigned n = 1; n < 20; n++)
		old += has_pack(&rig, n);
	assert_int_equal(old, 0);
	assert_true(has_pack(&rig, 79));
	cache_rig_close(&rig);
}

/* Whatever the state says: it is counted anew when the boot is another, or it is damaged. */
static void test_state_lost(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	char path[SCRATCH_PATH_SIZE + 8];
	int fd;

	cache_rig_open(&rig, *state, BOUND, false);
	for (unsigned n = 0; n < 28; n++)
		read_pack(&rig, n);
	cache_rig_close(&rig);
	snprintf(path, sizeof(path), "%s/state", rig.dir);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "another boot", 12, 8), 12);
	close(fd);
	cache_rig_open(&rig, *state, BOUND, false);
	for (unsigned n = 28; n < 40; n++) {
		read_pack(&rig, n);
		assert_true(usage(&rig).bytes <= BOUND);
	}
	cache_rig_close(&rig);
}

/* --- Several processes -------------------------------------------------------------------------------------------- */

/* A process that reads pack after pack, in an order of its own, until it is killed or has read ${count}. */
static pid_t start_reader(struct scratch *s, const char *dir, unsigned seed, unsigned count)
{
	struct cache_rig rig = { .cache = NULL };
	pid_t pid = fork();
	char name[32];

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	snprintf(rig.dir, sizeof(rig.dir), "%s", dir);
	cache_rig_open(&rig, s, BOUND, false);
	for (unsigned i = 0; i < count; i++) {
		seed = seed * 1103515245 + 12345;
		cache_rig_put(&rig, pack(seed >> 16 & 31, name), PACK);
		for (uint64_t off = 0; off + 200 * KIB <= PACK; off += 300 * KIB)
			if (cache_rig_read(&rig, name, PACK, off, 200 * KIB) != 0)
				_exit(1);
	}
	cache_rig_close(&rig);
	_exit(0);
}

static void test_processes(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct cache_counters n;
	pid_t pid[3];
	int status;

	cache_rig_open(&rig, *state, BOUND, false);
	for (unsigned i = 0; i < 3; i++)
		pid[i] = start_reader(*state, rig.dir, i + 1, 20);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_true(usage(&rig).bytes <= BOUND);
	/* All that is there is sound. */
	for (unsigned i = 0; i < 32; i++)
		has_pack(&rig, i);
	store_cache_counters(rig.cache, &n);
	assert_true(n.hits > 10);
	assert_int_equal(n.dropped, 0);
	cache_rig_close(&rig);
}

/* Killed in whatever it was doing, again and again: nothing to recover, nothing wrong, and the bound holds. */
static void test_killed(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	const struct timespec tick = { .tv_nsec = 1000 * 1000 };
	struct cache_counters n;
	int status;

	cache_rig_open(&rig, *state, BOUND, false);
	for (unsigned i = 0; i < 20; i++) {
		pid_t pid = start_reader(*state, rig.dir, i * 77 + 5, 1000);

		for (unsigned ms = 0; ms < 20 + i * 7 % 60; ms++)
			nanosleep(&tick, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
	assert_true(usage(&rig).bytes <= BOUND);
	for (unsigned i = 0; i < 32; i++)
		has_pack(&rig, i);
	/* Everything is as usual. */
	for (unsigned i = 0; i < 20; i++)
		read_pack(&rig, 100 + i);
	assert_true(usage(&rig).bytes <= BOUND);
	store_cache_counters(rig.cache, &n);
	assert_int_equal(n.dropped, 0);
	cache_rig_close(&rig);
}

/* --- Pins --------------------------------------------------------------------------------------------------------- */

static int look_at_pin(void *arg, const struct cache_pin *pin)
{
	struct cache_pin *out = arg;

	assert_string_equal(pin->text, "what is pinned");
	*out = *pin;
	return 7;
}

static void test_pins(void **state)
{
	struct cache_rig rig = { .cache = NULL };
	struct cache_pin pin;
	struct buf b = BUF_INIT;

	cache_rig_open(&rig, *state, BOUND, false);
	read_pack(&rig, 0);
	assert_int_equal(store_cache_pin(rig.cache, "what is pinned"), 0);
	cache_rig_put(&rig, "keys/a", 100);
	assert_int_equal(store_get_all(rig.cache, "keys/a", 100, &b), 0);
	for (unsigned n = 1; n < 41; n++)
		read_pack(&rig, n);
	assert_int_equal(store_cache_pins(rig.cache, look_at_pin, &pin), 7);
	assert_false(pin.complete);
	assert_int_equal(store_cache_pinned(rig.cache), 0);
	for (unsigned n = 41; n < 100; n++)
		read_pack(&rig, n);
	/* More than the bound has room for, and all of it there still. */
	assert_true(usage(&rig).pinned_bytes > 40 * (uint64_t)PACK);
	assert_int_equal(usage(&rig).pinned_pieces, 40 * 4 + 1);
	assert_true(usage(&rig).bytes <= BOUND);
	assert_int_equal(store_cache_pins(rig.cache, look_at_pin, &pin), 7);
	assert_true(pin.complete);
	assert_int_equal(pin.pieces, 40 * 4 + 1);
	for (unsigned n = 1; n < 41; n++)
		assert_true(has_pack(&rig, n));
	assert_false(has_pack(&rig, 0));
	assert_int_equal(store_delete(rig.inner, "keys/a"), 0);
	assert_int_equal(store_get_all(rig.cache, "keys/a", 100, &b), 0);
	assert_int_equal(store_cache_unpin(rig.cache, "something else"), -ENOENT);
	assert_int_equal(store_cache_unpin(rig.cache, "what is pinned"), 0);
	assert_int_equal(store_cache_pins(rig.cache, look_at_pin, &pin), 0);
	for (unsigned n = 100; n < 120; n++)
		read_pack(&rig, n);
	assert_int_equal(usage(&rig).pinned_pieces, 0);
	assert_true(usage(&rig).bytes <= BOUND);
	buf_free(&b);
	cache_rig_close(&rig);
}

static void test_clear(void **state)
{
	struct cache_rig rig = { .cache = NULL };

	cache_rig_open(&rig, *state, BOUND, false);
	assert_int_equal(store_cache_pin(rig.cache, "what is pinned"), 0);
	read_pack(&rig, 1);
	assert_int_equal(store_cache_pinned(rig.cache), 0);
	read_pack(&rig, 2);
	assert_int_equal(store_cache_clear(rig.cache), 0);
	assert_int_equal(usage(&rig).pieces + usage(&rig).pinned_pieces, 0);
	assert_false(has_pack(&rig, 1));
	assert_false(has_pack(&rig, 2));
	read_pack(&rig, 3);
	assert_true(has_pack(&rig, 3));
	cache_rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bound, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_state_lost, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_processes, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_killed, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_pins, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_clear, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
