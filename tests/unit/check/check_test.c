/*
 * Check: a sound repository has no findings; each kind of damage is found, named, and traced to the paths that it
 * affects and to no others.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/check/repair.h"
#include "repo/doomed/doomed.h"
#include "repo/store/retry/store_retry.h"
#include "tests/unit/check/check_rig.h"

static struct fixture *fixture_of(struct check_rig *k)
{
	return &k->g->f;
}

/* Name of the ${nth} of several objects by size, the largest first. */
struct by_size {
	struct {
		char name[STORE_NAME_MAX + 1];
		uint64_t size;
	} of[16];
	unsigned n;
};

static int take_size(void *arg, const char *name, uint64_t size)
{
	struct by_size *l = arg;
	unsigned at = l->n++;

	assert_true(l->n <= 16);
	for (; at > 0 && l->of[at - 1].size < size; at--)
		l->of[at] = l->of[at - 1];
	snprintf(l->of[at].name, sizeof(l->of[at].name), "%s", name);
	l->of[at].size = size;
	return 0;
}

static const char *largest(struct check_rig *k, const char *prefix, struct by_size *l)
{
	l->n = 0;
	assert_int_equal(store_list(fixture_of(k)->store, prefix, take_size, l), 0);
	assert_true(l->n > 0);
	return l->of[0].name;
}

/* Invert a bit of the byte at ${at}, from the end if it is negative; twice is as before. */
static void flip(struct check_rig *k, const char *name, int64_t at)
{
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(fixture_of(k)->store, name, 1 << 28, &b), 0);
	b.data[at < 0 ? (int64_t)b.len + at : at] ^= 0x10;
	assert_int_equal(store_mem_replace(fixture_of(k)->store, name, b.data, b.len), 0);
	buf_free(&b);
}

static void cut(struct check_rig *k, const char *name, uint64_t len)
{
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(fixture_of(k)->store, name, 1 << 28, &b), 0);
	assert_true(len < b.len);
	assert_int_equal(store_mem_replace(fixture_of(k)->store, name, b.data, (size_t)len), 0);
	buf_free(&b);
}

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
	assert_int_equal(k->result.runs, fixture_count(fixture_of(k), "index/"));
	assert_int_equal(k->result.packs,
	    fixture_count(fixture_of(k), "packs/") + fixture_count(fixture_of(k), "trees/"));
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
	assert_int_equal(store_delete(fixture_of(k)->store, fixture_object(fixture_of(k), "index/", 0, name)), 0);
	assert_true(check_rig_run(k, false) > 0);
}

static uint64_t packs_of_part(struct check_rig *k, uint32_t part, uint32_t parts)
{
	k->o.part = part;
	k->o.parts = parts;
	assert_int_equal(check_rig_run(k, true), 0);
	return k->result.packs_read;
}

static void test_parts(void **state)
{
	struct check_rig *k = *state;
	uint64_t packs;
	char name[32];

	check_rig_fill(k);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "part%u", i);
		rig_note(name, name);
		assert_int_equal(rig_backup(k->g, name, NULL), 0);
	}
	packs = packs_of_part(k, 1, 1);
	assert_int_equal(packs, k->result.packs);
	assert_int_equal(packs_of_part(k, 1, 3) + packs_of_part(k, 2, 3) + packs_of_part(k, 3, 3), packs);
	k->o.parts = k->o.part = 0;
	k->o.percent = 50;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.packs_read, (k->result.packs + 1) / 2);
	k->o.percent = 100;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
}

/* An auditor reads no contents, but all the rest. */
static void test_auditor(void **state)
{
	struct check_rig *k = *state;
	struct seal_domain data = *k->g->repo.data;
	struct by_size l;
	uint64_t data_packs;

	check_rig_fill(k);
	data_packs = fixture_count(fixture_of(k), "packs/");
	k->g->repo.data = &data;
	k->g->repo.object_id = NULL;
	data.can_open = data.can_seal = false;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.sealed_packs, data_packs);
	assert_int_equal(k->result.packs_read, k->result.packs);
	largest(k, "packs/", &l);
	flip(k, l.of[0].name, 5000);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "finding pack packs/", "do not hash to its name"));
}

/* --- Packs -------------------------------------------------------------------------------------------------------- */

static void test_missing_data_pack(void **state)
{
	struct check_rig *k = *state;
	struct by_size l;
	const char *name;
	char begin[320];

	check_rig_fill(k);
	name = largest(k, "packs/", &l);
	assert_int_equal(store_delete(fixture_of(k)->store, name), 0);
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
	struct by_size l;
	const char *name;

	check_rig_fill(k);
	name = largest(k, "packs/", &l);
	/* Without its last byte only the trailer is hurt; without its last third, the file that stands there. */
	cut(k, name, l.of[0].size - 1);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding pack packs/", "bytes where the index says"));
	assert_int_equal(check_rig_lines(k, "affected "), 0);
	cut(k, name, l.of[0].size * 2 / 3);
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "affected ", " src/large: contents"));
	/* Which of the small files stand behind it is the writer's business. */
	assert_true(check_rig_lines(k, "affected ") <= 12);
}

