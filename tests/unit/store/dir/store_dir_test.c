/*
 * Directory store: opening, reading, listing, deleting.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store/dir/dir_rig.h"

static mode_t mode_of(struct scratch *s, const char *name)
{
	char path[SCRATCH_PATH_SIZE];
	struct stat st;

	assert_int_equal(lstat(scratch_path(s, name, path), &st), 0);
	return st.st_mode;
}

static void put_file(struct scratch *s, const char *name, const char *text)
{
	char path[SCRATCH_PATH_SIZE];
	FILE *f = fopen(scratch_path(s, name, path), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void test_create(void **state)
{
	struct scratch *s = *state;
	unsigned before = dir_rig_open_files();
	struct store *store;
	char path[SCRATCH_PATH_SIZE];

	umask(022);
	store = dir_rig_open(s);
	assert_true(S_ISDIR(mode_of(s, "store")));
	assert_int_equal(mode_of(s, "store") & 07777, 0700);
	assert_int_equal(mode_of(s, "store/tmp") & 07777, 0700);
	assert_int_equal(store_put(store, "packs/ab/abcd", "x", 1, 0), 0);
	assert_int_equal(mode_of(s, "store/packs") & 07777, 0700);
	assert_int_equal(mode_of(s, "store/packs/ab") & 07777, 0700);
	assert_int_equal(mode_of(s, "store/packs/ab/abcd") & 07777, 0400);
	store_close(store);

	/* Created again, it is opened. */
	store = dir_rig_open(s);
	store_close(store);
	assert_int_equal(dir_rig_open_files(), before);

	/* One level only. */
	assert_int_equal(store_dir_open(scratch_path(s, "a/b", path), true, &s->log, &store), -ENOENT);
	put_file(s, "file", "");
	assert_int_equal(store_dir_open(scratch_path(s, "file", path), true, &s->log, &store), -ENOTDIR);
	assert_int_equal(store_dir_open(scratch_path(s, "file", path), false, &s->log, &store), -ENOTDIR);
	assert_int_equal(dir_rig_open_files(), before);
}

/* Opening without create writes nothing; and a store without tmp/, as a copy may be, can be put to. */
static void test_open_writes_nothing(void **state)
{
	struct scratch *s = *state;
	struct store *store;
	char path[SCRATCH_PATH_SIZE], tmp[SCRATCH_PATH_SIZE], c;

	assert_int_equal(mkdir(scratch_path(s, "store", path), 0755), 0);
	put_file(s, "store/config", "c");
	assert_int_equal(store_dir_open(path, false, &s->log, &store), 0);
	assert_int_equal(store_get(store, "config", 0, 1, &c), 0);
	assert_int_equal(access(scratch_path(s, "store/tmp", tmp), F_OK), -1);
	assert_int_equal(store_put(store, "index/1", "x", 1, 0), 0);
	assert_int_equal(access(tmp, F_OK), 0);
	store_close(store);
}

/* The directory is held open, and may get another name. */
static void test_renamed(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	char from[SCRATCH_PATH_SIZE], to[SCRATCH_PATH_SIZE], c;

	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(rename(scratch_path(s, "store", from), scratch_path(s, "other", to)), 0);
	assert_int_equal(store_get(store, "config", 0, 1, &c), 0);
	assert_int_equal(store_put(store, "packs/a", "x", 1, 0), 0);
	store_close(store);
}

static int no_entry(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)size;
	fail_msg("%s was listed", name);
	return 0;
}

/* Where the whole store is gone, that an object is absent cannot be said. */
static void test_removed(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	char path[SCRATCH_PATH_SIZE], c;
	uint64_t size;

	assert_int_equal(rmdir(scratch_path(s, "store/tmp", path)), 0);
	assert_int_equal(rmdir(scratch_path(s, "store", path)), 0);
	assert_int_equal(store_get(store, "config", 0, 1, &c), -EIO);
	assert_int_equal(store_stat(store, "config", &size), -EIO);
	assert_int_equal(store_delete(store, "config"), -EIO);
	assert_int_equal(store_list(store, "", no_entry, NULL), -EIO);
	assert_int_equal(store_list(store, "packs/", no_entry, NULL), -EIO);
	assert_int_equal(store_put(store, "config", "x", 1, 0), -EIO);
	assert_true(scratch_logged(s, "has been removed"));
	store_close(store);
}

