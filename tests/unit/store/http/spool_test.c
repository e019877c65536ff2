/*
 * The spool: in memory, then in a file without a name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/http/spool.h"
#include "tests/lib/fixture.h"

#define DATA_LEN (3 * SPOOL_MEMORY)

static unsigned count_files(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void expect_body(const struct spool *s, const uint8_t *data, uint64_t len)
{
	struct http_body b = spool_body(s);
	uint8_t *got = malloc(len + 1);

	assert_non_null(got);
	assert_int_equal(s->len, len);
	assert_int_equal(b.len, len);
	assert_int_equal(b.offset, 0);
	if (len <= SPOOL_MEMORY) {
		assert_non_null(b.data);
		assert_int_equal(memcmp(b.data, data, len), 0);
	} else {
		assert_null(b.data);
		assert_int_equal(pread(b.fd, got, len + 1, 0), len);
		assert_memory_equal(got, data, len);
	}
	assert_int_equal(spool_read(s, 0, got, len), 0);
	assert_int_equal(memcmp(got, data, len), 0);
	assert_int_equal(spool_read(s, len, got, 1), -EINVAL);
	assert_int_equal(spool_read(s, UINT64_MAX, got, 2), -EINVAL);
	if (len > 10) {
		assert_int_equal(spool_read(s, len - 10, got, 10), 0);
		assert_memory_equal(got, data + len - 10, 10);
	}
	free(got);
}

static void test_grows(void **state)
{
	struct scratch *s = *state;
	uint8_t *data = malloc(DATA_LEN);
	struct spool spool;

	assert_non_null(data);
	fixture_noise(1, data, DATA_LEN);
	spool_init(&spool, s->dir);
	expect_body(&spool, data, 0);
	assert_int_equal(spool_append(&spool, data, SPOOL_MEMORY, &s->log), 0);
	expect_body(&spool, data, SPOOL_MEMORY);
	assert_int_equal(spool.fd, -1);
	assert_int_equal(spool_append(&spool, data + SPOOL_MEMORY, 1, &s->log), 0);
	expect_body(&spool, data, SPOOL_MEMORY + 1);
	assert_int_equal(spool_append(&spool, data + SPOOL_MEMORY + 1, DATA_LEN - SPOOL_MEMORY - 1, &s->log), 0);
	expect_body(&spool, data, DATA_LEN);
	assert_int_equal(count_files(s->dir), 0);
	spool_free(&spool);
	spool_free(&spool);

	/* All at once. */
	spool_init(&spool, s->dir);
	assert_int_equal(spool_append(&spool, data, DATA_LEN, &s->log), 0);
	expect_body(&spool, data, DATA_LEN);
	spool_free(&spool);
	free(data);
	assert_int_equal(s->nmessages, 0);
}

static void test_directory(void **state)
{
	struct scratch *s = *state;
	uint8_t data[SPOOL_MEMORY + 1] = { 0 };
	struct spool spool;

	spool_init(&spool, "/does/not/exist");
	assert_int_equal(spool_append(&spool, data, SPOOL_MEMORY, &s->log), 0);
	assert_int_equal(spool_append(&spool, data, 1, &s->log), -ENOENT);
	assert_true(scratch_logged(s, "/does/not/exist: keep what is to be uploaded: No such file"));
	spool_free(&spool);

	setenv("TMPDIR", "/does/not/exist/either", 1);
	spool_init(&spool, NULL);
	assert_int_equal(spool_append(&spool, data, sizeof(data), &s->log), -ENOENT);
	assert_true(scratch_logged(s, "/does/not/exist/either: "));
	spool_free(&spool);
	unsetenv("TMPDIR");
	spool_init(&spool, NULL);
	assert_int_equal(spool_append(&spool, data, sizeof(data), &s->log), 0);
	spool_free(&spool);
}

static void test_full(void **state)
{
	struct scratch *s = *state;
	uint8_t data[SPOOL_MEMORY + 1] = { 0 };
	struct spool spool;

	if (access("/dev/full", W_OK) != 0)
		skip();
	spool_init(&spool, s->dir);
	assert_int_equal(spool_append(&spool, data, sizeof(data), &s->log), 0);
	close(spool.fd);
	spool.fd = open("/dev/full", O_RDWR);
	assert_int_equal(spool_append(&spool, data, 1, &s->log), -ENOSPC);
	assert_int_equal(spool.len, sizeof(data));
	assert_true(scratch_logged(s, "No space left"));
	spool_free(&spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grows, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_directory, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_full, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
