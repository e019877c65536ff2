/*
 * Check: each kind of damage to a pack is found, named, and traced to the paths that it affects and to no others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "repo/check/repair.h"
#include "repo/store/retry/store_retry.h"
#include "tests/unit/check/check_rig.h"

static void test_missing_data_pack(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	const char *name;
	char begin[320];

	check_rig_fill(k);
	name = check_rig_largest(k, "packs/", &l);
	assert_int_equal(store_delete(check_rig_fixture(k)->store, name), 0);
	for (int read_data = 0; read_data < 2; read_data++) {
		assert_int_equal(check_rig_run(k, read_data), 1);
		snprintf(begin, sizeof(begin), "finding pack %s: missing", name);
		assert_true(check_rig_told(k, begin, ""));
		snprintf(begin, sizeof(begin), "affected %s src/", name);
		assert_int_equal(check_rig_lines(k, begin), 12); /* once each, though they are in two snapshots */
		assert_true(check_rig_told(k, "affected ", " src/large: contents"));
		assert_true(check_rig_told(k, "affected ", " src/small/7: contents"));
		assert_false(check_rig_told(k, "affected ", " src/new: "));
		assert_int_equal(check_rig_lines(k, "snapshot 12"), 2);
	}
	k->o.every_snapshot = true;
	k->o.paths = UINT64_MAX;
	check_rig_run(k, false);
	assert_int_equal(check_rig_lines(k, "affected "), 24);
}

static void test_truncated_data_pack(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	const char *name;

	check_rig_fill(k);
	name = check_rig_largest(k, "packs/", &l);
	/* Without its last byte only the trailer is hurt; without its last third, the file that stands there. */
	check_rig_cut(k, name, l.of[0].size - 1);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding pack packs/", "bytes where the index says"));
	assert_int_equal(check_rig_lines(k, "affected "), 0);
	check_rig_cut(k, name, l.of[0].size * 2 / 3);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "affected ", " src/large: contents"));
	/* Which of the small files stand behind it is the writer's business. */
	assert_true(check_rig_lines(k, "affected ") <= 12);
}

/* A bit in the contents of one large file: a segment of it is damaged, with one chunk or two, and no other file is. */
static void test_flipped_data_pack(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	const char *name;

	check_rig_fill(k);
	name = check_rig_largest(k, "packs/", &l);
	check_rig_flip(k, name, (int64_t)l.of[0].size / 2);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "finding pack packs/", "do not hash to its name; "));
	assert_true(check_rig_told(k, "affected ", " src/large: contents"));
	assert_int_equal(check_rig_lines(k, "affected "), 1);
	assert_int_equal(check_rig_lines(k, "snapshot 1"), 2);
}

/* Header, table and trailer: nothing that is read in a restore. */
static void test_flipped_frame(void **state)
{
	static const int64_t at[] = { 0, 8, 9, 12, 40, -1, -10, -14, -40 };
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	const char *name;

	check_rig_fill(k);
	name = check_rig_largest(k, "packs/", &l);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		check_rig_flip(k, name, at[i]);
		assert_int_equal(check_rig_run(k, true), 1);
		assert_true(check_rig_told(k, "finding pack packs/", "do not hash to its name"));
		assert_int_equal(check_rig_lines(k, "affected "), 0);
		check_rig_flip(k, name, at[i]);
	}
	assert_int_equal(check_rig_run(k, true), 0);
}

static void test_flipped_tree_pack(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	const char *name;

	check_rig_fill(k);
	name = check_rig_largest(k, "trees/", &l);
	check_rig_flip(k, name, PACK_HEADER_LEN + 20);
	for (int read_data = 0; read_data < 2; read_data++) {
		assert_int_equal(check_rig_run(k, read_data), 1);
		assert_true(check_rig_told(k, "finding pack trees/", ""));
		assert_true(check_rig_told(k, "affected trees/", ": directory"));
	}
}

static void test_missing_tree_pack(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;

	check_rig_fill(k);
	assert_int_equal(store_delete(check_rig_fixture(k)->store, check_rig_largest(k, "trees/", &l)), 0);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding pack trees/", ": missing"));
	assert_true(check_rig_told(k, "affected trees/", ": directory"));
}

/* A store that fails is not one that is damaged. */
static void test_store_fails(void **state)
{
	static const char *const kinds[] = { "keys/", "snapshots/", "trees/" };
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .err = -EIO };

	check_rig_fill(k);
	rule.prefix = check_rig_largest(k, "packs/", &l);
	store_mem_set_faults(check_rig_fixture(k)->store, &rule, 1);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(check_rig_told(k, "unreachable pack packs/", ""));
	assert_int_equal(k->result.unreachable, 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		rule.prefix = kinds[i];
		store_mem_set_faults(check_rig_fixture(k)->store, &rule, 1);
		assert_int_equal(check_rig_run(k, true), 0);
		assert_true(k->result.unreachable > 0);
		assert_int_equal(check_rig_lines(k, "affected "), 0);
	}
	/* Without a run nothing can be said of what is in none, and the check ends. */
	rule.prefix = "index/";
	store_mem_set_faults(check_rig_fixture(k)->store, &rule, 1);
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EIO);
	assert_int_equal(k->result.findings, 0);
	rule.ops = STORE_OP_LIST;
	rule.prefix = "";
	store_mem_set_faults(check_rig_fixture(k)->store, &rule, 1);
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EIO);
	store_mem_set_faults(check_rig_fixture(k)->store, NULL, 0);
}

/* Bytes that were damaged on the way are asked for once more. */
static void test_damaged_on_the_way(void **state)
{
	static const char *const kinds[] = { "packs/", "trees/", "index/", "snapshots/", "keys/", "config" };
	struct check_rig *k = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_FLIP, .ops = STORE_OP_GET, .count = 1, .amount = 801 };
	struct store_options so = { .url = "mem:", .deadline_ms = 1000 };
	struct store *mem, *remote;

	check_rig_fill(k);
	mem = check_rig_fixture(k)->store;
	assert_int_equal(store_retry_open(&so, mem, &remote), 0);
	k->g->repo.store = k->g->f.store = remote;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		/* Whichever request it is. */
		for (rule.skip = 0; rule.skip < 6; rule.skip++) {
			rule.prefix = kinds[i];
			store_mem_set_faults(mem, &rule, 1);
			assert_int_equal(check_rig_run(k, true), 0);
			assert_int_equal(k->result.unreachable, 0);
			assert_string_equal(k->text, "");
			assert_int_equal(check_rig_locked(k, true), 0);
		}
	}
	store_mem_set_faults(mem, NULL, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_missing_data_pack),
		TEST(test_truncated_data_pack),
		TEST(test_flipped_data_pack),
		TEST(test_flipped_frame),
		TEST(test_flipped_tree_pack),
		TEST(test_missing_tree_pack),
		TEST(test_store_fails),
		TEST(test_damaged_on_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
