/*
 * Forget: series of snapshots, policies over them, and stores that refuse.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repo/retention/forget.h"
#include "repo/util/text/when.h"
#include "tests/lib/backup_rig.h"

#define DAY_NS (86400 * NS_PER_SEC)

/* A snapshot of one of two paths, so many days after 2024-01-01. */
static void snapshot(struct rig *g, const char *host, const char *path, int day)
{
	static int64_t base;

	assert_int_equal(when_parse_first("2024-01-01T12:00Z", true, 0, &base), 0);
	g->opts.host = host;
	g->opts.time_ns = base + day * DAY_NS;
	assert_int_equal(rig_backup(g, path, NULL), 0);
}

static void fill(struct rig *g)
{
	rig_note("a/file", "one");
	rig_note("b/file", "two");
	for (int day = 0; day < 4; day++)
		snapshot(g, "first", "a", day);
	snapshot(g, "first", "b", 0);
	for (int day = 0; day < 2; day++)
		snapshot(g, "second", "a", day);
}

static int plan_of(struct rig *g, unsigned group_by, const struct snapshot_filter *filter,
    const struct keep_policy *policy, struct forget_plan *out)
{
	struct catalog *c;
	int rc;

	assert_int_equal(repo_catalog(&g->repo, &c), 0);
	rc = forget_plan_policy(c, filter, group_by, policy, g->f.log, out);
	catalog_free(c);
	return rc;
}

static void test_series(void **state)
{
	struct rig *g = *state;
	struct keep_policy policy = { .utc = true, .count[KEEP_LAST] = 1 };
	struct forget_result result;
	struct forget_plan plan;

	fill(g);
	assert_int_equal(plan_of(g, GROUP_HOST | GROUP_PATHS, NULL, &policy, &plan), 0);
	assert_int_equal(plan.n, 7);
	assert_int_equal(plan.ngroups, 3);
	assert_int_equal(plan.kept, 3);
	/* Newest first in each. */
	for (size_t i = 0; i < plan.n; i++) {
		bool begins = i == 0 || plan.item[i].group != plan.item[i - 1].group;

		assert_int_equal(plan.item[i].reasons != 0, begins);
		if (!begins)
			assert_true(plan.item[i].time_ns < plan.item[i - 1].time_ns);
	}
	assert_int_equal(forget_run(&g->repo, &plan, NULL, &result), 0);
	assert_int_equal(result.forgotten, 4);
	forget_plan_destroy(&plan);
	assert_int_equal(rig_snapshots(g), 3);
}

static void test_groups(void **state)
{
	static const struct {
		unsigned group_by;
		size_t ngroups;
	} cases[] = { { 0, 1 }, { GROUP_HOST, 2 }, { GROUP_PATHS, 2 }, { GROUP_TAGS, 1 },
		{ GROUP_HOST | GROUP_PATHS, 3 } };
	struct rig *g = *state;
	struct keep_policy policy = { .utc = true, .count[KEEP_LAST] = 1 };
	struct forget_plan plan;

	fill(g);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(plan_of(g, cases[i].group_by, NULL, &policy, &plan), 0);
		assert_int_equal(plan.ngroups, cases[i].ngroups);
		assert_int_equal(plan.kept, cases[i].ngroups);
		forget_plan_destroy(&plan);
	}
}

static void test_filter(void **state)
{
	struct rig *g = *state;
	struct keep_policy policy = { .utc = true, .count[KEEP_LAST] = 1 };
	struct snapshot_filter filter = { .host = "second" };
	struct forget_plan plan;

	fill(g);
	assert_int_equal(plan_of(g, GROUP_HOST, &filter, &policy, &plan), 0);
	assert_int_equal(plan.n, 2);
	assert_int_equal(plan.kept, 1);
	forget_plan_destroy(&plan);
}

/* A tag that no snapshot of a series has would lose the whole series. */
static void test_nothing_kept(void **state)
{
	static const char *const gold[] = { "gold" }, *const tags[] = { "gold" };
	struct rig *g = *state;
	struct keep_policy policy = { .utc = true, .tags = gold, .ntags = 1 };
	struct forget_plan plan;

	fill(g);
	g->opts.tags = tags;
	g->opts.ntags = 1;
	snapshot(g, "first", "a", 9);
	assert_int_equal(plan_of(g, GROUP_HOST | GROUP_PATHS, NULL, &policy, &plan), -EPERM);
	assert_true(fixture_logged(&g->f, "would keep none of"));
	assert_int_equal(rig_snapshots(g), 8);
	policy.min = 1;
	assert_int_equal(plan_of(g, GROUP_HOST | GROUP_PATHS, NULL, &policy, &plan), 0);
	assert_int_equal(plan.kept, 3);
	forget_plan_destroy(&plan);
}

