/*
 * Unit tests of repo/backup/retain.h: what a snapshot relies on is retained as long as it is, with few requests.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/backup_rig.h"

#define DAY 86400

/* A store with locks around the rig's. */
struct locks {
	struct store base;
	struct store *inner;
	unsigned days;
	int fail;
	unsigned packs, runs, others; /* retained in the last backup */
	int64_t until;                /* the last one */
};

static struct locks *locks_of(struct store *s)
{
	return (struct locks *)s;
}

static int locks_retain(struct store *s, const char *name, int64_t until)
{
	struct locks *l = locks_of(s);

	if (strncmp(name, "packs/", 6) == 0 || strncmp(name, "trees/", 6) == 0)
		l->packs++;
	else if (strncmp(name, "index/", 6) == 0)
		l->runs++;
	else
		l->others++;
	l->until = until;
	return l->fail;
}

static unsigned locks_days(const struct store *s)
{
	return ((const struct locks *)s)->days;
}

static int locks_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	return store_get(locks_of(s)->inner, name, off, len, out);
}

static int locks_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	return store_get_all(locks_of(s)->inner, name, max, out);
}

static int locks_stat(struct store *s, const char *name, uint64_t *size)
{
	return store_stat(locks_of(s)->inner, name, size);
}

static int locks_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return store_list(locks_of(s)->inner, prefix, fn, arg);
}

static int locks_put(struct store *s, struct store_put **out)
{
	return store_put_begin(locks_of(s)->inner, out);
}

static const struct store_ops locks_ops = {
	.get = locks_get, .get_all = locks_get_all, .stat = locks_stat, .list = locks_list, .put_begin = locks_put,
	.retain = locks_retain, .retain_days = locks_days,
};

static int back_up(struct rig *g, struct locks *l)
{
	int rc;

	l->base.ops = &locks_ops;
	l->inner = g->f.store;
	l->packs = l->runs = l->others = 0;
	g->repo.store = &l->base;
	rc = rig_backup(g, "src", NULL);
	g->repo.store = l->inner;
	return rc;
}

static void test_relied(void **state)
{
	struct rig *g = *state;
	struct locks l = { .days = 30 };

	rig_note("src/a", "something");
	rig_note("src/b", "something else");
	assert_int_equal(back_up(g, &l), 0);
	/* Nothing was there before but the config. */
	assert_int_equal(l.packs, 0);
	assert_true(l.others > 0);

	/* The next one relies on the packs of the first, whose retention it knows nothing of yet. */
	rig_note("src/b", "changed");
	assert_int_equal(back_up(g, &l), 0);
	assert_int_equal(l.packs, 1);
	assert_true(l.runs >= 1);
	assert_int_equal(l.others, 0);
	assert_true(l.until > time(NULL) + 39 * DAY && l.until <= time(NULL) + 40 * DAY);

	/* Known now; with a longer period it is too short. */
	assert_int_equal(back_up(g, &l), 0);
	l.days = 100;
	assert_int_equal(back_up(g, &l), 0);
	assert_true(l.packs >= 1 && l.others > 0);
	assert_int_equal(back_up(g, &l), 0);
	assert_int_equal(l.packs + l.others, 0);
}

/* In place of the system's. */
static time_t ahead;

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead;
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* Day by day: each snapshot is whole for the whole period, and a pack costs a request in ten days. */
static void test_renewed(void **state)
{
	struct rig *g = *state;
	struct locks l = { .days = 30 };
	unsigned renewals = 0;
	int64_t until = 0;

	rig_note("src/a", "something");
	assert_int_equal(back_up(g, &l), 0);
	for (int day = 1; day <= 30; day++) {
		ahead = day * DAY;
		assert_int_equal(back_up(g, &l), 0);
		if (l.packs > 0) {
			until = l.until;
			renewals++;
		}
		assert_true(until >= time(NULL) + 30 * DAY - 60);
	}
	ahead = 0;
	assert_int_equal(renewals, 3);
}

static void test_off(void **state)
{
	struct rig *g = *state;
	struct locks l = { .days = 0 };

	rig_note("src/a", "something");
	assert_int_equal(back_up(g, &l), 0);
	assert_int_equal(back_up(g, &l), 0);
	assert_int_equal(l.packs + l.runs + l.others, 0);
}

/* A refusal is told and fails the backup, but there is a snapshot; the next one tries again. */
static void test_refused(void **state)
{
	struct rig *g = *state;
	struct locks l = { .days = 30 };

	rig_note("src/a", "something");
	assert_int_equal(back_up(g, &l), 0);
	l.fail = -EACCES;
	assert_int_equal(back_up(g, &l), -EACCES);
	assert_int_equal(rig_snapshots(g), 2);
	assert_true(scratch_logged(g->f.scratch, "not retained as long"));
	l.fail = 0;
	assert_int_equal(back_up(g, &l), 0);
	assert_true(l.packs > 0);
}

/* Who cannot be reached is asked once, and not for each object; a refusal is of the object. */
static void test_unreachable(void **state)
{
	static const int causes[] = { -EIO, -ETIMEDOUT, -ECANCELED };
	struct rig *g = *state;
	struct locks l = { .days = 30 };

	rig_note("src/a", "something");
	rig_note("src/b", "something else");
	assert_int_equal(back_up(g, &l), 0);
	rig_note("src/b", "changed");
	l.fail = -EACCES;
	assert_int_equal(back_up(g, &l), -EACCES);
	assert_true(l.packs >= 1 && l.runs >= 1);
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		l.fail = causes[i];
		assert_int_equal(back_up(g, &l), causes[i]);
		assert_int_equal(l.packs + l.runs + l.others, 1);
	}
	l.fail = 0;
	assert_int_equal(back_up(g, &l), 0);
	assert_true(l.packs >= 1 && l.runs >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_relied, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_renewed, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_off, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refused, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
