/*
 * Check of trees: directories and span lists of many pages, shared between snapshots, are sound; pages that contradict
 * what refers to them are found.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/tree/dir_build.h"
#include "repo/util/bytes/le.h"
#include "tests/unit/check/check_rig.h"

/* --- Large and sound ---------------------------------------------------------------------------------------------- */

#define NFILES 6000

static void make_file(unsigned i)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "many/%05u", i);
	fd = open(name, O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static void test_many_entries(void **state)
{
	struct check_rig *k = *state;
	uint64_t first;

	check_rig_fill(k);
	assert_int_equal(mkdir("many", 0755), 0);
	for (unsigned i = 0; i < NFILES; i++)
		make_file(i * 2);
	assert_int_equal(rig_backup(k->g, "many", NULL), 0);
	assert_int_equal(check_rig_run(k, true), 0);
	first = k->result.trees;
	/* The neighbours of what changes are referred to with other bounds, but are the same pages. */
	for (unsigned i = 0; i < 5; i++) {
		make_file(i * 2000 + 1);
		assert_int_equal(rig_backup(k->g, "many", NULL), 0);
		assert_int_equal(check_rig_run(k, false), 0);
	}
	assert_true(k->result.trees < first + 5 * 4);
	assert_int_equal(k->result.unreferenced_objects, 0);
}

/* Invert a bit of the box of the object at ${place}, which is in a tree pack. */
static void damage_object(struct fixture *f, const struct place *place)
{
	char name[PACK_NAME_SIZE];
	struct buf b = BUF_INIT;
	struct pack_info info;

	assert_int_equal(index_pack(f->index, place->pack, &info), 0);
	pack_name(info.kind, &info.id, name);
	assert_int_equal(store_get_all(f->store, name, 1 << 28, &b), 0);
	b.data[place->offset + 30] ^= 0x10;
	assert_int_equal(store_mem_replace(f->store, name, b.data, b.len), 0);
	buf_free(&b);
}

/* One page of a large directory: the directory is affected, in all snapshots that have the page. */
static void test_damaged_inner_page(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = &k->g->f;
	struct tree_page page;
	struct tree_node *node;
	struct tree_hit hit;
	struct tree_ref ref;
	struct place place;

	check_rig_fill(k);
	assert_int_equal(mkdir("many", 0755), 0);
	for (unsigned i = 0; i < NFILES; i++)
		make_file(i * 2);
	assert_int_equal(rig_backup(k->g, "many", NULL), 0);
	assert_int_equal(rig_find(k->g, "many", &hit), 0);
	assert_int_equal(tree_hold_page(k->g->repo.tree, &hit.entry.child, &node, &page), 0);
	assert_int_equal(page.level, 1);
	tree_page_ref(&page, page.count / 2, &ref);
	tree_release(k->g->repo.tree, node);
	tree_hit_release(k->g->repo.tree, &hit);
	make_file(1); /* another root page, with the same page below it */
	assert_int_equal(rig_backup(k->g, "many", NULL), 0);

	assert_int_equal(object_place(tree_reader(k->g->repo.tree), PACK_TREE, &ref.id, &place), 0);
	damage_object(f, &place);
	k->o.every_snapshot = true;
	for (int read_data = 0; read_data < 2; read_data++) {
		assert_int_equal(check_rig_run(k, read_data), 1);
		assert_true(check_rig_told(k, "finding pack trees/", ""));
		assert_int_equal(check_rig_lines(k, "affected "), 2);
		assert_true(check_rig_told(k, "affected ", " many: directory\n"));
		assert_int_equal(check_rig_lines(k, "snapshot 1"), 2);
	}
}

/* Back up a large file; if its span list has several pages, ${id} is that of the second one. */
static bool back_up_span_pages(struct check_rig *k, unsigned seed, struct id *id)
{
	struct tree *tree = k->g->repo.tree;
	struct tree_node *node;
	struct span_page page;
	struct tree_hit hit;
	uint64_t off;
	bool several;

	rig_file("huge", seed, 24u << 20);
	assert_int_equal(rig_backup(k->g, "huge", NULL), 0);
	assert_int_equal(rig_find(k->g, "huge", &hit), 0);
	assert_int_equal(tree_hold_spans(tree, &hit.entry.child, &node, &page), 0);
	several = page.level == 1;
	if (several)
		span_page_ref(&page, 1, &off, id);
	tree_release(tree, node);
	tree_hit_release(tree, &hit);
	return several;
}

/*
 * A span list of several pages, and one of them damaged.  Where pages end depends on ids: one list in ten has but one.
 */
static void test_span_list(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = &k->g->f;
	struct place place;
	unsigned seed = 5;
	struct id id;

	check_rig_fill(k);
	while (!back_up_span_pages(k, seed, &id))
		assert_true(++seed < 15);
	assert_int_equal(check_rig_run(k, true), 0);

	assert_int_equal(object_place(tree_reader(k->g->repo.tree), PACK_TREE, &id, &place), 0);
	damage_object(f, &place);
	assert_int_equal(check_rig_run(k, false), 1);
	/* It has segments of its own, or shares one with what stands before or behind it. */
	if (place.nown > 0) {
		assert_int_equal(check_rig_lines(k, "affected "), 1);
		assert_true(check_rig_told(k, "affected ", " huge: contents\n"));
	}
}

static void test_xattrs(void **state)
{
	struct check_rig *k = *state;
	struct fixture *f = &k->g->f;
	char value[3000];
	struct tree_hit hit;
	struct place place;

	check_rig_fill(k);
	fixture_noise(9, value, sizeof(value));
	rig_note("one", "x");
	rig_note("two", "x");
	if (setxattr("one", "user.large", value, sizeof(value), 0) != 0)
		skip();
	assert_int_equal(rig_backup(k->g, "one", "two", NULL), 0);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(rig_find(k->g, "one", &hit), 0);
	assert_true(hit.entry.flags & ENTRY_XATTRS_BY_ID);
	assert_int_equal(object_place(tree_reader(k->g->repo.tree), PACK_TREE, &hit.entry.xattrs_id, &place), 0);
	tree_hit_release(k->g->repo.tree, &hit);
	/* It has a segment of its own, or shares one with the directory. */
	damage_object(f, &place);
	assert_int_equal(check_rig_run(k, false), 1);
	if (place.nown > 0) {
		assert_int_equal(check_rig_lines(k, "affected "), 1);
		assert_true(check_rig_told(k, "affected ", " one: extended attributes\n"));
	}
}

/* --- Made by a liar ----------------------------------------------------------------------------------------------- */

static struct id put(struct check_rig *k, const void *data, size_t len)
{
	struct object_writer *w = fixture_writer(&k->g->f);
	struct id id;

	assert_int_equal(object_writer_put(w, data, len, &id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	return id;
}

static struct id put_page(struct check_rig *k, struct tree_page_builder *b)
{
	struct buf out = BUF_INIT;
	struct id id;

	assert_int_equal(tree_page_builder_finish(b, &out), 0);
	id = put(k, out.data, out.len);
	buf_free(&out);
	return id;
}

/* A page of ${n} empty files called ${name}0, ${name}1, ... */
static struct id put_files(struct check_rig *k, const char *name, unsigned n)
{
	struct tree_page_builder b;
	char text[16];
	struct id id;

	tree_page_builder_init(&b, 0);
	for (unsigned i = 0; i < n; i++) {
		struct tree_entry e = { .name = text, .type = ENTRY_REG, .nlink = 1, .mode = 0644 };

		e.name_len = (uint16_t)snprintf(text, sizeof(text), "%s%u", name, i);
		assert_int_equal(tree_page_builder_add(&b, &e), 0);
	}
	id = put_page(k, &b);
	tree_page_builder_destroy(&b);
	return id;
}

static void add_ref(struct tree_page_builder *b, const char *name, const struct id *id, uint64_t total)
{
	assert_int_equal(tree_page_builder_add_ref(b, name, (uint16_t)strlen(name), id, total, total), 0);
}

static void put_snapshot(struct check_rig *k, const struct tree_entry *e)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct buf out = BUF_INIT;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	m.host = strdup("liar");
	m.time_ns = 1704119400LL * 1000000000;
	assert_int_equal(manifest_set_root(&m, e), 0);
	assert_int_equal(manifest_seal(&m, k->g->repo.secrets, k->g->repo.metadata, &out, &id), 0);
	assert_int_equal(store_put(k->g->repo.store, snapshot_object_name(&id, name), out.data, out.len, 0), 0);
	buf_free(&out);
	manifest_destroy(&m);
}

/* A snapshot of the directory ${id} that is said to have ${below} entries. */
static void put_dir_snapshot(struct check_rig *k, const struct id *id, uint64_t below)
{
	struct tree_entry e = { .name = "root", .name_len = 4, .type = ENTRY_DIR, .flags = ENTRY_HAS_CHILD, .nlink = 1,
		.child = *id, .below = below };

	put_snapshot(k, &e);
}

static void put_file_snapshot(struct check_rig *k, struct tree_entry *file)
{
	struct tree_page_builder b;
	struct id id;

	file->name = "file";
	file->name_len = 4;
	file->type = ENTRY_REG;
	file->nlink = 1;
	tree_page_builder_init(&b, 0);
	assert_int_equal(tree_page_builder_add(&b, file), 0);
	id = put_page(k, &b);
	tree_page_builder_destroy(&b);
	put_dir_snapshot(k, &id, 1);
}

static void expect(struct check_rig *k, const char *what, const char *affected)
{
	assert_int_equal(check_rig_run(k, true), 1);
	assert_true(check_rig_told(k, "finding ", what));
	assert_int_equal(check_rig_lines(k, "affected "), 1);
	assert_true(check_rig_told(k, "affected ", affected));
}

static void test_wrong_below(void **state)
{
	struct check_rig *k = *state;
	struct id id;

	check_rig_fill(k);
	id = put_files(k, "a", 3);
	put_dir_snapshot(k, &id, 4);
	expect(k, "has another number of entries than the entry of its directory says", " : directory");
}

/* Two pages under one, of which the first is said to be other than it is. */
static void lie(struct check_rig *k, const char *name, const char *next, uint64_t total, bool deeper)
{
	struct tree_page_builder b;
	struct id first, second, root;

	check_rig_fill(k);
	first = put_files(k, "a", 3);
	second = put_files(k, "b", 3);
	tree_page_builder_init(&b, 1);
	if (deeper) {
		add_ref(&b, "a0", &first, 3);
		first = put_page(k, &b);
		tree_page_builder_destroy(&b);
		tree_page_builder_init(&b, 1);
	}
	add_ref(&b, name, &first, total);
	add_ref(&b, next, &second, 3);
	root = put_page(k, &b);
	tree_page_builder_destroy(&b);
	put_dir_snapshot(k, &root, total + 3);
}

static void test_honest_pages(void **state)
{
	struct check_rig *k = *state;

	lie(k, "a0", "b0", 3, false);
	assert_int_equal(check_rig_run(k, true), 0);
}

static void test_wrong_first_name(void **state)
{
	lie(*state, "a", "b0", 3, false);
	expect(*state, "begins with another name than its parent says", " : directory");
}

static void test_wrong_total(void **state)
{
	lie(*state, "a0", "b0", 4, false);
	expect(*state, "has another number of entries than its parent says", " : directory");
}

static void test_wrong_level(void **state)
{
	lie(*state, "a0", "b0", 3, true);
	expect(*state, "has another level than its parent says", " : directory");
}

static void test_wrong_bound(void **state)
{
	struct check_rig *k = *state;

	/* The second page begins in the middle of the first. */
	lie(k, "a0", "a1", 3, false);
	assert_int_equal(check_rig_run(k, false), 2);
	assert_true(check_rig_told(k, "finding tree ", "ends with a name that belongs to the next one"));
	assert_true(check_rig_told(k, "finding tree ", "begins with another name than its parent says"));
}

/* A tree object that is none. */
static void test_malformed_page(void **state)
{
	struct check_rig *k = *state;
	struct id id;

	check_rig_fill(k);
	id = put(k, "VTP1 but no page", 16);
	put_dir_snapshot(k, &id, 1);
	expect(k, ": malformed", " : directory");
}

/* --- Files by a liar ---------------------------------------------------------------------------------------------- */

static struct id put_chunk(struct check_rig *k, uint32_t len)
{
	struct object_writer *w = fixture_writer(&k->g->f);
	uint8_t *data = malloc(len);
	struct id id;

	fixture_noise(len, data, len);
	assert_int_equal(fixture_store_chunks(&k->g->f, w, data, len, 1, &id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	free(data);
	return id;
}

/* A snapshot of a file with one span of ${len} bytes of chunk ${id}. */
static void put_span_snapshot(struct check_rig *k, const struct id *id, uint32_t len)
{
	uint8_t record[SPAN_RECORD_LEN];
	struct span s = { .len = len, .id = *id };
	struct tree_entry e = { .size = len, .data_bytes = len, .spans = record, .nspans = 1 };

	span_encode(&s, record);
	put_file_snapshot(k, &e);
}

static void test_short_chunk(void **state)
{
	struct check_rig *k = *state;
	struct id id;

	check_rig_fill(k);
	id = put_chunk(k, 1999);
	put_span_snapshot(k, &id, 2000);
	expect(k, "has 1999 bytes where a file has 2000 of it", " file: contents");
}

/* A span is as long as its chunk.  Who has the same chunk as it is, is not affected. */
static void test_long_chunk(void **state)
{
	struct check_rig *k = *state;
	struct id id;

	check_rig_fill(k);
	id = put_chunk(k, 2001);
	put_span_snapshot(k, &id, 2001);
	assert_int_equal(check_rig_run(k, true), 0);
	put_span_snapshot(k, &id, 2000);
	expect(k, "has 2001 bytes where a file has 2000 of it", " file: contents");
	assert_int_equal(check_rig_lines(k, "snapshot 1"), 1);
}

/* A tree object in place of a chunk, and a chunk that nobody has. */
static void test_wrong_objects(void **state)
{
	struct check_rig *k = *state;
	uint8_t record[2 * SPAN_RECORD_LEN];
	struct span s = { .off = 0, .len = 10 };
	struct tree_entry e = { .size = 20, .data_bytes = 20, .spans = record, .nspans = 2 };

	check_rig_fill(k);
	s.id = put_files(k, "a", 3);
	span_encode(&s, record);
	s.off = 10;
	memset(s.id.b, 7, ID_LEN);
	span_encode(&s, record + SPAN_RECORD_LEN);
	put_file_snapshot(k, &e);
	assert_int_equal(check_rig_run(k, true), 2);
	assert_true(check_rig_told(k, "finding chunk ", "in a pack of the other kind"));
	assert_true(check_rig_told(k, "finding chunk 0707", "this chunk is in no index run"));
	assert_int_equal(check_rig_lines(k, "affected "), 2);
	assert_int_equal(check_rig_lines(k, "snapshot 1"), 1);
}

/* A page of two spans of a chunk of 1000 bytes at ${off}, or of one reference to such a page. */
static struct id put_span_page(struct check_rig *k, uint8_t level, uint64_t off, const struct id *id)
{
	uint8_t page[SPAN_PAGE_HEADER + 2 * SPAN_RECORD_LEN] = "VSP1";
	size_t len = SPAN_PAGE_HEADER;
	struct span s = { .off = off, .len = 1000, .id = *id };

	page[4] = level;
	le32enc(page + 8, level == 0 ? 2 : 1);
	le64enc(page + 16, off);
	le64enc(page + 24, off + 2000);
	if (level == 0) {
		span_encode(&s, page + len);
		s.off += 1000;
		span_encode(&s, page + len + SPAN_RECORD_LEN);
		len += 2 * SPAN_RECORD_LEN;
	} else {
		le64enc(page + len, off);
		memcpy(page + len + 8, id->b, ID_LEN);
		len += SPAN_REF_LEN;
	}
	return put(k, page, len);
}

static void put_list_snapshot(struct check_rig *k, const struct id *root, uint64_t size)
{
	struct tree_entry e = { .size = size, .data_bytes = 2000, .flags = ENTRY_HAS_CHILD, .child = *root };

	put_file_snapshot(k, &e);
}

static void test_honest_spans(void **state)
{
	struct check_rig *k = *state;
	struct id chunk, leaf, root;

	check_rig_fill(k);
	chunk = put_chunk(k, 1000);
	leaf = put_span_page(k, 0, 500, &chunk);
	root = put_span_page(k, 1, 500, &leaf);
	put_list_snapshot(k, &root, 2500);
	assert_int_equal(check_rig_run(k, true), 0);
}

static void test_spans_behind_end(void **state)
{
	struct check_rig *k = *state;
	struct id chunk, leaf;

	check_rig_fill(k);
	chunk = put_chunk(k, 1000);
	leaf = put_span_page(k, 0, 500, &chunk);
	put_list_snapshot(k, &leaf, 2499);
	expect(k, "has spans behind the end of the file", " file: contents");
}

static void test_spans_at_other_offset(void **state)
{
	struct check_rig *k = *state;
	struct id chunk, leaf, root;

	check_rig_fill(k);
	chunk = put_chunk(k, 1000);
	leaf = put_span_page(k, 0, 500, &chunk);
	root = put_span_page(k, 1, 501, &leaf);
	put_list_snapshot(k, &root, 10000);
	expect(k, "begins at another offset than its parent says", " file: contents");
}

static void test_spans_of_other_level(void **state)
{
	struct check_rig *k = *state;
	struct id chunk, leaf, root;

	check_rig_fill(k);
	chunk = put_chunk(k, 1000);
	leaf = put_span_page(k, 0, 500, &chunk);
	root = put_span_page(k, 2, 500, &leaf);
	put_list_snapshot(k, &root, 10000);
	expect(k, "has another level than its parent says", " file: contents");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many_entries),
		TEST(test_damaged_inner_page),
		TEST(test_span_list),
		TEST(test_xattrs),
		TEST(test_wrong_below),
		TEST(test_honest_pages),
		TEST(test_wrong_first_name),
		TEST(test_wrong_total),
		TEST(test_wrong_level),
		TEST(test_wrong_bound),
		TEST(test_malformed_page),
		TEST(test_short_chunk),
		TEST(test_long_chunk),
		TEST(test_wrong_objects),
		TEST(test_honest_spans),
		TEST(test_spans_behind_end),
		TEST(test_spans_at_other_offset),
		TEST(test_spans_of_other_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
