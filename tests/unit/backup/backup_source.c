/*
 * Sources for tests of backups.  See backup_source.h.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/backup_rig.h"
#include "tests/unit/backup/backup_source.h"

void source_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, FIXTURE_SEGMENT_SIZE - 1, FIXTURE_SEGMENT_SIZE,
		FIXTURE_SEGMENT_SIZE + 1, CHUNK_AVG_MIN * 4 - 1, CHUNK_AVG_MIN * 4, CHUNK_AVG_MIN * 4 + 1, 300000,
		1 << 20, 4 << 20, (4 << 20) + 1, 9000000 };
	char path[64];

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(path, sizeof(path), "all/sizes/%zu", sizes[i]);
		rig_file(path, i, sizes[i]);
	}
}

static void make_kinds(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "all/kinds/socket" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	rig_note("all/kinds/file", "a file");
	assert_int_equal(bind(s, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(s);
	assert_int_equal(mkfifo("all/kinds/fifo", 0640), 0);
	assert_int_equal(symlink("../../nowhere", "all/kinds/symlink"), 0);
	assert_int_equal(mkdir("all/kinds/empty", 01777), 0);
	if (geteuid() == 0) {
		assert_int_equal(mknod("all/kinds/chr", S_IFCHR | 0600, makedev(250, 70000)), 0);
		assert_int_equal(mknod("all/kinds/blk", S_IFBLK | 0600, makedev(7, 3)), 0);
	}
}

static void make_names(void)
{
	char path[512], name[256];

	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		snprintf(path, sizeof(path), "all/names/-%c-", c);
		rig_note(path, path);
	}
	memset(name, 'x', 255);
	name[255] = '\0';
	snprintf(path, sizeof(path), "all/names/%s", name);
	rig_note(path, "long");
}

static void make_attributes(void)
{
	static const mode_t modes[] = { 0, 0400, 04755, 02755, 01644, 07777 };
	struct timespec times[2] = { { 0, 0 }, { -5000000000LL, 123456789 } };
	char path[64];

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(path, sizeof(path), "all/attributes/mode%o", modes[i]);
		rig_note(path, "x");
		if (geteuid() == 0)
			assert_int_equal(chown(path, 70000 + i, 4000000000u + i), 0);
		assert_int_equal(chmod(path, modes[i]), 0);
	}
	rig_note("all/attributes/old", "x");
	utimensat(AT_FDCWD, "all/attributes/old", times, 0);
	rig_note("all/attributes/new", "x");
	times[1] = (struct timespec){ 5000000000LL, 1 };
	utimensat(AT_FDCWD, "all/attributes/new", times, 0);
}

/* Xattrs, as far as the file system has them; one set too large for an entry. */
static void make_xattrs(void)
{
	static char big[3000];

	rig_note("all/xattrs/file", "x");
	rig_file("all/xattrs/empty", 1, 0);
	rig_note("all/xattrs/many", "x");
	rig_note("all/xattrs/dir/x", "x");
	assert_int_equal(symlink("x", "all/xattrs/symlink"), 0);
	memset(big, 'b', sizeof(big));
	if (setxattr("all/xattrs/file", "user.zz", "value", 5, 0) < 0)
		return;
	setxattr("all/xattrs/file", "user.a", "", 0, 0);
	setxattr("all/xattrs/empty", "user.on.empty", "v", 1, 0);
	setxattr("all/xattrs/many", "user.big", big, sizeof(big), 0);
	setxattr("all/xattrs/dir", "user.dir", "d", 1, 0);
	lsetxattr("all/xattrs/symlink", "trusted.symlink", "s", 1, 0);
}

static void make_links(void)
{
	rig_file("all/links/a/small", 50, 5000);
	rig_file("all/links/a/large", 51, 5000000);
	rig_note("all/links/b/x", "");
	assert_int_equal(link("all/links/a/small", "all/links/b/small"), 0);
	assert_int_equal(link("all/links/a/small", "all/links/b/small2"), 0);
	assert_int_equal(link("all/links/a/large", "all/links/b/large"), 0);
	assert_int_equal(link("all/links/a/large", "all/links/b/large2"), 0);
	assert_int_equal(mkfifo("all/links/fifo", 0600), 0);
	assert_int_equal(link("all/links/fifo", "all/links/fifo2"), 0);
}

void source_extents(const char *path, unsigned n, off_t step, off_t size)
{
	uint8_t bytes[4096];
	int fd;

	rig_note(path, "");
	fd = open(path, O_WRONLY);
	for (unsigned i = 0; i < n; i++) {
		fixture_noise(1000 + i, bytes, sizeof(bytes));
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), step * (off_t)(i + 1)), sizeof(bytes));
	}
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void make_sparse(void)
{
	source_extents("all/sparse/hole", 0, 0, 100000);
	source_extents("all/sparse/bighole", 0, 0, 1LL << 40);
	source_extents("all/sparse/few", 3, 65536, 1 << 20);
	source_extents("all/sparse/many", 30, 65536, 3 << 20);
	source_extents("all/sparse/large", 2000, 65536, 1 << 28);
	source_extents("all/sparse/huge", 5, 1LL << 37, 1LL << 40);
}

void source_all(void)
{
	source_sizes();
	make_kinds();
	make_names();
	make_attributes();
	make_xattrs();
	make_links();
	make_sparse();
}
