/*
 * The index's environment where the disk is full, cannot be written, or addresses are few.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/sanitized.h"
#include "tests/unit/index/indexes.h"

static void test_no_cache_dir(void **state)
{
	struct indexes *w = *state;
	struct index_options opts;

	indexes_close(w);
	indexes_options(w, &opts);
	opts.cache_dir = NULL;
	assert_int_equal(index_open(&opts, &w->x), 0);
	indexes_load_some(w);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	assert_int_equal(w->messages.len, 0);
}

/* Places that cannot be used, each with one warning. */
static void test_unusable(void **state)
{
	struct indexes *w = *state;
	char path[160], file[160];

	for (unsigned i = 0; i < 4; i++) {
		indexes_close(w);
		indexes_log_clear(w);
		packs_remove_tree(w->cache_dir);
		indexes_file(w, "", path);
		path[strlen(path) - 1] = '\0';
		if (i == 0)
			indexes_write_file(w->cache_dir, "a file", 6);
		if (i > 0)
			assert_int_equal(mkdir(w->cache_dir, 0700), 0);
		if (i == 1)
			indexes_write_file(path, "a file", 6);
		if (i >= 2)
			assert_int_equal(mkdir(path, 0700), 0);
		if (i == 2)
			assert_int_equal(chmod(path, 0777), 0);
		if (i == 3)
			assert_int_equal(mkdir(indexes_file(w, "data.mdb", file), 0700), 0);
		indexes_open(w);
		assert_int_equal(indexes_logged(w, "using a temporary one"), 1);
		assert_int_equal(indexes_logged(w, "\n"), 1);
		indexes_put_run(w, 0, INDEXES_COUNT, 0, INDEXES_NPACKS);
		assert_int_equal(index_refresh(w->x), 0);
		assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	}
	if (geteuid() == 0) {
		indexes_close(w);
		indexes_log_clear(w);
		packs_remove_tree(w->cache_dir);
		assert_int_equal(mkdir(w->cache_dir, 0700) | mkdir(path, 0700) | chown(path, 12345, 12345), 0);
		indexes_open(w);
		assert_int_equal(indexes_logged(w, "belongs to somebody else"), 1);
		assert_int_equal(indexes_logged(w, "\n"), 1);
	}
}

/* A small disk: from one on which nothing fits to one that has room for all. */
static void test_full(void **state)
{
	static const char *const sizes[] = { "size=4k", "size=76k", "size=128k", "size=200k", "size=300k", "size=400k",
		"size=600k", "size=800k", "size=1m", "size=20m" };
	struct indexes *w = *state;
	unsigned warned = 0, quiet = 0;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t slot, again;
		struct id id;

		indexes_close(w);
		indexes_log_clear(w);
		assert_true(mkdir(w->cache_dir, 0700) == 0 || errno == EEXIST);
		if (mount("tmpfs", w->cache_dir, "tmpfs", 0, sizes[i]) < 0) {
			indexes_open(w);
			skip();
		}
		indexes_open(w);
		packs_id(77, &id);
		assert_int_equal(index_slot(w->x, &id, &slot), 0);
		for (unsigned k = 0; k < 5; k++) {
			indexes_put_run(w, k * INDEXES_COUNT, INDEXES_COUNT, 0, INDEXES_NPACKS);
			assert_int_equal(index_refresh(w->x), 0);
			assert_true(indexes_right(w->x, 0, (k + 1) * INDEXES_COUNT, 0, INDEXES_NPACKS));
			assert_int_equal(index_slot(w->x, &id, &again), 0);
			assert_int_equal(slot, again);
		}
		assert_in_range(indexes_logged(w, "\n"), 0, 1);
		warned += indexes_logged(w, "temporary one");
		quiet += w->messages.len == 0;
		/* Unmounted while it is open, if need be. */
		umount2(w->cache_dir, MNT_DETACH);
	}
	assert_true(warned >= 4);
	assert_true(quiet >= 1);
}

/* Child: with one GiB of address space beyond what the process has by now. */
static int use_little_space(struct indexes *w, void *arg)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;
	struct rlimit limit;

	if (!f || fscanf(f, "%lu", &pages) != 1)
		return 98;
	fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * (unsigned long)sysconf(_SC_PAGESIZE) + (1ul << 30);
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return 99;
	return indexes_use_quietly(w, arg);
}

static void test_address_space(void **state)
{
	struct indexes *w = *state;

	if (SANITIZED)
		skip();
	indexes_load_some(w);
	indexes_close(w);
	assert_int_equal(indexes_in_child(w, use_little_space, NULL), 0);
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_no_cache_dir),
		TEST(test_unusable),
		TEST(test_full),
		TEST(test_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
