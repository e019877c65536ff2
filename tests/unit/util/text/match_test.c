/*
 * Path patterns.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/util/text/match.h"

/* Does one pattern match one path? */
static bool one(const char *pattern, const char *path, bool is_dir)
{
	struct match_list *m = match_new();
	bool hit;

	assert_non_null(m);
	assert_int_equal(match_add(m, pattern), 0);
	hit = match_path(m, path, is_dir);
	match_free(m);
	return hit;
}

static void test_names(void **state)
{
	(void)state;
	assert_true(one("*.o", "/a/b/c.o", false));
	assert_false(one("*.o", "/a/b.o/c", false));
	assert_true(one("core", "/core", false));
	assert_false(one("core", "/core2", false));
	assert_true(one("?[ab]", "/x/za", false));
	assert_false(one("?[!ab]", "/x/za", false));
	assert_true(one("a\\*", "/a*", false));
	assert_false(one("a\\*", "/ab", false));
}

static void test_anchored(void **state)
{
	(void)state;
	assert_true(one("/etc", "/etc", true));
	assert_false(one("/etc", "/usr/etc", true));
	assert_true(one("/home/*/cache", "/home/u/cache", true));
	assert_false(one("/home/*/cache", "/home/u/v/cache", true));
	assert_true(one("home/*", "/srv/home/u", true));
}

static void test_double_star(void **state)
{
	(void)state;
	assert_true(one("/a/**/z", "/a/z", false));
	assert_true(one("/a/**/z", "/a/b/c/z", false));
	assert_false(one("/a/**/z", "/a/b/c/y", false));
	assert_true(one("/a/**", "/a/b", false));
	assert_false(one("/a/**", "/a", true));
	assert_true(one("**/x/**/y", "/p/x/q/r/y", false));
	assert_false(one("**/x/**/y", "/p/q/r/y", false));
	assert_true(one("/a/**/b/**/c", "/a/b/x/b/c", false));
}

static void test_directories_only(void **state)
{
	(void)state;
	assert_true(one("build/", "/x/build", true));
	assert_false(one("build/", "/x/build", false));
}

static void test_last_decides(void **state)
{
	struct match_list *m = match_new();

	(void)state;
	assert_int_equal(match_add(m, "*.log"), 0);
	assert_int_equal(match_add(m, "!keep.log"), 0);
	assert_true(match_path(m, "/a/x.log", false));
	assert_false(match_path(m, "/a/keep.log", false));
	assert_int_equal(match_add(m, "/b/keep.log"), 0);
	assert_true(match_path(m, "/b/keep.log", false));
	assert_int_equal(match_count(m), 3);
	match_free(m);
}

static void test_invalid(void **state)
{
	struct match_list *m = match_new();

	(void)state;
	assert_int_equal(match_add(m, ""), -EINVAL);
	assert_int_equal(match_add(m, "/"), -EINVAL);
	assert_int_equal(match_add(m, "!"), -EINVAL);
	assert_int_equal(match_add(m, "."), -EINVAL);
	assert_int_equal(match_add(m, "./"), -EINVAL);
	assert_int_equal(match_add(m, "a[b"), -EINVAL);
	assert_int_equal(match_add(m, "a\\"), -EINVAL);
	assert_int_equal(match_count(m), 0);
	assert_false(match_path(m, "/x", false));
	match_free(m);
	match_free(NULL);
}

static void test_may_below(void **state)
{
	struct match_list *m = match_new();

	(void)state;
	assert_false(match_may_below(m, "/a"));
	assert_int_equal(match_add(m, "/a/b/*.c"), 0);
	assert_true(match_may_below(m, "/"));
	assert_true(match_may_below(m, "/a"));
	assert_true(match_may_below(m, "/a/b"));
	assert_false(match_may_below(m, "/a/c"));
	assert_int_equal(match_add(m, "*.h"), 0);
	assert_true(match_may_below(m, "/a/c"));
	match_free(m);
}

static void test_file(void **state)
{
	char path[] = "/tmp/match-test-XXXXXX";
	struct match_list *m = match_new();
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	(void)state;
	fputs("# comment\n\n*.tmp\r\n!a.tmp\n", f);
	fclose(f);
	assert_int_equal(match_add_file(m, path), 0);
	assert_int_equal(match_count(m), 2);
	assert_true(match_path(m, "/b.tmp", false));
	assert_false(match_path(m, "/a.tmp", false));
	unlink(path);
	assert_int_equal(match_add_file(m, path), -ENOENT);
	match_free(m);
}

/* Longer than what fits on the stack, and many "**" that must not take exponential time. */
static void test_long(void **state)
{
	size_t n = 3000;
	char *path = malloc(2 * n + 3);

	(void)state;
	for (size_t i = 0; i < n; i++)
		memcpy(path + 2 * i, "/a", 2);
	strcpy(path + 2 * n, "/b");
	assert_true(one("/**/a/**/a/**/a/**/b", path, false));
	assert_false(one("/**/a/**/a/**/a/**/c", path, false));
	free(path);
}

static void test_dots(void **state)
{
	(void)state;
	assert_true(one("./core", "/core", false));
	assert_true(one("./a/b", "/a/b", false));
	assert_true(one("././a/./b/", "/a/b", true));
	assert_true(one("/./etc", "/etc", true));
	assert_true(one(".x", "/a/.x", false));
}

static void test_two_names(void **state)
{
	struct match_list *m = match_new();

	(void)state;
	assert_int_equal(match_add(m, "*.log"), 0);
	assert_int_equal(match_add(m, "b/x"), 0);
	assert_false(match_anchored(m));
	assert_int_equal(match_add(m, "/home/u/.cache"), 0);
	assert_true(match_anchored(m));
	assert_true(match_paths(m, "/.cache", "/home/u/.cache", true));
	assert_false(match_paths(m, "/.cache", NULL, true));
	assert_true(match_paths(m, "/home/u/.cache", "/elsewhere/home/u/.cache", true));
	/* Those without a slash in front are about the path in the snapshot. */
	assert_false(match_paths(m, "/x", "/a/b/x", false));
	assert_true(match_paths(m, "/x.log", "/a/x.log", false));
	match_free(m);
}

static void test_unused(void **state)
{
	struct match_list *m = match_new();
	size_t i = 0;

	(void)state;
	assert_int_equal(match_add(m, "./*.tmp"), 0);
	assert_int_equal(match_add(m, "none"), 0);
	assert_int_equal(match_add(m, "!never/"), 0);
	assert_int_equal(match_add(m, "a.tmp"), 0);
	assert_string_equal(match_unused(m, &i), "./*.tmp");
	/* The last decides, but the first has matched too. */
	assert_true(match_path(m, "/a.tmp", false));
	assert_false(match_path(m, "/never", false));
	i = 0;
	assert_string_equal(match_unused(m, &i), "none");
	assert_string_equal(match_unused(m, &i), "!never/");
	assert_null(match_unused(m, &i));
	match_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),       cmocka_unit_test(test_anchored),
		cmocka_unit_test(test_double_star), cmocka_unit_test(test_directories_only),
		cmocka_unit_test(test_last_decides), cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_may_below),   cmocka_unit_test(test_file),
		cmocka_unit_test(test_long),        cmocka_unit_test(test_dots),
		cmocka_unit_test(test_two_names),   cmocka_unit_test(test_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
