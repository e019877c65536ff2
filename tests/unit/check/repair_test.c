/*
 * Repair: from copies everything is again as it was; without one what can be read is kept, and the next backup stores
 * the rest again; wherever it is broken off, nothing is worse than before, and the next one does the rest.
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

#include "repo/check/repair.h"
#include "tests/unit/check/check_rig.h"
#include "tests/lib/packs.h"

#define OBJECTS_MAX 32

/* What a store held. */
struct saved {
	struct {
		char name[STORE_NAME_MAX + 1];
		struct buf bytes;
	} of[OBJECTS_MAX];
	unsigned n;
};

struct names {
	char name[OBJECTS_MAX][STORE_NAME_MAX + 1];
	uint64_t size[OBJECTS_MAX];
	unsigned n;
};

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct names *l = arg;

	assert_true(l->n < OBJECTS_MAX);
	l->size[l->n] = size;
	snprintf(l->name[l->n++], sizeof(l->name[0]), "%s", name);
	return 0;
}

static void save(struct store *store, struct saved *s)
{
	struct names l = { .n = 0 };

	assert_int_equal(store_list(store, "", take_name, &l), 0);
	s->n = l.n;
	for (unsigned i = 0; i < l.n; i++) {
		memcpy(s->of[i].name, l.name[i], sizeof(l.name[i]));
		s->of[i].bytes = (struct buf)BUF_INIT;
		assert_int_equal(store_get_all(store, l.name[i], 1 << 24, &s->of[i].bytes), 0);
	}
}

static void put_back(struct store *store, const struct saved *s)
{
	struct names l = { .n = 0 };

	assert_int_equal(store_list(store, "", take_name, &l), 0);
	for (unsigned i = 0; i < l.n; i++)
		assert_int_equal(store_delete(store, l.name[i]), 0);
	for (unsigned i = 0; i < s->n; i++)
		assert_int_equal(store_mem_replace(store, s->of[i].name, s->of[i].bytes.data, s->of[i].bytes.len), 0);
}

static bool same(struct store *store, const struct saved *s)
{
	struct buf b = BUF_INIT;
	bool ok = true;

	for (unsigned i = 0; i < s->n; i++) {
		buf_clear(&b);
		ok = ok && store_get_all(store, s->of[i].name, 1 << 24, &b) == 0 && b.len == s->of[i].bytes.len &&
		    memcmp(b.data, s->of[i].bytes.data, b.len) == 0;
	}
	buf_free(&b);
	return ok;
}

static void saved_free(struct saved *s)
{
	for (unsigned i = 0; i < s->n; i++)
		buf_free(&s->of[i].bytes);
}

static struct store *store_of(struct check_rig *k)
{
	return k->g->f.store;
}

/* The ${nth} largest below a prefix. */
static void by_size(struct check_rig *k, const char *prefix, unsigned nth, char out[STORE_NAME_MAX + 1])
{
	struct names l = { .n = 0 };
	unsigned larger;

	assert_int_equal(store_list(store_of(k), prefix, take_name, &l), 0);
	for (unsigned i = 0; i < l.n; i++) {
		larger = 0;
		for (unsigned j = 0; j < l.n; j++)
			larger += l.size[j] > l.size[i];
		if (larger == nth)
			memcpy(out, l.name[i], sizeof(l.name[i]));
	}
}

static void flip(struct store *store, const char *name)
{
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(store, name, 1 << 24, &b), 0);
	b.data[b.len / 2] ^= 4;
	assert_int_equal(store_mem_replace(store, name, b.data, b.len), 0);
	buf_free(&b);
}

/* --- What a repair tells ------------------------------------------------------------------------------------------ */

struct told {
	unsigned fetched, salvaged, left;
	struct repair_result result;
};

static void on_event(void *arg, const struct repair_event *e)
{
	struct told *t = arg;

	t->fetched += e->action == REPAIR_FETCHED;
	t->salvaged += e->action == REPAIR_SALVAGED;
	t->left += e->action == REPAIR_LEFT;
}

static int repair(struct check_rig *k, struct store *copy, bool dry_run, struct told *t)
{
	struct repair_options o = {
		.from = &copy,
		.nfrom = copy != NULL,
		.dry_run = dry_run,
		.check = { .read_data = true, .threads = 2 },
		.told = on_event,
		.arg = t,
	};
	int rc;

	*t = (struct told){ .fetched = 0 };
	rc = repair_plain(store_of(k), &o, &t->result);
	return rc == 0 ? repair_run(&k->g->repo, &o, &t->result) : rc;
}

static struct store *copy_of(const struct saved *s)
{
	struct store *copy;

	assert_int_equal(store_mem_open(NULL, &copy), 0);
	for (unsigned i = 0; i < s->n; i++)
		assert_int_equal(store_mem_replace(copy, s->of[i].name, s->of[i].bytes.data, s->of[i].bytes.len), 0);
	return copy;
}

