/*
 * Unit tests of repo/restore/restore.h: what is recorded is what is there afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/restore/restore_rig.h"

static void assert_mtime(struct outrig *r, const char *name, const struct tree_entry *e)
{
	struct stat st = outrig_stat(r, name);

	assert_int_equal(st.st_mtim.tv_sec, e->mtime);
	assert_int_equal(st.st_mtim.tv_nsec, e->mtime_ns);
}

static void test_types(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[7], root;
	struct stat st;
	char target[64];

	e[0] = outrig_entry("dev", ENTRY_CHR);
	e[0].rdev_major = 1;
	e[0].rdev_minor = 3;
	e[1] = outrig_dir(r, "dir", NULL, 0);
	e[1].mode = 02750;
	e[2] = outrig_entry("fifo", ENTRY_FIFO);
	e[2].mode = 0606;
	e[3] = outrig_text(r, "file", "contents");
	e[3].mode = 04751;
	e[3].mtime = -5;
	e[4] = outrig_symlink("link", "not/there");
	e[4].mtime = 5000000000;
	e[5] = outrig_text(r, "none", "");
	e[5].mode = 0;
	e[6] = outrig_entry("sock", ENTRY_SOCK);
	root = outrig_dir(r, "", e, 7);
	root.mode = 0711;
	root.mtime = 77;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors + r->result.damaged + r->result.skipped, 0);
	assert_int_equal(r->result.files, 2);
	assert_int_equal(r->result.dirs, 2);
	assert_int_equal(r->result.bytes, 8);
	assert_int_equal(r->progress.entries, 8);
	assert_int_equal(r->progress.total_entries, 8);
	outrig_assert_text(r, "file", "contents");
	for (unsigned i = 1; i < 7; i++) {
		st = outrig_stat(r, e[i].name);
		assert_int_equal(st.st_mode, entry_ifmt(e[i].type) | e[i].mode);
		assert_mtime(r, e[i].name, &e[i]);
		assert_true(outrig_named(r, (char[8]){ '/', e[i].name[0], e[i].name[1], e[i].name[2], e[i].name[3] }));
	}
	assert_int_equal(outrig_stat(r, "").st_mode & 07777, 0711);
	assert_mtime(r, "", &root);
	assert_int_equal(readlink(outrig_path(r, "link"), target, sizeof(target)), 9);
	assert_memory_equal(target, "not/there", 9);
	if (r->result.no_device == 0) {
		st = outrig_stat(r, "dev");
		assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	}
	assert_int_equal(r->result.others, r->result.no_device == 0 ? 4 : 3);
}

static void test_owner(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[4], root;
	struct stat st;

	e[0] = outrig_dir(r, "dir", NULL, 0);
	e[1] = outrig_entry("fifo", ENTRY_FIFO);
	e[2] = outrig_text(r, "file", "x");
	e[2].mode = 06755;
	e[3] = outrig_symlink("link", "x");
	for (unsigned i = 0; i < 4; i++) {
		e[i].uid = 70000 + i;
		e[i].gid = 80000 + i;
	}
	root = outrig_dir(r, "", e, 4);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 0);
	if (geteuid() != 0) {
		/* Without permission neither owner nor what would give its rights. */
		assert_int_equal(r->result.no_owner, 4);
		assert_int_equal(outrig_stat(r, "file").st_mode & 07777, 0755);
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		st = outrig_stat(r, e[i].name);
		assert_int_equal(st.st_uid, e[i].uid);
		assert_int_equal(st.st_gid, e[i].gid);
		assert_int_equal(st.st_mode & 07777, e[i].mode);
	}
}

