/*
 * Prune, and who reads beside it: records of doomed packs that are damaged, and index runs that name what is gone.
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

#define RUNS_MAX 8

/* Index runs that somebody may put late. */
struct late_runs {
	char name[RUNS_MAX][STORE_NAME_MAX + 1];
	struct buf bytes[RUNS_MAX];
	unsigned n;
};

static void keep_runs(struct pruning *p, struct late_runs *l)
{
	*l = (struct late_runs){ .n = fixture_count(&p->g->f, "index/") };
	assert_in_range(l->n, 1, RUNS_MAX);
	for (unsigned i = 0; i < l->n; i++)
		assert_int_equal(store_get_all(p->g->f.store, fixture_object(&p->g->f, "index/", i, l->name[i]),
		    1 << 24, &l->bytes[i]), 0);
}

static void put_runs(struct pruning *p, struct late_runs *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		assert_int_equal(store_put(p->g->f.store, l->name[i], l->bytes[i].data, l->bytes[i].len, 0), 0);
		buf_free(&l->bytes[i]);
	}
}

/* --- Records that are damaged ------------------------------------------------------------------------------------- */

/* A record of which nobody knows what it says is given up, but not before nobody acts on what it said. */
static void test_unreadable_record(void **state)
{
	struct pruning *p = *state;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	fixture_damage(&p->g->f, "doomed/", 0, 100);
	p->o.dry_run = true;
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 1);
	p->o.dry_run = false;
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_int_equal(rig_backup(p->g, "old", NULL), -EBADMSG);
	prune_rig_pass_hours(p, GRACE_H - 1);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_int_equal(rig_backup(p->g, "old", NULL), -EBADMSG);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 2);
	prune_rig_pass_hours(p, 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(p->out.doomed_packs, 2);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 1);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	prune_rig_check(p);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
}

/* Nor does the prune that gives it up delete anything: it may have been one that said that others are spent. */
static void test_unreadable_record_and_another(void **state)
{
	struct pruning *p = *state;
	char record[DOOMED_NAME_SIZE];
	struct id id;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	crypt_hash("forged", 6, &id);
	assert_int_equal(store_put(p->g->f.store, doomed_name(&id, record), "forged", 6, 0), 0);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 1);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	prune_rig_check(p);
}

/* What it named was deleted, and a run that names it came late: nobody may rely on that when the record has gone. */
static void test_unreadable_record_of_gone_packs(void **state)
{
	struct pruning *p = *state;
	struct late_runs late;

	prune_rig_fill(p);
	keep_runs(p, &late);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	for (unsigned i = 0; i < 2; i++)
		fixture_damage(&p->g->f, "doomed/", i, 100);
	put_runs(p, &late);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	rig_forget_index(p->g);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	prune_rig_check(p);
	rig_same(p->g, "old", "old");
}

/* Nor does something that is lost keep such a record for ever: the next backup stores it again, and needs that gone. */
static void test_unreadable_record_and_lost_pack(void **state)
{
	struct pruning *p = *state;
	char name[STORE_NAME_MAX + 1], record[DOOMED_NAME_SIZE];
	struct id id;

	prune_rig_fill(p);
	assert_int_equal(store_delete(p->g->f.store, fixture_object(&p->g->f, "packs/", 0, name)), 0);
	crypt_hash("forged", 6, &id);
	assert_int_equal(store_put(p->g->f.store, doomed_name(&id, record), "forged", 6, 0), 0);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.lost_objects > 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	assert_int_equal(rig_backup(p->g, "old", NULL), 0);
	/* The run still names the pack, so that it is told. */
	assert_true(prune_rig_findings(p) >= 1);
	assert_non_null(strstr(p->first, name));
}

/* --- Packs that cannot be repacked -------------------------------------------------------------------------------- */

/* Another prune has done it, and deleted them: that is no error, however far this one has come. */
static void test_repack_gone(void **state)
{
	struct pruning *p = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/",
		.err = -ENOENT };

	prune_rig_fill_partly(p);
	p->o.no_repack = false;
	p->o.max_unused_percent = 0;
	for (; rule.skip < 8; rule.skip++) {
		store_mem_set_faults(p->g->f.store, &rule, 1);
		assert_int_equal(prune_rig_run(p), 0);
		assert_true(p->out.doomed_packs >= p->out.repacked_packs);
	}
	store_mem_set_faults(p->g->f.store, NULL, 0);
	for (unsigned i = 0; i < 3; i++) {
		prune_rig_check(p);
		prune_rig_pass_hours(p, GRACE_H);
		assert_int_equal(prune_rig_run(p), 0);
	}
	rig_forget_index(p->g);
	rig_same(p->g, "src", "src");
}