/* A bit in the contents of one large file: a segment of it is damaged, with one chunk or two, and no other file is. */
static void test_flipped_data_pack(void **state)
{
	struct check_rig *k = *state;
	struct by_size l;
	const char *name;

	check_rig_fill(k);
	name = largest(k, "packs/", &l);
	flip(k, name, (int64_t)l.of[0].size / 2);
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
	struct by_size l;
	const char *name;

	check_rig_fill(k);
	name = largest(k, "packs/", &l);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		flip(k, name, at[i]);
		assert_int_equal(check_rig_run(k, true), 1);
		assert_true(check_rig_told(k, "finding pack packs/", "do not hash to its name"));
		assert_int_equal(check_rig_lines(k, "affected "), 0);
		flip(k, name, at[i]);
	}
	assert_int_equal(check_rig_run(k, true), 0);
}

static void test_flipped_tree_pack(void **state)
{
	struct check_rig *k = *state;
	struct by_size l;
	const char *name;

	check_rig_fill(k);
	name = largest(k, "trees/", &l);
	flip(k, name, PACK_HEADER_LEN + 20);
	for (int read_data = 0; read_data < 2; read_data++) {
		assert_int_equal(check_rig_run(k, read_data), 1);
		assert_true(check_rig_told(k, "finding pack trees/", ""));
		assert_true(check_rig_told(k, "affected trees/", ": directory"));
	}
}

static void test_missing_tree_pack(void **state)
{
	struct check_rig *k = *state;
	struct by_size l;

	check_rig_fill(k);
	assert_int_equal(store_delete(fixture_of(k)->store, largest(k, "trees/", &l)), 0);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding pack trees/", ": missing"));
	assert_true(check_rig_told(k, "affected trees/", ": directory"));
}

/* A store that fails is not one that is damaged. */
static void test_store_fails(void **state)
{
	static const char *const kinds[] = { "keys/", "snapshots/", "trees/" };
	struct check_rig *k = *state;
	struct by_size l;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .err = -EIO };

	check_rig_fill(k);
	rule.prefix = largest(k, "packs/", &l);
	store_mem_set_faults(fixture_of(k)->store, &rule, 1);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(check_rig_told(k, "unreachable pack packs/", ""));
	assert_int_equal(k->result.unreachable, 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		rule.prefix = kinds[i];
		store_mem_set_faults(fixture_of(k)->store, &rule, 1);
		assert_int_equal(check_rig_run(k, true), 0);
		assert_true(k->result.unreachable > 0);
		assert_int_equal(check_rig_lines(k, "affected "), 0);
	}
	/* Without a run nothing can be said of what is in none, and the check ends. */
	rule.prefix = "index/";
	store_mem_set_faults(fixture_of(k)->store, &rule, 1);
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EIO);
	assert_int_equal(k->result.findings, 0);
	rule.ops = STORE_OP_LIST;
	rule.prefix = "";
	store_mem_set_faults(fixture_of(k)->store, &rule, 1);
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EIO);
	store_mem_set_faults(fixture_of(k)->store, NULL, 0);
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
	mem = fixture_of(k)->store;
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

/* --- Levels and shares -------------------------------------------------------------------------------------------- */

