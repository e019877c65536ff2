/*
 * Unit tests of repo/restore/output/outdir.h: what is open when, and what is finished when.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/restore/output/outdir.h"
#include "tests/lib/scratch.h"

#define DEPTH 4

struct chain {
	struct outdir_pool *pool;
	struct outdir *d[DEPTH]; /* the scratch directory, "0", "0/1", "0/1/2" */
	char finished[DEPTH + 1];
	unsigned nfinished;
	char top[SCRATCH_PATH_SIZE];
};

static void note_finished(void *arg, struct outdir *d)
{
	struct chain *c = arg;

	assert_true(d->base.fd >= 0);
	c->finished[c->nfinished++] = (char)('0' + d->number);
}

static void make_chain(struct chain *c, const struct scratch *s, unsigned max)
{
	static const char *const names[DEPTH] = { "", "0", "1", "2" };
	struct stat st;
	int fd;

	memset(c, 0, sizeof(*c));
	scratch_path(s, "", c->top);
	c->pool = outdir_pool_new(max, note_finished, c);
	assert_non_null(c->pool);
	for (unsigned i = 0; i < DEPTH; i++) {
		struct tree_entry e = { .name = names[i], .name_len = (uint16_t)strlen(names[i]), .type = ENTRY_DIR };

		c->d[i] = outdir_new(c->pool, i > 0 ? c->d[i - 1] : NULL, &e, i);
		assert_non_null(c->d[i]);
		if (i > 0)
			mkdirat(c->d[i - 1]->base.fd, names[i], 0700);
		fd = i > 0 ? openat(c->d[i - 1]->base.fd, names[i], O_RDONLY) : open(s->dir, O_RDONLY);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		c->d[i]->base.dev = st.st_dev;
		c->d[i]->base.ino = st.st_ino;
		outdir_set_made(c->d[i], fd);
	}
}

static void leave_all(struct chain *c)
{
	for (unsigned i = DEPTH; i-- > 0;)
		outdir_leave(c->d[i]);
	outdir_pool_free(c->pool);
}

static void test_order(void **state)
{
	struct chain c;

	make_chain(&c, *state, 100);
	/* The innermost and the second one are still in work when the feeder has gone. */
	outdir_hold(c.d[3]);
	outdir_hold(c.d[1]);
	outdir_leave(c.d[3]);
	outdir_leave(c.d[2]);
	outdir_leave(c.d[1]);
	outdir_leave(c.d[0]);
	assert_string_equal(c.finished, "");
	outdir_release(c.d[1]);
	assert_string_equal(c.finished, "");
	outdir_release(c.d[3]);
	assert_string_equal(c.finished, "3210");
	assert_false(outdir_pool_full(c.pool));
	outdir_pool_free(c.pool);
	outdir_pool_free(NULL);
}

static void test_not_finished(void **state)
{
	struct chain c;

	make_chain(&c, *state, 100);
	c.d[2]->failed = true;
	c.d[1]->absent = true;
	leave_all(&c);
	assert_string_equal(c.finished, "30");
}

static void test_rest_and_wake(void **state)
{
	struct chain c;

	make_chain(&c, *state, DEPTH);
	assert_true(outdir_pool_full(c.pool));
	outdir_pool_wait(c.pool);
	outdir_rest(c.d[2]);
	assert_false(outdir_pool_full(c.pool));
	assert_int_equal(c.d[2]->base.fd, -1);
	assert_false(outdir_try_hold(c.d[2]));
	/* By the way up. */
	assert_int_equal(outdir_wake(c.d[2], c.d[3]), 0);
	assert_true(c.d[2]->base.fd >= 0);
	/* Kept open by somebody else. */
	outdir_hold(c.d[2]);
	outdir_rest(c.d[2]);
	assert_true(c.d[2]->base.fd >= 0);
	assert_int_equal(outdir_wake(c.d[2], NULL), 0);
	outdir_release(c.d[2]);
	assert_true(c.d[2]->base.fd >= 0);
	/* From above, over one that is closed as well. */
	outdir_rest(c.d[1]);
	outdir_rest(c.d[2]);
	assert_int_equal(outdir_wake(c.d[2], NULL), 0);
	assert_int_equal(outdir_wake(c.d[1], c.d[2]), 0);
	assert_true(outdir_try_hold(c.d[1]));
	outdir_release(c.d[1]);
	leave_all(&c);
	assert_string_equal(c.finished, "3210");
}

/* Somebody puts another directory, or a symlink, in the place of one that rests. */
static void test_moved(void **state)
{
	char moved[SCRATCH_PATH_SIZE], planted[SCRATCH_PATH_SIZE];
	struct scratch *s = *state;
	struct chain c;

	make_chain(&c, s, 100);
	outdir_rest(c.d[1]);
	outdir_rest(c.d[2]);
	assert_int_equal(renameat(c.d[0]->base.fd, "0", c.d[0]->base.fd, "moved"), 0);
	assert_true(outdir_wake(c.d[2], NULL) < 0);
	assert_int_equal(mkdirat(c.d[0]->base.fd, "0", 0700), 0);
	assert_int_equal(outdir_wake(c.d[1], NULL), -ESTALE);
	assert_int_equal(unlinkat(c.d[0]->base.fd, "0", AT_REMOVEDIR), 0);
	assert_int_equal(symlink(scratch_path(s, "moved", moved), scratch_path(s, "0", planted)), 0);
	assert_true(outdir_wake(c.d[1], NULL) < 0);
	/* Who is inside knows the way. */
	assert_int_equal(outdir_wake(c.d[2], c.d[3]), 0);
	c.d[1]->failed = true;
	leave_all(&c);
	assert_string_equal(c.finished, "320");
}

static void test_path(void **state)
{
	struct buf b = BUF_INIT;
	struct chain c;

	make_chain(&c, *state, 100);
	assert_int_equal(outdir_path(c.d[3], "name", 4, &b), 0);
	assert_int_equal(outdir_path(c.d[3], "", 0, &b), 0);
	assert_int_equal(outdir_path(c.d[0], "name", 4, &b), 0);
	assert_int_equal(outdir_path(NULL, "", 0, &b), 0);
	assert_int_equal(b.len, 10 + 5 + 4);
	assert_memory_equal(b.data, "0/1/2/name0/1/2name", b.len);
	buf_free(&b);
	leave_all(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_not_finished, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_rest_and_wake, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_moved, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_path, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