static void test_unreadable(void **state)
{
	struct rig *g = *state;
	struct keep_policy policy = { .utc = true, .count[KEEP_LAST] = 1 };
	struct forget_result result;
	struct forget_plan plan;

	fill(g);
	rig_forget_index(g);
	fixture_damage(&g->f, "snapshots/", 3, 200);
	assert_int_equal(plan_of(g, 0, NULL, &policy, &plan), 0);
	assert_int_equal(plan.unreadable, 1);
	assert_int_equal(plan.n, 6);
	assert_int_equal(forget_run(&g->repo, &plan, NULL, &result), 0);
	forget_plan_destroy(&plan);
	assert_int_equal(rig_snapshots(g), 2);
}

static void test_refused(void **state)
{
	const struct store_fault_rule all = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_DELETE, .prefix = "",
		.err = -EACCES };
	struct store_fault_rule one = all;
	struct rig *g = *state;
	struct keep_policy policy = { .utc = true, .count[KEEP_LAST] = 1 };
	struct forget_result result;
	struct forget_plan plan;
	size_t refused = 0;

	fill(g);
	store_mem_set_faults(g->f.store, &all, 1);
	assert_int_equal(plan_of(g, 0, NULL, &policy, &plan), 0);
	assert_int_equal(forget_run(&g->repo, &plan, NULL, &result), -EACCES);
	assert_true(fixture_logged(&g->f, "does not let us delete: 6 of 6"));
	for (size_t i = 0; i < plan.n; i++)
		refused += plan.item[i].refused;
	assert_int_equal(refused, 6);
	assert_int_equal(result.forgotten, 0);
	assert_int_equal(rig_snapshots(g), 7);
	/* One alone: the others go. */
	one.count = 1;
	store_mem_set_faults(g->f.store, &one, 1);
	assert_int_equal(forget_run(&g->repo, &plan, NULL, &result), -EACCES);
	assert_int_equal(result.forgotten, 5);
	assert_int_equal(result.refused, 1);
	store_mem_set_faults(g->f.store, NULL, 0);
	forget_plan_destroy(&plan);
	assert_int_equal(rig_snapshots(g), 2);
}

static void test_named(void **state)
{
	struct rig *g = *state;
	struct forget_plan plan = { .item = NULL };
	struct forget_result result;
	struct manifest m;
	struct catalog *c;

	fill(g);
	assert_int_equal(repo_catalog(&g->repo, &c), 0);
	assert_int_equal(catalog_manifest(c, 0, &m), 0);
	assert_int_equal(forget_plan_add(&plan, &catalog_at(c, 0)->id, 1, &m), 0);
	manifest_destroy(&m);
	assert_int_equal(forget_plan_add(&plan, &catalog_at(c, 1)->id, 2, NULL), 0);
	assert_int_equal(forget_plan_add(&plan, &catalog_at(c, 0)->id, 1, NULL), 0);
	assert_int_equal(plan.n, 2);
	assert_true(strcmp(plan.item[0].host, "first") == 0 || strcmp(plan.item[0].host, "second") == 0);
	assert_int_equal(forget_run(&g->repo, &plan, NULL, &result), 0);
	assert_int_equal(result.forgotten, 2);
	assert_int_equal(rig_snapshots(g), 5);
	/* Gone already is as good. */
	assert_int_equal(forget_run(&g->repo, &plan, NULL, &result), 0);
	forget_plan_destroy(&plan);
	catalog_free(c);
}

static void test_group_parse(void **state)
{
	static const char *const bad[] = { "hosts", "host,", ",host", "host paths", "host,,paths" };
	unsigned group = 99;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(forget_group_parse(bad[i], &group), -EINVAL);
	assert_int_equal(group, 99);
	assert_int_equal(forget_group_parse("paths,host", &group), 0);
	assert_int_equal(group, GROUP_HOST | GROUP_PATHS);
	assert_int_equal(forget_group_parse("tags", &group), 0);
	assert_int_equal(group, GROUP_TAGS);
	assert_int_equal(forget_group_parse("", &group), 0);
	assert_int_equal(group, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_series),
		TEST(test_groups),
		TEST(test_filter),
		TEST(test_nothing_kept),
		TEST(test_unreadable),
		TEST(test_refused),
		TEST(test_named),
		cmocka_unit_test(test_group_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
