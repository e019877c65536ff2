/*
 * Backups of streams.
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

/* --- Streams --- */

static atomic_int cancelled;

static void stream_of(struct rig *g, const char *name, uint64_t seed, size_t len, int want)
{
	struct backup_options opts = g->opts;
	int fd;

	rig_file("stream", seed, len);
	fd = open("stream", O_RDONLY);
	assert_int_equal(backup_stream(&g->repo, &opts, fd, name, &g->result), want);
	close(fd);
}

static void same_stream(struct rig *g, const char *path)
{
	struct tree_hit hit;
	uint8_t ours[65536], theirs[65536];
	int fd = open("stream", O_RDONLY);
	ssize_t n;

	assert_int_equal(rig_find(g, path, &hit), 0);
	for (uint64_t off = 0; off <= hit.entry.size; off += (uint64_t)n) {
		n = read(fd, theirs, sizeof(theirs));
		assert_int_equal(tree_read(g->repo.tree, &hit.entry, off, sizeof(ours), ours), n);
		assert_memory_equal(ours, theirs, (size_t)n);
		if (n == 0)
			break;
	}
	tree_hit_release(g->repo.tree, &hit);
	close(fd);
}

static void test_stream(void **state)
{
	struct rig *g = *state;
	struct tree_hit hit;

	stream_of(g, "dump.sql", 5, 10000000, 0);
	assert_int_equal(g->result.files, 1);
	assert_int_equal(g->result.bytes, 10000000);
	same_stream(g, "dump.sql");
	stream_of(g, "/var//dumps/db/dump.sql", 6, 0, 0);
	same_stream(g, "var/dumps/db/dump.sql");
	assert_int_equal(rig_find(g, "var/dumps", &hit), 0);
	assert_int_equal(hit.entry.mode, 0755);
	tree_hit_release(g->repo.tree, &hit);
	stream_of(g, "x", 7, 1, 0);
	same_stream(g, "x");
	stream_of(g, "../x", 7, 1, -EINVAL);
	stream_of(g, "/", 7, 1, -EINVAL);
	assert_int_equal(rig_snapshots(g), 3);
	g->on_finish = -ECHILD;
	stream_of(g, "failed", 8, 100000, -ECHILD);
	assert_int_equal(rig_snapshots(g), 3);
}

static void *write_pipe(void *arg)
{
	int fd = *(int *)arg;
	uint8_t bytes[1000];

	for (unsigned i = 0; i < 3000; i++) {
		fixture_noise(i, bytes, sizeof(bytes));
		assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	}
	close(fd);
	return NULL;
}

static void test_pipe(void **state)
{
	struct rig *g = *state;
	pthread_t t;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(pthread_create(&t, NULL, write_pipe, &fd[1]), 0);
	assert_int_equal(backup_stream(&g->repo, &g->opts, fd[0], "p", &g->result), 0);
	pthread_join(t, NULL);
	close(fd[0]);
	assert_int_equal(g->result.bytes, 3000000);
}

/* A stream that says nothing can be ended. */
static void *cancel_soon(void *arg)
{
	(void)arg;
	usleep(50000);
	cancelled = 1;
	return NULL;
}

static void test_silent_pipe(void **state)
{
	struct rig *g = *state;
	pthread_t t;
	int fd[2];

	cancelled = 0;
	g->opts.cancel = &cancelled;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(pthread_create(&t, NULL, cancel_soon, NULL), 0);
	assert_int_equal(backup_stream(&g->repo, &g->opts, fd[0], "p", &g->result), -EINTR);
	pthread_join(t, NULL);
	cancelled = 0;
	close(fd[0]);
	close(fd[1]);
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(test_stream),
		RIG(test_pipe),
		RIG(test_silent_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
