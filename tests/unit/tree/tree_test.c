/*
 * Unit tests of repo/tree/tree.h, over a repository in memory: good trees, hostile ones, and a store that fails.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/tree/dir_build.h"
#include "repo/tree/tree.h"
#include "repo/tree/xattr.h"
#include "repo/util/bytes/le.h"
#include "tests/lib/fixture.h"

#define NFILES 20000u
#define CHUNK 4000u /* bytes of a chunk of the test file */

struct env {
	struct fixture f;
	struct object_writer *w;
	struct object_reader *r;
	struct tree *t;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	fixture_open(&e->f, FIXTURE_MEM);
	e->w = fixture_writer(&e->f);
	e->r = fixture_reader(&e->f);
	assert_int_equal(tree_new(e->r, 0, e->f.log, &e->t), 0);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	tree_free(e->t);
	object_reader_free(e->r);
	object_writer_close(e->w);
	fixture_close(&e->f);
	free(e);
	return 0;
}

/* Nothing that was read is remembered any more. */
static void forget(struct env *e)
{
	tree_free(e->t);
	object_reader_free(e->r);
	e->r = fixture_reader(&e->f);
	assert_int_equal(tree_new(e->r, 0, e->f.log, &e->t), 0);
}

/* What was put is durable and found; a new writer for what follows. */
static void publish(struct env *e)
{
	assert_int_equal(object_writer_finish(e->w), 0);
	object_writer_close(e->w);
	e->w = fixture_writer(&e->f);
}

static int put(void *arg, const void *data, size_t len, struct id *id)
{
	struct env *e = arg;

	return object_writer_put(e->w, data, len, id);
}

static struct tree_entry entry(uint8_t type, const char *name)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = type,
		.mode = 0700,
	};
}

static void set_dir(struct tree_entry *e, const struct id *root, uint64_t below)
{
	e->flags = ENTRY_HAS_CHILD;
	e->child = *root;
	e->below = below;
}

static char *file_name(uint32_t i, char out[16])
{
	snprintf(out, 16, "f%07u", i);
	return out;
}

/* Number of entries below the i-th entry of the large directory: every tenth is a directory with two files. */
static uint64_t below_of(uint32_t i)
{
	return i % 10 == 3 ? 2 : 0;
}

static uint64_t before_of(uint32_t i)
{
	return i + 2 * (uint64_t)((i + 6) / 10);
}

/* A root entry over one large directory, put into the store. */
static struct tree_entry make_large(struct env *env)
{
	struct tree_entry e, root = entry(ENTRY_DIR, "root");
	uint64_t entries, below;
	struct dir_builder *b;
	struct id pair, id;
	char name[16];

	assert_int_equal(dir_builder_new(put, env, &b), 0);
	e = entry(ENTRY_REG, "a");
	assert_int_equal(dir_builder_add(b, &e), 0);
	e = entry(ENTRY_REG, "b");
	assert_int_equal(dir_builder_add(b, &e), 0);
	assert_int_equal(dir_builder_finish(b, &pair, &entries, &below), 1);
	dir_builder_free(b);

	assert_int_equal(dir_builder_new(put, env, &b), 0);
	for (uint32_t i = 0; i < NFILES; i++) {
		e = entry(below_of(i) ? ENTRY_DIR : ENTRY_REG, file_name(i, name));
		if (below_of(i))
			set_dir(&e, &pair, 2);
		else
			e.size = i;
		assert_int_equal(dir_builder_add(b, &e), 0);
	}
	assert_int_equal(dir_builder_finish(b, &id, &entries, &below), 1);
	dir_builder_free(b);
	assert_int_equal(entries, NFILES);
	assert_int_equal(below, before_of(NFILES));
	publish(env);
	set_dir(&root, &id, below);
	return root;
}

static void test_find(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env);
	struct tree_hit hit = { .node = NULL };
	uint64_t entries, total;
	char name[16];

	assert_int_equal(tree_count(env->t, &root.child, &entries, &total), 0);
	assert_int_equal(entries, NFILES);
	assert_int_equal(total, root.below);
	for (uint32_t i = 0; i < NFILES; i += 7) {
		file_name(i, name);
		assert_int_equal(tree_find(env->t, &root.child, name, 8, &hit), 0);
		assert_int_equal(hit.entry.before, before_of(i));
		assert_int_equal(hit.entry.below, below_of(i));
		assert_memory_equal(hit.entry.name, name, 8);
		assert_memory_equal(hit.record + 128, name, 8);
		tree_hit_release(env->t, &hit);
		tree_hit_release(env->t, &hit);
		name[7]++;
		assert_int_equal(tree_find(env->t, &root.child, name, 9, &hit), -ENOENT);
	}
	assert_int_equal(tree_find(env->t, &root.child, "a", 1, &hit), -ENOENT);
	assert_int_equal(tree_find(env->t, &root.child, "z", 1, &hit), -ENOENT);
	assert_null(hit.node);
	assert_ptr_equal(tree_reader(env->t), env->r);
}

