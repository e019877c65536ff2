/*
 * Backups: which sources go where, what is left out, and what cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/backup_rig.h"
#include "tests/unit/backup/backup_source.h"

/* --- Sources --- */

static void test_sources(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;
	char abs[SCRATCH_PATH_SIZE + 8];

	rig_note("a/b/c/file", "1");
	rig_note("a/other", "2");
	rig_note("d/file", "3");
	snprintf(abs, sizeof(abs), "%s/d", g->src);
	assert_int_equal(rig_backup(g, "a/b/c", abs, "a/b", NULL), 0);
	rig_same(g, "a/b", "a/b");
	rig_same(g, abs, "d");
	assert_int_equal(rig_find(g, "a/other", &hit), -ENOENT);
	assert_int_equal(rig_find(g, "a", &hit), 0);
	assert_int_equal(hit.entry.mode, 0755);
	tree_hit_release(g->repo.tree, &hit);

	/* The same sources are the same in any order. */
	assert_int_equal(rig_backup(g, "./a/b/", "a/b/c", abs, NULL), 0);
	assert_int_equal(g->result.files_unchanged, 2);

	assert_int_equal(chdir("a/b"), 0);
	assert_int_equal(rig_backup(g, "../../d/file", "c", "../other", NULL), 0);
	rig_same(g, "d/file", "../../d/file");
	rig_same(g, "c", "c");
	rig_same(g, "other", "../other");
	assert_int_equal(chdir("../.."), 0);
}

/* "." is the root itself, and other sources find their place in it. */
static void test_here(void **state)
{
	struct rig *g = *state;
	char dir[SCRATCH_PATH_SIZE];
	struct tree_hit hit;

	rig_note("x/y", "1");
	rig_note("z", "2");
	assert_int_equal(chmod(".", 0711), 0);
	rig_note(scratch_path(g->f.scratch, "outside/f", dir), "3");
	assert_int_equal(rig_backup(g, ".", dir, NULL), 0);
	rig_same(g, "x", "x");
	rig_same(g, "z", "z");
	rig_same(g, dir, dir);
	assert_int_equal(rig_find(g, "", &hit), 0);
	assert_int_equal(hit.entry.mode, 0711);
	tree_hit_release(g->repo.tree, &hit);
	assert_int_equal(rig_backup(g, ".", NULL), 0);
	rig_same(g, "", ".");
	assert_int_equal(g->result.files_new, 2);
}

static void test_symlink_sources(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;

	rig_note("dir/sub/file", "1");
	assert_int_equal(symlink("dir", "link"), 0);
	assert_int_equal(rig_backup(g, "link", NULL), 0);
	rig_same(g, "link", "link");
	assert_int_equal(rig_backup(g, "link/", NULL), 0);
	rig_same(g, "link", "dir");
	assert_int_equal(rig_backup(g, "link/sub", NULL), 0);
	rig_same(g, "link/sub", "dir/sub");
	assert_int_equal(rig_find(g, "link", &hit), 0);
	assert_int_equal(hit.entry.type, ENTRY_DIR);
	tree_hit_release(g->repo.tree, &hit);
}

static void test_missing_sources(void **state)
{
	struct rig *g = *state;

	rig_note("a", "1");
	assert_int_equal(rig_backup(g, "a", "nothing", NULL), 0);
	assert_int_equal(g->result.errors, 1);
	assert_true(rig_reported(g, "nothing: cannot be backed up: No such file"));
	rig_same(g, "a", "a");
	assert_int_equal(rig_backup(g, "nothing", NULL), -ENOENT);
	assert_int_equal(rig_snapshots(g), 1);
}

/* The repository itself is not stored in itself. */
static void test_own_repository(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;
	char path[SCRATCH_PATH_SIZE + 8];

	rig_note("a", "1");
	assert_int_equal(rig_backup(g, g->f.scratch->dir, NULL), 0);
	assert_true(fixture_logged(&g->f, "the repository itself, contents left out"));
	snprintf(path, sizeof(path), "%s/store", g->f.scratch->dir);
	assert_int_equal(rig_find(g, path, &hit), 0);
	assert_int_equal(hit.entry.below, 0);
	tree_hit_release(g->repo.tree, &hit);
	rig_same(g, g->src, ".");
}

/* --- Leaving out --- */

