/*
 * A machine that never saw a repository: what it asks of the store to look into a snapshot, with an index that is far
 * too large to be loaded for that.
 *
 * Opening a repository (config, a listing of keyslots, the keyslot) is not in these counts: three requests more.
 * Nothing is cached here but the index: a run's blocks are read each time.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/query/walk.h"
#include "repo/util/bytes/le.h"
#include "tests/lib/backup_rig.h"

#define OTHERS 100000 /* objects of each of two runs that have nothing to do with the snapshot */
#define DIRS 300
#define FILES_PER_DIR 3
#define CHUNKS 3200
#define CHUNK_LEN 4000 /* some 260 in a pack */

/* A run of objects in packs that nobody asks for; ids are spread as those of others are. */
static void put_others(struct fixture *f, uint64_t seed)
{
	struct place place = { .nown = 1, .offset = PACK_HEADER_LEN, .len = 1000, .box = { 500 } };
	struct pack_info pack = { .kind = PACK_DATA, .size = 1 << 25 };
	struct run_writer *w;
	struct id id;

	assert_int_equal(run_begin(f->store, &f->metadata, &w), 0);
	fixture_noise(seed, pack.id.b, ID_LEN);
	assert_int_equal(run_add_pack(w, &pack, &place.pack), 0);
	for (uint64_t n = 0; n < OTHERS; n++) {
		fixture_noise(seed + n, id.b, ID_LEN);
		for (unsigned i = 0; i < 8; i++)
			id.b[i] = (uint8_t)(n * (UINT64_MAX / OTHERS) >> (56 - 8 * i));
		assert_int_equal(run_add(w, &id, &place), 0);
	}
	assert_int_equal(run_commit(w, &id, NULL), 0);
}

/* A snapshot of "tree", in a repository with much else in it, and nothing known of that. */
static void prepare(struct rig *g)
{
	char path[64];

	for (unsigned d = 0; d < DIRS; d++) {
		for (unsigned i = 0; i < FILES_PER_DIR; i++) {
			snprintf(path, sizeof(path), "tree/%03u/%u", d, i);
			rig_note(path, path);
		}
	}
	assert_int_equal(rig_backup(g, "tree", NULL), 0);
	put_others(&g->f, 1);
	put_others(&g->f, 2);
	rig_forget_index(g);
}

static uint64_t requests(struct rig *g, uint64_t *bytes)
{
	struct store_counters c;

	store_get_counters(g->f.store, &c);
	*bytes = c.get_bytes;
	return c.gets + c.stats + c.lists;
}

static uint64_t loaded(struct rig *g)
{
	struct index_stats s;

	assert_int_equal(index_stats(g->f.index, &s), 0);
	return s.objects;
}

/* Entries at and below ${root}, to a depth of ${max}. */
static unsigned walk(struct rig *g, const struct tree_entry *root, unsigned max)
{
	struct walk_item item;
	struct tree_walk *w;
	unsigned n = 0;

	assert_int_equal(tree_walk_begin(g->repo.tree, root, &w), 0);
	while (tree_walk_next(w, &item) == 1) {
		assert_int_not_equal(item.event, WALK_DAMAGED);
		n += item.event == WALK_ENTRY;
		if (item.event == WALK_ENTRY && item.depth == max && item.entry->type == ENTRY_DIR)
			tree_walk_skip(w);
	}
	tree_walk_end(w);
	return n;
}

static void test_root(void **state)
{
	struct rig *g = *state;
	uint64_t before, bytes0, bytes;
	struct manifest m;

	prepare(g);
	before = requests(g, &bytes0);
	rig_manifest(g, &m);
	catalog_enter(g->f.index, &m);
	assert_int_equal(walk(g, &m.root, 1), 2);
	/* A listing of snapshots, the manifest, the root page. */
	assert_true(requests(g, &bytes) - before <= 3);
	assert_true(bytes - bytes0 < 100000);

	/* All of it: the table of the pack, and segments, each once. */
	before = requests(g, &bytes0);
	assert_int_equal(walk(g, &m.root, UINT32_MAX), 2 + DIRS + DIRS * FILES_PER_DIR);
	assert_true(requests(g, &bytes) - before <= 20);
	assert_true(bytes - bytes0 < 2u * 1024 * 1024);
	assert_int_equal(loaded(g), 0);
	manifest_destroy(&m);

	/* A chunk is not in that pack, but in the smallest of three runs. */
	before = requests(g, &bytes0);
	rig_same(g, "tree/007/1", "tree/007/1");
	assert_true(requests(g, &bytes) - before <= 14);
	rig_same(g, "tree", "tree");
}

/* --- Contents, here and there --- */

/* Noise, in a dozen packs. */
struct contents {
	uint8_t *data;
	struct id id[CHUNKS];
	uint32_t pack[CHUNKS]; /* its number where it was stored: the later the larger */
};