static void test_at(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env);
	struct tree_hit hit;

	for (uint32_t i = 0; i < NFILES; i += 3) {
		for (uint64_t pos = before_of(i); pos < before_of(i + 1); pos++) {
			assert_int_equal(tree_at(env->t, &root.child, pos, &hit), 0);
			assert_int_equal(hit.entry.before, before_of(i));
			tree_hit_release(env->t, &hit);
		}
	}
	assert_int_equal(tree_at(env->t, &root.child, root.below, &hit), -ENOENT);
	assert_int_equal(tree_at(env->t, &root.child, UINT64_MAX, &hit), -ENOENT);
}

/* From ${pos} on there come the entries from the ${first}-th on. */
static void assert_iterates(struct env *env, const struct id *dir, uint64_t pos, uint32_t first)
{
	struct tree_iter it;
	struct tree_entry e;
	const uint8_t *record;
	uint32_t len;
	char name[16];

	assert_int_equal(tree_iter_begin(&it, env->t, dir, pos), 0);
	for (uint32_t i = first; i < NFILES; i++) {
		assert_int_equal(tree_iter_next(&it, &e, &record, &len), 1);
		assert_memory_equal(e.name, file_name(i, name), 8);
		assert_int_equal(e.before, before_of(i));
		assert_memory_equal(record + 128, name, 8);
		assert_int_equal(len, 136 + (below_of(i) ? 32 : 0));
	}
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 0);
	tree_iter_end(&it);
	tree_iter_end(&it);
}

static void test_iter(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env), e;
	struct tree_iter it;

	assert_iterates(env, &root.child, 0, 0);
	assert_iterates(env, &root.child, 1, 1);
	for (uint32_t i = 13; i < NFILES; i += 1970) {
		/* 13, 1983, ...: directories, whose positions are three each. */
		assert_iterates(env, &root.child, before_of(i), i);
		assert_iterates(env, &root.child, before_of(i) + 1, i + 1);
		assert_iterates(env, &root.child, before_of(i) + 2, i + 1);
		assert_iterates(env, &root.child, before_of(i) + 3, i + 1);
	}
	assert_iterates(env, &root.child, root.below, NFILES);
	assert_iterates(env, &root.child, UINT64_MAX, NFILES);
	assert_int_equal(tree_iter_begin(&it, env->t, NULL, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 0);
	tree_iter_end(&it);
	/* An end in the middle gives back what was held: tree_free() under a sanitizer sees that. */
	assert_int_equal(tree_iter_begin(&it, env->t, &root.child, 5000), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 1);
	tree_iter_end(&it);
}

static void test_number(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env);
	struct tree_hit hit;
	char name[16];

	for (uint32_t i = 0; i < NFILES; i += 11) {
		assert_int_equal(tree_number(env->t, &root, 1 + before_of(i), &hit), 0);
		assert_memory_equal(hit.entry.name, file_name(i, name), 8);
		tree_hit_release(env->t, &hit);
		if (!below_of(i))
			continue;
		assert_int_equal(tree_number(env->t, &root, 1 + before_of(i) + 1, &hit), 0);
		assert_int_equal(hit.entry.name[0], 'a');
		tree_hit_release(env->t, &hit);
		assert_int_equal(tree_number(env->t, &root, 1 + before_of(i) + 2, &hit), 0);
		assert_int_equal(hit.entry.name[0], 'b');
		tree_hit_release(env->t, &hit);
	}
	assert_int_equal(tree_number(env->t, &root, root.below, &hit), 0);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_number(env->t, &root, root.below + 1, &hit), -ENOENT);
	assert_int_equal(tree_number(env->t, &root, UINT64_MAX, &hit), -ENOENT);
	assert_int_equal(tree_number(env->t, &root, 0, &hit), -EINVAL);
	root = entry(ENTRY_REG, "root");
	assert_int_equal(tree_number(env->t, &root, 1, &hit), -ENOENT);
}

