/*
 * Unit tests of repo/restore/restore.h: what is there already, and what was planted there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/restore/restore_rig.h"

/* Set the time that the snapshot's entries have. */
static void set_time(struct outrig *r, const char *name)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, { OUTRIG_MTIME, 123456789 } };

	assert_int_equal(utimensat(AT_FDCWD, outrig_path(r, name), t, AT_SYMLINK_NOFOLLOW), 0);
}

static void test_if_changed(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[4], root;
	ino_t ino;

	e[0] = outrig_text(r, "gone", "gone");
	e[1] = outrig_text(r, "same", "same");
	e[2] = outrig_text(r, "size", "size");
	e[3] = outrig_text(r, "time", "time");
	root = outrig_dir(r, "", e, 4);
	outrig_plant(r, "same", "diff");
	outrig_plant(r, "size", "longer");
	outrig_plant(r, "time", "diff");
	set_time(r, "same");
	set_time(r, "size");
	assert_int_equal(chmod(outrig_path(r, "same"), 0600), 0);
	ino = outrig_stat(r, "time").st_ino;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.skipped, 1);
	assert_int_equal(r->result.files, 3);
	outrig_assert_text(r, "same", "diff");
	assert_int_equal(outrig_stat(r, "same").st_mode & 0777, 0644);
	outrig_assert_text(r, "size", "size");
	outrig_assert_text(r, "time", "time");
	assert_int_not_equal(outrig_stat(r, "time").st_ino, ino);
	assert_int_equal(outrig_count(r, ""), 4);
	/* With verify it is seen that one has changed after all. */
	r->opts.verify = true;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.skipped, 3);
	assert_int_equal(r->result.files, 1);
	outrig_assert_text(r, "same", "same");
}

/* Whoever has the old file open goes on seeing it. */
static void test_replaced_at_once(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e, root;
	char have[8] = "";
	int fd;

	e = outrig_text(r, "file", "new");
	root = outrig_dir(r, "", &e, 1);
	outrig_plant(r, "file", "older");
	fd = open(outrig_path(r, "file"), O_RDONLY);
	assert_true(fd >= 0);
	r->opts.overwrite = RESTORE_ALWAYS;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	outrig_assert_text(r, "file", "new");
	assert_int_equal(read(fd, have, sizeof(have)), 5);
	assert_string_equal(have, "older");
	close(fd);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.files, 1);
	assert_int_equal(outrig_count(r, ""), 1);
}

static void test_never(void **state)
{
	struct outrig *r = *state;
	struct tree_entry in[2], e[5], root;

	in[0] = outrig_text(r, "missing", "made");
	in[1] = outrig_text(r, "there", "snapshot");
	e[0] = outrig_dir(r, "blocked", in, 2);
	e[1] = outrig_dir(r, "dir", in, 2);
	e[1].mtime = 5;
	e[2] = outrig_text(r, "file", "snapshot");
	e[3] = outrig_entry("fifo", ENTRY_FIFO);
	e[3].name = "fifo";
	e[4] = outrig_symlink("link", "snapshot");
	/* In order of name. */
	root = outrig_dir(r, "", (struct tree_entry[]){ e[0], e[1], e[3], e[2], e[4] }, 5);
	root.mtime = 6;
	outrig_plant(r, "dir/there", "mine");
	outrig_plant(r, "file", "mine");
	outrig_plant(r, "fifo", "mine");
	assert_int_equal(chmod(outrig_path(r, "dir"), 0711), 0);
	assert_int_equal(symlink("/", outrig_path(r, "blocked")), 0);
	assert_int_equal(symlink("mine", outrig_path(r, "link")), 0);
	r->opts.overwrite = RESTORE_NEVER;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.files, 1);
	assert_int_equal(r->result.errors, 1);
	assert_int_equal(r->result.skipped, 6);
	assert_true(outrig_told(r, "T/blocked: something else is in the place of the directory"));
	outrig_assert_text(r, "dir/there", "mine");
	outrig_assert_text(r, "dir/missing", "made");
	outrig_assert_text(r, "file", "mine");
	outrig_assert_text(r, "fifo", "mine");
	assert_true(S_ISLNK(outrig_stat(r, "blocked").st_mode));
	assert_int_equal(outrig_stat(r, "dir").st_mode & 07777, 0711);
	assert_int_not_equal(outrig_stat(r, "dir").st_mtime, 5);
	assert_int_not_equal(outrig_stat(r, "").st_mtime, 6);
	assert_int_equal(outrig_stat(r, "dir/missing").st_mtime, OUTRIG_MTIME);
}