/* Without a key: what does not hash to its name. */
static void test_without_key(void **state)
{
	static const char *const kinds[] = { "packs/", "trees/", "index/", "snapshots/", "keys/" };
	struct check_rig *k = *state;
	struct by_size l;
	char begin[64];

	check_rig_fill(k);
	assert_int_equal(check_rig_locked(k, true), 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
	assert_int_equal(k->result.packs,
	    fixture_count(fixture_of(k), "packs/") + fixture_count(fixture_of(k), "trees/"));
	assert_int_equal(k->result.runs, fixture_count(fixture_of(k), "index/"));
	assert_int_equal(k->result.snapshots, 2);
	assert_int_equal(k->result.keyslots, 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		largest(k, kinds[i], &l);
		flip(k, l.of[0].name, 150);
		assert_int_equal(check_rig_locked(k, true), 1);
		assert_true(check_rig_told(k, "finding ", l.of[0].name));
		snprintf(begin, sizeof(begin), "affected %s", kinds[i]);
		assert_int_equal(check_rig_lines(k, begin), strcmp(kinds[i], "snapshots/") == 0);
		flip(k, l.of[0].name, 150);
	}
	/* All snapshots are nobody's without a config. */
	assert_int_equal(store_delete(fixture_of(k)->store, "config"), 0);
	assert_int_equal(check_rig_locked(k, false), 1);
	assert_int_equal(check_rig_lines(k, "affected config : everything"), 2);
}

/* A record of doomed packs that is not what its name says: nobody knows then which they are. */
static void test_doomed(void **state)
{
	static const char name[] = "doomed/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct check_rig *k = *state;

	check_rig_fill(k);
	assert_int_equal(store_put(fixture_of(k)->store, name, "x", 1, 0), 0);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_true(check_rig_told(k, "finding doomed doomed/0123", "do not hash to its name"));
	assert_int_equal(check_rig_locked(k, true), 1);
}

/* One that is what its name says, put by who has not the secrets: prune and backup do not take it, either. */
static void test_doomed_forged(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = fixture_of(k);
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
	struct by_size l;

	check_rig_fill(k);
	k->o.signatures_only = true;
	assert_int_equal(store_delete(fixture_of(k)->store, largest(k, "trees/", &l)), 0);
	flip(k, largest(k, "index/", &l), 50);
	assert_int_equal(check_rig_run(k, false), 0);
	assert_int_equal(k->nsigned, 2);
	assert_int_equal(k->result.packs + k->result.trees + k->result.runs, 0);
	flip(k, largest(k, "snapshots/", &l), 50);
	assert_int_equal(check_rig_run(k, false), 1);
	assert_int_equal(k->nsigned, 1);
	assert_true(check_rig_told(k, "affected snapshots/", " : everything"));
}

static void more_packs(struct check_rig *k, unsigned n)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "more%u", i);
		rig_note(name, name);
		assert_int_equal(rig_backup(k->g, name, NULL), 0);
	}
}

/* A cycle of rotating checks reads every pack, and what is damaged is told until it is not. */
static void test_rotation(void **state)
{
	struct check_rig *k = *state;
	uint64_t read = 0, packs;
	unsigned told = 0;
	struct by_size l;

	check_rig_fill(k);
	more_packs(k, 5);
	k->o.cache_dir = k->g->f.scratch->dir;
	k->o.days = 4;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(check_rig_run(k, true), 0);
		packs = k->result.packs;
		assert_true(k->result.packs_read < packs);
		read += k->result.packs_read;
	}
	assert_true(read >= packs && read <= packs + 1);
	flip(k, largest(k, "packs/", &l), 5000);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t findings = check_rig_run(k, true);

		assert_true(findings == (told > 0) || (findings == 1 && told == 0));
		told += findings > 0;
	}
	assert_true(told > 0);
	assert_int_equal(check_rig_run(k, true), 1);
	/* By every other check, too, and no more once it is sound. */
	k->o.days = 0;
	k->o.part = 1;
	k->o.parts = 1000000;
	assert_int_equal(check_rig_run(k, true), 1);
	flip(k, l.of[0].name, 5000);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(k->result.packs_read >= 1);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(k->result.packs_read <= 1);
}

/* Check, and end with the first finding. */
static void interrupt(struct check_rig *k)
{
	k->o.read_data = true;
	k->stop_at = 1;
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EINTR);
	assert_true(k->result.packs_read > 0 && k->result.packs_read < k->result.packs);
	k->stop = 0;
}

