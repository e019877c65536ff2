/*
 * Unit tests of repo/backup/source/extent.h, and of files that shrink while their extents are looked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/backup/source/extent.h"
#include "tests/lib/backup_rig.h"

/* What happens to a file just before the library asks for a hole, or for data, in it. */
static struct {
	int whence;    /* SEEK_HOLE, SEEK_DATA; 0: nothing */
	off_t at;      /* at this offset */
	off_t size;    /* the file gets this size */
	unsigned left; /* so often */
} shrink;

/* In the place of the C library's. */
off_t lseek(int fd, off_t off, int whence)
{
	char path[32];

	if (shrink.left > 0 && whence == shrink.whence && off == shrink.at) {
		shrink.left--;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		assert_int_equal(truncate(path, shrink.size), 0);
	}
	return syscall(SYS_lseek, fd, off, whence);
}

static int begin(struct extents *x, const char *path)
{
	struct statx st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(attr_stat(fd, "", AT_EMPTY_PATH, &st), 0);
	extents_begin(x, fd, &st);
	return fd;
}

static void test_unchanged(void **state)
{
	struct rig *g = *state;
	struct extents x;
	uint64_t from, to;
	int fd;

	(void)g;
	rig_file("a", 1, 1 << 20);
	fd = begin(&x, "a");
	assert_int_equal(extents_next(&x, &from, &to), 1);
	assert_int_equal(from, 0);
	assert_int_equal(to, 1 << 20);
	assert_int_equal(extents_next(&x, &from, &to), 0);
	assert_int_equal(x.size, 1 << 20);
	close(fd);
	assert_int_equal(truncate("a", 3 << 20), 0);
	fd = begin(&x, "a");
	assert_int_equal(extents_next(&x, &from, &to), 1);
	assert_int_equal(to, 1 << 20);
	assert_int_equal(extents_next(&x, &from, &to), 0);
	/* A hole at the end is part of the file. */
	assert_int_equal(x.size, 3 << 20);
	close(fd);
}

static void test_shrinks(void **state)
{
	struct rig *g = *state;
	struct extents x;
	uint64_t from, to;
	int fd;

	(void)g;
	rig_file("a", 1, 1 << 20);
	fd = begin(&x, "a");
	shrink.whence = SEEK_HOLE;
	shrink.at = 0;
	shrink.size = 0;
	shrink.left = 1;
	assert_int_equal(extents_next(&x, &from, &to), 0);
	assert_int_equal(x.size, 0);
	close(fd);

	rig_file("b", 2, 1 << 20);
	assert_int_equal(truncate("b", 3 << 20), 0);
	fd = begin(&x, "b");
	assert_int_equal(extents_next(&x, &from, &to), 1);
	shrink.whence = SEEK_DATA;
	shrink.at = 1 << 20;
	shrink.size = 2 << 20;
	shrink.left = 1;
	assert_int_equal(extents_next(&x, &from, &to), 0);
	assert_int_equal(x.size, 2 << 20);
	close(fd);

	rig_file("c", 3, 1 << 20);
	fd = begin(&x, "c");
	x.at = 1 << 19;
	shrink.at = 1 << 19;
	shrink.size = 100;
	shrink.left = 1;
	assert_int_equal(extents_next(&x, &from, &to), 0);
	/* Not less than what was handed out. */
	assert_int_equal(x.size, 1 << 19);
	close(fd);
}

/* A file that shrinks is stored as it then is; one that goes on shrinking is stored and told. */
static void shrink_in_backup(struct rig *g, size_t len)
{
	struct tree_hit hit;

	rig_file("file", 4, len);
	shrink.whence = SEEK_HOLE;
	shrink.at = 0;
	shrink.size = 0;
	shrink.left = 100;
	assert_int_equal(rig_backup(g, ".", NULL), 0);
	assert_true(shrink.left < 100);
	assert_true(g->result.errors == 0 || rig_reported(g, "file: changed while being read"));
	assert_int_equal(rig_find(g, "file", &hit), 0);
	assert_int_equal(hit.entry.size, 0);
	tree_hit_release(g->repo.tree, &hit);
	shrink.left = 0;
}

static void test_small_file(void **state)
{
	shrink_in_backup(*state, 1 << 20);
}

static void test_large_file(void **state)
{
	struct rig *g = *state;

	shrink_in_backup(g, 8 << 20);
	/* Large ones are read once. */
	assert_int_equal(g->result.errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unchanged, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_shrinks, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_small_file, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_large_file, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