/* A later name is no link to something else that was left at the first one. */
static void test_never_links(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[3], root;

	for (unsigned i = 0; i < 3; i++) {
		e[i] = outrig_text(r, (const char *const[]){ "a", "b", "c" }[i], "text");
		e[i].nlink = 3;
		e[i].ino = 4;
	}
	root = outrig_dir(r, "", e, 3);
	outrig_plant(r, "a", "mine");
	r->opts.overwrite = RESTORE_NEVER;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	outrig_assert_text(r, "a", "mine");
	outrig_assert_text(r, "b", "text");
	assert_int_equal(outrig_stat(r, "b").st_nlink, 2);
	assert_int_equal(outrig_stat(r, "c").st_ino, outrig_stat(r, "b").st_ino);
}

/* Make a directory beside the target with a file in it, "outside/file". */
static void make_outside(struct outrig *r, char dir[SCRATCH_PATH_SIZE], char file[SCRATCH_PATH_SIZE])
{
	int fd;

	scratch_path(r->f.scratch, "outside", dir);
	scratch_path(r->f.scratch, "outside/file", file);
	assert_int_equal(mkdir(dir, 0755), 0);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "secret", 6), 6);
	close(fd);
}

static void assert_outside_untouched(struct outrig *r, const char *dir, const char *file, const struct stat *was)
{
	struct stat st;

	(void)r;
	assert_int_equal(lstat(file, &st), 0);
	assert_int_equal(st.st_mode, was->st_mode);
	assert_int_equal(st.st_size, was->st_size);
	assert_int_equal(st.st_mtim.tv_sec, was->st_mtim.tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, was->st_mtim.tv_nsec);
	assert_int_equal(lstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void test_planted_symlinks(void **state)
{
	char dir[SCRATCH_PATH_SIZE], file[SCRATCH_PATH_SIZE];
	struct outrig *r = *state;
	struct tree_entry in, e[3], root;
	struct stat was;

	make_outside(r, dir, file);
	assert_int_equal(lstat(file, &was), 0);
	in = outrig_text(r, "file", "restored");
	e[0] = outrig_dir(r, "dir", &in, 1);
	e[0].mode = 0700;
	e[1] = outrig_text(r, "file", "restored");
	e[1].mode = 0666;
	e[2] = outrig_symlink("link", "new");
	root = outrig_dir(r, "", e, 3);
	for (unsigned n = 0; n < 3; n++) {
		r->opts.overwrite = n == 0 ? RESTORE_IF_CHANGED : n == 1 ? RESTORE_ALWAYS : RESTORE_NEVER;
		snprintf(r->target, sizeof(r->target), "%s/out%u", r->f.scratch->dir, n);
		assert_int_equal(mkdir(r->target, 0755), 0);
		assert_int_equal(symlink(dir, outrig_path(r, "dir")), 0);
		assert_int_equal(symlink(file, outrig_path(r, "file")), 0);
		assert_int_equal(symlink(file, outrig_path(r, "link")), 0);
		assert_int_equal(outrig_restore(r, &root, ""), 0);
		assert_int_equal(r->result.errors, n == 2);
		assert_outside_untouched(r, dir, file, &was);
		if (n == 2)
			continue;
		outrig_assert_text(r, "dir/file", "restored");
		outrig_assert_text(r, "file", "restored");
		assert_int_equal(outrig_stat(r, "link").st_size, 3);
	}
}

/* Another name of somebody's file, with size and time of ours: neither contents nor attributes of it change. */
static void test_planted_hard_link(void **state)
{
	char dir[SCRATCH_PATH_SIZE], file[SCRATCH_PATH_SIZE];
	struct outrig *r = *state;
	struct tree_entry e, root;
	struct stat was;

	make_outside(r, dir, file);
	e = outrig_text(r, "file", "public");
	e.mode = 0666;
	root = outrig_dir(r, "", &e, 1);
	assert_int_equal(mkdir(r->target, 0755), 0);
	assert_int_equal(link(file, outrig_path(r, "file")), 0);
	set_time(r, "file");
	assert_int_equal(lstat(file, &was), 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.files, 1);
	assert_outside_untouched(r, dir, file, &was);
	assert_int_equal(outrig_stat(r, "file").st_mode & 0777, 0666);
	outrig_assert_text(r, "file", "public");
}

static void test_other_types(void **state)
{
	struct outrig *r = *state;
	struct tree_entry in, e[5], root;

	in = outrig_text(r, "in", "in");
	e[0] = outrig_dir(r, "a-dir", &in, 1);
	e[1] = outrig_text(r, "b-file", "file");
	e[2] = outrig_symlink("c-link", "target");
	e[3] = outrig_entry("d-fifo", ENTRY_FIFO);
	e[4] = outrig_text(r, "e-full", "file");
	root = outrig_dir(r, "", e, 5);
	outrig_plant(r, "a-dir", "a file");
	outrig_plant(r, "c-link", "a file");
	outrig_plant(r, "d-fifo", "a file");
	outrig_plant(r, "e-full/sub", "precious");
	assert_int_equal(mkdir(outrig_path(r, "b-file"), 0755), 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 1);
	assert_true(outrig_told(r, "T/e-full: a directory that is not empty is in its place"));
	outrig_assert_text(r, "e-full/sub", "precious");
	outrig_assert_text(r, "a-dir/in", "in");
	outrig_assert_text(r, "b-file", "file");
	assert_true(S_ISLNK(outrig_stat(r, "c-link").st_mode));
	assert_true(S_ISFIFO(outrig_stat(r, "d-fifo").st_mode));
	assert_int_equal(outrig_count(r, ""), 5);
	/* Nodes that are there stay, with their attributes set. */
	assert_int_equal(chmod(outrig_path(r, "d-fifo"), 0600), 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.skipped, 4);
	assert_int_equal(outrig_stat(r, "d-fifo").st_mode & 07777, 0644);
	assert_int_equal(outrig_stat(r, "d-fifo").st_mtim.tv_nsec, 123456789);
}

/* What a killed restore left is removed; what another one is writing is not, nor what only looks like it. */
static void test_temporary_names(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e, sub, root;
	int fd;

	e = outrig_text(r, "file", "file");
	sub = outrig_dir(r, "sub", &e, 1);
	root = outrig_dir(r, "", &sub, 1);
	outrig_plant(r, "sub/.varve-restore-0123456789abcdef", "half");
	outrig_plant(r, "sub/.varve-restore-00000000deadbeef", "in use");
	outrig_plant(r, "sub/.varve-restore-notes", "mine");
	fd = open(outrig_path(r, "sub/.varve-restore-00000000deadbeef"), O_WRONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(outrig_count(r, "sub"), 3);
	outrig_assert_absent(r, "sub/.varve-restore-0123456789abcdef");
	outrig_assert_text(r, "sub/.varve-restore-notes", "mine");
	close(fd);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(outrig_count(r, "sub"), 2);
}

/* Contents that cannot be had: told, and nothing is there under the name; or what was there still is. */
static void test_damaged_contents(void **state)
{
	struct outrig *r = *state;
	size_t len = 9 * 1024 * 1024;
	uint8_t *data = malloc(len);
	struct span s = { .len = 0 };
	struct tree_entry e[6], root;
	uint8_t record[2 * SPAN_RECORD_LEN];

	assert_non_null(data);
	fixture_noise(3, data, len);
	e[0] = outrig_file(r, "big", data, len);
	e[1] = outrig_lost("gone", ENTRY_REG);
	e[2] = outrig_text(r, "half", "first");
	e[3] = outrig_text(r, "kept", "after");
	e[4] = outrig_text(r, "linked", "linked");
	e[4].nlink = 2;
	e[4].ino = 6;
	e[5] = outrig_lost("z", ENTRY_DIR);
	/* The second chunk is not there. */
	memcpy(record, e[2].spans, SPAN_RECORD_LEN);
	s.off = 5;
	s.len = 1;
	span_encode(&s, record + SPAN_RECORD_LEN);
	e[2].spans = record;
	e[2].nspans = 2;
	e[2].size = e[2].data_bytes = 6;
	e[3].spans = record + SPAN_RECORD_LEN;
	e[3].size = 6;
	e[3].data_bytes = 1;
	root = outrig_dir(r, "", e, 6);
	outrig_plant(r, "kept", "what was before");
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.damaged, 4);
	assert_int_equal(r->result.errors, 0);
	assert_int_equal(r->result.files, 2);
	assert_true(outrig_told(r, "T/half: its contents are damaged in the repository"));
	assert_true(outrig_told(r, "T/gone: its contents are damaged in the repository"));
	assert_true(outrig_told(r, "T/kept: its contents are damaged in the repository"));
	assert_true(outrig_told(r, "T/z: entries of the directory are damaged in the repository"));
	outrig_assert_absent(r, "half");
	outrig_assert_absent(r, "gone");
	outrig_assert_text(r, "kept", "what was before");
	outrig_assert_text(r, "linked", "linked");
	assert_int_equal(outrig_count(r, ""), 4);
	free(data);
}

/* A chunk of a big file is damaged in its pack, and all names of a linked one. */
static void test_damaged_pack(void **state)
{
	struct outrig *r = *state;
	size_t len = 9 * 1024 * 1024;
	uint8_t *data = malloc(len);
	char name[STORE_NAME_MAX + 1];
	struct tree_entry e[4], root;
	uint64_t size;

	assert_non_null(data);
	fixture_noise(3, data, len);
	e[0] = outrig_file(r, "big", data, len);
	for (unsigned i = 1; i < 3; i++) {
		e[i] = outrig_lost(i == 1 ? "link" : "link2", ENTRY_REG);
		e[i].nlink = 2;
		e[i].ino = 7;
	}
	e[3] = outrig_text(r, "ok", "ok");
	root = outrig_dir(r, "", e, 4);
	/* Opens the repository, and finds all well but for what is lost. */
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.damaged, 2);
	for (unsigned n = 0; n < fixture_count(&r->f, "packs/"); n++) {
		assert_int_equal(store_stat(r->f.store, fixture_object(&r->f, "packs/", n, name), &size), 0);
		if (size > 100000)
			fixture_damage(&r->f, "packs/", n, 50000);
	}
	r->opts.overwrite = RESTORE_ALWAYS;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.damaged, 3);
	assert_true(outrig_told(r, "T/big: its contents are damaged in the repository"));
	/* The one of before. */
	assert_int_equal(outrig_stat(r, "big").st_size, len);
	assert_int_equal(outrig_count(r, ""), 2);
	free(data);
}

