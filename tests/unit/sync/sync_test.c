/*
 * Sync between two stores in memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/crypt/crypt.h"
#include "repo/doomed/doomed.h"
#include "repo/store/mem/store_mem.h"
#include "repo/sync/copy.h"
#include "tests/lib/fixture.h"
#include "tests/lib/packs.h"
#include "tests/lib/scratch.h"

struct rig {
	struct scratch *scratch;
	struct store *from, *to;
	struct sync_options o;
	struct sync_result r;
	struct sync_progress progress;
	atomic_int cancel;
	char damaged[1024]; /* names, each with a blank behind it */
};

static void add_damaged(void *arg, const char *name)
{
	struct rig *g = arg;

	strncat(g->damaged, name, sizeof(g->damaged) - strlen(g->damaged) - 1);
	strncat(g->damaged, " ", sizeof(g->damaged) - strlen(g->damaged) - 1);
}

/* An object of ${len} bytes under the name that it must have.  Return the name. */
static char *put_object(struct store *s, enum sync_kind kind, uint64_t seed, size_t len, char name[SYNC_NAME_SIZE])
{
	uint8_t *bytes = malloc(len + 1);
	struct hasher h;
	struct id id;

	assert_non_null(bytes);
	fixture_noise(seed, bytes, len);
	hasher_init(&h);
	hasher_update(&h, bytes, len);
	hasher_final(&h, &id);
	/* The time at the end of a snapshot's id is no part of the hash. */
	memset(id.b + sync_hash_len(kind), 0xaa, ID_LEN - sync_hash_len(kind));
	assert_int_equal(store_put(s, sync_name(kind, &id, name), bytes, len, 0), 0);
	free(bytes);
	return name;
}

/* A source with ten objects of each kind, one of them of several pieces; an empty target. */
static void rig_open(struct rig *g, void **state)
{
	char name[SYNC_NAME_SIZE];

	memset(g, 0, sizeof(*g));
	g->scratch = *state;
	assert_int_equal(crypt_init(), 0);
	assert_int_equal(store_mem_open(&g->scratch->log, &g->from), 0);
	assert_int_equal(store_mem_open(&g->scratch->log, &g->to), 0);
	assert_int_equal(store_put(g->from, "config", "config", 6, 0), 0);
	for (int kind = 0; kind < SYNC_KINDS; kind++)
		for (unsigned i = 0; i < 10; i++)
			put_object(g->from, (enum sync_kind)kind, (unsigned)kind * 100 + i, 100 + i, name);
	put_object(g->from, SYNC_PACKS, 7777, 2 * SYNC_PIECE + 5, name);
	g->o = (struct sync_options){
		.from = g->from,
		.to = g->to,
		.cancel = &g->cancel,
		.progress = &g->progress,
		.damaged = add_damaged,
		.arg = g,
		.log = &g->scratch->log,
	};
}

static void rig_close(struct rig *g)
{
	store_close(g->from);
	store_close(g->to);
}

struct comparing {
	struct store *other;
	unsigned n;
};

static int same_there(void *arg, const char *name, uint64_t size)
{
	struct comparing *c = arg;
	uint64_t theirs = 0;

	c->n++;
	return strcmp(name, "config") == 0 || (store_stat(c->other, name, &theirs) == 0 && theirs == size) ? 0 : -EXDEV;
}

/* How many objects of ${a} there are; all of them must be in ${b}. */
static unsigned all_in(struct store *a, struct store *b)
{
	struct comparing c = { .other = b };

	assert_int_equal(store_list(a, "", same_there, &c), 0);
	return c.n;
}

static void test_copy(void **state)
{
	struct buf one = BUF_INIT, two = BUF_INIT;
	char name[SYNC_NAME_SIZE];
	struct rig g;

	rig_open(&g, state);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.copied, 71);
	assert_int_equal(g.r.present, 0);
	assert_int_equal(all_in(g.from, g.to), 72);
	assert_int_equal(g.progress.objects, 71);
	assert_int_equal(g.progress.total_bytes, g.progress.bytes);
	assert_int_equal(g.r.copied_bytes, g.progress.bytes);
	put_object(g.from, SYNC_PACKS, 7777, 2 * SYNC_PIECE + 5, name);
	assert_int_equal(store_get_all(g.from, name, SIZE_MAX, &one), 0);
	assert_int_equal(store_get_all(g.to, name, SIZE_MAX, &two), 0);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);

	/* Nothing to do; then one new, and one that the target has in part. */
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.copied, 0);
	assert_int_equal(g.r.present, 71);
	put_object(g.from, SYNC_SNAPSHOTS, 99, 50, name);
	put_object(g.from, SYNC_KEYS, 98, 50, name);
	assert_int_equal(store_mem_replace(g.to, name, "cut", 3), 0);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.copied, 2);
	assert_int_equal(all_in(g.from, g.to), 74);
	buf_free(&one);
	buf_free(&two);
	rig_close(&g);
}

