/*
 * Sources as a tree of stored names.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/backup/walk/roots.h"
#include "repo/util/bytes/buf.h"
#include "tests/lib/scratch.h"

struct reports {
	unsigned n;
	char path[64];
	int err;
};

static void report(void *arg, const char *path, int err)
{
	struct reports *r = arg;

	r->n++;
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->err = err;
}

/* The tree as text: name, "*" for a source, children in parentheses. */
static void print(const struct root *r, struct buf *out)
{
	size_t i;

	assert_int_equal(buf_printf(out, "%s%s", r->name, r->source ? "*" : ""), 0);
	if (r->nchildren == 0)
		return;
	buf_printf(out, "(");
	for (i = 0; i < r->nchildren; i++) {
		if (i > 0)
			buf_printf(out, " ");
		print(r->children[i], out);
	}
	buf_printf(out, ")");
}

/* Build from a list that ends with NULL; compare. */
static void check(const char *want, unsigned nreports, ...)
{
	const char *paths[16];
	struct reports seen = { 0 };
	struct root *top = NULL;
	struct buf text = BUF_INIT;
	size_t n = 0;
	va_list ap;

	va_start(ap, nreports);
	while ((paths[n] = va_arg(ap, const char *)) != NULL)
		n++;
	va_end(ap);
	if (!want) {
		assert_int_equal(roots_build(paths, n, report, &seen, &top), -ENOENT);
	} else {
		assert_int_equal(roots_build(paths, n, report, &seen, &top), 0);
		print(top, &text);
		assert_string_equal((char *)text.data, want);
		roots_free(top);
	}
	assert_int_equal(seen.n, nreports);
	buf_free(&text);
}

/* Go to a directory with a/b/c, a/x, d, and link -> a. */
static int setup(void **state)
{
	struct scratch *s;

	if (scratch_setup(state) < 0)
		return -1;
	s = *state;
	if (chdir(s->dir) < 0 || mkdir("a", 0700) < 0 || mkdir("a/b", 0700) < 0 || mkdir("a/b/c", 0700) < 0 ||
	    mkdir("a/x", 0700) < 0 || mkdir("d", 0700) < 0 || symlink("a", "link") < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	return chdir("/") < 0 ? -1 : scratch_teardown(state);
}

static void test_relative(void **state)
{
	(void)state;
	check("(a*)", 0, "a", NULL);
	check("(a*)", 0, "./a//", NULL);
	check("(a(b(c*) x*) d*)", 0, "d", "a/x", "a/b/c", NULL);
	check("*", 0, ".", NULL);
	check("*", 0, "a/..", NULL);
	check("*(a*)", 0, "a", ".", NULL);
	check("(d*)", 0, "a/../d", NULL);
	check("(a(b*))", 0, "a/b/c/..", NULL);
}

static void test_above(void **state)
{
	(void)state;
	assert_int_equal(chdir("a/b"), 0);
	check("(d*)", 0, "../../d", NULL);
	check("(x*)", 0, "../x", NULL);
	check("*", 0, "..", NULL);
	assert_int_equal(chdir("../.."), 0);
}

static void test_absolute(void **state)
{
	struct scratch *s = *state;
	char path[SCRATCH_PATH_SIZE], want[2 * SCRATCH_PATH_SIZE] = "(d* ";
	char *copy, *save = NULL;
	size_t depth = 0;

	(void)snprintf(path, sizeof(path), "%s/a", s->dir);
	copy = strdup(s->dir);
	for (char *name = strtok_r(copy, "/", &save); name != NULL; name = strtok_r(NULL, "/", &save), depth++) {
		strcat(want, name);
		strcat(want, "(");
	}
	free(copy);
	strcat(want, "a*");
	while (depth-- > 0)
		strcat(want, ")");
	strcat(want, ")");
	/* Names are in order, and this one must come behind "d". */
	if (s->dir[1] <= 'd')
		skip();
	check(want, 0, path, "d", NULL);
	check("*(tmp*)", 1, "/tmp/nothing/is/here", "/", "/tmp/.", "/tmp/../tmp/", NULL);
}

static void test_overlap(void **state)
{
	(void)state;
	check("(a*(b(c*)))", 0, "a", "a/b/c", NULL);
	check("(a*)", 0, "a", "a", "./a/", NULL);
}

static void test_missing(void **state)
{
	(void)state;
	check("(a*)", 1, "a", "nothing", NULL);
	check("(a*)", 2, "a", "", "a/nothing/..", NULL);
	check(NULL, 1, "nothing", NULL);
	check(NULL, 0, NULL);
}

/* Two sources that would be stored under one name: the first has it. */
static void test_conflict(void **state)
{
	(void)state;
	assert_int_equal(chdir("a"), 0);
	check("(a(b*) b*)", 0, "b", "../a/b", NULL); /* ".." above the working directory counts for nothing */
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(mkdir("a/d", 0700), 0);
	assert_int_equal(chdir("a"), 0);
	check("(d*)", 1, "d", "../d", NULL);
	assert_int_equal(chdir(".."), 0);
}

static void test_symlink(void **state)
{
	(void)state;
	check("(link*)", 0, "link", NULL);
	check("(link*)", 1, "link", "link/", NULL);
	check("(link(b*))", 0, "link/b", NULL);
}

static void test_make_absolute(void **state)
{
	char *p, want[SCRATCH_PATH_SIZE];
	char *cwd = getcwd(NULL, 0);

	(void)state;
	p = roots_absolute("/x/./y/../z//");
	assert_string_equal(p, "/x/z");
	free(p);
	p = roots_absolute("/..");
	assert_string_equal(p, "/");
	free(p);
	p = roots_absolute("a/b");
	(void)snprintf(want, sizeof(want), "%s/a/b", cwd);
	assert_string_equal(p, want);
	free(p);
	p = roots_absolute(".");
	assert_string_equal(p, cwd);
	free(p);
	free(cwd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_relative, setup, teardown),
		cmocka_unit_test_setup_teardown(test_above, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absolute, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conflict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symlink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_make_absolute, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
