/*
 * Check: a sound repository has no findings; damage of config, keyslots and manifests is found and named; what is told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "repo/check/repair.h"
#include "tests/unit/check/check_rig.h"

/* --- Sound ---------------------------------------------------------------------------------------------------------*/

static void test_sound(void **state)
{
	struct check_rig *k = *state;

	assert_int_equal(check_rig_run(k, true), 1); /* no keyslot yet */
	assert_true(check_rig_told(k, "finding keyslot keys/: ", "no keyslots"));
	check_rig_fill(k);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(k->result.snapshots, 2);
	assert_int_equal(k->nsigned, 2);
	assert_int_equal(k->result.keyslots, 1);
	assert_int_equal(k->result.runs, fixture_count(check_rig_fixture(k), "index/"));
	assert_int_equal(k->result.packs,
	    fixture_count(check_rig_fixture(k), "packs/") + fixture_count(check_rig_fixture(k), "trees/"));
	assert_int_equal(k->result.packs_read, 0);
	assert_int_equal(k->result.unreferenced_packs, 0);
	assert_int_equal(k->result.unreferenced_objects, 0);
	/* The root and "src" differ; "small", "dir" and the span list of "large" are shared. */
	assert_int_equal(k->result.trees, 2 + 2 + 3);
	assert_string_equal(k->text, "");
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
	assert_int_equal(k->result.sealed_packs, 0);
	assert_string_equal(k->text, "");
}

/* Whatever the local index says, it is not asked. */
static void test_local_index_is_not_asked(void **state)
{
	struct check_rig *k = *state;
	char name[STORE_NAME_MAX + 1];

	check_rig_fill(k);
	assert_int_equal(store_delete(check_rig_fixture(k)->store,
	    fixture_object(check_rig_fixture(k), "index/", 0, name)), 0);
	assert_true(check_rig_run(k, false) > 0);
}

/* An auditor reads no contents, but all the rest. */
static void test_auditor(void **state)
{
	struct check_rig *k = *state;
	struct seal_domain data = *k->g->repo.data;
	struct check_rig_sizes l;
	uint64_t data_packs;

	check_rig_fill(k);
	data_packs = fixture_count(check_rig_fixture(k), "packs/");
	k->g->repo.data = &data;
	k->g->repo.object_id = NULL;
	data.can_open = data.can_seal = false;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.sealed_packs, data_packs);
	assert_int_equal(k->result.packs_read, k->result.packs);
	check_rig_largest(k, "packs/", &l);
	check_rig_flip(k, l.of[0].name, 5000);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "finding pack packs/", "do not hash to its name"));
}

/* --- Levels and shares -------------------------------------------------------------------------------------------- */

/* Without a key: what does not hash to its name. */
static void test_without_key(void **state)
{
	static const char *const kinds[] = { "packs/", "trees/", "index/", "snapshots/", "keys/" };
	struct check_rig *k = *state;
	struct check_rig_sizes l;
	char begin[64];

	check_rig_fill(k);
	assert_int_equal(check_rig_locked(k, true), 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
	assert_int_equal(k->result.packs,
	    fixture_count(check_rig_fixture(k), "packs/") + fixture_count(check_rig_fixture(k), "trees/"));
	assert_int_equal(k->result.runs, fixture_count(check_rig_fixture(k), "index/"));
	assert_int_equal(k->result.snapshots, 2);
	assert_int_equal(k->result.keyslots, 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		check_rig_largest(k, kinds[i], &l);
		check_rig_flip(k, l.of[0].name, 150);
		assert_int_equal(check_rig_locked(k, true), 1);
		assert_true(check_rig_told(k, "finding ", l.of[0].name));
		snprintf(begin, sizeof(begin), "affected %s", kinds[i]);
		assert_int_equal(check_rig_lines(k, begin), strcmp(kinds[i], "snapshots/") == 0);
		check_rig_flip(k, l.of[0].name, 150);
	}
	/* All snapshots are nobody's without a config. */
	assert_int_equal(store_delete(check_rig_fixture(k)->store, "config"), 0);
	assert_int_equal(check_rig_locked(k, false), 1);
	assert_int_equal(check_rig_lines(k, "affected config : everything"), 2);
}

/* A record of doomed packs that is not what its name says: nobody knows then which they are. */
static void test_doomed(void **state)
{
	static const char name[] = "doomed/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct check_rig *k = *state;

	check_rig_fill(k);
	assert_int_equal(store_put(check_rig_fixture(k)->store, name, "x", 1, 0), 0);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding doomed doomed/0123", "do not hash to its name"));
	assert_int_equal(check_rig_locked(k, true), 1);
}

/* One that is what its name says, put by who has not the secrets: prune and backup do not take it, either. */
static void test_doomed_forged(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	char name[DOOMED_NAME_SIZE];
	struct id id;

	check_rig_fill(k);
	crypt_hash("forged", 6, &id);
	assert_int_equal(store_put(f->store, doomed_name(&id, name), "forged", 6, 0), 0);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding doomed ", name));
	assert_int_equal(check_rig_locked(k, true), 0);
}

/* Signatures alone: whatever else is damaged. */
static void test_signatures(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;

	check_rig_fill(k);
	k->o.signatures_only = true;
	assert_int_equal(store_delete(check_rig_fixture(k)->store, check_rig_largest(k, "trees/", &l)), 0);
	check_rig_flip(k, check_rig_largest(k, "index/", &l), 50);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(k->nsigned, 2);
	assert_int_equal(k->result.packs + k->result.trees + k->result.runs, 0);
	check_rig_flip(k, check_rig_largest(k, "snapshots/", &l), 50);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_int_equal(k->nsigned, 1);
	assert_true(check_rig_told(k, "affected snapshots/", " : everything"));
}

/* --- Manifests, config, keyslots ---------------------------------------------------------------------------------- */

static void test_manifest(void **state)
{
	static const int64_t at[] = { 0, 7, 10, 30, 200, -1 };
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	char name[STORE_NAME_MAX + 1], begin[320];

	check_rig_fill(k);
	fixture_object(f, "snapshots/", 1, name);
	snprintf(begin, sizeof(begin), "finding snapshot %s: ", name);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		check_rig_flip(k, name, at[i]);
		assert_int_equal(check_rig_run(k, false), 1);
		assert_true(check_rig_told(k, begin, ""));
		assert_int_equal(k->nsigned, 1);
		check_rig_flip(k, name, at[i]);
	}
	check_rig_cut(k, name, 100);
	assert_int_equal(check_rig_run(k, false), 1);
	/* Gone is not damaged: snapshots are forgotten.  Their objects are left. */
	assert_int_equal(store_delete(f->store, name), 0);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(k->result.snapshots, 1);
	assert_true(k->result.unreferenced_objects > 0);
}

