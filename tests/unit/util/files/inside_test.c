/*
 * Unit tests of repo/util/files/inside.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/util/files/inside.h"
#include "tests/lib/scratch.h"

static int setup(void **state)
{
	const struct scratch *s;

	if (scratch_setup(state) != 0)
		return -1;
	s = *state;
	return chdir(s->dir) == 0 && mkdir("repo", 0700) == 0 && mkdir("repo/in", 0700) == 0 &&
	    mkdir("repository", 0700) == 0 && symlink("repo/in", "link") == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	return chdir("/") == 0 ? scratch_teardown(state) : -1;
}

static void test_there(void **state)
{
	const struct scratch *s = *state;
	char absolute[SCRATCH_PATH_SIZE];

	scratch_path(s, "repo/in", absolute);
	assert_true(path_inside("repo", "repo"));
	assert_true(path_inside("repo/", "repo"));
	assert_true(path_inside("repo/in", "repo"));
	assert_true(path_inside(absolute, "repo"));
	assert_true(path_inside("repo/in", s->dir));
	assert_true(path_inside("repo", "/"));
	assert_false(path_inside(".", "repo"));
	assert_false(path_inside("repo", "repo/in"));
	assert_false(path_inside("/", "repo"));
	/* A name that begins the same is another one. */
	assert_false(path_inside("repository", "repo"));
	assert_false(path_inside("repo/in/../..", "repo"));
}

static void test_by_another_name(void **state)
{
	(void)state;
	assert_true(path_inside("link", "repo"));
	assert_true(path_inside("link/new", "repo"));
	assert_true(path_inside("repo/in", "link"));
}

static void test_not_there(void **state)
{
	(void)state;
	assert_true(path_inside("repo/new", "repo"));
	assert_true(path_inside("repo/new/deep//er/", "repo"));
	assert_false(path_inside("new", "repo"));
	assert_true(path_inside("new", "."));
	assert_true(path_inside("new/deeper", "."));
	assert_false(path_inside("/new", "repo"));
	assert_true(path_inside("/new", "/"));
	assert_false(path_inside("repo/in", "new"));
}

static void test_no_directory(void **state)
{
	int made;

	(void)state;
	made = mknod("repo/file", S_IFREG | 0600, 0);
	assert_int_equal(made, 0);
	assert_true(path_inside("repo/file", "repo"));
	assert_true(path_inside("repo/file/x", "repo"));
	assert_false(path_inside("repo/file", "repo/in"));
	assert_false(path_inside("repo", "repo/file"));
}

static void test_working_directory_inside(void **state)
{
	const struct scratch *s = *state;

	assert_int_equal(chdir("repo/in"), 0);
	assert_true(path_inside(".", ".."));
	assert_true(path_inside("new", ".."));
	assert_int_equal(chdir(s->dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there),
		cmocka_unit_test(test_by_another_name),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_working_directory_inside),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