static int path_of(struct env *env, const struct tree_entry *root, const char *path, struct tree_hit *out)
{
	return tree_path(env->t, root, path, strlen(path), out);
}

static void test_path(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env), empty = entry(ENTRY_DIR, "root");
	struct tree_hit hit;

	assert_int_equal(path_of(env, &root, "f0000003/b", &hit), 0);
	assert_int_equal(hit.entry.name[0], 'b');
	assert_int_equal(hit.entry.before, 1);
	tree_hit_release(env->t, &hit);
	assert_int_equal(path_of(env, &root, "//f0000003///a//", &hit), 0);
	assert_int_equal(hit.entry.name[0], 'a');
	tree_hit_release(env->t, &hit);
	assert_int_equal(path_of(env, &root, "", &hit), 0);
	assert_null(hit.node);
	assert_int_equal(hit.entry.below, root.below);
	assert_int_equal(path_of(env, &root, "//", &hit), 0);
	tree_hit_release(env->t, &hit);
	assert_int_equal(path_of(env, &root, "f0000003/c", &hit), -ENOENT);
	assert_int_equal(path_of(env, &root, "g/a", &hit), -ENOENT);
	assert_int_equal(path_of(env, &root, "..", &hit), -ENOENT);
	assert_int_equal(path_of(env, &root, "f0000001/a", &hit), -ENOTDIR);
	assert_int_equal(path_of(env, &root, "f0000001/a/b", &hit), -ENOTDIR);
	assert_int_equal(path_of(env, &empty, "a", &hit), -ENOENT);
}

/* A directory a thousand levels deep is found in, without recursion. */
static void test_deep(void **state)
{
	struct env *env = *state;
	struct tree_entry e = entry(ENTRY_REG, "leaf"), root = entry(ENTRY_DIR, "root");
	struct buf path = BUF_INIT;
	struct dir_builder *b;
	uint64_t entries, below = 0;
	struct tree_hit hit;
	struct id id;

	for (int depth = 0; depth <= 1000; depth++) {
		assert_int_equal(dir_builder_new(put, env, &b), 0);
		assert_int_equal(dir_builder_add(b, &e), 0);
		assert_int_equal(dir_builder_finish(b, &id, &entries, &below), 1);
		dir_builder_free(b);
		e = entry(ENTRY_DIR, "d");
		set_dir(&e, &id, below);
		assert_int_equal(buf_append(&path, depth < 1000 ? "d/" : "leaf", depth < 1000 ? 2 : 4), 0);
	}
	publish(env);
	set_dir(&root, &id, below);
	assert_int_equal(below, 1001);
	assert_int_equal(tree_path(env->t, &root, (const char *)path.data, path.len, &hit), 0);
	assert_int_equal(hit.entry.type, ENTRY_REG);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_number(env->t, &root, 1001, &hit), 0);
	assert_int_equal(hit.entry.type, ENTRY_REG);
	tree_hit_release(env->t, &hit);
	buf_free(&path);
}

/* --- Contents --- */

/* A file of ${n} chunks with a hole after every second, and its bytes as they should be read. */
struct content {
	struct tree_entry e;
	struct span_builder *spans;
	uint8_t *bytes;
	size_t size;
};

static void make_content(struct env *env, unsigned n, struct content *c)
{
	struct id *ids = calloc(n, sizeof(*ids));
	uint8_t *data = malloc((size_t)n * CHUNK);
	struct span s = { .len = CHUNK };

	assert_non_null(ids);
	assert_non_null(data);
	fixture_noise(n, data, (size_t)n * CHUNK);
	assert_int_equal(fixture_store_chunks(&env->f, env->w, data, CHUNK, n, ids), 0);
	c->size = (size_t)n * (CHUNK + CHUNK / 2) + 1000;
	c->bytes = calloc(1, c->size);
	assert_non_null(c->bytes);
	c->e = entry(ENTRY_REG, "file");
	c->e.size = c->size;
	assert_int_equal(span_builder_new(put, env, &c->spans), 0);
	for (unsigned i = 0; i < n; i++) {
		s.id = ids[i];
		s.off = 100 + i * CHUNK + i / 2 * CHUNK;
		memcpy(c->bytes + s.off, data + (size_t)i * CHUNK, CHUNK);
		assert_int_equal(span_builder_add(c->spans, &s), 0);
	}
	assert_int_equal(span_builder_finish(c->spans, &c->e), 0);
	assert_int_equal(c->e.data_bytes, n * CHUNK);
	publish(env);
	free(data);
	free(ids);
}

