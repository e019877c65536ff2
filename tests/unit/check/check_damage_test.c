/*
 * Bits flipped all over a small repository: check finds each of them, and whoever reads gets what was stored, or an
 * error; never anything else.
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

#include "repo/query/walk.h"
#include "tests/unit/check/check_rig.h"

#define OBJECTS_MAX 16
#define ENTRIES_MAX 64

/* --- What can be read --------------------------------------------------------------------------------------------- */

/* One entry of one snapshot, and all that was read of it. */
struct item {
	char path[64];
	struct id meta, contents;
};

struct reading {
	struct item item[ENTRIES_MAX];
	unsigned n;
	unsigned errors;   /* directories, contents, attributes or snapshots that could not be read */
};

static void hash_number(struct hasher *h, uint64_t v)
{
	hasher_update(h, &v, sizeof(v));
}

static int hash_meta(struct tree *t, const struct tree_entry *e, struct id *out)
{
	struct buf xattrs = BUF_INIT;
	struct hasher h;
	int rc = tree_xattrs(t, e, &xattrs);

	hasher_init(&h);
	hash_number(&h, e->type);
	hash_number(&h, e->mode);
	hash_number(&h, (uint64_t)e->uid << 32 | e->gid);
	hash_number(&h, (uint64_t)e->mtime);
	hash_number(&h, e->mtime_ns);
	hash_number(&h, e->size);
	hash_number(&h, e->nlink);
	hash_number(&h, e->below);
	hasher_update(&h, e->target, e->target_len);
	hasher_update(&h, xattrs.data, xattrs.len);
	hasher_final(&h, out);
	buf_free(&xattrs);
	return rc;
}

static int hash_contents(struct tree *t, const struct tree_entry *e, struct id *out)
{
	static uint8_t bytes[256 * 1024];
	ssize_t n = e->type == ENTRY_REG ? tree_read(t, e, 0, sizeof(bytes), bytes) : 0;

	if (n < 0)
		return (int)n;
	crypt_hash(bytes, (size_t)n, out);
	return 0;
}

static void read_entry(struct tree *t, const struct walk_item *w, unsigned snapshot, struct reading *r)
{
	struct item *i = &r->item[r->n++];

	assert_true(r->n <= ENTRIES_MAX);
	memset(i, 0, sizeof(*i));
	snprintf(i->path, sizeof(i->path), "%u/%s", snapshot, w->path);
	if (hash_meta(t, w->entry, &i->meta) != 0) {
		memset(&i->meta, 0, sizeof(i->meta));
		r->errors++;
	}
	if (hash_contents(t, w->entry, &i->contents) != 0)
		r->errors++;
}

static void read_tree(struct tree *t, const struct tree_entry *root, unsigned snapshot, struct reading *r)
{
	struct tree_walk *w;
	struct walk_item item;
	int rc;

	assert_int_equal(tree_walk_begin(t, root, &w), 0);
	while ((rc = tree_walk_next(w, &item)) == 1) {
		if (item.event == WALK_ENTRY)
			read_entry(t, &item, snapshot, r);
		r->errors += item.event == WALK_DAMAGED;
	}
	assert_int_equal(rc, 0);
	tree_walk_end(w);
}

/* As on a machine that has nothing of the repository yet. */
static void read_all(struct rig *g, struct reading *r)
{
	struct catalog *c;
	struct manifest m;

	r->n = r->errors = 0;
	rig_forget_index(g);
	assert_int_equal(repo_catalog(&g->repo, &c), 0);
	for (size_t i = 0; i < catalog_count(c); i++) {
		if (catalog_manifest(c, i, &m) != 0) {
			r->errors++;
			continue;
		}
		read_tree(g->repo.tree, &m.root, (unsigned)i, r);
		manifest_destroy(&m);
	}
	catalog_free(c);
}

static const struct item *find(const struct reading *r, const char *path)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (strcmp(r->item[i].path, path) == 0)
			return &r->item[i];
	}
	return NULL;
}

/* All that could be read is as it was; what could not was an error. */
static void same_or_errors(const struct reading *sound, const struct reading *r, const char *name, size_t at)
{
	static const struct id none;
	unsigned wrong = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const struct item *a = &r->item[i], *b = find(sound, a->path);

		wrong += b == NULL || (!id_equal(&a->meta, &none) && !id_equal(&a->meta, &b->meta)) ||
		    (!id_equal(&a->contents, &none) && !id_equal(&a->contents, &b->contents));
	}
	wrong += r->errors == 0 && r->n != sound->n;
	if (wrong > 0)
		fail_msg("%s: with a bit of byte %zu inverted, %u entries are wrong", name, at, wrong);
}

/* --- Every object ------------------------------------------------------------------------------------------------- */

