/*
 * The index's environment on the disk, shared by processes and threads, and left behind by processes that were killed.
 * Whatever happens, no answer is wrong, nothing crashes, and after a refresh everything is there.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/sanitized.h"
#include "tests/unit/index/indexes.h"

/* Child: be killed somewhere while loading. */
static int be_killed(struct indexes *w, void *arg)
{
	const unsigned *microseconds = arg;
	struct index_options opts;
	struct index *x;
	pid_t me = getpid();

	indexes_options(w, &opts);
	if (fork() == 0) {
		usleep(*microseconds);
		kill(me, SIGKILL);
		_exit(0);
	}
	if (index_open(&opts, &x) != 0)
		return 1;
	for (;;) {
		uint32_t slot;
		struct id id;

		if (index_refresh(x) != 0)
			return 2;
		crypt_random(&id, sizeof(id));
		index_slot(x, &id, &slot);
	}
}

static void test_killed(void **state)
{
	struct indexes *w = *state;

	indexes_put_run(w, 0, INDEXES_COUNT, 0, INDEXES_NPACKS);
	indexes_close(w);
	for (unsigned us = 100, i = 0; i < 40; us += us / 6, i += SANITIZED ? 4 : 1) {
		if (i % 8 == 0)
			assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
		assert_int_equal(indexes_in_child(w, be_killed, &us), 1000 + SIGKILL);
		assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
	}
}

/* Loads of several processes at once: of all runs, and of runs that come and go. */
static int load_beside_others(struct indexes *w, void *arg)
{
	const unsigned *n = arg;
	struct index_options opts;
	struct index *x;
	char name[RUN_NAME_SIZE];
	struct id mine;

	indexes_options(w, &opts);
	if (index_open(&opts, &x) != 0)
		return 1;
	for (unsigned i = 0; i < 15; i++) {
		/* The store is in each process's memory: what one adds, the others do not have. */
		mine = indexes_put_run(w, 10000 * (*n + 1), 1000, 1000 * *n, 5);
		if (index_refresh(x) != 0 || !indexes_right(x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS))
			return 2;
		store_delete(w->store, run_name(&mine, name));
		if (!indexes_right_or_absent(x, 10000 * (*n + 1), 1000, 1000 * *n, 5))
			return 3;
	}
	index_close(x);
	return w->messages.len > 0 ? 4 : 0;
}

static void test_processes(void **state)
{
	struct indexes *w = *state;
	pid_t pid[4];
	int status;

	indexes_put_run(w, 0, INDEXES_COUNT, 0, INDEXES_NPACKS);
	for (unsigned i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_int_not_equal(pid[i], -1);
		if (pid[i] == 0)
			_exit(load_beside_others(w, &i));
	}
	for (unsigned i = 0; i < 2000; i++)
		assert_true(indexes_right_or_absent(w->x, i, 1, 0, INDEXES_NPACKS));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	/* They have loaded it for us, too, but for what their own stores had not. */
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	indexes_close(w);
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
}

/* Threads that look up while another loads, adds and drops runs. */
struct threads {
	struct indexes *w;
	_Atomic bool stop;
	_Atomic unsigned wrong, rounds;
};

static void *look_up_on(void *arg)
{
	struct threads *t = arg;

	while (!t->stop) {
		if (!indexes_right(t->w->x, 0, 200, 0, INDEXES_NPACKS) ||
		    !indexes_right_or_absent(t->w->x, 50000, 100, 90, 3))
			t->wrong++;
		t->rounds++;
	}
	return NULL;
}

static void *refresh_on(void *arg)
{
	struct threads *t = arg;

	while (!t->stop)
		if (index_refresh(t->w->x) != 0)
			t->wrong++;
	return NULL;
}

static void test_threads(void **state)
{
	struct indexes *w = *state;
	struct threads t = { .w = w };
	pthread_t thread[6];

	indexes_load_some(w);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i < 4 ? look_up_on : refresh_on, &t), 0);
	for (unsigned i = 0; i < 30; i++) {
		struct id id = indexes_put_run(w, 50000, 1000, 90, 3);

		assert_int_equal(index_refresh(w->x), 0);
		indexes_delete_run(w, &id);
		assert_int_equal(index_refresh(w->x), 0);
	}
	while (t.rounds < 20)
		usleep(1000);
	t.stop = true;
	for (unsigned i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(w->messages.len, 0);
}

/* More readers at a time than are kept for the next. */
static int look_up_deeply(void *arg, const struct id *id, const struct place *place)
{
	struct indexes *w = arg;
	struct place again;

	(void)place;
	return index_lookup(w->x, id, &again);
}

static void *each_object(void *arg)
{
	struct indexes *w = arg;

	return index_each_object(w->x, look_up_deeply, w) == 0 ? NULL : arg;
}

static void test_many_threads(void **state)
{
	struct indexes *w = *state;
	pthread_t thread[100];
	void *bad;

	indexes_load_some(w);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, each_object, w), 0);
	for (unsigned i = 0; i < 100; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
}

/* Twice in one process: the second is for itself, and right as well. */
static void test_twice(void **state)
{
	struct indexes *w = *state;
	struct index_options opts;
	struct index *second;

	indexes_load_some(w);
	indexes_options(w, &opts);
	assert_int_equal(index_open(&opts, &second), 0);
	assert_int_equal(indexes_logged(w, "is open in this process already: using a temporary one"), 1);
	assert_int_equal(index_refresh(second), 0);
	assert_true(indexes_right(second, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	index_close(second);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	indexes_put_run(w, 20000, 100, 0, 3);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 20000, 100, 0, 3));
	indexes_close(w);
	indexes_log_clear(w);
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_killed),
		TEST(test_processes),
		TEST(test_threads),
		TEST(test_many_threads),
		TEST(test_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
