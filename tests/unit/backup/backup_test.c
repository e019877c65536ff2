/*
 * Backups of small sources: what is stored is the source, in all its shapes, and again is cheap.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/backup_rig.h"
#include "tests/unit/backup/backup_source.h"

static void test_everything(void **state)
{
	struct rig *g = *state;
	struct manifest m;

	source_all();
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	assert_string_equal(g->reports, "");
	assert_int_equal(g->result.errors, 0);
	rig_same(g, "all", "all");
	assert_int_equal(rig_backup(g, g->src, NULL), 0);
	assert_int_equal(g->result.data_added, 0);
	rig_same(g, g->src, g->src);
	rig_manifest(g, &m);
	assert_int_equal(m.npaths, 1);
	assert_string_equal(m.paths[0], g->src);
	assert_string_equal(m.host, "testhost");
	assert_int_equal(m.files, g->result.files);
	assert_int_equal(m.bytes, g->result.bytes);
	assert_true(m.has_previous && !m.has_parent);
	assert_true(m.root_place.len > 0);
	manifest_destroy(&m);
}

/* A snapshot can be read where nothing is known but the store. */
static void test_read_elsewhere(void **state)
{
	struct rig *g = *state;

	source_all();
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	rig_forget_index(g);
	assert_int_equal(index_refresh(g->f.index), 0);
	rig_same(g, "all", "all");
}

/* --- The second time --- */

static void test_unchanged(void **state)
{
	struct rig *g = *state;
	uint64_t files, bytes, items;
	struct manifest m;
	struct id first;

	source_all();
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	first = g->result.snapshot;
	files = g->result.files;
	bytes = g->result.bytes;
	items = g->progress.files + g->progress.dirs + g->progress.others;
	assert_int_equal(g->result.files_new, files);
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	assert_int_equal(g->result.errors, 0);
	assert_int_equal(g->result.files, files);
	assert_int_equal(g->result.files_unchanged, files);
	assert_int_equal(g->result.files_new + g->result.files_changed, 0);
	assert_int_equal(g->result.bytes, bytes);
	assert_int_equal(g->result.data_added + g->result.tree_added, 0);
	assert_int_equal(atomic_load(&g->progress.bytes), bytes);
	assert_int_equal(atomic_load(&g->progress.scan_bytes), bytes);
	assert_int_equal(atomic_load(&g->progress.scan_items), items);
	rig_same(g, "all", "all");
	rig_manifest(g, &m);
	assert_true(m.has_parent && m.has_previous);
	assert_true(id_equal(&m.parent, &first) && id_equal(&m.previous, &first));
	manifest_destroy(&m);
}

static void test_changes(void **state)
{
	struct rig *g = *state;

	source_all();
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	rig_file("all/sizes/300000", 99, 300000);
	rig_file("all/sizes/new", 98, 1000);
	assert_int_equal(unlink("all/sizes/1"), 0);
	assert_int_equal(chmod("all/kinds/file", 0600), 0);
	assert_int_equal(unlink("all/kinds/symlink"), 0);
	assert_int_equal(symlink("other", "all/kinds/symlink"), 0);
	assert_int_equal(rmdir("all/kinds/empty"), 0);
	rig_note("all/kinds/empty", "now a file");
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	assert_string_equal(g->reports, "");
	rig_same(g, "all", "all");
	assert_int_equal(g->result.files_changed, 2);
	assert_int_equal(g->result.files_new, 2);
	assert_true(rig_stored(g, "M /all/sizes/300000"));
	assert_true(rig_stored(g, "+ /all/sizes/new"));
	assert_true(rig_stored(g, "M /all/kinds/symlink"));
	assert_true(rig_stored(g, "+ /all/kinds/empty"));
	assert_true(rig_stored(g, ". /all/sizes/0"));
	assert_true(g->result.data_added < 320000);
}

/* Nothing but ctime tells of this change. */
static void test_sneaky_change(void **state)
{
	struct rig *g = *state;
	struct stat st;
	struct timespec times[2];

	rig_file("s/f", 1, 5000);
	assert_int_equal(stat("s/f", &st), 0);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	rig_file("s/f", 2, 5000);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, "s/f", times, 0), 0);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.files_changed, 1);
	rig_same(g, "s", "s");
}

static void test_no_parent(void **state)
{
	struct rig *g = *state;
	struct id first;

	rig_file("s/f", 1, 5000);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	first = g->result.snapshot;
	g->opts.no_parent = true;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.files_new, 1);
	assert_int_equal(g->result.data_added, 0);
	g->opts.no_parent = false;
	g->opts.host = "other";
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.files_new, 1);
	g->opts.parent = &first;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.files_unchanged, 1);
	memset(&first, 1, sizeof(first));
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.files_new, 1);
	assert_true(fixture_logged(&g->f, "parent snapshot is not there"));
}