static void free_content(struct content *c)
{
	span_builder_free(c->spans);
	free(c->bytes);
}

static void assert_reads(struct env *env, const struct content *c, uint64_t off, size_t len)
{
	size_t want = off >= c->size ? 0 : c->size - off < len ? c->size - off : len;
	uint8_t *out = malloc(len ? len : 1);

	assert_non_null(out);
	memset(out, 0x77, len);
	assert_int_equal(tree_read(env->t, &c->e, off, len, out), want);
	assert_memory_equal(out, c->bytes + (want ? off : 0), want);
	for (size_t i = want; i < len; i++)
		assert_int_equal(out[i], 0x77);
	free(out);
}

static void check_content(struct env *env, unsigned n, bool paged)
{
	struct content c;
	struct span s;
	uint64_t seed = 42;
	uint32_t r[2];

	make_content(env, n, &c);
	assert_int_equal(!!(c.e.flags & ENTRY_HAS_CHILD), paged);
	assert_reads(env, &c, 0, c.size);
	assert_reads(env, &c, 0, c.size + 100);
	assert_reads(env, &c, 0, 0);
	assert_reads(env, &c, c.size - 1, 10);
	assert_reads(env, &c, c.size, 10);
	assert_reads(env, &c, UINT64_MAX, 10);
	assert_reads(env, &c, 0, 50);
	for (int i = 0; i < 300; i++) {
		fixture_noise(seed++, r, sizeof(r));
		assert_reads(env, &c, r[0] % c.size, r[1] % (3 * CHUNK));
	}
	for (unsigned i = 0; i < n; i += n > 100 ? 37 : 1) {
		uint64_t off = 100 + i * CHUNK + i / 2 * CHUNK;

		assert_int_equal(tree_span(env->t, &c.e, off, &s), 1);
		assert_int_equal(s.off, off);
		assert_int_equal(s.len, CHUNK);
		assert_int_equal(tree_span(env->t, &c.e, off + CHUNK - 1, &s), 1);
		assert_int_equal(s.off, off);
		/* In the hole before an even one: the one after it. */
		assert_int_equal(tree_span(env->t, &c.e, i % 2 ? off : off - 1 - (i ? CHUNK / 2 : 0), &s), 1);
		assert_int_equal(s.off, off);
	}
	assert_int_equal(tree_span(env->t, &c.e, 100 + (n - 1) * CHUNK + (n - 1) / 2 * CHUNK + CHUNK, &s), 0);
	assert_int_equal(tree_span(env->t, &c.e, UINT64_MAX, &s), 0);
	free_content(&c);
}

static void test_content_inline(void **state)
{
	check_content(*state, 1, false);
	check_content(*state, 7, false);
	check_content(*state, 8, false);
}

static void test_content_paged(void **state)
{
	check_content(*state, 9, true);
	check_content(*state, 3000, true);
}

static void test_content_none(void **state)
{
	struct env *env = *state;
	struct tree_entry hole = entry(ENTRY_REG, "hole"), dir = entry(ENTRY_DIR, "dir");
	uint8_t out[16];
	struct span s;

	hole.size = 1ull << 40;
	memset(out, 1, sizeof(out));
	assert_int_equal(tree_read(env->t, &hole, (1ull << 40) - 8, sizeof(out), out), 8);
	assert_memory_equal(out, "\0\0\0\0\0\0\0\0\1", 9);
	assert_int_equal(tree_span(env->t, &hole, 0, &s), 0);
	hole.size = 0;
	assert_int_equal(tree_read(env->t, &hole, 0, sizeof(out), out), 0);
	assert_int_equal(tree_read(env->t, &dir, 0, sizeof(out), out), -EINVAL);
	assert_int_equal(tree_span(env->t, &dir, 0, &s), -EINVAL);
}

