/*
 * Prune, and writers at the same time: what is spared, and what is stored anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repo/doomed/doomed.h"
#include "tests/unit/retention/prune_rig.h"

static struct pruning *current;

static int setup(void **state)
{
	int rc = prune_rig_setup(state);

	current = *state;
	return rc;
}

/* A writer that relied on it before it was doomed, and publishes in time. */
static void test_spared(void **state)
{
	struct pruning *p = *state;
	char name[SNAPSHOT_NAME_SIZE];
	struct buf bytes = BUF_INIT;

	prune_rig_fill(p);
	prune_rig_take_oldest(p, name, &bytes);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 2);
	assert_int_equal(store_put(p->g->f.store, name, bytes.data, bytes.len, 0), 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(p->out.spared_packs, 2);
	prune_rig_check(p);
	/* Forgotten again: until the record has gone nothing is done about it. */
	assert_int_equal(store_delete(p->g->f.store, name), 0);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs + p->out.deleted_packs, 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 2);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
	buf_free(&bytes);
}

/* A writer that begins when it is doomed stores anew what it would have found. */
static void test_stored_anew(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	assert_true(p->g->result.data_added >= 305000);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	assert_int_equal(p->out.spared_packs, 0);
	prune_rig_check(p);
	rig_forget_index(p->g);
	rig_same(p->g, "old", "old");
	rig_same(p->g, "old", "old");
}

/* While a record blocks the pack, spent or not, it is stored anew. */
static void test_not_relied_on_after_sweep(void **state)
{
	struct pruning *p = *state;
	char name[SNAPSHOT_NAME_SIZE];
	struct buf bytes = BUF_INIT;

	prune_rig_fill(p);
	prune_rig_take_oldest(p, name, &bytes);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(store_put(p->g->f.store, name, bytes.data, bytes.len, 0), 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.spared_packs, 2);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	assert_true(p->g->result.data_added >= 305000);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	prune_rig_check(p);
	buf_free(&bytes);
}

/* In mid-backup, once all that it relies on has been found: the snapshot that had it goes, and it is doomed. */
static void doom_all(struct rig *g, const char *path)
{
	if (strcmp(path, "/other") != 0)
		return;
	g->on_entry = NULL;
	prune_rig_forget_oldest(current);
	assert_int_equal(prune_rig_run(current), 0);
	assert_int_equal(current->out.doomed_packs, 2);
	prune_rig_pass_hours(current, current->pause_h);
}

/* It takes too long to be known to the sweep. */
static void test_writer_begins_anew(void **state)
{
	struct pruning *p = *state;
	struct rig *g = p->g;

	rig_file("old/a", 1, 300000);
	assert_int_equal(rig_backup(g, "old", NULL), 0);
	rig_note("other", "some text");
	g->on_entry = doom_all;
	p->pause_h = GRACE_H / 2;
	assert_int_equal(rig_backup(g, "old", "other", NULL), 0);
	assert_true(fixture_logged(&g->f, "begins anew"));
	assert_true(g->result.data_added >= 300000);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
	rig_forget_index(g);
	rig_same(g, "old", "old");
}

/* It publishes in time: the sweep spares what it relies on. */
static void test_writer_in_time(void **state)
{
	struct pruning *p = *state;
	struct rig *g = p->g;

	rig_file("old/a", 1, 300000);
	assert_int_equal(rig_backup(g, "old", NULL), 0);
	rig_note("other", "some text");
	g->on_entry = doom_all;
	p->pause_h = GRACE_H / 2 - 1;
	assert_int_equal(rig_backup(g, "old", "other", NULL), 0);
	assert_false(fixture_logged(&g->f, "begins anew"));
	assert_true(g->result.data_added < 1000);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(p->out.spared_packs, 2);
	prune_rig_check(p);
}

/* What a writer at work has said that it needs is not doomed, for a grace. */
static void test_needed(void **state)
{
	struct pruning *p = *state;
	const struct doomed_place at = { .store = p->g->f.store, .metadata = &p->g->f.metadata,
		.repo_id = p->g->f.config.repo_id, .log = p->g->f.log };
	struct doomed_record rec = { .stage = STAGE_NEEDED, .grace_s = GRACE_H * 3600, .n = 1 };
	char name[STORE_NAME_MAX + 1];
	enum pack_kind kind;
	struct id pack;

	rig_file("old/a", 1, 300000);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	assert_int_equal(pack_name_parse(fixture_object(&p->g->f, "packs/", 0, name), &kind, &pack), 0);
	rec.ids = &pack;
	doomed_date(&rec, &p->clock.clock);
	assert_int_equal(doomed_put(&at, &rec), 0);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.doomed_packs, 1);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 1);
	assert_int_equal(p->out.doomed_packs, 1);
	prune_rig_pass_hours(p, 2 * GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(prune_rig_packs(p), 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	prune_rig_check(p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, prune_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_spared),
		TEST(test_stored_anew),
		TEST(test_not_relied_on_after_sweep),
		TEST(test_writer_begins_anew),
		TEST(test_writer_in_time),
		TEST(test_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
