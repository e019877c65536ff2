/*
 * Directory store: the cache of open files.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/dir/fd_cache.h"
#include "tests/unit/store/dir/dir_rig.h"

#define NPACKS 200
#define PACK_LEN 1000

static char pack_byte(int pack, size_t at)
{
	return (char)((size_t)pack * 31 + at * 7);
}

static void pack_name(int pack, char out[32])
{
	snprintf(out, 32, "packs/%02x/%d", pack & 0xff, pack);
}

static void put_pack(struct store *store, int pack)
{
	char name[32], bytes[PACK_LEN];
	size_t i;

	for (i = 0; i < PACK_LEN; i++)
		bytes[i] = pack_byte(pack, i);
	pack_name(pack, name);
	assert_int_equal(store_put(store, name, bytes, PACK_LEN, 0), 0);
}

/* Many small reads keep few files open, and a deleted one not at all. */
static void test_fd_cache(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	unsigned before = dir_rig_open_files();
	char name[32], bytes[10];
	int i, round;

	for (i = 0; i < NPACKS; i++)
		put_pack(store, i);
	assert_int_equal(dir_rig_open_files(), before);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < NPACKS; i++) {
			pack_name(i, name);
			assert_int_equal(store_get(store, name, (uint64_t)(i + round), sizeof(bytes), bytes), 0);
			assert_int_equal(bytes[9], pack_byte(i, (size_t)(i + round + 9)));
		}
		assert_int_equal(dir_rig_open_files(), before + FD_CACHE_SIZE);
	}
	for (i = 0; i < NPACKS; i++) {
		pack_name(i, name);
		assert_int_equal(store_delete(store, name), 0);
		assert_int_equal(store_get(store, name, 0, 1, bytes), -ENOENT);
	}
	assert_int_equal(dir_rig_open_files(), before);
	store_close(store);
}

/* What another process does to an object is seen at the next read. */
static void test_fd_cache_others(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s), *other = dir_rig_open(s);
	unsigned before = dir_rig_open_files();
	char path[SCRATCH_PATH_SIZE], c;

	assert_int_equal(store_put(store, "packs/a", "1", 1, 0), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(store_put(other, "packs/a", "23", 2, 0), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(c, '2');
	assert_int_equal(store_delete(other, "packs/a"), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -ENOENT);
	assert_int_equal(store_put(other, "packs/a", "4", 1, 0), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(c, '4');

	/* One that is cut while it is open is too short, and mended when it is replaced. */
	assert_int_equal(truncate(scratch_path(s, "store/packs/a", path), 0), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -EBADMSG);
	assert_int_equal(dir_rig_open_files(), before + 1);
	assert_int_equal(store_put(store, "packs/a", "5", 1, 0), 0);
	assert_int_equal(dir_rig_open_files(), before);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(c, '5');
	store_close(store);
	store_close(other);
}

/* The cache by itself, with more files in use than it holds. */
static void test_fd_cache_full(void **state)
{
	struct fd_cache *c = fd_cache_new();
	struct fd_lease lease[FD_CACHE_SIZE + 2], again;
	unsigned before = dir_rig_open_files();
	char name[32];
	int i;

	(void)state;
	assert_non_null(c);
	assert_false(fd_cache_take(c, "packs/0", &again));
	for (i = 0; i < FD_CACHE_SIZE + 2; i++) {
		snprintf(name, sizeof(name), "packs/%d", i);
		fd_cache_add(c, name, open("/dev/null", O_RDONLY | O_CLOEXEC), &lease[i]);
	}
	assert_int_equal(dir_rig_open_files(), before + FD_CACHE_SIZE + 2);
	assert_true(fd_cache_take(c, "packs/0", &again));
	assert_int_equal(again.fd, lease[0].fd);
	assert_false(fd_cache_take(c, "packs/64", &again));

	/* A second file for the same name is not kept. */
	fd_cache_add(c, "packs/0", open("/dev/null", O_RDONLY | O_CLOEXEC), &again);
	assert_int_equal(again.fd, lease[0].fd);
	fd_cache_give(c, &again);
	fd_cache_give(c, &lease[0]);

	/* Dropped while in use: found no longer, and closed at the end. */
	fd_cache_drop(c, "packs/0");
	assert_false(fd_cache_take(c, "packs/0", &again));
	assert_true(fcntl(lease[0].fd, F_GETFD) >= 0);
	assert_int_equal(dir_rig_open_files(), before + FD_CACHE_SIZE + 2);
	fd_cache_give(c, &lease[0]);
	assert_int_equal(dir_rig_open_files(), before + FD_CACHE_SIZE + 1);
	fd_cache_drop(c, "packs/never");

	for (i = 1; i < FD_CACHE_SIZE + 2; i++)
		fd_cache_give(c, &lease[i]);
	assert_int_equal(dir_rig_open_files(), before + FD_CACHE_SIZE - 1);

	/* Of those that are free, the one that was used least recently goes. */
	fd_cache_add(c, "packs/new", open("/dev/null", O_RDONLY | O_CLOEXEC), &lease[0]);
	fd_cache_give(c, &lease[0]);
	assert_true(fd_cache_take(c, "packs/1", &again));
	fd_cache_give(c, &again);
	fd_cache_add(c, "packs/newer", open("/dev/null", O_RDONLY | O_CLOEXEC), &lease[0]);
	fd_cache_give(c, &lease[0]);
	assert_true(fd_cache_take(c, "packs/1", &again));
	fd_cache_give(c, &again);
	assert_false(fd_cache_take(c, "packs/2", &again));
	fd_cache_free(c);
	assert_int_equal(dir_rig_open_files(), before);
	fd_cache_free(NULL);
}

struct reader {
	pthread_t thread;
	struct store *store;
	unsigned seed;
	atomic_int *wrong;
};

/* Packs below NPACKS / 2 stay; the others come and go. */
static void *read_at_random(void *arg)
{
	struct reader *r = arg;
	char name[32], bytes[50];
	size_t off;
	int i, pack, rc;

	for (i = 0; i < 5000; i++) {
		pack = rand_r(&r->seed) % NPACKS;
		off = (size_t)rand_r(&r->seed) % (PACK_LEN - sizeof(bytes));
		pack_name(pack, name);
		rc = store_get(r->store, name, off, sizeof(bytes), bytes);
		if (rc != 0 && !(rc == -ENOENT && pack >= NPACKS / 2))
			atomic_fetch_add(r->wrong, 1);
		if (rc == 0 && (bytes[0] != pack_byte(pack, off) || bytes[49] != pack_byte(pack, off + 49)))
			atomic_fetch_add(r->wrong, 1);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	unsigned before = dir_rig_open_files();
	struct reader r[4];
	atomic_int wrong = 0;
	char name[32];
	int i;

	for (i = 0; i < NPACKS; i++)
		put_pack(store, i);
	for (i = 0; i < 4; i++) {
		r[i] = (struct reader){ .store = store, .seed = (unsigned)i, .wrong = &wrong };
		assert_int_equal(pthread_create(&r[i].thread, NULL, read_at_random, &r[i]), 0);
	}
	for (i = 0; i < 300; i++) {
		pack_name(NPACKS / 2 + i % (NPACKS / 2), name);
		assert_int_equal(store_delete(store, name), 0);
		put_pack(store, NPACKS / 2 + i % (NPACKS / 2));
	}
	for (i = 0; i < 4; i++)
		pthread_join(r[i].thread, NULL);
	assert_int_equal(wrong, 0);
	assert_true(dir_rig_open_files() <= before + FD_CACHE_SIZE);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fd_cache, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_fd_cache_others, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_fd_cache_full, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_threads, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
