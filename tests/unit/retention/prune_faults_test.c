/*
 * Prune: what must not be deleted since something cannot be read; stores that refuse, fail, or see us killed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/retention/prune_rig.h"

static void test_unreadable_snapshot(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	rig_forget_index(p->g);
	fixture_damage(&p->g->f, "snapshots/", 0, 200);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_true(fixture_logged(&p->g->f, "nothing is deleted or doomed"));
	assert_int_equal(prune_rig_packs(p), 4);
}

static void test_unreadable_tree(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	rig_forget_index(p->g);
	fixture_damage(&p->g->f, "trees/", 0, PACK_HEADER_LEN + 5);
	fixture_damage(&p->g->f, "trees/", 1, PACK_HEADER_LEN + 5);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_true(fixture_logged(&p->g->f, "nothing is deleted or doomed"));
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
}

static void test_unreadable_run(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	rig_forget_index(p->g);
	fixture_damage(&p->g->f, "index/", 0, 40);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
}

/* A run is lost: its packs are named by none, and hold what snapshots need. */
static void test_lost_run(void **state)
{
	struct pruning *p = *state;
	char name[STORE_NAME_MAX + 1];

	prune_rig_fill(p);
	rig_file("old/c", 9, 20000);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	/* One that has data alone would do; with it go trees, which cannot be read then. */
	rig_forget_index(p->g);
	assert_int_equal(store_delete(p->g->f.store, fixture_object(&p->g->f, "index/", 0, name)), 0);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
}

static void test_no_permission(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	prune_rig_fault(p, STORE_OP_DELETE, "", 0, -EACCES);
	assert_int_equal(prune_rig_run(p), -EACCES);
	assert_true(fixture_logged(&p->g->f, "does not let us delete"));
	assert_int_equal(prune_rig_packs(p), 4);
	prune_rig_fault(p, 0, "", 0, 0);
	prune_rig_check(p);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
}

/* One that is retained stays, and is tried again. */
static void test_retained(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	prune_rig_fault(p, STORE_OP_DELETE, "trees/", 0, -EACCES);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 1);
	assert_int_equal(p->out.kept_packs, 1);
	prune_rig_fault(p, 0, "", 0, 0);
	prune_rig_check(p);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 1);
	assert_int_equal(prune_rig_packs(p), 2);
	prune_rig_check(p);
}

/* The store fails from the nth operation on, as if prune were killed there: the next one goes on. */
static void test_killed_anywhere(void **state)
{
	struct pruning *p = *state;
	const unsigned all = STORE_OP_GET | STORE_OP_LIST | STORE_OP_DELETE | STORE_OP_PUT | STORE_OP_STAT;
	unsigned n, killed = 0;
	int rc;

	prune_rig_fill(p);
	for (unsigned round = 0; round < 3; round++) {
		if (round == 0)
			prune_rig_forget_oldest(p);
		for (n = 0; n < 200; n++) {
			prune_rig_fault(p, all, "", n, -EIO);
			rc = prune_rig_run(p);
			prune_rig_fault(p, 0, "", 0, 0);
			if (rc == 0)
				break;
			killed++;
			prune_rig_check(p);
		}
		assert_true(n > 2 && n < 200);
		prune_rig_pass_hours(p, GRACE_H);
	}
	assert_true(killed > 20);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(prune_rig_packs(p), 2);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	rig_forget_index(p->g);
	rig_same(p->g, "new", "new");
}

/* Packs of a writer that was killed before its run: no run names them. */
static void test_packs_without_run(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	rig_file("third", 20, 100000);
	prune_rig_fault(p, STORE_OP_PUT, "index/", 0, -EIO);
	assert_int_equal(rig_backup(p->g, "third", NULL), -EIO);
	prune_rig_fault(p, 0, "", 0, 0);
	assert_int_equal(prune_rig_packs(p), 6);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 2);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
	assert_int_equal(rig_backup(p->g, "third", NULL), 0);
	prune_rig_check(p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, prune_rig_setup, prune_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_unreadable_snapshot),
		TEST(test_unreadable_tree),
		TEST(test_unreadable_run),
		TEST(test_lost_run),
		TEST(test_no_permission),
		TEST(test_retained),
		TEST(test_killed_anywhere),
		TEST(test_packs_without_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