static void test_xattrs(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[2], root;
	char value[16];

	e[0] = outrig_dir(r, "dir", NULL, 0);
	outrig_xattr(r, &e[0], "user.dir", "d");
	e[1] = outrig_text(r, "file", "x");
	e[1].mode = 0444;
	outrig_xattr(r, &e[1], "user.one", "1");
	outrig_xattr(r, &e[1], "user.two", "22");
	root = outrig_dir(r, "", e, 2);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	if (r->result.no_xattr > 0)
		skip();
	assert_int_equal(getxattr(outrig_path(r, "dir"), "user.dir", value, sizeof(value)), 1);
	assert_int_equal(getxattr(outrig_path(r, "file"), "user.two", value, sizeof(value)), 2);
	assert_memory_equal(value, "22", 2);
	assert_int_equal(outrig_stat(r, "file").st_mode & 07777, 0444);

	/* What is left gets them set right, and loses what it should not have; the mode stays. */
	assert_int_equal(removexattr(outrig_path(r, "dir"), "user.dir"), 0);
	assert_int_equal(chmod(outrig_path(r, "file"), 0644), 0);
	assert_int_equal(setxattr(outrig_path(r, "file"), "user.more", "m", 1, 0), 0);
	assert_int_equal(setxattr(outrig_path(r, "file"), "user.one", "wrong", 5, 0), 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.skipped, 1);
	assert_int_equal(getxattr(outrig_path(r, "dir"), "user.dir", value, sizeof(value)), 1);
	assert_int_equal(getxattr(outrig_path(r, "file"), "user.one", value, sizeof(value)), 1);
	assert_int_equal(getxattr(outrig_path(r, "file"), "user.two", value, sizeof(value)), 2);
	assert_int_equal(getxattr(outrig_path(r, "file"), "user.more", value, sizeof(value)), -1);
	assert_int_equal(outrig_stat(r, "file").st_mode & 07777, 0444);
}

/* A default ACL of the target is not for what is restored there. */
static void test_inherited_acl(void **state)
{
	/* version 2; user::rwx user:1:rwx group::r-x mask::rwx other::r-x */
	static const uint8_t acl[] = { 2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 7, 0, 1, 0, 0, 0, 4, 0, 5,
		0, 0xff, 0xff, 0xff, 0xff, 0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 5, 0, 0xff, 0xff, 0xff,
		0xff };
	struct outrig *r = *state;
	struct tree_entry e[2], sub, root;

	sub = outrig_text(r, "sub", "s");
	e[0] = outrig_dir(r, "dir", &sub, 1);
	e[1] = outrig_text(r, "file", "x");
	root = outrig_dir(r, "", e, 2);
	assert_int_equal(mkdir(r->target, 0755), 0);
	if (setxattr(r->target, "system.posix_acl_default", acl, sizeof(acl), 0) != 0)
		skip();
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(getxattr(r->target, "system.posix_acl_default", NULL, 0), -1);
	assert_int_equal(getxattr(outrig_path(r, "file"), "system.posix_acl_access", NULL, 0), -1);
	assert_int_equal(getxattr(outrig_path(r, "dir"), "system.posix_acl_default", NULL, 0), -1);
	assert_int_equal(getxattr(outrig_path(r, "dir"), "system.posix_acl_access", NULL, 0), -1);
	assert_int_equal(getxattr(outrig_path(r, "dir/sub"), "system.posix_acl_access", NULL, 0), -1);
	assert_int_equal(outrig_stat(r, "file").st_mode & 07777, 0644);
	assert_int_equal(outrig_stat(r, "dir").st_mode & 07777, 0755);
}

static void test_holes(void **state)
{
	const uint64_t off[2] = { 1 << 20, 3 << 20 };
	static char data[2][65536 + 1];
	const char *const texts[2] = { data[0], data[1] };
	struct outrig *r = *state;
	struct tree_entry e[2], root;
	int fd;

	memset(data[0], 'a', 65536);
	memset(data[1], 'b', 65536);
	e[0] = outrig_sparse(r, "hole", 1ull << 40, 0, NULL, NULL);
	e[1] = outrig_sparse(r, "sparse", (1ull << 40) + 5, 2, off, texts);
	root = outrig_dir(r, "", e, 2);
	r->opts.verify = true;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 0);
	assert_int_equal(r->result.bytes, 2 * 65536);
	assert_int_equal(outrig_stat(r, "hole").st_size, 1ll << 40);
	assert_int_equal(outrig_stat(r, "hole").st_blocks, 0);
	assert_int_equal(outrig_stat(r, "sparse").st_size, (1ll << 40) + 5);
	fd = open(outrig_path(r, "sparse"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), 1 << 20);
	assert_int_equal(lseek(fd, 1 << 20, SEEK_HOLE), (1 << 20) + 65536);
	assert_int_equal(lseek(fd, 2 << 20, SEEK_DATA), 3 << 20);
	assert_int_equal(lseek(fd, (3 << 20) + 65536, SEEK_DATA), -1);
	close(fd);
}

