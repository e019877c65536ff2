/*
 * The index's environment when the last one to close it writes its file anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/index/indexes.h"

#define PER_RUN 20000
#define NRUNS 8
#define NPACKS 30

static void add_runs(struct indexes *w, unsigned first, unsigned n)
{
	struct id id;

	for (unsigned i = first; i < first + n; i++) {
		id = indexes_put_run(w, (uint64_t)PER_RUN * i, PER_RUN, i, NPACKS);
		assert_int_equal(index_add_run(w->x, &id, 0), 0);
	}
}

/* Some objects of each run, looked up, and all of them counted. */
static bool runs_right(struct index *x, unsigned first, unsigned n)
{
	struct index_stats s;

	for (unsigned i = first; i < first + n; i++)
		if (!indexes_right(x, (uint64_t)PER_RUN * i + 100 * i, 2000, i, NPACKS))
			return false;
	return index_stats(x, &s) == 0 && s.objects >= (uint64_t)PER_RUN * n;
}

static uint64_t bytes_per_object(struct indexes *w)
{
	struct index_stats s;

	assert_int_equal(index_stats(w->x, &s), 0);
	return s.disk_bytes / s.objects;
}

static void test_compact(void **state)
{
	struct indexes *w = *state;
	struct buf b = BUF_INIT;
	struct index_stats s;
	struct place before, after;
	uint32_t slot, again;
	char path[160];
	struct id id;

	add_runs(w, 0, NRUNS);
	assert_true(bytes_per_object(w) > 95);
	packs_id(5, &id);
	assert_int_equal(index_slot(w->x, &id, &slot), 0);
	index_keep(w->x, "snapshots/1", "kept", 4);
	assert_int_equal(index_lookup(w->x, &id, &before), 0);
	for (unsigned round = 0; round < 3; round++) {
		indexes_close(w);
		/* The second time, what is there is checked from end to end. */
		if (round == 1)
			assert_int_equal(utimensat(AT_FDCWD, indexes_file(w, "data.mdb", path), NULL, 0), 0);
		indexes_open(w);
		assert_true(bytes_per_object(w) < 80);
		assert_true(runs_right(w->x, 0, NRUNS));
		assert_int_equal(index_lookup(w->x, &id, &after), 0);
		assert_int_equal(before.pack, after.pack);
		assert_int_equal(index_slot(w->x, &id, &again), 0);
		assert_int_equal(slot, again);
		buf_clear(&b);
		assert_int_equal(index_kept(w->x, "snapshots/1", &b), 0);
		assert_int_equal(index_refresh(w->x), 0);
		assert_int_equal(index_stats(w->x, &s), 0);
		assert_int_equal(s.runs, NRUNS);
	}
	/* It can grow again, and shrink again. */
	add_runs(w, NRUNS, 2);
	assert_true(bytes_per_object(w) > 95);
	indexes_close(w);
	indexes_open(w);
	assert_true(bytes_per_object(w) < 80);
	assert_true(runs_right(w->x, 0, NRUNS + 2));
	assert_int_equal(access(indexes_file(w, "compact", path), F_OK), -1);
	assert_int_equal(w->messages.len, 0);
	buf_free(&b);
}

/* What is kept of thousands of snapshots is no waste, to be written anew by each that writes a little. */
static void test_kept_is_no_waste(void **state)
{
	struct indexes *w = *state;
	char path[160], name[32], manifest[1500];
	struct stat before, after;

	memset(manifest, 'm', sizeof(manifest));
	for (unsigned i = 0; i < 8000; i++) {
		snprintf(name, sizeof(name), "snapshots/%u", i);
		index_keep(w->x, name, manifest, sizeof(manifest));
	}
	indexes_close(w);
	indexes_open(w);
	assert_int_equal(stat(indexes_file(w, "data.mdb", path), &before), 0);
	assert_true(before.st_size > 10 << 20);
	index_keep(w->x, "snapshots/another", manifest, sizeof(manifest));
	indexes_close(w);
	assert_int_equal(stat(indexes_file(w, "data.mdb", path), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	indexes_open(w);
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "left behind", 11), 11);
	close(fd);
}