/* Nor where the directory is there but nothing of what was in it. */
static void test_hidden(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	char config[SCRATCH_PATH_SIZE], tmp[SCRATCH_PATH_SIZE], away[SCRATCH_PATH_SIZE], c;
	uint64_t size;

	assert_int_equal(store_stat(store, "keys/a", &size), -ENOENT);
	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(store_stat(store, "keys/a", &size), -ENOENT);
	assert_int_equal(rename(scratch_path(s, "store/config", config), scratch_path(s, "away", away)), 0);
	assert_int_equal(rmdir(scratch_path(s, "store/tmp", tmp)), 0);
	assert_int_equal(s->nmessages, 0);
	assert_int_equal(store_stat(store, "keys/a", &size), -EIO);
	assert_int_equal(store_get(store, "keys/a", 0, 1, &c), -EIO);
	assert_int_equal(store_delete(store, "keys/a"), -EIO);
	assert_int_equal(store_list(store, "", no_entry, NULL), -EIO);
	assert_int_equal(store_list_names(store, "keys/", no_entry, NULL), -EIO);
	/* What is put would be hidden as soon as the disk is back. */
	assert_int_equal(store_put(store, "keys/a", "x", 1, 0), -EIO);
	assert_int_equal(access(tmp, F_OK), -1);
	assert_true(scratch_logged(s, "the repository is not visible there, it has no config: is its disk mounted?"));
	assert_int_equal(rename(away, config), 0);
	assert_int_equal(store_stat(store, "keys/a", &size), -ENOENT);
	assert_int_equal(store_put(store, "keys/a", "x", 1, 0), 0);
	/* Who takes the repository away is no mystery. */
	assert_int_equal(store_delete(store, "config"), 0);
	assert_int_equal(store_delete(store, "keys/a"), 0);
	assert_int_equal(store_stat(store, "keys/a", &size), -ENOENT);
	store_close(store);
}

/* What is in the way of an object is an error, and never waited for. */
static void test_odd_files(void **state)
{
	static const char *const names[] = { "packs/fifo", "packs/dir", "packs/link", "packs/dangling", "file/x" };
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	char path[SCRATCH_PATH_SIZE], c;
	struct buf b = BUF_INIT;
	size_t i;

	assert_int_equal(store_put(store, "packs/good", "x", 1, 0), 0);
	assert_int_equal(mkfifo(scratch_path(s, "store/packs/fifo", path), 0600), 0);
	assert_int_equal(mkdir(scratch_path(s, "store/packs/dir", path), 0700), 0);
	assert_int_equal(symlink("good", scratch_path(s, "store/packs/link", path)), 0);
	assert_int_equal(symlink("nothing", scratch_path(s, "store/packs/dangling", path)), 0);
	put_file(s, "store/file", "");
	alarm(20);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		scratch_log_clear(s);
		assert_int_equal(store_get(store, names[i], 0, 1, &c), -EIO);
		assert_int_equal(store_get_all(store, names[i], 1, &b), -EIO);
		assert_int_equal(s->nmessages, 2);
		assert_true(scratch_logged(s, names[i]));
	}
	alarm(0);
	assert_int_equal(store_put(store, "packs/dir", "x", 1, 0), -EIO);
	assert_int_equal(store_delete(store, "packs/dir"), -EIO);
	assert_int_equal(store_put(store, "file/x", "x", 1, 0), -EIO);
	assert_int_equal(store_list(store, "file/", no_entry, NULL), -EIO);
	store_close(store);
}

struct listing {
	unsigned n;
	char names[16][64];
};

static int list_entry(void *arg, const char *name, uint64_t size)
{
	struct listing *l = arg;

	(void)size;
	assert_true(l->n < 16);
	snprintf(l->names[l->n++], 64, "%s", name);
	return 0;
}

static bool listed(const struct listing *l, const char *name)
{
	unsigned i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->names[i], name) == 0)
			return true;
	return false;
}

