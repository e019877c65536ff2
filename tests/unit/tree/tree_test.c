/*
 * Unit tests of repo/tree/tree.h, over a repository in memory: directories, a store that fails, many threads.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "repo/tree/dir_build.h"
#include "repo/tree/tree.h"
#include "tests/lib/fixture.h"
#include "tests/unit/tree/tree_rig.h"

#define NFILES 20000u

/* Nothing that was read is remembered any more. */
static void forget(struct tree_rig *e)
{
	tree_free(e->t);
	object_reader_free(e->r);
	e->r = fixture_reader(&e->f);
	assert_int_equal(tree_new(e->r, 0, e->f.log, &e->t), 0);
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
static struct tree_entry make_large(struct tree_rig *env)
{
	struct tree_entry e, root = tree_rig_entry(ENTRY_DIR, "root");
	uint64_t entries, below;
	struct dir_builder *b;
	struct id pair, id;
	char name[16];

	assert_int_equal(dir_builder_new(tree_rig_put, env, &b), 0);
	e = tree_rig_entry(ENTRY_REG, "a");
	assert_int_equal(dir_builder_add(b, &e), 0);
	e = tree_rig_entry(ENTRY_REG, "b");
	assert_int_equal(dir_builder_add(b, &e), 0);
	assert_int_equal(dir_builder_finish(b, &pair, &entries, &below), 1);
	dir_builder_free(b);

	assert_int_equal(dir_builder_new(tree_rig_put, env, &b), 0);
	for (uint32_t i = 0; i < NFILES; i++) {
		e = tree_rig_entry(below_of(i) ? ENTRY_DIR : ENTRY_REG, file_name(i, name));
		if (below_of(i))
			tree_rig_set_dir(&e, &pair, 2);
		else
			e.size = i;
		assert_int_equal(dir_builder_add(b, &e), 0);
	}
	assert_int_equal(dir_builder_finish(b, &id, &entries, &below), 1);
	dir_builder_free(b);
	assert_int_equal(entries, NFILES);
	assert_int_equal(below, before_of(NFILES));
	tree_rig_publish(env);
	tree_rig_set_dir(&root, &id, below);
	return root;
}

static void test_find(void **state)
{
	struct tree_rig *env = *state;
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
	struct tree_rig *env = *state;
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
static void assert_iterates(struct tree_rig *env, const struct id *dir, uint64_t pos, uint32_t first)
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
	struct tree_rig *env = *state;
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
	struct tree_rig *env = *state;
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
	root = tree_rig_entry(ENTRY_REG, "root");
	assert_int_equal(tree_number(env->t, &root, 1, &hit), -ENOENT);
}

static void test_path(void **state)
{
	struct tree_rig *env = *state;
	struct tree_entry root = make_large(env), empty = tree_rig_entry(ENTRY_DIR, "root");
	struct tree_hit hit;

	assert_int_equal(tree_rig_path(env, &root, "f0000003/b", &hit), 0);
	assert_int_equal(hit.entry.name[0], 'b');
	assert_int_equal(hit.entry.before, 1);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_rig_path(env, &root, "//f0000003///a//", &hit), 0);
	assert_int_equal(hit.entry.name[0], 'a');
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_rig_path(env, &root, "", &hit), 0);
	assert_null(hit.node);
	assert_int_equal(hit.entry.below, root.below);
	assert_int_equal(tree_rig_path(env, &root, "//", &hit), 0);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_rig_path(env, &root, "f0000003/c", &hit), -ENOENT);
	assert_int_equal(tree_rig_path(env, &root, "g/a", &hit), -ENOENT);
	assert_int_equal(tree_rig_path(env, &root, "..", &hit), -ENOENT);
	assert_int_equal(tree_rig_path(env, &root, "f0000001/a", &hit), -ENOTDIR);
	assert_int_equal(tree_rig_path(env, &root, "f0000001/a/b", &hit), -ENOTDIR);
	assert_int_equal(tree_rig_path(env, &empty, "a", &hit), -ENOENT);
}

