/*
 * Unit tests of repo/util/files/dir.h: what is open when, what ends when, and that no other directory is taken for one.
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

#include "repo/util/files/dir.h"
#include "tests/lib/scratch.h"

#define DEPTH 4

struct chain {
	struct dir_pool *pool;
	struct dir *d[DEPTH]; /* the scratch directory, "0", "0/1", "0/1/2" */
	char ended[DEPTH + 1];
	unsigned nended;
};

static void note_end(void *arg, struct dir *d)
{
	struct chain *c = arg;

	c->ended[c->nended++] = d->name[0];
}

static void make_chain(struct chain *c, const struct scratch *s, unsigned max)
{
	static const char *const names[DEPTH] = { ".", "0", "1", "2" };
	int fd;

	memset(c, 0, sizeof(*c));
	c->pool = dir_pool_new(max, note_end, c);
	assert_non_null(c->pool);
	for (unsigned i = 0; i < DEPTH; i++) {
		if (i > 0)
			mkdirat(c->d[i - 1]->fd, names[i], 0700);
		fd = i > 0 ? openat(c->d[i - 1]->fd, names[i], O_RDONLY) : open(s->dir, O_RDONLY);
		assert_true(fd >= 0);
		assert_int_equal(dir_new(c->pool, i > 0 ? c->d[i - 1] : NULL, names[i], 1, fd, &c->d[i]), 0);
	}
}

static void release_all(struct chain *c)
{
	for (unsigned i = DEPTH; i-- > 0;)
		dir_release(c->d[i]);
	assert_string_equal(c->ended, "210.");
	dir_pool_free(c->pool);
}

static void test_counts(void **state)
{
	struct chain c;
	int fd;

	make_chain(&c, *state, DEPTH);
	assert_true(dir_pool_full(c.pool));
	dir_pool_wait(c.pool); /* comes back */
	dir_hold(c.d[3]);
	dir_release(c.d[3]);
	fd = c.d[3]->fd;
	assert_true(fd >= 0);
	/* Without its pins a directory is closed, but it is there as long as something is in it. */
	dir_release(c.d[1]);
	assert_int_equal(c.d[1]->fd, -1);
	assert_false(dir_try_hold(c.d[1]));
	assert_false(dir_pool_full(c.pool));
	assert_string_equal(c.ended, "");
	dir_release(c.d[0]);
	dir_release(c.d[2]);
	dir_release(c.d[3]);
	assert_string_equal(c.ended, "210.");
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	dir_release(NULL);
	dir_unref(NULL);
	dir_pool_free(c.pool);
	dir_pool_free(NULL);
}

static void test_rest_and_wake(void **state)
{
	struct chain c;

	make_chain(&c, *state, 100);
	dir_rest(c.d[2]);
	assert_int_equal(c.d[2]->fd, -1);
	/* By the way up; from above, over one that rests as well. */
	assert_int_equal(dir_wake(c.d[2], c.d[3]), 0);
	dir_rest(c.d[1]);
	dir_rest(c.d[2]);
	assert_int_equal(dir_wake(c.d[2], NULL), 0);
	assert_int_equal(dir_wake(c.d[1], c.d[2]), 0);
	/* Kept open by somebody else. */
	assert_true(dir_try_hold(c.d[1]));
	dir_rest(c.d[1]);
	assert_true(c.d[1]->fd >= 0);
	assert_int_equal(dir_wake(c.d[1], NULL), 0);
	dir_release(c.d[1]);
	/* Nothing is open above. */
	dir_rest(c.d[0]);
	dir_rest(c.d[1]);
	assert_int_equal(dir_wake(c.d[1], NULL), -ESTALE);
	assert_int_equal(dir_wake(c.d[0], NULL), -ESTALE);
	assert_int_equal(dir_wake(c.d[1], c.d[2]), 0);
	assert_int_equal(dir_wake(c.d[0], c.d[1]), 0);
	release_all(&c);
}

/* Somebody puts another directory, or a symlink, in the place of one that rests. */
static void test_moved(void **state)
{
	struct chain c;

	make_chain(&c, *state, 100);
	dir_rest(c.d[1]);
	assert_int_equal(renameat(c.d[0]->fd, "0", c.d[0]->fd, "moved"), 0);
	assert_int_equal(dir_wake(c.d[1], NULL), -ENOENT);
	assert_int_equal(mkdirat(c.d[0]->fd, "0", 0700), 0);
	assert_int_equal(dir_wake(c.d[1], NULL), -ESTALE);
	assert_int_equal(unlinkat(c.d[0]->fd, "0", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("moved", c.d[0]->fd, "0"), 0);
	assert_true(dir_wake(c.d[1], NULL) < 0);
	/* The wrong child does not help, the right one does. */
	assert_true(dir_wake(c.d[1], c.d[3]) < 0);
	assert_int_equal(dir_wake(c.d[1], c.d[2]), 0);
	release_all(&c);
}

static void test_path(void **state)
{
	struct buf b = BUF_INIT;
	struct dir *top;
	struct chain c;

	make_chain(&c, *state, 100);
	assert_int_equal(dir_path(c.d[3], "name", 4, &b), 0);
	assert_int_equal(dir_path(c.d[3], "", 0, &b), 0);
	assert_int_equal(dir_path(c.d[0], "name", 4, &b), 0);
	assert_int_equal(dir_path(c.d[0], "", 0, &b), 0);
	assert_int_equal(dir_path(NULL, "x", 1, &b), 0);
	/* A top that has a path, and "/" without its slash. */
	assert_int_equal(dir_new(c.pool, NULL, "/etc", 4, open("/etc", O_RDONLY), &top), 0);
	assert_int_equal(dir_path(top, "x", 1, &b), 0);
	dir_release(top);
	assert_int_equal(dir_new(c.pool, NULL, "/", 0, open("/", O_RDONLY), &top), 0);
	assert_int_equal(dir_path(top, "x", 1, &b), 0);
	dir_release(top);
	assert_int_equal(b.len, 10 + 5 + 4 + 1 + 6 + 2);
	assert_memory_equal(b.data, "0/1/2/name0/1/2namex/etc/x/x", b.len);
	buf_free(&b);
	c.nended = 0;
	memset(c.ended, 0, sizeof(c.ended));
	release_all(&c);
}

static void test_no_descriptor(void **state)
{
	struct chain c;
	struct dir *d;

	make_chain(&c, *state, DEPTH + 1);
	assert_int_equal(dir_new(c.pool, c.d[3], "bad", 3, -1, &d), -EBADF);
	/* Pinned, but not there: as in a dry run. */
	d = malloc(sizeof(*d));
	assert_non_null(d);
	dir_init(d, c.pool, c.d[3], "3", 1);
	dir_set_open(d, -1);
	assert_false(dir_pool_full(c.pool));
	assert_false(dir_try_hold(d));
	dir_release(d);
	assert_string_equal(c.ended, "3");
	c.nended = 0;
	memset(c.ended, 0, sizeof(c.ended));
	release_all(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_rest_and_wake, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_moved, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_path, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
