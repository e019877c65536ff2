/*
 * Prune: packs of which too little is used are copied as far as it is.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/retention/prune_rig.h"

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
		prune_rig_fault(p, all, "", n, -EIO);
		rc = prune_rig_run(p);
		prune_rig_fault(p, 0, "", 0, 0);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, prune_rig_setup, prune_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_repack),
		TEST(test_repack_copies),
		TEST(test_repack_limits),
		TEST(test_repack_killed_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