static void test_config(void **state)
{
	static const int64_t at[] = { 0, 14, 30, -1 };
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	struct config other;
	struct buf b = BUF_INIT;

	check_rig_fill(k);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		check_rig_flip(k, "config", at[i]);
		assert_int_equal(check_rig_run(k, false), 1);
		assert_true(check_rig_told(k, "finding config config: ", ""));
		assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
		assert_int_equal(k->result.findings, 1);
		check_rig_flip(k, "config", at[i]);
	}
	/* Signed, but by another owner. */
	other = f->config;
	crypt_sign_keypair(&f->secrets->owner, &other.owner);
	assert_int_equal(config_encode(&other, &f->secrets->owner, &b), 0);
	assert_int_equal(store_mem_replace(f->store, "config", b.data, b.len), 0);
	buf_free(&b);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding config config: ", "not the one that the keyslots were made for"));

	assert_int_equal(store_delete(f->store, "config"), 0);
	assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
	assert_int_equal(k->result.findings, 1);
	assert_true(check_rig_told(k, "finding config config: ", "missing"));
}

static void test_keyslot(void **state)
{
	static const int64_t at[] = { 0, 9, 30, 53, 70, 150, 250, -1 };
	struct check_rig *k = *state;
	struct fixture *f = check_rig_fixture(k);
	char name[STORE_NAME_MAX + 1];

	check_rig_fill(k);
	fixture_object(f, "keys/", 0, name);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		check_rig_flip(k, name, at[i]);
		assert_int_equal(check_rig_run(k, false), 1);
		assert_true(check_rig_told(k, "finding keyslot keys/", "do not hash to its name"));
		assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
		assert_int_equal(k->result.findings, 1);
		check_rig_flip(k, name, at[i]);
	}
	check_rig_cut(k, name, 40);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
	assert_int_equal(k->result.findings, 1);
	assert_int_equal(store_delete(f->store, name), 0);
	assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
	assert_int_equal(k->result.findings, 1);
	assert_int_equal(store_delete(f->store, "config"), 0);
	assert_int_equal(check_locked(f->store, &k->o, &k->result), -ENOENT);
}

/* --- Telling ------------------------------------------------------------------------------------------------------ */

static void test_few_paths(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;

	check_rig_fill(k);
	assert_int_equal(store_delete(check_rig_fixture(k)->store, check_rig_largest(k, "packs/", &l)), 0);
	k->o.paths = 5;
	assert_int_equal(check_rig_run(k, false), 1);
	assert_int_equal(check_rig_lines(k, "affected "), 5);
	assert_true(check_rig_told(k, "more packs/", " 7\n"));
	assert_int_equal(check_rig_lines(k, "snapshot 12"), 2);
}

static void test_cancel(void **state)
{
	struct check_rig *k = *state;
	atomic_int cancel = 15;

	check_rig_fill(k);
	k->o.cancel = &cancel;
	k->o.read_data = true;
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EINTR);
	cancel = 0;
	assert_int_equal(check_rig_run(k, true), 0);
}

static void test_progress(void **state)
{
	struct check_rig *k = *state;
	struct check_progress progress = { 0 };

	check_rig_fill(k);
	k->o.progress = &progress;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(progress.snapshots, 2);
	assert_int_equal(progress.total_snapshots, 2);
	assert_int_equal(progress.trees, k->result.trees);
	assert_int_equal(progress.packs, k->result.packs);
	assert_int_equal(progress.total_packs, k->result.packs);
	assert_int_equal(progress.bytes, k->result.data_bytes);
	assert_int_equal(progress.total_bytes, k->result.data_bytes);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sound),
		TEST(test_local_index_is_not_asked),
		TEST(test_auditor),
		TEST(test_without_key),
		TEST(test_doomed),
		TEST(test_doomed_forged),
		TEST(test_signatures),
		TEST(test_manifest),
		TEST(test_config),
		TEST(test_keyslot),
		TEST(test_few_paths),
		TEST(test_cancel),
		TEST(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