/* What another one left behind when it was killed, or put there. */
static void test_left_behind(void **state)
{
	struct indexes *w = *state;
	char path[160];

	add_runs(w, 0, NRUNS);
	assert_int_equal(mkdir(indexes_file(w, "compact", path), 0700), 0);
	make_file(indexes_file(w, "compact/data.mdb", path));
	make_file(indexes_file(w, "compact/lock.mdb", path));
	indexes_close(w);
	indexes_open(w);
	assert_true(bytes_per_object(w) < 80);
	assert_true(runs_right(w->x, 0, NRUNS));

	/* What cannot be removed is a reason to let it be. */
	add_runs(w, NRUNS, 2);
	assert_int_equal(mkdir(indexes_file(w, "compact", path), 0700), 0);
	make_file(indexes_file(w, "compact/foreign", path));
	make_file(indexes_file(w, "compact/data.mdb", path));
	indexes_close(w);
	indexes_open(w);
	assert_true(runs_right(w->x, 0, NRUNS + 2));
	indexes_close(w);
	assert_int_equal(unlink(indexes_file(w, "compact/foreign", path)), 0);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	assert_int_equal(w->messages.len, 0);
}

/* Room for the file, and not for a second one. */
static void test_full(void **state)
{
	struct indexes *w = *state;

	indexes_close(w);
	packs_remove_tree(w->cache_dir);
	assert_int_equal(mkdir(w->cache_dir, 0700), 0);
	if (mount("tmpfs", w->cache_dir, "tmpfs", 0, "size=24m") < 0)
		skip();
	indexes_open(w);
	add_runs(w, 0, NRUNS);
	assert_true(bytes_per_object(w) > 95);
	for (unsigned round = 0; round < 2; round++) {
		indexes_close(w);
		indexes_open(w);
		assert_true(runs_right(w->x, 0, NRUNS));
		assert_true(bytes_per_object(w) > 95);
	}
	assert_int_equal(w->messages.len, 0);
	umount2(w->cache_dir, MNT_DETACH);
}

/* Child: add some runs, closing in between. */
static int add_some(struct indexes *w, unsigned first)
{
	struct index_options opts;
	struct index *x;
	struct id id;

	indexes_options(w, &opts);
	for (unsigned i = first; i < first + 4; i++) {
		if (index_open(&opts, &x) != 0)
			return 1;
		id = indexes_put_run(w, (uint64_t)PER_RUN * i, PER_RUN, i, NPACKS);
		if (index_add_run(x, &id, 0) != 0 || !runs_right(x, first, i - first + 1))
			return 2;
		index_close(x);
	}
	return w->messages.len > 0 ? 3 : 0;
}

static void test_processes(void **state)
{
	struct indexes *w = *state;
	pid_t pid[3];
	int status;

	indexes_close(w);
	for (unsigned i = 0; i < 3; i++) {
		pid[i] = fork();
		assert_int_not_equal(pid[i], -1);
		if (pid[i] == 0)
			_exit(add_some(w, 4 * i));
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	indexes_open(w);
	assert_true(runs_right(w->x, 0, 12));
	assert_true(bytes_per_object(w) < 80);
}

/*
 * Runs that are in the store, to be loaded in turn, and how long after the beginning of closing a child is to be
 * killed.
 */
struct killing {
	struct id run[NRUNS];
	unsigned microseconds;
};

static int be_killed(struct indexes *w, void *arg)
{
	const struct killing *k = arg;
	struct index_options opts;
	struct index *x;
	pid_t me = getpid();

	indexes_options(w, &opts);
	if (index_open(&opts, &x) != 0)
		return 1;
	for (unsigned i = 0; i < NRUNS; i++)
		if (index_add_run(x, &k->run[i], 0) != 0)
			return 2;
	if (fork() == 0) {
		usleep(k->microseconds);
		kill(me, SIGKILL);
		_exit(0);
	}
	index_close(x);
	for (;;)
		pause();
}

static void test_killed(void **state)
{
	struct indexes *w = *state;
	struct killing k;

	indexes_close(w);
	for (unsigned i = 0; i < NRUNS; i++)
		k.run[i] = indexes_put_run(w, (uint64_t)PER_RUN * i, PER_RUN, i, NPACKS);
	for (k.microseconds = 1000; k.microseconds < 150000; k.microseconds += 1000 + k.microseconds / 2) {
		assert_int_equal(indexes_in_child(w, be_killed, &k), 1000 + SIGKILL);
		indexes_open(w);
		assert_true(runs_right(w->x, 0, NRUNS));
		assert_int_equal(w->messages.len, 0);
		indexes_close(w);
		assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_compact),
		TEST(test_kept_is_no_waste),
		TEST(test_left_behind),
		TEST(test_full),
		TEST(test_processes),
		TEST(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