static void test_dry_run(void **state)
{
	uint64_t size;
	struct rig g;

	rig_open(&g, state);
	g.o.dry_run = true;
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.copied, 71);
	assert_int_equal(store_stat(g.to, "config", &size), -ENOENT);
	g.o.to = NULL;
	g.o.remove = true;
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.copied, 71);
	rig_close(&g);
}

static void test_other_repository(void **state)
{
	struct rig g;

	rig_open(&g, state);
	assert_int_equal(store_put(g.to, "config", "other", 5, 0), 0);
	assert_int_equal(sync_run(&g.o, &g.r), -EXDEV);
	assert_true(scratch_logged(g.scratch, "another repository"));
	assert_int_equal(store_delete(g.to, "config"), 0);
	assert_int_equal(store_put(g.to, "packs/aa/a", "x", 1, 0), 0);
	assert_int_equal(sync_run(&g.o, &g.r), -ENOTEMPTY);
	assert_int_equal(store_delete(g.from, "config"), 0);
	assert_int_equal(sync_run(&g.o, &g.r), -ENOENT);
	assert_true(scratch_logged(g.scratch, "not a varve repository"));
	rig_close(&g);
}

/* Damage of each kind is named and stays where it is; the rest is copied. */
static void test_damage(void **state)
{
	struct store_fault_rule rules[2] = { { .fault = STORE_FAULT_FLIP, .ops = STORE_OP_GET, .amount = 300 } };
	char name[SYNC_NAME_SIZE], cut[SYNC_NAME_SIZE];
	uint64_t size;
	struct rig g;

	for (int kind = 0; kind < SYNC_KINDS; kind++) {
		rig_open(&g, state);
		rules[0].prefix = put_object(g.from, (enum sync_kind)kind, (unsigned)kind * 100 + 3, 103, name);
		store_mem_set_faults(g.from, rules, 1);
		assert_int_equal(sync_run(&g.o, &g.r), 0);
		assert_int_equal(g.r.damaged, 1);
		assert_int_equal(g.r.copied, 70);
		assert_non_null(strstr(g.damaged, name));
		assert_int_equal(store_stat(g.to, name, &size), -ENOENT);
		assert_true(scratch_logged(g.scratch, "do not hash to its name"));
		rig_close(&g);
	}

	/* One that is shorter than the list says, and one that cannot be read. */
	rig_open(&g, state);
	rules[0] = (struct store_fault_rule){ .fault = STORE_FAULT_TRUNCATE, .ops = STORE_OP_GET, .amount = 20 };
	rules[1] = (struct store_fault_rule){ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .err = -EIO };
	rules[0].prefix = put_object(g.from, SYNC_PACKS, 4, 104, cut);
	rules[1].prefix = put_object(g.from, SYNC_PACKS, 5, 105, name);
	store_mem_set_faults(g.from, rules, 2);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.damaged, 2);
	assert_non_null(strstr(g.damaged, name));
	assert_non_null(strstr(g.damaged, cut));
	rig_close(&g);
}

static bool any(struct store *s, const char *prefix)
{
	struct inventory v = { 0 };
	bool found;

	assert_int_equal(inventory_load(s, prefix[0] == 's' ? SYNC_SNAPSHOTS : SYNC_INDEX, &v), 0);
	found = v.n > 0;
	inventory_free(&v);
	return found;
}

/* A store that fails ends it, before anything that would rely on what is missing. */
static void test_failures(void **state)
{
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .err = -ETIMEDOUT };
	struct rig g;

	rig_open(&g, state);
	rule.ops = STORE_OP_GET;
	rule.prefix = "packs/";
	store_mem_set_faults(g.from, &rule, 1);
	assert_int_equal(sync_run(&g.o, &g.r), -ETIMEDOUT);
	assert_false(any(g.to, "index/"));
	store_mem_set_faults(g.from, NULL, 0);

	rule.ops = STORE_OP_PUT;
	rule.prefix = "index/";
	rule.err = -ENOSPC;
	store_mem_set_faults(g.to, &rule, 1);
	assert_int_equal(sync_run(&g.o, &g.r), -ENOSPC);
	assert_false(any(g.to, "snapshots/"));

	rule.ops = STORE_OP_LIST;
	rule.prefix = "trees/";
	rule.err = -EIO;
	store_mem_set_faults(g.to, NULL, 0);
	store_mem_set_faults(g.from, &rule, 1);
	assert_int_equal(sync_run(&g.o, &g.r), -EIO);
	assert_false(any(g.to, "snapshots/"));

	/* It goes on where it was. */
	store_mem_set_faults(g.from, NULL, 0);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(all_in(g.from, g.to), 72);
	assert_true(g.r.present > 11);

	atomic_store(&g.cancel, 15);
	put_object(g.from, SYNC_PACKS, 1234, 100, (char[SYNC_NAME_SIZE]){ 0 });
	assert_int_equal(sync_run(&g.o, &g.r), -EINTR);
	rig_close(&g);
}

