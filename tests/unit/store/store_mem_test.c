/*
 * Store in memory: its faults.  What it has in common with other stores is in store_test.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "tests/lib/scratch.h"

static struct store *open_store(struct scratch *s)
{
	struct store *store = NULL;

	assert_int_equal(store_mem_open(&s->log, &store), 0);
	assert_int_equal(store_put(store, "packs/a", "01234567", 8, 0), 0);
	assert_int_equal(store_put(store, "trees/a", "01234567", 8, 0), 0);
	assert_null(store_local_path(store));
	return store;
}

static void set_rule(struct store *store, struct store_fault_rule rule)
{
	store_mem_set_faults(store, &rule, 1);
}

static int stop(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)name;
	(void)size;
	return -EPERM;
}

/* A put that has failed for a while can be committed again, whether or not it was done. */
static void test_put_again(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct buf b = BUF_INIT;
	struct store_put *p;

	for (int unclear = 0; unclear < 2; unclear++) {
		set_rule(store, (struct store_fault_rule){
				    .fault = unclear ? STORE_FAULT_UNCLEAR : STORE_FAULT_ERROR,
				    .ops = STORE_OP_PUT | STORE_OP_DELETE,
				    .prefix = "",
				    .count = unclear ? 3 : 2,
				    .err = -EAGAIN,
			    });
		assert_int_equal(store_put_begin(store, &p), 0);
		assert_int_equal(store_put_append(p, "again", 5), 0);
		assert_int_equal(store_put_commit(p, "packs/b", STORE_EXCL), -EAGAIN);
		b.len = 0;
		assert_int_equal(store_get_all(store, "packs/b", 5, &b), unclear ? 0 : -ENOENT);
		assert_int_equal(store_put_commit(p, "packs/b", STORE_EXCL), unclear ? -EEXIST : -EAGAIN);
		if (!unclear)
			assert_int_equal(store_put_commit(p, "packs/b", STORE_EXCL), 0);
		b.len = 0;
		assert_int_equal(store_get_all(store, "packs/b", 5, &b), 0);
		assert_memory_equal(b.data, "again", 5);
		assert_int_equal(store_delete(store, "packs/b"), unclear ? -EAGAIN : 0);
	}
	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "", .err = -EAGAIN });
	assert_int_equal(store_put(store, "packs/c", "x", 1, 0), -EAGAIN);
	buf_free(&b);
	store_close(store);
}

static void test_error(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct buf b = BUF_INIT;
	uint64_t size;
	char c;

	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_ERROR,
			    .ops = STORE_OP_GET | STORE_OP_STAT | STORE_OP_LIST | STORE_OP_DELETE | STORE_OP_PUT,
			    .prefix = "packs/",
			    .err = -ETIMEDOUT,
		    });
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	assert_int_equal(store_get_all(store, "packs/a", 100, &b), -ETIMEDOUT);
	assert_int_equal(store_stat(store, "packs/a", &size), -ETIMEDOUT);
	assert_int_equal(store_list(store, "packs/", stop, NULL), -ETIMEDOUT);
	assert_int_equal(store_delete(store, "packs/a"), -ETIMEDOUT);
	assert_int_equal(store_put(store, "packs/b", "x", 1, 0), -ETIMEDOUT);
	assert_int_equal(s->nmessages, 6);
	assert_true(scratch_logged(s, "mem:/packs/b: fault injected: Connection timed out"));

	/* Other names are not concerned. */
	assert_int_equal(store_get(store, "trees/a", 0, 1, &c), 0);
	assert_int_equal(store_put(store, "trees/b", "x", 1, 0), 0);
	assert_int_equal(store_list(store, "", stop, NULL), -EPERM);

	/* And nothing has happened. */
	store_mem_set_faults(store, NULL, 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(store_get(store, "packs/b", 0, 1, &c), -ENOENT);
	assert_int_equal(b.len, 0);
	store_close(store);
}

static void test_ops(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	uint64_t size;
	char c;

	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_ERROR, .ops = STORE_OP_STAT, .prefix = "", .err = -ENOENT });
	assert_int_equal(store_stat(store, "packs/a", &size), -ENOENT);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(store_put(store, "packs/b", "x", 1, 0), 0);
	assert_int_equal(store_delete(store, "packs/b"), 0);
	assert_int_equal(s->nmessages, 0); /* absence is an answer */
	store_close(store);
}

static void test_skip_and_count(void **state)
{
	static const int expect[] = { 0, 0, -EIO, -EIO, -EIO, 0, 0 };
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/", .skip = 2, .count = 3, .err = -EIO
	};
	char c;
	int i, round;

	for (round = 0; round < 2; round++) {
		set_rule(store, rule); /* counts from 0 again */
		for (i = 0; i < 7; i++) {
			assert_int_equal(store_get(store, "trees/a", 0, 1, &c), 0);
			assert_int_equal(store_get(store, "packs/a", 0, 1, &c), expect[i]);
		}
	}
	rule.count = 0;
	set_rule(store, rule);
	for (i = 0; i < 7; i++)
		assert_int_equal(store_get(store, "packs/a", 0, 1, &c), i < 2 ? 0 : -EIO);
	store_close(store);
}

