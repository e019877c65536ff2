/*
 * Check: index runs that are lost, damaged, incomplete, or lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "repo/check/repair.h"
#include "tests/unit/check/check_rig.h"

/* A pack of somebody who died before his index run was written. */
static void test_unreferenced(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	struct repair_result repaired;
	struct object_writer *w;
	struct index *other;
	uint8_t data[3000];
	struct id id[3];
	char name[STORE_NAME_MAX + 1];

	check_rig_fill(k);
	other = f->index;
	w = fixture_writer(f);
	fixture_noise(77, data, sizeof(data));
	assert_int_equal(fixture_store_chunks(f, w, data, 1000, 3, id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_ptr_equal(other, f->index);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.unreferenced_packs, 0);
	assert_int_equal(k->result.unreferenced_objects, 3);

	/* Of all runs; then the packs are nobody's. */
	while (fixture_count(f, "index/") > 0)
		assert_int_equal(store_delete(f->store, fixture_object(f, "index/", 0, name)), 0);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_int_equal(k->result.unreferenced_packs, k->result.packs);
	assert_true(check_rig_told(k, "finding tree ", "in no index run"));
	assert_true(check_rig_told(k, "affected ", ": directory"));
	assert_int_equal(repair_index(&k->g->repo, false, &repaired), 0);
	assert_int_equal(repaired.runs, 1);
	assert_int_equal(repaired.unreadable, 0);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.unreferenced_packs, 0);
}

/* Lost places of contents: the chunks, all in one finding, and the files. */
static void test_lost_run(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	struct check_rig_sizes l;

	f->run_objects = 0;
	check_rig_fill(k);
	assert_int_equal(store_delete(f->store, check_rig_largest(k, "index/", &l)), 0);
	assert_true(check_rig_run(k, false) > 0);
	assert_true(check_rig_told(k, "finding tree ", " in no index run"));
	assert_true(k->result.unreferenced_packs > 0);
}

static void test_damaged_run(void **state)
{
	static const int64_t at[] = { 0, 7, 12, 50, 120, -1, -6, -16, -40 };
	struct check_rig *k = *state;
	struct repair_result repaired;
	char begin[320];
	struct check_rig_sizes l;
	const char *name;

	check_rig_fill(k);
	name = check_rig_largest(k, "index/", &l);
	snprintf(begin, sizeof(begin), "finding run %s: ", name);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		check_rig_flip(k, name, at[i]);
		assert_true(check_rig_run(k, false) >= 1);
		assert_true(check_rig_told(k, begin, "do not hash to its name"));
		check_rig_flip(k, name, at[i]);
	}
	assert_int_equal(check_rig_run(k, false), 0);

	/* Repair writes what it held anew, and takes it away. */
	check_rig_flip(k, name, 7);
	assert_int_equal(repair_index(&k->g->repo, false, &repaired), 0);
	assert_int_equal(repaired.runs, 1);
	assert_int_equal(repaired.runs_removed, 1);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.unreferenced_packs, 0);
	assert_int_equal(repair_index(&k->g->repo, false, &repaired), 0);
	assert_int_equal(repaired.runs + repaired.runs_removed, 0);
}

/* A run stays as long as a table that it might replace cannot be read. */
static void test_repair_with_damaged_table(void **state)
{
	struct check_rig *k = *state;
	struct repair_result repaired;
	struct check_rig_sizes l;

	check_rig_fill(k);
	check_rig_flip(k, check_rig_largest(k, "index/", &l), 50);
	check_rig_flip(k, check_rig_largest(k, "packs/", &l), -40);
	assert_int_equal(repair_index(&k->g->repo, false, &repaired), 0);
	assert_int_equal(repaired.unreadable, 1);
	assert_int_equal(repaired.runs_removed, 0);
	assert_true(repaired.objects > 0);
}

/* A run that tells lies about a pack: other places, other objects, another key. */
struct liar {
	struct run_writer *w;
	uint32_t pack;
	unsigned n;
};

static int add_lie(void *arg, const struct id *id, const struct place *place)
{
	struct liar *l = arg;
	struct place p = *place;
	struct id other;

	p.pack = l->pack;
	if (l->n == 0)
		p.shared_skip++, p.len--;
	l->n++;
	if (l->n == 3) { /* one that is not there, and the next one is left out */
		other = *id;
		other.b[31] ^= 1;
		return run_add(l->w, &other, &p);
	}
	return run_add(l->w, id, &p);
}

static int take_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct liar *l = arg;
	struct pack_info changed = *info;
	int rc;

	(void)number;
	changed.wrapped[3] ^= 1;
	rc = run_add_pack(l->w, &changed, &l->pack);
	return rc;
}

static void test_lying_run(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	struct liar l = { .n = 0 };
	struct run_reading how = { f->store, &f->metadata, f->log, f->config.segment_size };
	char name[STORE_NAME_MAX + 1];
	uint8_t data[5000];
	struct object_writer *w;
	struct id id[5], run;
	struct run *r;

	w = fixture_writer(f);
	fixture_noise(78, data, sizeof(data));
	assert_int_equal(fixture_store_chunks(f, w, data, 1000, 5, id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_int_equal(id_parse(fixture_object(f, "index/", 0, name) + 6, &run), 0);
	assert_int_equal(run_open(&how, &run, 0, &r), 0);
	assert_int_equal(run_begin(f->store, &f->metadata, &l.w), 0);
	assert_int_equal(run_each_pack(r, take_pack, &l), 0);
	assert_int_equal(run_each_object(r, add_lie, &l), 0);
	run_close(r);
	assert_int_equal(store_delete(f->store, name), 0);
	assert_int_equal(run_commit(l.w, &run, NULL), 0);
	check_rig_fill(k);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "finding pack packs/", "its key does not open; 5 of its 5 objects are damaged; "
	    "the index has another key for it; "
	    "the index has other places for 1 of its objects; the index names 1 objects that its table does not"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unreferenced),
		TEST(test_lost_run),
		TEST(test_damaged_run),
		TEST(test_repair_with_damaged_table),
		TEST(test_lying_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
