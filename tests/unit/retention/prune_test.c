/*
 * Prune: what is doomed, swept, spared and left alone, and when.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- Tools -------------------------------------------------------------------------------------------------------- */

static void set_fault(struct pruning *p, unsigned ops, const char *prefix, uint64_t skip, int err)
{
	const struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = ops, .prefix = prefix, .skip = skip,
		.err = err };

	store_mem_set_faults(p->g->f.store, &rule, err != 0);
}

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

/* --- Repacking ---------------------------------------------------------------------------------------------------- */

static uint64_t stored_bytes(struct pruning *p)
{
	assert_int_equal(prune_rig_run(p), 0);
	return p->out.pack_bytes;
}

static void test_repack(void **state)
{
	struct pruning *p = *state;
	uint64_t before, added;

	prune_rig_fill_partly(p);
	p->o.no_repack = true;
	before = stored_bytes(p);
	assert_int_equal(p->out.doomed_packs, 0);
	p->o.no_repack = false;
	p->o.max_unused_percent = 5;
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.repacked_packs >= 1);
	assert_int_equal(p->out.doomed_packs, p->out.repacked_packs);
	assert_true(p->out.verbatim_bytes > 140000);
	assert_true(p->out.copied_bytes > p->out.verbatim_bytes && p->out.copied_bytes < 250000);
	prune_rig_check(p);
	/* A backup finds the copies. */
	assert_int_equal(rig_backup(p->g, "src", NULL), 0);
	added = p->g->result.data_added;
	assert_int_equal(added, 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.deleted_packs >= 1);
	prune_rig_check(p);
	assert_true(stored_bytes(p) < before - 200000);
	rig_forget_index(p->g);
	rig_same(p->g, "src", "src");
	assert_int_equal(p->out.repacked_packs, 0);
}

/*
 * Two packs that have the same object, and are both copied: the new one has it twice, and nothing is wrong with
 * that.
 */
static void test_repack_copies(void **state)
{
	struct pruning *p = *state;
	char name[SNAPSHOT_NAME_SIZE];
	struct buf bytes = BUF_INIT;

	rig_file("src/both", 1, 100000);
	rig_file("src/first", 2, 5000);
	rig_file("src/gone", 3, 250000);
	assert_int_equal(rig_backup(p->g, "src", NULL), 0);
	prune_rig_take_oldest(p, name, &bytes);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(unlink("src/gone"), 0);
	assert_int_equal(unlink("src/first"), 0);
	rig_file("src/second", 4, 5000);
	rig_file("src/gone too", 5, 250000);
	assert_int_equal(rig_backup(p->g, "src", NULL), 0);
	assert_true(p->g->result.data_added >= 355000);
	assert_int_equal(store_put(p->g->f.store, name, bytes.data, bytes.len, 0), 0);
	for (int i = 0; i < 3; i++) {
		prune_rig_pass_hours(p, GRACE_H + 1);
		assert_int_equal(prune_rig_run(p), 0);
	}
	assert_int_equal(p->out.spared_packs + fixture_count(&p->g->f, "doomed/"), 0);
	assert_int_equal(unlink("src/gone too"), 0);
	rig_file("src/first", 2, 5000);
	assert_int_equal(rig_backup(p->g, "src", NULL), 0);
	prune_rig_forget_oldest(p);
	prune_rig_forget_oldest(p);
	p->o.no_repack = false;
	p->o.max_unused_percent = 0;
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.verbatim_bytes >= 200000);
	prune_rig_check(p);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_check(p);
	rig_forget_index(p->g);
	rig_same(p->g, "src", "src");
	buf_free(&bytes);
}