/* Number of the largest data pack. */
static unsigned largest_pack(struct pruning *p)
{
	char name[STORE_NAME_MAX + 1];
	uint64_t size, most = 0;
	unsigned n = fixture_count(&p->g->f, "packs/"), found = 0;

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(store_stat(p->g->f.store, fixture_object(&p->g->f, "packs/", i, name), &size), 0);
		found = size > most ? i : found;
		most = size > most ? size : most;
	}
	return found;
}

/* One that is damaged stays, and is told; the others are doomed. */
static void test_repack_damaged(void **state)
{
	struct pruning *p = *state;
	char name[STORE_NAME_MAX + 1];

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	prune_rig_fill_partly(p);
	prune_rig_forget_oldest(p);
	fixture_damage(&p->g->f, "packs/", largest_pack(p), 200);
	p->o.no_repack = false;
	p->o.max_unused_percent = 0;
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_true(fixture_logged(&p->g->f, fixture_object(&p->g->f, "packs/", largest_pack(p), name)));
	assert_true(p->out.doomed_packs >= 4);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 1);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), -EBADMSG);
	assert_true(p->out.deleted_packs >= 4);
}

/* --- Runs that name what is gone ---------------------------------------------------------------------------------- */

/* For as long as a record names the packs, nobody takes them for missing, and who reads finds where they went. */
static void test_late_runs(void **state)
{
	struct pruning *p = *state;
	struct late_runs late;

	prune_rig_fill_partly(p);
	keep_runs(p, &late);
	p->o.no_repack = false;
	p->o.max_unused_percent = 0;
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.repacked_packs >= 2);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_true(p->out.deleted_packs >= 2);
	put_runs(p, &late);
	prune_rig_check(p);
	rig_forget_index(p->g);
	fixture_log_clear(&p->g->f);
	rig_same(p->g, "src", "src");
	assert_false(fixture_logged(&p->g->f, "missing"));
	/* A prune finds them. */
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(fixture_count(&p->g->f, "doomed/"), 0);
	prune_rig_check(p);
}

/* What a snapshot needs and is in no other pack is missing all the same. */
static void test_lost_with_its_pack(void **state)
{
	struct pruning *p = *state;
	char name[SNAPSHOT_NAME_SIZE];
	struct late_runs late;
	struct buf bytes = BUF_INIT;

	prune_rig_fill(p);
	keep_runs(p, &late);
	prune_rig_take_oldest(p, name, &bytes);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	assert_int_equal(prune_rig_run(p), 0);
	assert_int_equal(p->out.deleted_packs, 2);
	put_runs(p, &late);
	assert_int_equal(store_put(p->g->f.store, name, bytes.data, bytes.len, 0), 0);
	buf_free(&bytes);
	assert_true(prune_rig_findings(p) >= 1);
	assert_non_null(strstr(p->first, "missing"));
}

/* --- A check meanwhile -------------------------------------------------------------------------------------------- */

/* What a check logs tells how far it has come. */
struct meanwhile {
	struct pruning *p;
	struct log log;
	bool swept, stored;
};

static void on_message(void *arg, enum log_level level, const char *message)
{
	struct meanwhile *m = arg;

	(void)level;
	if (!m->swept && strncmp(message, "packs/0: ", 9) == 0) {
		m->swept = true;
		assert_int_equal(prune_rig_run(m->p), 0);
		assert_int_equal(m->p->out.deleted_packs, 2);
	} else if (!m->stored && strncmp(message, "trees/zz: ", 10) == 0) {
		m->stored = true;
		rig_file("more", 5, 50000);
		assert_int_equal(rig_backup(m->p->g, "more", NULL), 0);
	}
}

/* It has loaded the index, and begins to list the packs; a prune deletes some, and when all are listed more come. */
static void test_check_meanwhile(void **state)
{
	struct pruning *p = *state;
	struct meanwhile m = { .p = p, .log = { .write = on_message, .max = LOG_LEVEL_DEBUG } };
	const struct log *own = p->g->repo.log;

	prune_rig_fill(p);
	prune_rig_forget_oldest(p);
	assert_int_equal(prune_rig_run(p), 0);
	prune_rig_pass_hours(p, GRACE_H);
	/* Names that are no packs' are told: one is listed first, the other last. */
	assert_int_equal(store_put(p->g->f.store, "packs/0", "x", 1, 0), 0);
	assert_int_equal(store_put(p->g->f.store, "trees/zz", "x", 1, 0), 0);
	m.log.arg = &m;
	p->g->repo.log = &m.log;
	prune_rig_check(p);
	p->g->repo.log = own;
	assert_true(m.swept && m.stored);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, prune_rig_setup, prune_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unreadable_record),
		TEST(test_unreadable_record_and_another),
		TEST(test_unreadable_record_of_gone_packs),
		TEST(test_unreadable_record_and_lost_pack),
		TEST(test_repack_gone),
		TEST(test_repack_damaged),
		TEST(test_late_runs),
		TEST(test_lost_with_its_pack),
		TEST(test_check_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
