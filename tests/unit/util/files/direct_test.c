/*
 * Unit tests of repo/util/files/direct.h: what is read is what is in the file, whichever way it is read.  Which way
 * that is can be seen only where the scratch directory's file system knows direct I/O.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/util/files/direct.h"
#include "tests/lib/backup_rig.h"

#define LEN (5u * 1024 * 1024 + 1234)
#define ROOM (1024u * 1024)

static struct {
	unsigned direct, usual; /* reads of either kind */
	bool refuse;            /* direct I/O fails */
} seen;

/* In the place of the C library's. */
ssize_t pread(int fd, void *to, size_t len, off_t off)
{
	bool direct = fcntl(fd, F_GETFL) & O_DIRECT;

	seen.direct += direct;
	seen.usual += !direct;
	if (direct && seen.refuse) {
		errno = EINVAL;
		return -1;
	}
	return syscall(SYS_pread64, fd, to, len, off);
}

/* A file that is on disk only, as far as the system does as it is asked. */
static int make(const char *path, size_t len)
{
	int fd;

	rig_file(path, 1, len);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	memset(&seen, 0, sizeof(seen));
	return fd;
}

static uint8_t *contents(const char *path, size_t len)
{
	uint8_t *all = malloc(len);
	int fd = open(path, O_RDONLY);

	assert_non_null(all);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, all, len), len);
	close(fd);
	return all;
}

/* Read it to its end from byte ${off} on, in pieces of ${piece}, and compare. */
static void read_all(struct direct *d, const char *path, uint64_t off, size_t piece, size_t room)
{
	uint8_t *got = malloc(LEN), *to = aligned_alloc(DIRECT_ALIGN, ROOM + DIRECT_ALIGN), *all;
	size_t have = (size_t)off, want;
	ssize_t n;

	assert_non_null(got);
	assert_non_null(to);
	do {
		want = have < LEN && LEN - have < piece ? LEN - have : piece;
		n = direct_read(d, to, want, room, have);
		assert_true(n >= 0 && (size_t)n <= want && have + (size_t)n <= LEN);
		memcpy(got + have, to, (size_t)n);
		have += (size_t)n;
	} while (n > 0);
	assert_int_equal(have, LEN);
	all = contents(path, LEN);
	assert_memory_equal(got + off, all + off, LEN - off);
	free(all);
	free(to);
	free(got);
}

static void test_past_the_cache(void **state)
{
	struct direct d;
	int fd = make("file", LEN);

	(void)state;
	direct_init(&d, fd);
	read_all(&d, "file", 0, ROOM, ROOM);
	/* All but the rest at the end, and the end itself. */
	if (d.possible && geteuid() == 0)
		assert_int_equal(seen.direct, LEN / ROOM);
	close(fd);
}

static void test_cached(void **state)
{
	struct direct d;
	int fd = make("file", LEN);

	(void)state;
	free(contents("file", LEN));
	direct_init(&d, fd);
	read_all(&d, "file", 0, ROOM, ROOM);
	assert_int_equal(seen.direct, 0);
	close(fd);
}

static void test_unaligned(void **state)
{
	struct direct d;
	int fd = make("file", LEN);

	(void)state;
	direct_init(&d, fd);
	read_all(&d, "file", 17, ROOM, ROOM);
	assert_int_equal(seen.direct, 0);
	/* A length that cannot be rounded up, and one that can. */
	close(fd);
	fd = make("file", LEN);
	direct_init(&d, fd);
	read_all(&d, "file", 0, ROOM - 1, ROOM - 1);
	assert_int_equal(seen.direct, 0);
	close(fd);
	fd = make("file", LEN);
	direct_init(&d, fd);
	assert_int_equal(direct_read(&d, (void *)(uintptr_t)DIRECT_ALIGN, 0, 0, 0), 0);
	read_all(&d, "file", 0, ROOM - 1, ROOM);
	close(fd);
}

static void test_refused(void **state)
{
	struct direct d;
	int fd = make("file", LEN);

	(void)state;
	seen.refuse = true;
	direct_init(&d, fd);
	read_all(&d, "file", 0, ROOM, ROOM);
	assert_true(seen.direct <= 1);
	close(fd);
}

/* Large files of a backup: one whose end is in no page of its own, and data between holes. */
static void test_backup(void **state)
{
	struct rig *g = *state;
	int fd;

	close(make("s/odd", 2 * LEN));
	fd = make("s/holes", LEN);
	close(fd);
	fd = open("s/holes", O_WRONLY);
	assert_int_equal(ftruncate(fd, 40 << 20), 0);
	assert_int_equal(pwrite(fd, "x", 1, 33333333), 1);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(g->result.errors, 0);
	rig_same(g, "s", "s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_past_the_cache, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_cached, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_unaligned, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refused, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_backup, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