static void test_exclude(void **state)
{
	struct rig *g = *state;
	struct match_list *m = match_new();
	struct tree_hit hit;

	rig_note("s/keep", "1");
	rig_note("s/drop.o", "1");
	rig_note("s/cache/x", "1");
	rig_note("s/d/cache/x", "1");
	rig_note("s/d/keep", "1");
	assert_int_equal(match_add(m, "*.o"), 0);
	assert_int_equal(match_add(m, "/s/cache/"), 0);
	g->opts.exclude = m;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.files, 3);
	assert_int_equal(rig_find(g, "s/drop.o", &hit), -ENOENT);
	assert_int_equal(rig_find(g, "s/cache", &hit), -ENOENT);
	rig_same(g, "s/d", "s/d");
	/* What is named is stored, and nothing beside it. */
	assert_int_equal(rig_backup(g, "s/drop.o", NULL), 0);
	rig_same(g, "s/drop.o", "s/drop.o");
	rig_note("s/cache/y", "1");
	assert_int_equal(rig_backup(g, "s", "s/cache/x", NULL), 0);
	rig_same(g, "s/cache/x", "s/cache/x");
	assert_int_equal(rig_find(g, "s/cache/y", &hit), -ENOENT);
	match_free(m);
}

static void test_exclude_caches(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;

	rig_note("s/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# a cache");
	rig_note("s/cache/big", "1");
	rig_note("s/cache/d/x", "1");
	rig_note("s/other/CACHEDIR.TAG", "Signature: none");
	rig_note("s/other/x", "1");
	g->opts.exclude_caches = true;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	rig_same(g, "s/cache/CACHEDIR.TAG", "s/cache/CACHEDIR.TAG");
	assert_int_equal(rig_find(g, "s/cache/big", &hit), -ENOENT);
	assert_int_equal(rig_find(g, "s/cache/d", &hit), -ENOENT);
	rig_same(g, "s/other", "s/other");
}

static void test_nodump(void **state)
{
	struct rig *g = *state;
	int flags = FS_NODUMP_FL, fd;
	struct tree_hit hit;

	rig_note("s/keep", "1");
	rig_note("s/drop", "1");
	fd = open("s/drop", O_RDONLY);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0) {
		close(fd);
		skip();
	}
	close(fd);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	rig_same(g, "s", "s");
	g->opts.exclude_nodump = true;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	rig_same(g, "s/keep", "s/keep");
	assert_int_equal(rig_find(g, "s/drop", &hit), -ENOENT);
}

static void test_one_file_system(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;
	char path[SCRATCH_PATH_SIZE + 8];

	rig_note("s/keep", "1");
	rig_note("s/mnt/below", "1");
	if (mount("none", "s/mnt", "tmpfs", 0, "mode=0700") < 0)
		skip();
	rig_note("s/mnt/d/file", "1");
	g->opts.one_file_system = true;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(rig_find(g, "s/mnt", &hit), 0);
	assert_int_equal(hit.entry.below, 0);
	assert_int_equal(hit.entry.mode, 0700);
	tree_hit_release(g->repo.tree, &hit);
	rig_same(g, "s/keep", "s/keep");
	/* A source is entered wherever it is. */
	snprintf(path, sizeof(path), "%s/s/mnt/d", g->src);
	assert_int_equal(rig_backup(g, g->src, path, NULL), 0);
	rig_same(g, path, "s/mnt/d");
	g->opts.one_file_system = false;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	rig_same(g, "s", "s");
	assert_int_equal(umount("s/mnt"), 0);
}

/* --- What cannot be read --- */