/* --- From copies -------------------------------------------------------------------------------------------------- */

static void test_every_object(void **state)
{
	struct check_rig *k = *state;
	struct saved good;
	struct store *copy;
	struct told t;

	check_rig_fill(k);
	save(store_of(k), &good);
	copy = copy_of(&good);
	for (unsigned i = 0; i < good.n; i++) {
		const char *name = good.of[i].name;

		flip(store_of(k), name);
		assert_int_equal(repair(k, copy, true, &t), 0);
		assert_false(same(store_of(k), &good));
		assert_int_equal(repair(k, copy, false, &t), 0);
		assert_int_equal(t.fetched, 1);
		assert_int_equal(t.left + t.salvaged, 0);
		assert_true(same(store_of(k), &good));

		/* What is gone: a manifest may have been forgotten, and a run is made anew. */
		if (strncmp(name, "snapshots/", 10) == 0 || strncmp(name, "index/", 6) == 0)
			continue;
		assert_int_equal(store_delete(store_of(k), name), 0);
		assert_int_equal(repair(k, copy, false, &t), 0);
		assert_int_equal(t.fetched, 1);
		assert_true(same(store_of(k), &good));
	}
	assert_int_equal(repair(k, copy, false, &t), 0);
	assert_int_equal(t.fetched + t.left + t.salvaged, 0);
	assert_int_equal(check_rig_run(k, true), 0);
	store_close(copy);
	saved_free(&good);
}

/* Another repository's config, or anything of it, is not taken. */
static void test_other_repository(void **state)
{
	struct check_rig *k = *state;
	struct store *copy;
	void *state2 = NULL;
	struct saved other, mine;
	struct told t;

	check_rig_fill(k);
	assert_int_equal(check_rig_setup(&state2), 0);
	check_rig_fill(state2);
	save(store_of(state2), &other);
	copy = copy_of(&other);
	save(store_of(k), &mine);
	assert_int_equal(repair(k, copy, false, &t), -EXDEV);
	assert_int_equal(store_delete(store_of(k), "config"), 0);
	assert_int_equal(repair(k, copy, false, &t), 0);
	assert_int_equal(t.fetched, 0);
	assert_int_equal(t.left, 1);
	store_close(copy);
	copy = copy_of(&mine);
	assert_int_equal(repair(k, copy, false, &t), 0);
	assert_int_equal(t.fetched, 1);
	assert_true(same(store_of(k), &mine));
	store_close(copy);
	saved_free(&mine);
	saved_free(&other);
	assert_int_equal(check_rig_teardown(&state2), 0);
}

/* As long as a copy, or the repository, cannot be asked, nothing is given up. */
static void test_copy_is_away(void **state)
{
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET | STORE_OP_STAT,
		.prefix = "packs/", .err = -EIO };
	char name[STORE_NAME_MAX + 1], whole[STORE_NAME_MAX + 1];
	struct check_rig *k = *state;
	struct saved good, damaged;
	struct store *copy;
	struct told t;

	check_rig_fill(k);
	save(store_of(k), &good);
	copy = copy_of(&good);
	by_size(k, "packs/", 0, name);
	by_size(k, "packs/", 1, whole);
	flip(store_of(k), name);
	save(store_of(k), &damaged);
	store_mem_set_faults(copy, &rule, 1);
	assert_int_equal(repair(k, copy, false, &t), 0);
	assert_int_equal(t.left, 1);
	assert_int_equal(t.fetched + t.salvaged, 0);
	assert_true(same(store_of(k), &damaged));
	rule.prefix = whole;
	store_mem_set_faults(store_of(k), &rule, 1);
	assert_int_equal(repair(k, NULL, false, &t), -EHOSTUNREACH);
	store_mem_set_faults(store_of(k), NULL, 0);
	assert_true(same(store_of(k), &damaged));
	store_mem_set_faults(copy, NULL, 0);
	assert_int_equal(repair(k, copy, false, &t), 0);
	assert_true(same(store_of(k), &good));
	store_close(copy);
	saved_free(&good);
	saved_free(&damaged);
}

/* --- Without ------------------------------------------------------------------------------------------------------ */

/* Contents that cannot be read are left alone by who has not their key. */
static void test_role(void **state)
{
	struct check_rig *k = *state;
	struct seal_domain data = *k->g->repo.data, *all = k->g->repo.data;
	char name[STORE_NAME_MAX + 1];
	struct saved damaged;
	struct told t;

	check_rig_fill(k);
	by_size(k, "packs/", 0, name);
	flip(store_of(k), name);
	save(store_of(k), &damaged);
	data.can_open = false;
	k->g->repo.data = &data;
	assert_int_equal(repair(k, NULL, false, &t), 0);
	assert_int_equal(t.left, 1);
	assert_true(same(store_of(k), &damaged));
	k->g->repo.data = all;
	assert_int_equal(repair(k, NULL, false, &t), 0);
	assert_int_equal(t.salvaged, 1);
	assert_true(t.result.lost > 0 && t.result.salvaged > 0);
	saved_free(&damaged);
}