/* The store cannot be asked: an error, not damage.  The key does not open contents: no use in going on. */
static void test_store_fails(void **state)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR,
		.ops = STORE_OP_GET,
		.prefix = "packs/",
		.err = -EIO,
	};
	struct outrig *r = *state;
	struct tree_entry e[3], root;

	e[0] = outrig_text(r, "a", "aa");
	e[1] = outrig_text(r, "b", "bbb");
	e[2] = outrig_text(r, "c", "");
	root = outrig_dir(r, "", e, 3);
	assert_int_equal(outrig_restore(r, &root, "c"), 0);
	store_mem_set_faults(r->f.store, &rule, 1);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 2);
	assert_int_equal(r->result.damaged, 0);
	assert_true(outrig_told(r, "T/a: its contents are not to be had: the store failed"));
	assert_int_equal(outrig_count(r, ""), 1);
	rule.err = -EACCES;
	store_mem_set_faults(r->f.store, &rule, 1);
	assert_int_equal(outrig_restore(r, &root, ""), -EACCES);
	store_mem_set_faults(r->f.store, NULL, 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(outrig_count(r, ""), 3);
}

/* As if names had become one: as soon as the directory is made there is something in it. */
static void plant_in_dir(void *arg, const char *path)
{
	struct outrig *r = arg;

	if (strcmp(path, "/dir") != 0)
		return;
	outrig_plant(r, "dir/a-file", "first");
	outrig_plant(r, "dir/b-dir/in", "first");
	outrig_plant(r, "dir/c-link", "first");
}

static void test_names_that_become_one(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[4], dir, root;

	e[0] = outrig_text(r, "a-file", "second");
	e[1] = outrig_dir(r, "b-dir", NULL, 0);
	e[2] = outrig_symlink("c-link", "second");
	e[3] = outrig_text(r, "d-file", "fourth");
	dir = outrig_dir(r, "dir", e, 4);
	root = outrig_dir(r, "", &dir, 1);
	r->opts.entry = plant_in_dir;
	r->opts.overwrite = RESTORE_ALWAYS;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 3);
	assert_true(outrig_told(r, "T/dir/a-file: another entry has this name on this filesystem"));
	assert_true(outrig_told(r, "T/dir/b-dir: another entry has this name on this filesystem"));
	outrig_assert_text(r, "dir/a-file", "first");
	outrig_assert_text(r, "dir/c-link", "first");
	outrig_assert_text(r, "dir/d-file", "fourth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_if_changed, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_replaced_at_once, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_never, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_never_links, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_planted_symlinks, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_planted_hard_link, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_other_types, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_temporary_names, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_contents, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_pack, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_names_that_become_one, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_store_fails, outrig_setup, outrig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