static void test_sparse_option(void **state)
{
	struct outrig *r = *state;
	uint8_t *data = calloc(1, 300000);
	struct tree_entry e, root;
	int fd;

	assert_non_null(data);
	memset(data + 100000, 'x', 50);
	data[299999] = 1;
	e = outrig_file(r, "file", data, 300000);
	root = outrig_dir(r, "", &e, 1);
	r->opts.sparse = true;
	r->opts.verify = true;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 0);
	assert_true(outrig_stat(r, "file").st_blocks <= 8 * 2 * 8);
	memset(data, 1, 100);
	fd = open(outrig_path(r, "file"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), 100000 / 4096 * 4096);
	assert_int_equal(read(fd, data, 300000), 300000 - 100000 / 4096 * 4096);
	close(fd);
	assert_int_equal(outrig_stat(r, "file").st_size, 300000);
	free(data);
}

/* Written by several workers, with a span list in pages. */
static void test_big(void **state)
{
	struct outrig *r = *state;
	size_t len = 20 * 1024 * 1024 + 333;
	uint8_t *data = malloc(len), *have = malloc(len);
	struct tree_entry e[2], root;
	int fd;

	assert_non_null(data);
	assert_non_null(have);
	fixture_noise(7, data, len);
	e[0] = outrig_file(r, "big", data, len);
	e[1] = outrig_text(r, "small", "s");
	root = outrig_dir(r, "", e, 2);
	for (unsigned n = 0; n < 3; n++) {
		r->opts.verify = n == 1;
		r->opts.overwrite = n == 2 ? RESTORE_ALWAYS : RESTORE_IF_CHANGED;
		r->opts.threads = n == 2 ? 1 : 4;
		assert_int_equal(outrig_restore(r, &root, ""), 0);
		assert_int_equal(r->result.errors, 0);
		assert_int_equal(r->result.skipped, n == 1 ? 2 : 0);
		assert_int_equal(r->progress.entries, 3);
		fd = open(outrig_path(r, "big"), O_RDONLY);
		assert_true(fd >= 0);
		memset(have, 0, len);
		assert_int_equal(read(fd, have, len), len);
		close(fd);
		assert_memory_equal(have, data, len);
		assert_mtime(r, "big", &e[0]);
		assert_int_equal(outrig_count(r, ""), 2);
	}
	free(data);
	free(have);
}

/* Deeper than directories are held open, and with something to do in each on the way up. */
static void test_deep(void **state)
{
	struct outrig *r = *state;
	struct tree_entry d, e[3];
	char path[2048] = "";

	d = outrig_dir(r, "d", NULL, 0);
	for (int i = 0; i < 300; i++) {
		e[0] = outrig_text(r, "a", "a");
		e[1] = d;
		e[2] = outrig_text(r, "z", "z");
		d = outrig_dir(r, "d", e, 3);
		d.mtime = 1000 + i;
	}
	assert_int_equal(outrig_restore(r, &d, ""), 0);
	assert_int_equal(r->result.errors, 0);
	assert_int_equal(r->result.dirs, 301);
	assert_int_equal(r->result.files, 600);
	for (int i = 299; i >= 0; i--) {
		assert_int_equal(outrig_stat(r, path).st_mtime, 1000 + i);
		assert_int_equal(outrig_count(r, path), 3);
		strcat(path, *path ? "/d" : "d");
	}
}

static void test_links(void **state)
{
	struct outrig *r = *state;
	struct tree_entry a, b[3], c[2], root, top[3];
	ino_t ino;

	a = outrig_text(r, "a", "linked");
	a.nlink = 6;
	a.dev = 5;
	a.ino = 9;
	b[0] = b[1] = b[2] = a;
	b[0].name = "1";
	b[1].name = "2";
	b[2].name = "3";
	b[0].name_len = b[1].name_len = b[2].name_len = 1;
	/* The same number, used again while the backup ran: another file. */
	c[0] = outrig_text(r, "other", "other contents");
	c[0].nlink = 2;
	c[0].dev = 5;
	c[0].ino = 9;
	c[1] = outrig_symlink("sym", "x");
	c[1].nlink = 2;
	c[1].dev = 5;
	c[1].ino = 10;
	top[0] = outrig_dir(r, "b", b, 3);
	top[1] = outrig_dir(r, "c", c, 2);
	top[2] = c[1];
	root = outrig_dir(r, "", top, 3);
	for (unsigned n = 0; n < 2; n++) {
		assert_int_equal(outrig_restore(r, &root, ""), 0);
		assert_int_equal(r->result.errors, 0);
		assert_int_equal(r->result.skipped, n == 0 ? 0 : 6);
		ino = outrig_stat(r, "b/1").st_ino;
		assert_int_equal(outrig_stat(r, "b/1").st_nlink, 3);
		assert_int_equal(outrig_stat(r, "b/2").st_ino, ino);
		assert_int_equal(outrig_stat(r, "b/3").st_ino, ino);
		outrig_assert_text(r, "b/3", "linked");
		assert_int_not_equal(outrig_stat(r, "c/other").st_ino, ino);
		outrig_assert_text(r, "c/other", "other contents");
		assert_int_equal(outrig_stat(r, "c/sym").st_ino, outrig_stat(r, "sym").st_ino);
	}
	/* A link that was broken is made again, and one whose file has changed. */
	assert_int_equal(unlink(outrig_path(r, "b/3")), 0);
	outrig_plant(r, "b/2", "not a link");
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.errors, 0);
	ino = outrig_stat(r, "b/1").st_ino;
	assert_int_equal(outrig_stat(r, "b/2").st_ino, ino);
	assert_int_equal(outrig_stat(r, "b/3").st_ino, ino);
	outrig_assert_text(r, "b/2", "linked");
}