/* Affected paths, of all snapshots. */
static unsigned affected(struct check_rig *k)
{
	k->o.paths = UINT64_MAX;
	k->o.every_snapshot = true;
	check_rig_run(k, true);
	return check_rig_lines(k, "affected ");
}

/* A damaged pack of contents, and a missing one of directories. */
static void hurt(struct check_rig *k)
{
	char name[STORE_NAME_MAX + 1];

	by_size(k, "packs/", 0, name);
	flip(store_of(k), name);
	by_size(k, "trees/", 1, name);
	assert_int_equal(store_delete(store_of(k), name), 0);
}

static void test_broken_off(void **state)
{
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT | STORE_OP_DELETE,
		.prefix = "", .err = -EIO };
	struct check_rig *k = *state;
	struct saved good;
	unsigned before;
	struct told t;
	int rc = -1;

	check_rig_fill(k);
	save(store_of(k), &good);
	for (rule.skip = 0; rc != 0; rule.skip++) {
		assert_true(rule.skip < 50);
		put_back(store_of(k), &good);
		hurt(k);
		before = affected(k);
		assert_true(before > 0);
		store_mem_set_faults(store_of(k), &rule, 1);
		rc = repair(k, NULL, false, &t);
		store_mem_set_faults(store_of(k), NULL, 0);
		assert_true(affected(k) <= before);
		assert_int_equal(repair(k, NULL, false, &t), 0);
		assert_true(affected(k) <= before);
		assert_int_equal(t.left, 0);
		/* The source is as it was. */
		rig_forget_index(k->g);
		assert_int_equal(rig_backup(k->g, "src", NULL), 0);
		assert_int_equal(check_rig_run(k, true), 0);
		assert_string_equal(k->text, "");
	}
	assert_true(rule.skip > 5);
	saved_free(&good);
}

/* Nobody knows what a damaged record of doomed packs said: it is told, and left to prune. */
static void test_doomed(void **state)
{
	static const char name[] = "doomed/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct check_rig *k = *state;
	uint64_t size;
	struct told t;

	check_rig_fill(k);
	assert_int_equal(store_put(store_of(k), name, "x", 1, 0), 0);
	assert_int_equal(repair(k, NULL, false, &t), 0);
	assert_int_equal(t.left, 1);
	assert_int_equal(store_stat(store_of(k), name, &size), 0);
}

/* A run that named a part of what is in packs has gone; the rest of it others name. */
static void test_lost_part_of_run(void **state)
{
	struct check_rig *k = *state;
	char name[STORE_NAME_MAX + 1];
	struct id id, part[2];
	struct told t;

	check_rig_fill(k);
	fixture_object(&k->g->f, "index/", 0, name);
	assert_int_equal(id_parse(name + strlen("index/"), &id), 0);
	packs_split_run(store_of(k), &k->g->f.metadata, k->g->f.config.segment_size, &id, part);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(store_delete(store_of(k), run_name(&part[1], name)), 0);
	assert_true(check_rig_run(k, true) > 0);
	assert_int_equal(repair(k, NULL, false, &t), 0);
	assert_int_equal(t.left + t.salvaged, 0);
	assert_int_equal(check_rig_run(k, true), 0);
}

/* A copy that turns up later puts back what is in quarantine. */
static void test_quarantine(void **state)
{
	struct check_rig *k = *state;
	struct saved good;
	struct store *copy;
	struct told t;

	check_rig_fill(k);
	save(store_of(k), &good);
	hurt(k);
	assert_int_equal(repair(k, NULL, false, &t), 0);
	assert_int_equal(t.salvaged, 2);
	assert_int_equal(fixture_count(&k->g->f, "quarantine/"), 1);
	assert_true(check_rig_run(k, true) > 0);
	copy = copy_of(&good);
	assert_int_equal(repair(k, copy, false, &t), 0);
	assert_int_equal(t.fetched, 1);
	assert_int_equal(fixture_count(&k->g->f, "quarantine/"), 0);
	store_close(copy);
	saved_free(&good);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_object),
		TEST(test_other_repository),
		TEST(test_copy_is_away),
		TEST(test_role),
		TEST(test_broken_off),
		TEST(test_doomed),
		TEST(test_lost_part_of_run),
		TEST(test_quarantine),
	};

	/* The index of each check is a new one: not on a disk, which would want each to be synced. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