static void test_truncate(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct buf b = BUF_INIT;
	uint64_t size;
	char text[8];

	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_TRUNCATE, .ops = STORE_OP_GET, .prefix = "", .amount = 5 });
	assert_int_equal(store_get(store, "packs/a", 0, 5, text), 0);
	assert_memory_equal(text, "01234", 5);
	assert_int_equal(store_get(store, "packs/a", 0, 6, text), -EBADMSG);
	assert_int_equal(store_get(store, "packs/a", 7, 1, text), -EBADMSG);
	assert_int_equal(store_get_all(store, "packs/a", 100, &b), 0);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "01234", 5);
	assert_int_equal(store_stat(store, "packs/a", &size), 0);
	assert_int_equal(size, 8);

	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_TRUNCATE, .ops = STORE_OP_GET, .prefix = "", .amount = 50 });
	assert_int_equal(store_get(store, "packs/a", 0, 8, text), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 9, text), -EBADMSG);
	buf_free(&b);
	store_close(store);
}

static void test_flip(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct buf b = BUF_INIT;
	char text[8];

	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_FLIP, .ops = STORE_OP_GET, .prefix = "", .amount = 8 * 3 + 1 });
	assert_int_equal(store_get(store, "packs/a", 0, 8, text), 0);
	assert_memory_equal(text, "01214567", 8);
	assert_int_equal(store_get(store, "packs/a", 2, 2, text), 0);
	assert_memory_equal(text, "21", 2);
	assert_int_equal(store_get(store, "packs/a", 3, 1, text), 0);
	assert_memory_equal(text, "1", 1);
	assert_int_equal(store_get(store, "packs/a", 4, 4, text), 0);
	assert_memory_equal(text, "4567", 4);
	assert_int_equal(store_get(store, "packs/a", 0, 3, text), 0);
	assert_memory_equal(text, "012", 3);
	assert_int_equal(buf_append(&b, "3333", 4), 0);
	assert_int_equal(store_get_all(store, "packs/a", 100, &b), 0);
	assert_memory_equal(b.data, "333301214567", 12);
	assert_int_equal(s->nmessages, 0);

	/* Beyond the end there is no bit to invert; and the object itself is as it was. */
	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_FLIP, .ops = STORE_OP_GET, .prefix = "", .amount = 64 });
	assert_int_equal(store_get(store, "packs/a", 0, 8, text), 0);
	assert_memory_equal(text, "01234567", 8);
	buf_free(&b);
	store_close(store);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void *get_tree(void *arg)
{
	struct store *store = arg;
	int64_t start = now_ms();
	char c;

	if (store_get(store, "trees/a", 0, 1, &c) != 0)
		return NULL;
	return now_ms() - start < 300 ? store : NULL;
}

/* A call that is delayed keeps no other waiting. */
static void test_delay(void **state)
{
	const struct store_fault_rule rules[] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "packs/", .amount = 500 },
		{ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/", .err = -ETIMEDOUT },
	};
	struct scratch *s = *state;
	struct store *store = open_store(s);
	int64_t start = now_ms();
	pthread_t thread;
	void *quick = NULL;
	char c;

	store_mem_set_faults(store, rules, 2);
	assert_int_equal(pthread_create(&thread, NULL, get_tree, store), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	assert_true(now_ms() - start >= 500);
	pthread_join(thread, &quick);
	assert_non_null(quick);
	store_close(store);
}

static void test_no_space(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s); /* holds 16 bytes */
	struct store_put *p;
	char c;

	set_rule(store, (struct store_fault_rule){ .fault = STORE_FAULT_NOSPACE, .prefix = "", .amount = 20 });
	assert_int_equal(store_put(store, "packs/b", "1234", 4, 0), 0);
	assert_int_equal(store_put(store, "packs/c", "1", 1, 0), -ENOSPC);
	assert_int_equal(store_get(store, "packs/c", 0, 1, &c), -ENOENT);
	assert_true(scratch_logged(s, "No space left"));
	assert_int_equal(store_delete(store, "packs/b"), 0);

	/* What is not committed yet takes room too, until it is given up. */
	assert_int_equal(store_put_begin(store, &p), 0);
	assert_int_equal(store_put_append(p, "123", 3), 0);
	assert_int_equal(store_put(store, "packs/c", "12", 2, 0), -ENOSPC);
	assert_int_equal(store_put_append(p, "45", 2), -ENOSPC);
	store_put_abort(p);
	assert_int_equal(store_put(store, "packs/c", "1234", 4, 0), 0);

	/* A second put of the same takes none in the end. */
	assert_int_equal(store_delete(store, "packs/c"), 0);
	assert_int_equal(store_put(store, "packs/c", "12", 2, 0), 0);
	assert_int_equal(store_put(store, "packs/c", "12", 2, 0), 0);
	assert_int_equal(store_put(store, "packs/c", "12", 2, STORE_EXCL), -EEXIST);
	assert_int_equal(store_put(store, "packs/d", "12", 2, 0), 0);
	assert_int_equal(store_put(store, "packs/e", "1", 1, 0), -ENOSPC);

	/* Nor does replacing one by fewer bytes. */
	assert_int_equal(store_mem_replace(store, "packs/d", "1", 1), 0);
	assert_int_equal(store_put(store, "packs/e", "1", 1, 0), 0);
	store_close(store);
}

