/*
 * Check beside a prune: packs that are deleted while it reads others are missing only if nobody said that they would
 * be.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/doomed/doomed.h"
#include "tests/unit/check/check_rig.h"

#define BACKUPS 12 /* more than a thread has in hand at a time */

struct beside {
	struct check_rig *k;
	void (*found)(void *arg, const struct check_finding *f);
	char damaged[STORE_NAME_MAX + 1]; /* the pack that is read first */
	char victim[STORE_NAME_MAX + 1];  /* one that is read late */
	bool doomed;
	bool done;
};

/* All that a prune does of it: a record long ago, and then the pack goes. */
static void on_found(void *arg, const struct check_finding *f)
{
	struct beside *b = arg;
	struct fixture *x = &b->k->g->f;
	const struct doomed_place at = { .store = x->store, .metadata = &x->metadata, .repo_id = x->config.repo_id,
		.log = x->log };
	struct doomed_record rec = { .stage = STAGE_DOOMED, .grace_s = 1, .n = 1 };
	enum pack_kind kind;
	struct id id;

	b->found(b->k, f);
	if (b->done || f->kind != CHECK_PACK || strcmp(f->object, b->damaged) != 0)
		return;
	b->done = true;
	assert_int_equal(pack_name_parse(b->victim, &kind, &id), 0);
	rec.ids = &id;
	if (b->doomed)
		assert_int_equal(doomed_put(&at, &rec), 0);
	assert_int_equal(store_delete(x->store, b->victim), 0);
}

static void forget_from(struct check_rig *k, size_t first)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct catalog *c;

	assert_int_equal(repo_catalog(&k->g->repo, &c), 0);
	for (size_t i = first; i < catalog_count(c); i++)
		assert_int_equal(store_delete(k->g->f.store, snapshot_object_name(&catalog_at(c, i)->id, name)), 0);
	catalog_free(c);
}

/* A sound repository, and packs that no snapshot needs; the first pack that will be read is damaged. */
static void fill(struct beside *b)
{
	struct fixture *x = &b->k->g->f;
	char needed[2][STORE_NAME_MAX + 1], tree[STORE_NAME_MAX + 1], name[32];
	unsigned n;

	check_rig_fill(b->k);
	assert_int_equal(fixture_count(x, "packs/"), 2);
	for (unsigned i = 0; i < 2; i++)
		fixture_object(x, "packs/", i, needed[i]);
	for (unsigned i = 0; i < BACKUPS; i++) {
		snprintf(name, sizeof(name), "more%u", i);
		rig_note(name, name);
		assert_int_equal(rig_backup(b->k->g, name, NULL), 0);
	}
	forget_from(b->k, 2);
	n = fixture_count(x, "packs/");
	assert_int_equal(n, 2 + BACKUPS);
	do
		fixture_object(x, "packs/", --n, b->victim);
	while (strcmp(b->victim, needed[0]) == 0 || strcmp(b->victim, needed[1]) == 0);
	fixture_object(x, "packs/", 0, b->damaged);
	fixture_object(x, "trees/", 0, tree);
	if (strcmp(strrchr(tree, '/'), strrchr(b->damaged, '/')) < 0)
		strcpy(b->damaged, tree);
	fixture_damage(x, b->damaged[0] == 't' ? "trees/" : "packs/", 0, 150);
}

static void check(struct check_rig *k, bool doomed, uint64_t want)
{
	struct beside b = { .k = k, .found = k->o.found, .doomed = doomed };

	fill(&b);
	k->o.found = on_found;
	k->o.arg = &b;
	k->o.snapshot = NULL;
	k->o.threads = 1;
	k->o.untraced = true;
	assert_int_equal(check_rig_run(k, true), want);
	assert_true(b.done);
	assert_true(check_rig_told(k, "finding pack ", b.damaged));
	if (!doomed)
		assert_true(check_rig_told(k, "finding pack ", b.victim));
}

static void test_swept(void **state)
{
	check(*state, true, 1);
}

static void test_missing(void **state)
{
	check(*state, false, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_swept),
		TEST(test_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
