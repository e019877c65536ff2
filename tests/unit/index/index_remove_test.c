/*
 * Removing an environment while others open it: what they open stays theirs, and none of them has to do without.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/index/env/env.h"
#include "tests/unit/index/indexes.h"

/* What somebody else does between two steps of the library. */
static struct {
	struct indexes *w;
	struct env *other;   /* opened when the data file was unlinked */
	bool open_on_unlink;
	bool remove_on_statfs;
} between;

static void open_env(struct indexes *w, struct env **out)
{
	struct env_options o = { .cache_dir = w->cache_dir, .repo_id = w->k.repo_id, .log = &w->log };

	assert_int_equal(env_open(&o, out), 0);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* In the place of the C library's. */
int unlink(const char *path)
{
	int rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0), saved = errno;

	if (rc == 0 && between.open_on_unlink && ends_with(path, "/" LMDB_DATA_FILE)) {
		between.open_on_unlink = false;
		open_env(between.w, &between.other);
	}
	errno = saved;
	return rc;
}

/* The last thing that is asked of a directory before files in it are opened. */
int statfs(const char *path, struct statfs *out)
{
	int rc = (int)syscall(SYS_statfs, path, out);

	if (between.remove_on_statfs) {
		between.remove_on_statfs = false;
		assert_int_equal(rmdir(path), 0);
	}
	return rc;
}

static int child_joins(struct indexes *w, void *arg)
{
	struct env *e;
	bool joined;

	(void)arg;
	open_env(w, &e);
	joined = !env_is_private(e);
	env_close(e);
	return joined ? 0 : 1;
}

static void test_opened_meanwhile(void **state)
{
	struct indexes *w = *state;
	char path[160];

	indexes_close(w);
	between.w = w;
	between.open_on_unlink = true;
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	assert_false(between.open_on_unlink);
	assert_false(env_is_private(between.other));
	/* None of its files has been taken away. */
	assert_int_equal(access(indexes_file(w, LMDB_DATA_FILE, path), F_OK), 0);
	assert_int_equal(access(indexes_file(w, LMDB_LOCK_FILE, path), F_OK), 0);
	assert_int_equal(access(indexes_file(w, "state", path), F_OK), 0);
	assert_int_equal(indexes_in_child(w, child_joins, NULL), 0);
	env_close(between.other);
	indexes_open(w);
}

static void test_removed_while_opening(void **state)
{
	struct indexes *w = *state;
	struct env *e;

	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	between.remove_on_statfs = true;
	open_env(w, &e);
	assert_false(between.remove_on_statfs);
	assert_false(env_is_private(e));
	assert_int_equal(indexes_logged(w, "temporary"), 0);
	env_close(e);
	indexes_open(w);
}

static void test_foreign_file(void **state)
{
	struct indexes *w = *state;
	char path[160];
	int fd;

	indexes_close(w);
	fd = open(indexes_file(w, "foreign", path), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), -ENOTEMPTY);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_opened_meanwhile),
		TEST(test_removed_while_opening),
		TEST(test_foreign_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