static void test_list_ignores(void **state)
{
	static const char *const dirs[] = {
		"store/packs/ab/deep", "store/packs/ab/deep/er", "store/lost+found", "elsewhere",
	};
	static const char *const files[] = {
		"store/tmp/0123",      "store/packs/x~",	  "store/packs/.hidden", "store/packs/UPPER",
		"store/lost+found/1",  "store/packs/ab/deep/4th", "elsewhere/moved",
	};
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	struct listing l = { .n = 0 };
	char path[SCRATCH_PATH_SIZE], c;
	size_t i;

	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(store, "packs/ab/ab1", "x", 1, 0), 0);
	assert_int_equal(store_put(store, "packs/ac/ac1", "x", 1, 0), 0);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		assert_int_equal(mkdir(scratch_path(s, dirs[i], path), 0700), 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_file(s, files[i], "x");
	assert_int_equal(mkfifo(scratch_path(s, "store/fifo", path), 0600), 0);
	assert_int_equal(symlink("config", scratch_path(s, "store/link", path)), 0);
	assert_int_equal(symlink("nothing", scratch_path(s, "store/dangling", path)), 0);
	assert_int_equal(symlink("../../elsewhere", scratch_path(s, "store/packs/ad", path)), 0);

	assert_int_equal(store_list(store, "", list_entry, &l), 0);
	assert_int_equal(l.n, 4);
	assert_true(listed(&l, "config") && listed(&l, "packs/ab/ab1") && listed(&l, "packs/ac/ac1"));
	assert_true(listed(&l, "packs/ad/moved"));
	assert_int_equal(store_get(store, "packs/ad/moved", 0, 1, &c), 0);

	l.n = 0;
	assert_int_equal(store_list(store, "packs/ab/", list_entry, &l), 0);
	assert_int_equal(l.n, 1);

	l.n = 0;
	assert_int_equal(store_list_names(store, "", list_entry, &l), 0);
	assert_int_equal(l.n, 4);
	assert_true(listed(&l, "config") && listed(&l, "packs/ab/ab1") && listed(&l, "packs/ac/ac1"));
	assert_true(listed(&l, "packs/ad/moved"));
	l.n = 0;
	assert_int_equal(store_list_names(store, "packs/ab/", list_entry, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(store_list_names(store, "packs", list_entry, &l), -EINVAL);
	store_close(store);
}

static void child_read_only(struct scratch *s)
{
	struct store *store = NULL;
	char path[SCRATCH_PATH_SIZE], c;

	scratch_path(s, "mnt", path);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, "size=1m") < 0)
		_exit(77);
	EXPECT(store_dir_open(path, true, &s->log, &store) == 0);
	EXPECT(store_put(store, "config", "x", 1, 0) == 0);
	store_close(store);
	EXPECT(mount("none", path, "none", MS_REMOUNT | MS_RDONLY, "") == 0);
	EXPECT(store_dir_open(path, false, &s->log, &store) == 0);
	EXPECT(store_get(store, "config", 0, 1, &c) == 0 && c == 'x');
	EXPECT(store_put(store, "index/1", "x", 1, 0) == -EROFS);
	EXPECT(store_delete(store, "config") == -EROFS);
	EXPECT(scratch_logged(s, "Read-only file system"));
	store_close(store);
	scratch_path(s, "mnt/new", path);
	EXPECT(store_dir_open(path, true, &s->log, &store) == -EROFS);
}

static void test_read_only(void **state)
{
	struct scratch *s = *state;
	char path[SCRATCH_PATH_SIZE];
	int rc;

	assert_int_equal(mkdir(scratch_path(s, "mnt", path), 0700), 0);
	rc = dir_rig_in_child(child_read_only, s);
	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

static void child_not_allowed(struct scratch *s)
{
	struct store *store = NULL;
	char path[SCRATCH_PATH_SIZE], c;
	uint64_t size;

	if (setgid(65534) < 0 || setuid(65534) < 0)
		_exit(77);
	EXPECT(store_dir_open(scratch_path(s, "closed", path), false, &s->log, &store) == -EACCES);
	EXPECT(scratch_logged(s, "closed: open: Permission denied"));
	EXPECT(store_dir_open(scratch_path(s, "store", path), false, &s->log, &store) == 0);
	EXPECT(store_stat(store, "config", &size) == 0);
	EXPECT(store_get(store, "config", 0, 1, &c) == -EACCES);
	EXPECT(store_put(store, "index/1", "x", 1, 0) == -EACCES);
	EXPECT(store_delete(store, "config") == -EACCES);
	EXPECT(store_list(store, "packs/", no_entry, NULL) == -EACCES);
	EXPECT(scratch_logged(s, "store/config: open: Permission denied"));
	store_close(store);
}

static void test_not_allowed(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	char path[SCRATCH_PATH_SIZE];
	int rc;

	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(store, "packs/a", "x", 1, 0), 0);
	store_close(store);
	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_int_equal(chmod(scratch_path(s, "store", path), 0755), 0);
	assert_int_equal(mkdir(scratch_path(s, "closed", path), 0700), 0);
	rc = dir_rig_in_child(child_not_allowed, s);
	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_create, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_open_writes_nothing, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_renamed, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_removed, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_hidden, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_odd_files, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_ignores, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_not_allowed, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