static void test_repack_limits(void **state)
{
	struct pruning *p = *state;
	struct seal_domain data = p->g->f.data;

	prune_rig_fill_partly(p);
	p->o.no_repack = false;
	p->o.max_unused_percent = 100;
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.repacked_packs, 0);
	p->o.max_unused_percent = 0;
	p->o.max_repack_bytes = 1;
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.repacked_packs, 0);
	p->o.max_repack_bytes = 0;
	p->o.dry_run = true;
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.repacked_packs >= 1);
	assert_int_equal(p->out.doomed_packs, p->out.repacked_packs);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	/* A role that cannot read contents. */
	data.can_open = false;
	p->g->repo.data = &data;
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.sealed_packs, 1);
	p->g->repo.data = &p->g->f.data;
	p->g->repo.object_id = NULL;
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.repacked_packs, 0);
	assert_true(p->out.sealed_packs >= 1);
	p->g->repo.object_id = &p->g->f.secrets->object_id;
}

/* Killed anywhere, repacking leaves what is sound, and the next prune goes on. */
static void test_repack_killed_anywhere(void **state)
{
	struct pruning *p = *state;
	const unsigned all = STORE_OP_GET | STORE_OP_LIST | STORE_OP_DELETE | STORE_OP_PUT | STORE_OP_STAT;
	unsigned n;
	int rc = -EIO;

	prune_rig_fill_partly(p);
	p->o.no_repack = false;
	for (n = 0; n < 300 && rc != 0; n++) {
		set_fault(p, all, "", n, -EIO);
		rc = prune_rig_run(p);
		set_fault(p, 0, "", 0, 0);
		prune_rig_check(p);
	}
	assert_true(n > 10 && rc == 0);
	for (unsigned round = 0; round < 4; round++) {
		prune_rig_pass_hours(p, GRACE_H);
		assert_int_equal(prune_rig_run(p), 0);
		prune_rig_check(p);
	}
	assert_true(p->out.pack_bytes < 250000);
	rig_forget_index(p->g);
	rig_same(p->g, "src", "src");
}

/* --- Others at the same time -------------------------------------------------------------------------------------- */

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

/* --- What must not be deleted ------------------------------------------------------------------------------------- */

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

/* --- Stores that refuse, fail, or see us killed ------------------------------------------------------------------- */

static void test_no_permission(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	set_fault(p, STORE_OP_DELETE, "", 0, -EACCES);
	assert_int_equal(prune_rig_run(p), -EACCES);
	assert_true(fixture_logged(&p->g->f, "does not let us delete"));
	assert_int_equal(prune_rig_packs(p), 4);
	set_fault(p, 0, "", 0, 0);
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
	set_fault(p, STORE_OP_DELETE, "trees/", 0, -EACCES);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 1);
	assert_int_equal(p->out.kept_packs, 1);
	set_fault(p, 0, "", 0, 0);
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
			set_fault(p, all, "", n, -EIO);
			rc = prune_rig_run(p);
			set_fault(p, 0, "", 0, 0);
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
	set_fault(p, STORE_OP_PUT, "index/", 0, -EIO);
	assert_int_equal(rig_backup(p->g, "third", NULL), -EIO);
	set_fault(p, 0, "", 0, 0);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, prune_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_do),
		TEST(test_doom_and_sweep),
		TEST(test_dry_run),
		TEST(test_longer_grace),
		TEST(test_repack),
		TEST(test_repack_copies),
		TEST(test_repack_limits),
		TEST(test_repack_killed_anywhere),
		TEST(test_spared),
		TEST(test_stored_anew),
		TEST(test_not_relied_on_after_sweep),
		TEST(test_writer_begins_anew),
		TEST(test_writer_in_time),
		TEST(test_needed),
		TEST(test_unreadable_snapshot),
		TEST(test_unreadable_tree),
		TEST(test_unreadable_run),
		TEST(test_lost_run),
		TEST(test_no_permission),
		TEST(test_retained),
		TEST(test_killed_anywhere),
		TEST(test_packs_without_run),
		TEST(test_over_boots),
		TEST(test_another_machine),
		TEST(test_too_slow),
		TEST(test_roles),
		TEST(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