/* What the index does not know any more is read again, unchanged or not. */
static void test_lost_contents(void **state)
{
	struct rig *g = *state;
	char name[STORE_NAME_MAX + 1];
	struct index_options io = { .store = g->f.store, .metadata = &g->f.metadata, .repo_id = g->f.config.repo_id,
		.segment_size = g->f.config.segment_size, .log = g->f.log };
	char cache[SCRATCH_PATH_SIZE];
	uint64_t runs, objects;

	rig_file("s/small", 1, 3000);
	rig_file("s/large", 2, 9000000);
	rig_file("s/linked", 3, 3000);
	assert_int_equal(link("s/linked", "s/linked2"), 0);
	source_extents("s/many", 30, 65536, 3 << 20);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	while (fixture_count(&g->f, "packs/") > 0)
		assert_int_equal(store_delete(g->f.store, fixture_object(&g->f, "packs/", 0, name)), 0);
	while (fixture_count(&g->f, "index/") > 0)
		assert_int_equal(store_delete(g->f.store, fixture_object(&g->f, "index/", 0, name)), 0);
	io.cache_dir = scratch_path(g->f.scratch, "cache", cache);
	assert_int_equal(index_rebuild_runs(&io, false, &runs, &objects), 0);
	rig_forget_index(g);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_in_range(g->result.files_changed, 4, 5); /* the second link may find what the first has stored by then */
	assert_true(g->result.data_added > 9000000);
	rig_same(g, "s", "s");
}

static void test_damaged_parent(void **state)
{
	struct rig *g = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_FLIP, .ops = STORE_OP_GET, .prefix = "trees/",
		.amount = 2000 };

	rig_file("s/f", 1, 3000);
	rig_file("s/d/f", 2, 3000);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	store_mem_set_faults(g->f.store, &rule, 1);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.errors, 0);
	assert_int_equal(g->result.data_added, 0);
	store_mem_set_faults(g->f.store, NULL, 0);
	rig_same(g, "s", "s");
}

/* --- Shapes --- */

#define DEPTH 1500

static void test_deep(void **state)
{
	struct rig *g = *state;
	struct manifest m;
	struct tree_hit hit;
	char name[32];
	int fd = open(".", O_RDONLY | O_DIRECTORY), sub;

	for (int i = 0; i < DEPTH; i++) {
		snprintf(name, sizeof(name), "level-%d", i);
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		close(openat(fd, "before", O_CREAT | O_WRONLY, 0600));
		close(openat(fd, "then", O_CREAT | O_WRONLY, 0600));
		sub = openat(fd, name, O_RDONLY | O_DIRECTORY);
		assert_true(sub >= 0);
		close(fd);
		fd = sub;
	}
	for (int again = 0; again < 2; again++) {
		assert_int_equal(rig_backup(g, ".", NULL), 0);
		assert_string_equal(g->reports, "");
		assert_int_equal(g->result.dirs, DEPTH + 1);
		assert_int_equal(g->result.files, 2 * DEPTH);
	}
	assert_int_equal(g->result.tree_added, 0);
	rig_manifest(g, &m);
	assert_int_equal(m.root.below, 3 * DEPTH);
	assert_int_equal(tree_number(g->repo.tree, &m.root, 2 * DEPTH, &hit), 0);
	tree_hit_release(g->repo.tree, &hit);
	manifest_destroy(&m);
	/* Beyond PATH_MAX nobody else can remove it. */
	for (int i = DEPTH - 1; i >= 0; i--) {
		snprintf(name, sizeof(name), "level-%d", i);
		sub = openat(fd, "..", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = sub;
		assert_int_equal(unlinkat(fd, name, AT_REMOVEDIR), 0);
		assert_int_equal(unlinkat(fd, "before", 0), 0);
		assert_int_equal(unlinkat(fd, "then", 0), 0);
	}
	close(fd);
}

static void test_wide(void **state)
{
	struct rig *g = *state;
	char path[32];

	for (int i = 0; i < 6000; i++) {
		snprintf(path, sizeof(path), "w/%d", i * 7919 % 6000);
		rig_note(path, i % 3 ? "" : path);
	}
	assert_int_equal(rig_backup(g, "w", NULL), 0);
	rig_same(g, "w", "w");
	rig_note("w/3000x", "new");
	assert_int_equal(rig_backup(g, "w", NULL), 0);
	assert_int_equal(g->result.files_unchanged, 6000);
	rig_same(g, "w", "w");
}

/* A file of several names is read once. */
static void test_links_read_once(void **state)
{
	struct rig *g = *state;
	char path[32];

	rig_file("s/0", 1, 1000000);
	rig_file("s/large0", 2, 6000000);
	for (int i = 1; i < 20; i++) {
		snprintf(path, sizeof(path), "s/%d", i);
		assert_int_equal(link("s/0", path), 0);
		snprintf(path, sizeof(path), "s/large%d", i);
		assert_int_equal(link("s/large0", path), 0);
	}
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	rig_same(g, "s", "s");
	assert_int_equal(g->result.files, 40);
	assert_int_equal(g->result.data_added, 7000000);
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(test_everything),
		RIG(test_read_elsewhere),
		RIG(test_unchanged),
		RIG(test_changes),
		RIG(test_sneaky_change),
		RIG(test_no_parent),
		RIG(test_lost_contents),
		RIG(test_damaged_parent),
		RIG(test_deep),
		RIG(test_wide),
		RIG(test_links_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