static void test_no_space_once(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);

	set_rule(store, (struct store_fault_rule){
			    .fault = STORE_FAULT_NOSPACE, .prefix = "", .amount = 0, .skip = 1, .count = 1 });
	assert_int_equal(store_put(store, "packs/b", "1", 1, 0), 0);
	assert_int_equal(store_put(store, "packs/c", "1", 1, 0), -ENOSPC);
	assert_int_equal(store_put(store, "packs/d", "1", 1, 0), 0);
	store_close(store);
}

static void test_replace(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	char text[8];

	assert_int_equal(store_mem_replace(store, "packs/a", "76543210", 8), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 8, text), 0);
	assert_memory_equal(text, "76543210", 8);
	assert_int_equal(store_mem_replace(store, "packs/new", "x", 1), 0);
	assert_int_equal(store_get(store, "packs/new", 0, 1, text), 0);
	assert_int_equal(store_mem_replace(store, "packs/new", NULL, 0), 0);
	assert_int_equal(store_get(store, "packs/new", 0, 1, text), -EBADMSG);
	store_close(store);
}

static void test_too_many_rules(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct store_fault_rule rules[17];
	char c;
	int i;

	for (i = 0; i < 17; i++)
		rules[i] = (struct store_fault_rule){
			.fault = i < 15 ? STORE_FAULT_NONE : STORE_FAULT_ERROR,
			.ops = STORE_OP_GET,
			.prefix = i < 16 ? "packs/" : "trees/",
			.err = -EIO,
		};
	store_mem_set_faults(store, rules, 17);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -EIO);
	assert_int_equal(store_get(store, "trees/a", 0, 1, &c), 0);
	store_close(store);
}

struct worker {
	pthread_t thread;
	struct store *store;
	unsigned seed;
	atomic_int *won, *wrong;
};

static int check_entry(void *arg, const char *name, uint64_t size)
{
	struct worker *w = arg;

	if (strncmp(name, "packs/", 6) != 0 || size == 0)
		atomic_fetch_add(w->wrong, 1);
	return 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct buf b = BUF_INIT;
	char name[32], bytes[64];
	int i, rc, n;

	for (i = 0; i < 2000; i++) {
		n = rand_r(&w->seed) % 20;
		snprintf(name, sizeof(name), "packs/%d", n);
		memset(bytes, n, sizeof(bytes));
		switch (rand_r(&w->seed) % 4) {
		case 0:
			rc = store_put(w->store, name, bytes, (size_t)n + 1, 0);
			break;
		case 1:
			rc = store_delete(w->store, name);
			break;
		case 2:
			rc = i % 50 == 0 ? store_list(w->store, "packs/", check_entry, w) : 0;
			break;
		default:
			buf_clear(&b);
			rc = store_get_all(w->store, name, 100, &b);
			if (rc == 0 && (b.len != (size_t)n + 1 || memcmp(b.data, bytes, b.len) != 0))
				atomic_fetch_add(w->wrong, 1);
			rc = rc == -ENOENT ? 0 : rc;
		}
		if (rc != 0)
			atomic_fetch_add(w->wrong, 1);
	}
	rc = store_put(w->store, "config", "x", 1, STORE_EXCL);
	if (rc == 0)
		atomic_fetch_add(w->won, 1);
	else if (rc != -EEXIST)
		atomic_fetch_add(w->wrong, 1);
	buf_free(&b);
	return NULL;
}

static void test_threads(void **state)
{
	struct scratch *s = *state;
	atomic_int won = 0, wrong = 0;
	struct store *store = NULL;
	struct worker w[4];
	int i;

	assert_int_equal(store_mem_open(&s->log, &store), 0);
	for (i = 0; i < 4; i++) {
		w[i] = (struct worker){ .store = store, .seed = (unsigned)i, .won = &won, .wrong = &wrong };
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(w[i].thread, NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(won, 1);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_error, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_put_again, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_ops, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_skip_and_count, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_truncate, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_flip, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_delay, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_space, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_space_once, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_replace, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_too_many_rules, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_threads, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