/* The first name is not restored: the others are linked with each other. */
static void test_links_part(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[3], root;
	struct match_list *m = match_new();

	for (unsigned i = 0; i < 3; i++) {
		e[i] = outrig_text(r, (const char *const[]){ "a", "b", "c" }[i], "text");
		e[i].nlink = 3;
		e[i].ino = 4;
	}
	root = outrig_dir(r, "", e, 3);
	assert_int_equal(match_add(m, "/a"), 0);
	r->opts.exclude = m;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	outrig_assert_absent(r, "a");
	assert_int_equal(outrig_stat(r, "b").st_nlink, 2);
	assert_int_equal(outrig_stat(r, "c").st_ino, outrig_stat(r, "b").st_ino);
	r->opts.exclude = NULL;
	match_free(m);

	/* One of them alone. */
	snprintf(r->target, sizeof(r->target), "%s/alone", r->f.scratch->dir);
	assert_int_equal(outrig_restore(r, &root, "/b"), 0);
	assert_int_equal(r->result.files, 1);
	assert_int_equal(r->result.dirs, 0);
	outrig_assert_text(r, "b", "text");
	assert_int_equal(outrig_count(r, ""), 1);
	assert_true(outrig_named(r, "/b"));
}

static struct tree_entry make_choice(struct outrig *r)
{
	struct tree_entry in[2], mid, top[3];

	in[0] = outrig_text(r, "no.o", "object");
	in[1] = outrig_text(r, "yes.c", "source");
	mid = outrig_dir(r, "sub", in, 2);
	mid.mtime = 42;
	top[0] = outrig_dir(r, "empty", NULL, 0);
	top[1] = outrig_dir(r, "src", &mid, 1);
	top[1].mode = 0700;
	top[1].mtime = 43;
	top[2] = outrig_text(r, "top.c", "top");
	return outrig_dir(r, "", top, 3);
}

static void test_include(void **state)
{
	struct outrig *r = *state;
	struct tree_entry root = make_choice(r);
	struct match_list *m = match_new();

	assert_int_equal(match_add(m, "/src/**/*.c"), 0);
	r->opts.include = m;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	outrig_assert_text(r, "src/sub/yes.c", "source");
	assert_int_equal(outrig_count(r, ""), 1);
	assert_int_equal(outrig_count(r, "src/sub"), 1);
	assert_int_equal(r->result.files, 1);
	assert_int_equal(r->result.dirs, 3);
	/* Directories on the way have what was recorded of them. */
	assert_int_equal(outrig_stat(r, "src/sub").st_mtime, 42);
	assert_int_equal(outrig_stat(r, "src").st_mtime, 43);
	assert_int_equal(outrig_stat(r, "src").st_mode & 07777, 0700);
	assert_int_equal(outrig_stat(r, "").st_mtime, OUTRIG_MTIME);

	/* A directory that matches is all of it; what matches nothing makes nothing but the target. */
	assert_int_equal(match_add(m, "sub"), 0);
	snprintf(r->target, sizeof(r->target), "%s/two", r->f.scratch->dir);
	assert_int_equal(outrig_restore(r, &root, "src"), 0);
	assert_int_equal(outrig_count(r, "sub"), 2);
	assert_true(outrig_named(r, "/src/sub/no.o"));
	match_free(m);
	m = match_new();
	assert_int_equal(match_add(m, "nothing"), 0);
	r->opts.include = m;
	snprintf(r->target, sizeof(r->target), "%s/three", r->f.scratch->dir);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(outrig_count(r, ""), 0);
	assert_int_equal(r->result.dirs, 0);
	r->opts.include = NULL;
	match_free(m);
}