static void test_xattrs(void **state)
{
	struct env *env = *state;
	struct tree_entry e = entry(ENTRY_REG, "f");
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct xattr x = { "user.a", 6, (const uint8_t *)"v", 1 };
	static uint8_t value[100000];

	assert_int_equal(buf_u8(&out, 9), 0);
	assert_int_equal(tree_xattrs(env->t, &e, &out), 0);
	assert_int_equal(out.len, 1);
	assert_int_equal(xattr_encode(&in, &x), 0);
	e.xattrs = in.data;
	e.xattrs_len = (uint32_t)in.len;
	assert_int_equal(tree_xattrs(env->t, &e, &out), 0);
	assert_int_equal(out.len, 1 + in.len);
	assert_memory_equal(out.data + 1, in.data, in.len);

	x = (struct xattr){ "user.big", 8, value, sizeof(value) };
	assert_int_equal(xattr_encode(&in, &x), 0);
	e.flags = ENTRY_XATTRS_BY_ID;
	assert_int_equal(object_writer_put(env->w, in.data, in.len, &e.xattrs_id), 0);
	publish(env);
	buf_clear(&out);
	assert_int_equal(tree_xattrs(env->t, &e, &out), 0);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);

	/* No attributes, though an object that is intact. */
	in.data[0] = 0;
	assert_int_equal(object_writer_put(env->w, in.data, in.len, &e.xattrs_id), 0);
	publish(env);
	assert_int_equal(tree_xattrs(env->t, &e, &out), -EBADMSG);
	assert_int_equal(out.len, in.len);
	assert_true(fixture_logged(&env->f, "malformed"));
	buf_free(&in);
	buf_free(&out);
}

/* --- Hostile trees: objects that are authentic and yet not what they should be --- */

static struct id put_ref_page(struct env *env, uint8_t level, const char *const *names, const struct id *ids,
    const uint64_t *totals, int n)
{
	struct tree_page_builder b;
	struct buf page = BUF_INIT;
	struct id id;

	tree_page_builder_init(&b, level);
	for (int i = 0; i < n; i++)
		assert_int_equal(tree_page_builder_add_ref(&b, names[i], (uint16_t)strlen(names[i]), &ids[i], totals[i],
		    1), 0);
	assert_int_equal(tree_page_builder_finish(&b, &page), 0);
	assert_int_equal(object_writer_put(env->w, page.data, page.len, &id), 0);
	tree_page_builder_destroy(&b);
	buf_free(&page);
	return id;
}

static struct id put_leaf(struct env *env, const char *first, const char *second)
{
	struct tree_entry e = entry(ENTRY_REG, first), e2 = entry(ENTRY_REG, second);
	struct tree_page_builder b;
	struct buf page = BUF_INIT;
	struct id id;

	tree_page_builder_init(&b, 0);
	assert_int_equal(tree_page_builder_add(&b, &e), 0);
	assert_int_equal(tree_page_builder_add(&b, &e2), 0);
	assert_int_equal(tree_page_builder_finish(&b, &page), 0);
	assert_int_equal(object_writer_put(env->w, page.data, page.len, &id), 0);
	tree_page_builder_destroy(&b);
	buf_free(&page);
	return id;
}

/* Searching and iterating over ${dir} both come upon the fault. */
static void assert_damaged(struct env *env, const struct id *dir, const char *name, const char *message)
{
	struct tree_entry e;
	struct tree_iter it;
	struct tree_hit hit;
	int rc;

	publish(env);
	fixture_log_clear(&env->f);
	assert_int_equal(tree_find(env->t, dir, name, strlen(name), &hit), -EBADMSG);
	if (!fixture_logged(&env->f, message))
		fail_msg("not logged: %s", message);
	fixture_log_clear(&env->f);
	rc = tree_iter_begin(&it, env->t, dir, 0);
	while (rc == 0 && (rc = tree_iter_next(&it, &e, NULL, NULL)) == 1)
		rc = 0;
	assert_int_equal(rc, -EBADMSG);
	/* It does not go on as if nothing had been there. */
	if (it.depth > 0)
		assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), -EBADMSG);
	tree_iter_end(&it);
	assert_true(fixture_logged(&env->f, message));
}