/* What goes away while it is copied makes another round; without end it does not go on. */
static void test_changes(void **state)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "index/", .count = 1, .err = -ENOENT,
	};
	struct rig g;

	rig_open(&g, state);
	store_mem_set_faults(g.from, &rule, 1);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(all_in(g.from, g.to), 72);
	assert_int_equal(g.r.copied, 71);
	rig_close(&g);

	rig_open(&g, state);
	rule.count = 0;
	store_mem_set_faults(g.from, &rule, 1);
	assert_int_equal(sync_run(&g.o, &g.r), -EAGAIN);
	assert_true(scratch_logged(g.scratch, "changes faster than it can be copied"));
	assert_false(any(g.to, "snapshots/"));
	rig_close(&g);
}

/* What the target's own prune is about to delete cannot be relied on there, nor stored anew. */
static void test_doomed(void **state)
{
	struct doomed_record rec = { .stage = STAGE_DOOMED, .n = 1 };
	struct inventory packs = { 0 };
	struct doomed_place at;
	struct packs_keys k;
	struct id other;
	struct rig g;

	rig_open(&g, state);
	packs_keys_make(&k);
	at = (struct doomed_place){ .store = g.to, .metadata = &k.metadata, .repo_id = k.repo_id };
	packs_id(1, &other);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(inventory_load(g.from, SYNC_TREES, &packs), 0);
	assert_true(packs.n > 0);
	/* One that the source does not have is none of its business. */
	rec.ids = &other;
	assert_int_equal(doomed_put(&at, &rec), 0);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	rec.ids = &packs.entries[0].id;
	assert_int_equal(doomed_put(&at, &rec), 0);
	assert_int_equal(sync_run(&g.o, &g.r), -EBUSY);
	assert_true(scratch_logged(g.scratch, "is about to delete packs there"));
	inventory_free(&packs);
	rig_close(&g);
}

static void test_remove(void **state)
{
	char name[SYNC_NAME_SIZE], snapshot[SYNC_NAME_SIZE], revoked[SYNC_NAME_SIZE];
	struct store_fault_rule rule = { .fault = STORE_FAULT_FLIP, .ops = STORE_OP_GET };
	struct inventory v = { 0 };
	uint64_t size;
	struct rig g;

	rig_open(&g, state);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	put_object(g.to, SYNC_PACKS, 555, 10, name);
	put_object(g.to, SYNC_SNAPSHOTS, 556, 20, snapshot);
	put_object(g.to, SYNC_REVOKED, 558, 10, revoked);
	assert_int_equal(store_put(g.to, "doomed/aa", "x", 1, 0), 0);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.removed, 0);

	/* Not while there is damage. */
	g.o.remove = true;
	put_object(g.from, SYNC_TREES, 557, 30, name);
	rule.prefix = name;
	store_mem_set_faults(g.from, &rule, 1);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_true(g.r.kept);
	assert_int_equal(store_stat(g.to, snapshot, &size), 0);
	store_mem_set_faults(g.from, NULL, 0);

	g.o.dry_run = true;
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.removed, 2);
	assert_int_equal(store_stat(g.to, snapshot, &size), 0);
	g.o.dry_run = false;
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_int_equal(g.r.removed, 2);
	assert_int_equal(g.r.removed_bytes, 30);
	assert_int_equal(store_stat(g.to, snapshot, &size), -ENOENT);
	assert_int_equal(store_stat(g.to, "doomed/aa", &size), 0);
	/* A key that was revoked stays so. */
	assert_int_equal(store_stat(g.to, revoked, &size), 0);

	/* Not after a source that has lost all its snapshots. */
	assert_int_equal(inventory_load(g.from, SYNC_SNAPSHOTS, &v), 0);
	for (size_t i = 0; i < v.n; i++)
		assert_int_equal(store_delete(g.from, sync_name(SYNC_SNAPSHOTS, &v.entries[i].id, name)), 0);
	inventory_free(&v);
	assert_int_equal(sync_run(&g.o, &g.r), 0);
	assert_true(g.r.kept);
	assert_true(scratch_logged(g.scratch, "nothing is deleted: the source has no snapshots"));
	assert_true(any(g.to, "snapshots/"));
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copy, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_dry_run, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_other_repository, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_damage, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_failures, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_changes, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_doomed, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_remove, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