static void test_exclude(void **state)
{
	struct outrig *r = *state;
	struct tree_entry root = make_choice(r);
	struct match_list *m = match_new();

	assert_int_equal(match_add(m, "*.o"), 0);
	assert_int_equal(match_add(m, "empty/"), 0);
	r->opts.exclude = m;
	assert_int_equal(outrig_restore(r, &root, "/"), 0);
	outrig_assert_absent(r, "empty");
	outrig_assert_absent(r, "src/sub/no.o");
	outrig_assert_text(r, "src/sub/yes.c", "source");
	outrig_assert_text(r, "top.c", "top");
	assert_int_equal(r->progress.entries, r->progress.total_entries);
	r->opts.exclude = NULL;
	match_free(m);
}

static void test_dry_run(void **state)
{
	struct outrig *r = *state;
	struct tree_entry root = make_choice(r);

	r->opts.dry_run = true;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(access(r->target, F_OK), -1);
	assert_int_equal(r->result.files, 3);
	assert_int_equal(r->result.dirs, 4);
	assert_int_equal(r->result.bytes, 15);
	assert_true(outrig_named(r, "/src/sub/yes.c"));
	assert_true(outrig_named(r, "/"));
	/* With something there. */
	outrig_plant(r, "src/sub/yes.c", "older");
	outrig_plant(r, "empty", "a file");
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.files, 3);
	outrig_assert_text(r, "src/sub/yes.c", "older");
	outrig_assert_text(r, "empty", "a file");
	r->opts.overwrite = RESTORE_NEVER;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(r->result.files, 2);
	assert_true(outrig_told(r, "T/empty: something else is in the place of the directory"));
	assert_int_equal(outrig_count(r, ""), 2);
}

static void test_paths(void **state)
{
	struct outrig *r = *state;
	struct tree_entry root = make_choice(r);
	char real[SCRATCH_PATH_SIZE];

	assert_int_equal(outrig_restore(r, &root, "/src/none"), -ENOENT);
	assert_int_equal(outrig_restore(r, &root, "/top.c/none"), -ENOENT);
	assert_int_equal(access(r->target, F_OK), -1);
	/* The target is made with what is above it; a symlink to a directory is followed. */
	snprintf(r->target, sizeof(r->target), "%s/new/two//three/", r->f.scratch->dir);
	assert_int_equal(outrig_restore(r, &root, "src//sub/"), 0);
	assert_int_equal(outrig_count(r, ""), 2);
	assert_int_equal(outrig_stat(r, "").st_mtime, 42);
	assert_true(outrig_named(r, "/src/sub/yes.c"));
	scratch_path(r->f.scratch, "real", real);
	assert_int_equal(mkdir(real, 0755), 0);
	scratch_path(r->f.scratch, "link", r->target);
	assert_int_equal(symlink("real", r->target), 0);
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_true(S_ISLNK(outrig_stat(r, "").st_mode));
	strcpy(r->target, real);
	assert_int_equal(outrig_count(r, ""), 3);
	/* What is no directory is no target. */
	scratch_path(r->f.scratch, "real/top.c", r->target);
	assert_int_equal(outrig_restore(r, &root, ""), -ENOTDIR);
	assert_true(fixture_logged(&r->f, "cannot open the directory to restore to"));
}

static void test_cancel(void **state)
{
	struct outrig *r = *state;
	struct tree_entry e[500], root;
	char names[500][8];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(names[i], sizeof(names[i]), "f%03u", i);
		e[i] = outrig_text(r, names[i], names[i]);
	}
	root = outrig_dir(r, "", e, 500);
	r->cancel_after = 50;
	assert_int_equal(outrig_restore(r, &root, ""), -EINTR);
	assert_in_range(outrig_count(r, ""), 1, 499);
	assert_int_equal(r->result.errors, 0);
	r->cancel = 0;
	r->cancel_after = 0;
	assert_int_equal(outrig_restore(r, &root, ""), 0);
	assert_int_equal(outrig_count(r, ""), 500);
	assert_true(r->result.skipped > 0);
	assert_int_equal(r->result.skipped + r->result.files, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_types, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_owner, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_xattrs, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_inherited_acl, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_holes, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_sparse_option, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_big, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_deep, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_links, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_links_part, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_include, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_exclude, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_dry_run, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_paths, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_cancel, outrig_setup, outrig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