static void store_contents(struct fixture *f, struct contents *c)
{
	struct object_writer *w = fixture_writer(f);
	struct place place;

	c->data = malloc((size_t)CHUNKS * CHUNK_LEN);
	assert_non_null(c->data);
	fixture_noise(3, c->data, (size_t)CHUNKS * CHUNK_LEN);
	assert_int_equal(fixture_store_chunks(f, w, c->data, CHUNK_LEN, CHUNKS, c->id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_int_equal(index_refresh(f->index), 0);
	for (unsigned i = 0; i < CHUNKS; i++) {
		assert_int_equal(index_lookup(f->index, &c->id[i], &place), 0);
		c->pack[i] = place.pack;
	}
	put_others(f, 1);
	put_others(f, 2);
	fixture_forget_index(f);
}

/* The ${nth} chunk, in order, of the ${pack}-th pack; they are some hundred. */
static unsigned chunk_of(const struct contents *c, unsigned pack, unsigned nth)
{
	unsigned first = 0;

	for (; pack > 0; pack--)
		for (uint32_t number = c->pack[first]; c->pack[first] == number; first++)
			assert_true(first + 1 < CHUNKS);
	assert_int_equal(c->pack[first], c->pack[first + nth]);
	return first + nth;
}

/* Read one, and expect at most so many requests. */
static void expect_requests(struct fixture *f, struct object_reader *r, const struct contents *c, unsigned n,
    uint64_t most)
{
	const struct object_wanted wanted = { &c->id[n], CHUNK_LEN };
	uint8_t got[100];
	struct store_counters before, after;

	store_get_counters(f->store, &before);
	assert_int_equal(object_read_range(r, &wanted, 17, sizeof(got), got), 0);
	assert_memory_equal(got, c->data + (size_t)n * CHUNK_LEN + 17, sizeof(got));
	store_get_counters(f->store, &after);
	assert_in_range(after.gets + after.stats + after.lists - before.gets - before.stats - before.lists, 1, most);
}

/*
 * Of a pack that is met for the first time no table is read: a block of objects and one of packs (which a cache around
 * a remote store has by then), and a segment.
 */
static void test_contents(void **state)
{
	struct fixture *f = *state;
	struct contents c;
	struct object_reader *r;

	store_contents(f, &c);
	r = fixture_reader(f);
	expect_requests(f, r, &c, chunk_of(&c, 11, 0), 20);
	expect_requests(f, r, &c, chunk_of(&c, 10, 0), 3);
	expect_requests(f, r, &c, chunk_of(&c, 0, 0), 3);
	expect_requests(f, r, &c, chunk_of(&c, 9, 0), 3);
	/* Who comes back gets the table, and needs no run for the rest. */
	expect_requests(f, r, &c, chunk_of(&c, 0, 100), 4);
	expect_requests(f, r, &c, chunk_of(&c, 0, 200), 1);
	expect_requests(f, r, &c, chunk_of(&c, 0, 50), 1);
	/* And so does who goes on. */
	expect_requests(f, r, &c, chunk_of(&c, 1, 0), 4);
	expect_requests(f, r, &c, chunk_of(&c, 1, 100), 1);
	object_reader_free(r);
	free(c.data);
}

/* Of a manifest that has no hint, or whose hint is not true any more. */
static void test_without_hint(void **state)
{
	struct rig *g = *state;
	struct pack_info nowhere = { .id = { { 1 } }, .kind = PACK_TREE };
	uint64_t before, bytes;
	struct manifest m;
	size_t skip = ID_LEN + CRYPT_WRAPPED_LEN;

	prepare(g);
	rig_manifest(g, &m);
	before = requests(g, &bytes);
	assert_int_equal(walk(g, &m.root, 1), 2);
	assert_true(requests(g, &bytes) - before <= 10);

	rig_forget_index(g);
	assert_int_equal(index_learn(g->f.index, &m.root.child, &nowhere, m.root_place.data + skip,
	    m.root_place.len - skip), 0);
	before = requests(g, &bytes);
	assert_int_equal(walk(g, &m.root, 1), 2);
	assert_true(requests(g, &bytes) - before <= 13);
	assert_int_equal(walk(g, &m.root, UINT32_MAX), 2 + DIRS + DIRS * FILES_PER_DIR);
	manifest_destroy(&m);
}

/* A backup loads all of it, whatever was learned before, and stores nothing twice. */
static void test_backup(void **state)
{
	struct rig *g = *state;
	struct manifest m;

	prepare(g);
	rig_manifest(g, &m);
	catalog_enter(g->f.index, &m);
	assert_int_equal(walk(g, &m.root, UINT32_MAX), 2 + DIRS + DIRS * FILES_PER_DIR);
	manifest_destroy(&m);
	assert_int_equal(rig_backup(g, "tree", NULL), 0);
	assert_true(loaded(g) > 2 * OTHERS);
	assert_int_equal(g->result.data_added, 0);
	assert_int_equal(g->result.tree_added, 0);
	rig_same(g, "tree", "tree");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_root),
		cmocka_unit_test_setup_teardown(test_contents, fixture_setup, fixture_teardown),
		TEST(test_without_hint),
		TEST(test_backup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
