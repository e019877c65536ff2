/*
 * Prune: what is doomed and swept, and when.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/retention/prune_rig.h"

/* --- In order ----------------------------------------------------------------------------------------------------- */

static void test_nothing_to_do(void **state)
{
	struct pruning *p = *state;

	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.packs, 0);
	prune_rig_fill(p);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.packs, 4);
	assert_int_equal(p->out.snapshots, 2);
	assert_int_equal(p->out.doomed_packs, 0);
	assert_int_equal(p->out.lost_objects, 0);
	assert_int_equal(p->out.live_objects, p->out.objects);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	prune_rig_check(p);
}

static void test_doom_and_sweep(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 2);
	assert_true(p->out.doomed_bytes > 300000);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 1);
	prune_rig_pass_hours(p, GRACE_H - 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 0);
	assert_int_equal(p->out.waiting_packs, 2);
	assert_int_equal(p->out.waiting_s, 3600);
	assert_int_equal(prune_rig_packs(p), 4);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	assert_int_equal(p->out.waiting_packs, 0);
	assert_int_equal(prune_rig_packs(p), 2);
	/* The record stays as long again, with one that says that it is spent. */
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 2);
	prune_rig_check(p);
	prune_rig_pass_hours(p, GRACE_H - 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 2);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	prune_rig_check(p);
	rig_forget_index(p->g);
	rig_same(p->g, "new", "new");
}

static void test_dry_run(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	p->o.dry_run = true;
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 2);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	p->o.dry_run = false;
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	p->o.dry_run = true;
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	assert_int_equal(prune_rig_packs(p), 4);
}

static void test_longer_grace(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	p->o.grace_s = 3 * 86400;
	assert_int_equal(prune_rig_run(p), 0);
	p->o.grace_s = 0;
	prune_rig_pass_hours(p, 71);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
}

/* --- Time --------------------------------------------------------------------------------------------------------- */

/* Another boot knows of a record only as long as it does. */
static void test_over_boots(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	fake_clock_boot(&p->clock, 2, 100 * FAKE_HOUR);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(p->out.waiting_packs, 2);
	prune_rig_pass_hours(p, 20);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	/* The first prune of a boot counts its uptime, if it had been seen before. */
	fake_clock_boot(&p->clock, 3, FAKE_HOUR);
	prune_rig_pass_hours(p, 4);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
}

/* Without a note it begins anew. */
static void test_another_machine(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	rig_forget_index(p->g);
	fake_clock_init(&p->clock, 9);
	prune_rig_pass_hours(p, 1000);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(p->out.waiting_s, GRACE_H * 3600);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
}

/* Marking took longer than what was listed may be acted on. */
static void slow_clock(void *arg, struct clock_reading *out)
{
	struct fake_clock *c = arg;

	*out = c->now;
	fake_clock_pass(c, 7 * FAKE_HOUR);
}

static void test_too_slow(void **state)
{
	struct pruning *p = *state;
	struct clock slow = { .read = slow_clock, .arg = &p->clock };

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	p->o.clock = &slow;
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.late);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(prune_rig_packs(p), 4);
}

static void test_roles(void **state)
{
	struct pruning *p = *state;
	struct seal_domain none = p->g->f.metadata;

	prune_rig_fill(p);
	none.can_seal = false;
	p->g->repo.metadata = &none;
	assert_int_equal(prune_rig_run(p), -EACCES);
	p->g->repo.metadata = &p->g->f.metadata;
}

static void test_cancelled(void **state)
{
	struct pruning *p = *state;
	atomic_int cancel = 1;

	prune_rig_fill(p);
	p->o.cancel = &cancel;
	assert_int_equal(prune_rig_run(p), -EINTR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, prune_rig_setup, prune_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_do),
		TEST(test_doom_and_sweep),
		TEST(test_dry_run),
		TEST(test_longer_grace),
		TEST(test_over_boots),
		TEST(test_another_machine),
		TEST(test_too_slow),
		TEST(test_roles),
		TEST(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
