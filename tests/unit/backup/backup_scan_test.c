/*
 * Names of a directory in order, in windows of any size.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/backup/source/scan.h"
#include "tests/lib/scratch.h"

#define N 1000

/* Name ${i} in order: some have a long common begin, some are a begin of another, some bytes are above 127. */
static void name_of(unsigned i, char *out, size_t size)
{
	if (i % 3 == 0)
		snprintf(out, size, "%03u", i);
	else if (i % 3 == 1)
		snprintf(out, size, "%03u-with-a-common-begin", i - 1);
	else
		snprintf(out, size, "%03u-with-a-common-begin\xff%u", i - 2, i);
}

static int fill_dir(struct scratch *s)
{
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY);
	char name[64];
	unsigned i;

	assert_true(fd >= 0);
	for (i = 0; i < N; i++) {
		name_of(N - 1 - i, name, sizeof(name));
		close(openat(fd, name, O_CREAT | O_WRONLY, 0600));
	}
	return fd;
}

/* Read all; the window is given up after each ${drop} names (0: never), and ${back} of them is asked for twice. */
static void read_all(int fd, size_t window, unsigned drop, unsigned back)
{
	struct scan s = { 0 };
	struct scan_room room;
	struct scan_name n;
	const char *name;
	char want[64];
	unsigned i = 0;
	int rc;

	scan_room_init(&room, window);
	while ((rc = scan_next(&s, &room, fd, &n, &name)) > 0) {
		assert_true(i < N);
		name_of(i, want, sizeof(want));
		assert_string_equal(name, want);
		assert_int_equal(n.len, strlen(want));
		if (back && i % back == 0) {
			scan_back(&s);
			if (drop)
				scan_drop(&s, &room);
			assert_int_equal(scan_next(&s, &room, fd, &n, &name), 1);
			assert_string_equal(name, want);
		}
		i++;
		if (drop && i % drop == 0)
			scan_drop(&s, &room);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(i, N);
	assert_false(scan_needs_dir(&s));
	scan_drop(&s, &room);
	assert_int_equal(scan_next(&s, &room, -1, &n, &name), 0);
	assert_int_equal(room.held, 0);
	scan_room_destroy(&room);
}

static void test_windows(void **state)
{
	static const size_t windows[] = { 1, 100, 1000, 20000, 1 << 20 };
	int fd = fill_dir(*state);
	unsigned i;

	for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		read_all(fd, windows[i], 0, 0);
		read_all(fd, windows[i], 0, 7);
	}
	close(fd);
}

static void test_drop(void **state)
{
	int fd = fill_dir(*state);

	read_all(fd, 1 << 20, 100, 0);
	read_all(fd, 1 << 20, 333, 5);
	read_all(fd, 5000, 50, 3);
	read_all(fd, 1 << 20, N, 0);
	close(fd);
}

static void test_window_is_bounded(void **state)
{
	int fd = fill_dir(*state);
	struct scan s = { 0 };
	struct scan_room room;
	struct scan_name n;
	const char *name;

	scan_room_init(&room, 4000);
	while (scan_next(&s, &room, fd, &n, &name) > 0)
		assert_true(room.held <= 2 * 4000 + 1024);
	scan_drop(&s, &room);
	scan_room_destroy(&room);
	close(fd);
}

static void test_empty(void **state)
{
	struct scratch *s = *state;
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY);
	struct scan scan = { 0 };
	struct scan_room room;
	struct scan_name n;
	const char *name;

	scan_room_init(&room, 1000);
	assert_int_equal(scan_next(&scan, &room, fd, &n, &name), 0);
	assert_int_equal(scan_next(&scan, &room, fd, &n, &name), 0);
	scan_drop(&scan, &room);
	scan_room_destroy(&room);
	close(fd);
}

/* An error is told once, after what could be read, and no more then. */
static void test_error(void **state)
{
	struct scan scan = { 0 };
	struct scan_room room;
	struct scan_name n;
	const char *name;
	char path[SCRATCH_PATH_SIZE];
	int fd = open(scratch_path(*state, "file", path), O_CREAT | O_RDWR, 0600);

	scan_room_init(&room, 1000);
	assert_int_equal(scan_next(&scan, &room, fd, &n, &name), -ENOTDIR);
	assert_int_equal(scan_next(&scan, &room, fd, &n, &name), 0);
	scan_drop(&scan, &room);
	scan_room_destroy(&room);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_windows, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_drop, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_window_is_bounded, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_empty, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_error, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