static void test_hostile_refs(void **state)
{
	struct env *env = *state;
	const struct id leaf[2] = { put_leaf(env, "a", "b"), put_leaf(env, "c", "d") };
	const uint64_t totals[2] = { 2, 2 }, wrong[2] = { 2, 3 };
	const char *const names[2] = { "a", "c" }, *const shifted[2] = { "a", "bb" }, *const overlap[2] = { "a", "b" };
	struct id dir, twice[2];
	struct tree_hit hit;

	dir = put_ref_page(env, 1, names, leaf, totals, 2);
	publish(env);
	assert_int_equal(tree_find(env->t, &dir, "d", 1, &hit), 0);
	assert_int_equal(hit.entry.before, 3);
	tree_hit_release(env->t, &hit);

	dir = put_ref_page(env, 2, names, leaf, totals, 2);
	assert_damaged(env, &dir, "a", "another level");
	dir = put_ref_page(env, 1, names, leaf, wrong, 2);
	assert_damaged(env, &dir, "d", "another number of entries");
	dir = put_ref_page(env, 1, shifted, leaf, totals, 2);
	assert_damaged(env, &dir, "d", "begins with another name");
	/* "b" would come twice. */
	twice[0] = leaf[0];
	twice[1] = put_leaf(env, "b", "c");
	dir = put_ref_page(env, 1, overlap, twice, totals, 2);
	assert_damaged(env, &dir, "a", "ends with a name");
}