/* A directory a thousand levels deep is found in, without recursion. */
static void test_deep(void **state)
{
	struct tree_rig *env = *state;
	struct tree_entry e = tree_rig_entry(ENTRY_REG, "leaf"), root = tree_rig_entry(ENTRY_DIR, "root");
	struct buf path = BUF_INIT;
	struct dir_builder *b;
	uint64_t entries, below = 0;
	struct tree_hit hit;
	struct id id;

	for (int depth = 0; depth <= 1000; depth++) {
		assert_int_equal(dir_builder_new(tree_rig_put, env, &b), 0);
		assert_int_equal(dir_builder_add(b, &e), 0);
		assert_int_equal(dir_builder_finish(b, &id, &entries, &below), 1);
		dir_builder_free(b);
		e = tree_rig_entry(ENTRY_DIR, "d");
		tree_rig_set_dir(&e, &id, below);
		assert_int_equal(buf_append(&path, depth < 1000 ? "d/" : "leaf", depth < 1000 ? 2 : 4), 0);
	}
	tree_rig_publish(env);
	tree_rig_set_dir(&root, &id, below);
	assert_int_equal(below, 1001);
	assert_int_equal(tree_path(env->t, &root, (const char *)path.data, path.len, &hit), 0);
	assert_int_equal(hit.entry.type, ENTRY_REG);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_number(env->t, &root, 1001, &hit), 0);
	assert_int_equal(hit.entry.type, ENTRY_REG);
	tree_hit_release(env->t, &hit);
	buf_free(&path);
}

/* The store fails: an error, never absence; and it works again when the store does. */
static void test_store_fails(void **state)
{
	const struct store_fault_rule rule = { STORE_FAULT_ERROR, STORE_OP_GET, "trees/", 0, 0, -EIO, 0 };
	struct tree_rig *env = *state;
	struct tree_entry root = make_large(env), e;
	struct tree_iter it;
	struct tree_hit hit;
	struct tree_rig_file c;
	uint8_t out[16];

	tree_rig_make_file(env, 20, &c);
	forget(env);
	store_mem_set_faults(env->f.store, &rule, 1);
	assert_int_equal(tree_find(env->t, &root.child, "f0000001", 8, &hit), -EIO);
	assert_int_equal(tree_find(env->t, &root.child, "none", 4, &hit), -EIO);
	assert_int_equal(tree_at(env->t, &root.child, 5, &hit), -EIO);
	assert_int_equal(tree_number(env->t, &root, 5, &hit), -EIO);
	assert_int_equal(tree_rig_path(env, &root, "f0000003/a", &hit), -EIO);
	assert_int_equal(tree_read(env->t, &c.e, 0, sizeof(out), out), -EIO);
	assert_int_equal(tree_iter_begin(&it, env->t, &root.child, 0), -EIO);
	tree_iter_end(&it);
	store_mem_set_faults(env->f.store, NULL, 0);
	assert_int_equal(tree_find(env->t, &root.child, "f0000001", 8, &hit), 0);
	tree_hit_release(env->t, &hit);
	assert_int_equal(tree_iter_begin(&it, env->t, &root.child, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 1);
	tree_iter_end(&it);
	tree_rig_free_file(&c);
}

/* Pages that are held survive however many others pass through the cache. */
static void test_bounded(void **state)
{
	struct tree_rig *env = *state;
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
	struct tree_rig *env;
	const struct tree_entry *root;
	const struct tree_rig_file *content;
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
	struct tree_rig *env = *state;
	struct tree_entry root = make_large(env);
	struct tree_rig_file c;
	pthread_t thread[4];
	struct job job[4];

	tree_rig_make_file(env, 600, &c);
	forget(env);
	for (uint32_t i = 0; i < 4; i++) {
		job[i] = (struct job){ env, &root, &c, i, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(job[i].wrong, 0);
	}
	tree_rig_free_file(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_rig_setup, tree_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_find),
		TEST(test_at),
		TEST(test_iter),
		TEST(test_number),
		TEST(test_path),
		TEST(test_deep),
		TEST(test_store_fails),
		TEST(test_bounded),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