static void test_unreadable(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;
	int err;

	if (geteuid() != 0)
		skip();
	rig_note("s/a", "1");
	rig_note("s/secret", "1");
	rig_note("s/dir/x", "1");
	rig_note("s/z", "1");
	assert_int_equal(chmod("s/secret", 0), 0);
	assert_int_equal(chmod("s/dir", 0), 0);
	assert_int_equal(chmod(g->f.scratch->dir, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	err = rig_backup(g, "s", NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(err, 0);
	assert_int_equal(g->result.errors, 2);
	assert_true(rig_reported(g, "s/secret: cannot open: Permission denied"));
	assert_true(rig_reported(g, "s/dir: cannot open directory: Permission denied"));
	assert_int_equal(rig_find(g, "s/secret", &hit), -ENOENT);
	assert_int_equal(rig_find(g, "s/dir", &hit), 0);
	assert_true(hit.entry.flags & ENTRY_PARTIAL);
	tree_hit_release(g->repo.tree, &hit);
	assert_int_equal(rig_find(g, "s", &hit), 0);
	assert_true(hit.entry.flags & ENTRY_PARTIAL);
	tree_hit_release(g->repo.tree, &hit);
	rig_same(g, "s/z", "s/z");
}

/*
 * Change the source once the first file is stored.  With room for one job, the second waits for the first: what is in
 * it has been listed then, but not read.
 */
static void change_later(struct rig *g, const char *path)
{
	if (strcmp(path, "/s/a") != 0)
		return;
	while (atomic_load(&g->progress.files) < 8)
		usleep(1000);
	assert_int_equal(unlink("s/gone"), 0);
	assert_int_equal(unlink("s/fifo"), 0);
	assert_int_equal(mkfifo("s/fifo", 0600), 0);
	assert_int_equal(unlink("s/link"), 0);
	assert_int_equal(symlink("/etc/passwd", "s/link"), 0);
	rig_file("s/replaced.new", 9, 70000);
	assert_int_equal(rename("s/replaced.new", "s/replaced"), 0);
	assert_int_equal(truncate("s/shorter", 10), 0);
	assert_int_equal(truncate("s/larger", 10000000), 0);
}

static void test_changed_after_listing(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;

	rig_file("s/a", 1, FIXTURE_SEGMENT_SIZE * 7);
	rig_file("s/b", 1, FIXTURE_SEGMENT_SIZE * 2);
	rig_note("s/gone", "1");
	rig_note("s/fifo", "1");
	rig_note("s/link", "1");
	rig_note("s/replaced", "1");
	rig_file("s/shorter", 2, 10000);
	rig_file("s/larger", 3, 10000);
	g->opts.memory_bytes = 1;
	g->on_entry = change_later;
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_true(rig_reported(g, "s/gone: vanished"));
	assert_true(rig_reported(g, "s/fifo: changed while being read"));
	assert_true(rig_reported(g, "s/link: cannot open: Too many levels of symbolic links"));
	assert_int_equal(rig_find(g, "s/link", &hit), -ENOENT);
	rig_same(g, "s/replaced", "s/replaced");
	rig_same(g, "s/shorter", "s/shorter");
	/* More than a worker reads: as much of it as that, and told. */
	assert_true(rig_reported(g, "s/larger: changed while being read"));
	assert_int_equal(g->result.errors, 4);
	assert_int_equal(rig_find(g, "s/larger", &hit), 0);
	assert_int_equal(hit.entry.size, 4 << 20);
	tree_hit_release(g->repo.tree, &hit);
	g->on_entry = NULL;
	assert_int_equal(unlink("s/link"), 0);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.errors, 0);
	rig_same(g, "s", "s");
}

struct meddler {
	_Atomic bool end;
	const char *path;
};

static void *meddle(void *arg)
{
	struct meddler *m = arg;
	int fd = open(m->path, O_WRONLY | O_APPEND);

	while (!m->end)
		if (write(fd, "more", 4) != 4)
			break;
	close(fd);
	return NULL;
}

/* Back up until it is noticed: the machine may have kept the meddler from its work. */
static void meddled_backup(struct rig *g, const char *path)
{
	struct meddler m = { .path = path };
	unsigned tries = 0;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, meddle, &m), 0);
	do {
		usleep(1000);
		assert_int_equal(rig_backup(g, "s", NULL), 0);
	} while (g->result.errors == 0 && tries++ < 100);
	m.end = true;
	pthread_join(t, NULL);
	assert_int_equal(g->result.errors, 1);
	assert_true(rig_reported(g, "changed while being read"));
}

static void test_changing_file(void **state)
{
	struct rig *g = *state;

	rig_file("s/small", 1, 2000000);
	rig_note("s/other", "1");
	meddled_backup(g, "s/small");
	rig_same(g, "s/other", "s/other");
	assert_int_equal(unlink("s/small"), 0);
	rig_file("s/large", 1, 12000000);
	meddled_backup(g, "s/large");
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.errors, 0);
	rig_same(g, "s", "s");
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(test_sources),
		RIG(test_here),
		RIG(test_symlink_sources),
		RIG(test_missing_sources),
		cmocka_unit_test_setup_teardown(test_own_repository, rig_setup_dir, rig_teardown),
		RIG(test_exclude),
		RIG(test_exclude_caches),
		RIG(test_nodump),
		RIG(test_one_file_system),
		RIG(test_unreadable),
		RIG(test_changed_after_listing),
		RIG(test_changing_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