struct objects {
	char name[OBJECTS_MAX][STORE_NAME_MAX + 1];
	unsigned n;
};

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct objects *l = arg;

	(void)size;
	assert_true(l->n < OBJECTS_MAX);
	snprintf(l->name[l->n++], STORE_NAME_MAX + 1, "%s", name);
	return 0;
}

/* A bit of every 97th byte is flipped, and of the first and last ones; of fewer where all is slow. */
static size_t next_byte(size_t at, size_t len)
{
	const char *sanitize = getenv("SANITIZE");
	size_t step = sanitize != NULL && *sanitize != '\0' ? 997 : 97;

	if (at < 16 || at + 16 >= len)
		return at + 1;
	return at + step < len - 16 ? at + step : len - 16;
}

static void flip_all(struct check_rig *k, const char *name, const struct reading *sound, bool read)
{
	struct store *store = k->g->f.store;
	struct buf b = BUF_INIT;
	static struct reading r;

	assert_int_equal(store_get_all(store, name, 1 << 24, &b), 0);
	for (size_t at = 0; at < b.len; at = next_byte(at, b.len)) {
		uint8_t bit = (uint8_t)(1 << at % 8);

		b.data[at] ^= bit;
		assert_int_equal(store_mem_replace(store, name, b.data, b.len), 0);
		if (check_rig_run(k, true) == 0)
			fail_msg("%s: an inverted bit of byte %zu was not found", name, at);
		if (!check_rig_told(k, "finding ", name))
			fail_msg("%s: not named for an inverted bit of byte %zu:\n%s", name, at, k->text);
		if (read) {
			read_all(k->g, &r);
			same_or_errors(sound, &r, name, at);
		}
		b.data[at] ^= bit;
	}
	assert_int_equal(store_mem_replace(store, name, b.data, b.len), 0);
	buf_free(&b);
}

static void flip_prefix(struct check_rig *k, const char *prefix, bool read)
{
	static struct reading sound;
	struct objects l = { .n = 0 };

	check_rig_fill(k);
	read_all(k->g, &sound);
	assert_int_equal(sound.errors, 0);
	assert_true(sound.n > 20);
	assert_int_equal(store_list(k->g->f.store, prefix, take_name, &l), 0);
	assert_true(l.n > 0);
	for (unsigned i = 0; i < l.n; i++)
		flip_all(k, l.name[i], &sound, read);
	assert_int_equal(check_rig_run(k, true), 0);
}

static void test_packs(void **state)
{
	flip_prefix(*state, "packs/", true);
}

static void test_trees(void **state)
{
	flip_prefix(*state, "trees/", true);
}

static void test_index(void **state)
{
	flip_prefix(*state, "index/", true);
}

static void test_snapshots(void **state)
{
	flip_prefix(*state, "snapshots/", true);
}

static void test_keys(void **state)
{
	flip_prefix(*state, "keys/", false);
}

static void test_config(void **state)
{
	struct check_rig *k = *state;

	check_rig_fill(k);
	flip_all(k, "config", NULL, false);
}

/* The same with objects that end early. */
static void cut_all(struct check_rig *k, const char *name, const struct reading *sound)
{
	struct store *store = k->g->f.store;
	struct buf b = BUF_INIT;
	static struct reading r;

	assert_int_equal(store_get_all(store, name, 1 << 24, &b), 0);
	for (size_t len = b.len; len-- > 0; len -= len > 16 && len + 20 < b.len ? len / 16 : 0) {
		assert_int_equal(store_mem_replace(store, name, b.data, len), 0);
		if (check_rig_run(k, false) == 0)
			fail_msg("%s: cut to %zu bytes was not found", name, len);
		assert_true(check_rig_told(k, "finding ", name));
		read_all(k->g, &r);
		same_or_errors(sound, &r, name, len);
	}
	assert_int_equal(store_mem_replace(store, name, b.data, b.len), 0);
	buf_free(&b);
}

static void test_cut(void **state)
{
	static const char *const prefix[] = { "packs/", "trees/", "index/", "snapshots/" };
	struct check_rig *k = *state;
	static struct reading sound;
	struct objects l;

	check_rig_fill(k);
	read_all(k->g, &sound);
	for (size_t i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++) {
		l.n = 0;
		assert_int_equal(store_list(k->g->f.store, prefix[i], take_name, &l), 0);
		for (unsigned j = 0; j < l.n; j++)
			cut_all(k, l.name[j], &sound);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_packs),
		TEST(test_trees),
		TEST(test_index),
		TEST(test_snapshots),
		TEST(test_keys),
		TEST(test_config),
		TEST(test_cut),
	};

	/* The index of each reading is a new one: not on a disk, which would want each to be synced. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