/* A directory that says how many entries it has must have so many. */
static void test_iterated_below(void **state)
{
	struct env *env = *state;
	const struct id leaf = put_leaf(env, "a", "b");
	struct tree_entry dir = { .name = "dir", .name_len = 3, .type = ENTRY_DIR, .flags = ENTRY_HAS_CHILD,
		.child = leaf, .below = 2 };
	struct tree_entry e;
	struct tree_iter it;

	publish(env);
	assert_int_equal(tree_iter_begin_dir(&it, env->t, &dir, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 1);
	tree_iter_end(&it);
	dir.below = 3;
	fixture_log_clear(&env->f);
	assert_int_equal(tree_iter_begin_dir(&it, env->t, &dir, 0), -EBADMSG);
	assert_true(fixture_logged(&env->f, "another number of entries"));
	tree_iter_end(&it);
	dir.flags = 0;
	dir.below = 0;
	assert_int_equal(tree_iter_begin_dir(&it, env->t, &dir, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 0);
	tree_iter_end(&it);
}

/* A bound that an upper page sets holds for the lowest ones. */
static void test_hostile_bound(void **state)
{
	struct env *env = *state;
	const struct id leaf[2] = { put_leaf(env, "a", "c"), put_leaf(env, "b", "d") };
	const char *const a[1] = { "a" }, *const b[1] = { "b" }, *const ab[2] = { "a", "b" };
	const uint64_t totals[2] = { 2, 2 };
	struct id inner[2], dir;

	inner[0] = put_ref_page(env, 1, a, &leaf[0], totals, 1);
	inner[1] = put_ref_page(env, 1, b, &leaf[1], totals, 1);
	dir = put_ref_page(env, 2, ab, inner, totals, 2);
	assert_damaged(env, &dir, "a", "ends with a name");
}

static void test_hostile_below(void **state)
{
	struct env *env = *state;
	struct id leaf = put_leaf(env, "a", "b");
	struct tree_entry root = entry(ENTRY_DIR, "root");
	struct tree_hit hit;

	publish(env);
	set_dir(&root, &leaf, 2);
	assert_int_equal(tree_number(env->t, &root, 2, &hit), 0);
	tree_hit_release(env->t, &hit);
	root.below = 3;
	assert_int_equal(tree_number(env->t, &root, 3, &hit), -EBADMSG);
	assert_true(fixture_logged(&env->f, "number of entries"));
	assert_int_equal(path_of(env, &root, "a", &hit), -EBADMSG);
}

static struct id put_span_page(struct env *env, uint8_t level, const uint64_t *offs, const struct id *ids, uint64_t end)
{
	uint8_t page[32 + 2 * SPAN_RECORD_LEN] = "VSP1";
	struct span s;
	struct id id;

	page[4] = level;
	le32enc(page + 8, 2);
	le64enc(page + 16, offs[0]);
	le64enc(page + 24, end);
	for (int i = 0; i < 2; i++) {
		s = (struct span){ .off = offs[i], .len = 10, .id = ids[i] };
		if (level == 0) {
			span_encode(&s, page + 32 + (size_t)i * SPAN_RECORD_LEN);
		} else {
			le64enc(page + 32 + (size_t)i * SPAN_REF_LEN, offs[i]);
			memcpy(page + 40 + (size_t)i * SPAN_REF_LEN, ids[i].b, ID_LEN);
		}
	}
	assert_int_equal(object_writer_put(env->w, page, 32 + 2 * (level ? SPAN_REF_LEN : SPAN_RECORD_LEN), &id), 0);
	return id;
}

static void assert_bad_spans(struct env *env, const struct id *list, uint64_t size, uint64_t off, const char *message)
{
	struct tree_entry e = entry(ENTRY_REG, "f");
	uint8_t out[8];
	struct span s;

	publish(env);
	fixture_log_clear(&env->f);
	e.flags = ENTRY_HAS_CHILD;
	e.child = *list;
	e.size = size;
	assert_int_equal(tree_span(env->t, &e, off, &s), -EBADMSG);
	assert_int_equal(tree_read(env->t, &e, off, sizeof(out), out), -EBADMSG);
	if (!fixture_logged(&env->f, message))
		fail_msg("not logged: %s", message);
}

static void test_hostile_spans(void **state)
{
	struct env *env = *state;
	const uint64_t low[2] = { 0, 10 }, high[2] = { 100, 110 }, refs[2] = { 0, 100 }, early[2] = { 0, 15 },
	    late[2] = { 0, 99 };
	const struct id zero[2] = { { { 0 } }, { { 0 } } };
	struct id leaf[2] = { put_span_page(env, 0, low, zero, 20), put_span_page(env, 0, high, zero, 120) };
	struct tree_entry e = entry(ENTRY_REG, "f");
	struct id list, names = put_leaf(env, "a", "b");
	struct tree_hit hit;
	struct span s;

	list = put_span_page(env, 1, refs, leaf, 120);
	publish(env);
	e.flags = ENTRY_HAS_CHILD;
	e.child = list;
	e.size = 120;
	assert_int_equal(tree_span(env->t, &e, 50, &s), 1);
	assert_int_equal(s.off, 100);
	assert_int_equal(tree_span(env->t, &e, 119, &s), 1);
	assert_int_equal(s.off, 110);

	assert_bad_spans(env, &list, 119, 0, "behind the end of the file");
	list = put_span_page(env, 2, refs, leaf, 120);
	assert_bad_spans(env, &list, 1000, 0, "another level");
	list = put_span_page(env, 1, late, leaf, 120);
	assert_bad_spans(env, &list, 1000, 105, "another offset");
	list = put_span_page(env, 1, early, leaf, 120);
	assert_bad_spans(env, &list, 1000, 5, "begin of the next one");
	list = put_span_page(env, 1, refs, leaf, 119);
	assert_bad_spans(env, &list, 1000, 105, "or of its parent");

	/* One kind of page where the other should be. */
	assert_bad_spans(env, &names, 1000, 0, "not a span list's");
	assert_int_equal(tree_find(env->t, &leaf[0], "a", 1, &hit), -EBADMSG);
	assert_true(fixture_logged(&env->f, "not a directory's"));
}

static void test_malformed(void **state)
{
	struct env *env = *state;
	struct tree_node *node;
	struct tree_page page;
	struct span_page spans;
	struct id id;

	assert_int_equal(object_writer_put(env->w, "VTP1 but nothing more", 21, &id), 0);
	publish(env);
	assert_int_equal(tree_hold_page(env->t, &id, &node, &page), -EBADMSG);
	assert_true(fixture_logged(&env->f, "malformed"));
	assert_int_equal(object_writer_put(env->w, "VSP1 but nothing more", 21, &id), 0);
	publish(env);
	assert_int_equal(tree_hold_spans(env->t, &id, &node, &spans), -EBADMSG);
	id = put_leaf(env, "a", "b");
	publish(env);
	assert_int_equal(tree_hold_page(env->t, &id, &node, &page), 0);
	assert_int_equal(page.count, 2);
	tree_release(env->t, node);
	tree_release(env->t, NULL);
	/* An object that is not there is damage, not absence. */
	memset(&id, 3, sizeof(id));
	assert_int_equal(tree_hold_page(env->t, &id, &node, &page), -EBADMSG);
}

/* The store fails: an error, never absence; and it works again when the store does. */
static void test_store_fails(void **state)
{
	const struct store_fault_rule rule = { STORE_FAULT_ERROR, STORE_OP_GET, "trees/", 0, 0, -EIO, 0 };
	struct env *env = *state;
	struct tree_entry root = make_large(env), e;
	struct tree_iter it;
	struct tree_hit hit;
	struct content c;
	uint8_t out[16];

	make_content(env, 20, &c);
	forget(env);
	store_mem_set_faults(env->f.store, &rule, 1);
	assert_int_equal(tree_find(env->t, &root.child, "f0000001", 8, &hit), -EIO);
	assert_int_equal(tree_find(env->t, &root.child, "none", 4, &hit), -EIO);
	assert_int_equal(tree_at(env->t, &root.child, 5, &hit), -EIO);
	assert_int_equal(tree_number(env->t, &root, 5, &hit), -EIO);
	assert_int_equal(path_of(env, &root, "f0000003/a", &hit), -EIO);
	assert_int_equal(tree_read(env->t, &c.e, 0, sizeof(out), out), -EIO);
	assert_int_equal(tree_iter_begin(&it, env->t, &root.child, 0), -EIO);
	tree_iter_end(&it);
	store_mem_set_faults(env->f.store, NULL, 0);
	assert_int_equal(tree_find(env->t, &root.child, "f0000001", 8, &hit), 0);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_iter_begin(&it, env->t, &root.child, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 1);
	tree_iter_end(&it);
	free_content(&c);
}

/* Pages that are held survive however many others pass through the cache. */
static void test_bounded(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env);
	struct object_reader_counters before, after;
	struct tree_hit first, hit;
	char name[16];

	forget(env);
	/* The pages take about 3 MiB, the cache 1 MiB: the second round reads again. */
	assert_int_equal(tree_find(env->t, &root.child, "f0000000", 8, &first), 0);
	for (int round = 0; round < 2; round++) {
		object_reader_counters(env->r, &before);
		for (uint32_t i = 0; i < NFILES; i += 50) {
			assert_int_equal(tree_find(env->t, &root.child, file_name(i, name), 8, &hit), 0);
			tree_hit_release(env->t, &hit);
		}
		object_reader_counters(env->r, &after);
		assert_true(after.segments_opened + after.segments_shared >
		    before.segments_opened + before.segments_shared + 5);
	}
	assert_memory_equal(first.entry.name, "f0000000", 8);
	tree_hit_release(env->t, &first);

	/* And one page again and again is read once. */
	assert_int_equal(tree_find(env->t, &root.child, "f0000100", 8, &hit), 0);
	tree_hit_release(env->t, &hit);
	object_reader_counters(env->r, &before);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(tree_find(env->t, &root.child, "f0000100", 8, &hit), 0);
		tree_hit_release(env->t, &hit);
	}
	object_reader_counters(env->r, &after);
	assert_int_equal(after.segments_opened, before.segments_opened);
	assert_int_equal(after.segments_shared, before.segments_shared);
}