/* An interrupted one goes on, and tells what it had found. */
static void test_goes_on(void **state)
{
	struct check_rig *k = *state;
	struct by_size l;

	check_rig_fill(k);
	more_packs(k, 5);
	k->o.cache_dir = k->g->f.scratch->dir;
	k->o.threads = 1;
	largest(k, "packs/", &l);
	for (unsigned i = 0; i < l.n; i++)
		flip(k, l.of[i].name, 200);
	interrupt(k);
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_true(k->result.packs_before > 0);
	assert_int_equal(k->result.packs_before + k->result.packs_read, k->result.packs);
	/* That is over, and all is read by the next one. */
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_int_equal(k->result.packs_before, 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
	/* Or at once, if it is to begin anew; and one of another kind does not go on with it. */
	interrupt(k);
	k->o.part = k->o.parts = 1;
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_int_equal(k->result.packs_before, 0);
	k->o.part = k->o.parts = 0;
	k->o.restart = true;
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_int_equal(k->result.packs_before, 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
}

/* Read slowly; the caller kills it. */
static void check_in_child(struct check_rig *k)
{
	struct store_fault_rule rule = { .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .amount = 150 };

	rule.prefix = "packs/";
	store_mem_set_faults(fixture_of(k)->store, &rule, 1);
	check_run(&k->g->repo, &k->o, &k->result);
	_exit(0);
}

/* One that was killed goes on behind what it had written down. */
static void test_killed(void **state)
{
	struct check_rig *k = *state;
	char path[512], hex[33];
	pid_t child;

	check_rig_fill(k);
	more_packs(k, 12);
	k->o.cache_dir = k->g->f.scratch->dir;
	k->o.read_data = true;
	k->o.threads = 1;
	hex_encode(k->g->f.config.repo_id, 16, hex);
	snprintf(path, sizeof(path), "%s/check/%s/data-all", k->o.cache_dir, hex);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		check_in_child(k);
	for (unsigned i = 0; i < 6000 && access(path, F_OK) != 0; i++)
		usleep(10000);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(k->result.packs_before > 0);
	assert_int_equal(k->result.packs_before + k->result.packs_read, k->result.packs);
	assert_int_equal(access(path, F_OK), -1);
}

/* A pack of somebody who died before his index run was written. */
static void test_unreferenced(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = fixture_of(k);
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

/* --- Runs --------------------------------------------------------------------------------------------------------- */

/* Lost places of contents: the chunks, all in one finding, and the files. */
static void test_lost_run(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = fixture_of(k);
	struct by_size l;

	f->run_objects = 0;
	check_rig_fill(k);
	assert_int_equal(store_delete(f->store, largest(k, "index/", &l)), 0);
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
	struct by_size l;
	const char *name;

	check_rig_fill(k);
	name = largest(k, "index/", &l);
	snprintf(begin, sizeof(begin), "finding run %s: ", name);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		flip(k, name, at[i]);
		assert_true(check_rig_run(k, false) >= 1);
		assert_true(check_rig_told(k, begin, "do not hash to its name"));
		flip(k, name, at[i]);
	}
	assert_int_equal(check_rig_run(k, false), 0);

	/* Repair writes what it held anew, and takes it away. */
	flip(k, name, 7);
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
	struct by_size l;

	check_rig_fill(k);
	flip(k, largest(k, "index/", &l), 50);
	flip(k, largest(k, "packs/", &l), -40);
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
	struct fixture *f = fixture_of(k);
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

/* --- Manifests, config, keyslots ---------------------------------------------------------------------------------- */

static void test_manifest(void **state)
{
	static const int64_t at[] = { 0, 7, 10, 30, 200, -1 };
	struct check_rig *k = *state;
	struct fixture *f = fixture_of(k);
	char name[STORE_NAME_MAX + 1], begin[320];

	check_rig_fill(k);
	fixture_object(f, "snapshots/", 1, name);
	snprintf(begin, sizeof(begin), "finding snapshot %s: ", name);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		flip(k, name, at[i]);
		assert_int_equal(check_rig_run(k, false), 1);
		assert_true(check_rig_told(k, begin, ""));
		assert_int_equal(k->nsigned, 1);
		flip(k, name, at[i]);
	}
	cut(k, name, 100);
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
	struct fixture *f = fixture_of(k);
	struct config other;
	struct buf b = BUF_INIT;

	check_rig_fill(k);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		flip(k, "config", at[i]);
		assert_int_equal(check_rig_run(k, false), 1);
		assert_true(check_rig_told(k, "finding config config: ", ""));
		assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
		assert_int_equal(k->result.findings, 1);
		flip(k, "config", at[i]);
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
	struct fixture *f = fixture_of(k);
	char name[STORE_NAME_MAX + 1];

	check_rig_fill(k);
	fixture_object(f, "keys/", 0, name);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		flip(k, name, at[i]);
		assert_int_equal(check_rig_run(k, false), 1);
		assert_true(check_rig_told(k, "finding keyslot keys/", "do not hash to its name"));
		assert_int_equal(check_locked(f->store, &k->o, &k->result), 0);
		assert_int_equal(k->result.findings, 1);
		flip(k, name, at[i]);
	}
	cut(k, name, 40);
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
	struct by_size l;

	check_rig_fill(k);
	assert_int_equal(store_delete(fixture_of(k)->store, largest(k, "packs/", &l)), 0);
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
		TEST(test_parts),
		TEST(test_auditor),
		TEST(test_missing_data_pack),
		TEST(test_truncated_data_pack),
		TEST(test_flipped_data_pack),
		TEST(test_flipped_frame),
		TEST(test_flipped_tree_pack),
		TEST(test_missing_tree_pack),
		TEST(test_store_fails),
		TEST(test_damaged_on_the_way),
		TEST(test_without_key),
		TEST(test_doomed),
		TEST(test_doomed_forged),
		TEST(test_signatures),
		TEST(test_rotation),
		TEST(test_goes_on),
		TEST(test_killed),
		TEST(test_unreferenced),
		TEST(test_lost_run),
		TEST(test_damaged_run),
		TEST(test_repair_with_damaged_table),
		TEST(test_lying_run),
		TEST(test_manifest),
		TEST(test_config),
		TEST(test_keyslot),
		TEST(test_few_paths),
		TEST(test_cancel),
		TEST(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