struct job {
	struct env *env;
	const struct tree_entry *root;
	const struct content *content;
	uint32_t seed;
	unsigned wrong;
};

static void *work(void *arg)
{
	struct job *j = arg;
	struct tree_hit hit;
	uint8_t out[500];
	char name[16];

	for (uint32_t n = 0; n < 3000; n++) {
		uint32_t i = (j->seed = j->seed * 1664525 + 1013904223) % NFILES;
		uint64_t off = j->seed % (j->content->size - sizeof(out));

		if (tree_find(j->env->t, &j->root->child, file_name(i, name), 8, &hit) != 0) {
			j->wrong++;
			continue;
		}
		if (hit.entry.before != before_of(i) || memcmp(hit.entry.name, name, 8) != 0)
			j->wrong++;
		tree_hit_release(j->env->t, &hit);
		if (n % 10 == 0 && (tree_read(j->env->t, &j->content->e, off, sizeof(out), out) != sizeof(out) ||
		    memcmp(out, j->content->bytes + off, sizeof(out)) != 0))
			j->wrong++;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct env *env = *state;
	struct tree_entry root = make_large(env);
	struct content c;
	pthread_t thread[4];
	struct job job[4];

	make_content(env, 600, &c);
	forget(env);
	for (uint32_t i = 0; i < 4; i++) {
		job[i] = (struct job){ env, &root, &c, i, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(job[i].wrong, 0);
	}
	free_content(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_find),
		TEST(test_at),
		TEST(test_iter),
		TEST(test_number),
		TEST(test_path),
		TEST(test_deep),
		TEST(test_content_inline),
		TEST(test_content_paged),
		TEST(test_content_none),
		TEST(test_xattrs),
		TEST(test_iterated_below),
		TEST(test_hostile_refs),
		TEST(test_hostile_bound),
		TEST(test_hostile_below),
		TEST(test_hostile_spans),
		TEST(test_malformed),
		TEST(test_store_fails),
		TEST(test_bounded),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
