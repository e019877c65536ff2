/*
 * Retries around a store that fails on request.
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
#include "repo/store/retry/seen.h"
#include "repo/store/retry/store_retry.h"
#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"

#define ALL_OPS (STORE_OP_GET | STORE_OP_STAT | STORE_OP_LIST | STORE_OP_DELETE | STORE_OP_PUT)

struct rig {
	struct scratch *scratch;
	struct store *mem, *store;
	atomic_int cancel;
};

static void rig_open(struct rig *g, void **state, unsigned deadline_ms)
{
	struct store_options o;

	*g = (struct rig){ .scratch = *state };
	o = (struct store_options){ .deadline_ms = deadline_ms, .cancel = &g->cancel, .log = &g->scratch->log };
	assert_int_equal(store_mem_open(&g->scratch->log, &g->mem), 0);
	assert_int_equal(store_retry_open(&o, g->mem, &g->store), 0);
	assert_int_equal(store_put(g->store, "packs/a", "01234567", 8, 0), 0);
	assert_int_equal(store_put(g->store, "packs/b", "89", 2, 0), 0);
}

static void break_it(struct rig *g, unsigned ops, uint64_t count, int err, uint64_t amount)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = ops, .prefix = "", .count = count, .err = err, .amount = amount,
	};

	store_mem_set_faults(g->mem, &rule, 1);
}

static void heal(struct rig *g)
{
	store_mem_set_faults(g->mem, NULL, 0);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static unsigned messages(const struct rig *g)
{
	return g->scratch->nmessages;
}

static int count_name(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	++*(unsigned *)arg;
	return 0;
}

/* Each operation survives three failures, and nobody hears of it. */
static void test_passing(void **state)
{
	struct buf all = BUF_INIT;
	unsigned names = 0;
	uint64_t size = 0;
	char two[2];
	struct rig g;

	rig_open(&g, state, 3000);
	g.scratch->log.max = LOG_LEVEL_ERROR;
	break_it(&g, ALL_OPS, 3, -EAGAIN, 0);
	assert_int_equal(store_get(g.store, "packs/a", 2, 2, two), 0);
	assert_memory_equal(two, "23", 2);
	break_it(&g, ALL_OPS, 3, -EAGAIN, 0);
	assert_int_equal(store_get_all(g.store, "packs/a", 8, &all), 0);
	assert_int_equal(all.len, 8);
	break_it(&g, ALL_OPS, 3, -EAGAIN, 0);
	assert_int_equal(store_stat(g.store, "packs/a", &size), 0);
	assert_int_equal(size, 8);
	break_it(&g, ALL_OPS, 3, -EAGAIN, 0);
	assert_int_equal(store_list(g.store, "packs/", count_name, &names), 0);
	assert_int_equal(store_list_names(g.store, "packs/", count_name, &names), 0);
	assert_int_equal(names, 4);
	break_it(&g, ALL_OPS, 3, -EAGAIN, 0);
	assert_int_equal(store_put(g.store, "packs/c", "new", 3, 0), 0);
	break_it(&g, ALL_OPS, 3, -EAGAIN, 0);
	assert_int_equal(store_delete(g.store, "packs/b"), 0);
	heal(&g);
	assert_int_equal(store_stat(g.mem, "packs/b", &size), -ENOENT);
	all.len = 0;
	assert_int_equal(store_get_all(g.mem, "packs/c", 8, &all), 0);
	assert_int_equal(all.len, 3);
	assert_memory_equal(all.data, "new", 3);
	assert_int_equal(messages(&g), 0);
	assert_string_equal(store_url(g.store), "mem:");
	buf_free(&all);
	store_close(g.store);
}

/* What is final is passed on at once. */
static void test_final(void **state)
{
	static const int errors[] = { -ENOENT, -EIO, -EACCES, -EBADMSG, -ETIMEDOUT, -ENOSPC };
	struct store_counters n;
	struct rig g;
	char c;

	rig_open(&g, state, 1500);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		break_it(&g, STORE_OP_GET, 0, errors[i], 0);
		assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), errors[i]);
	}
	store_get_counters(g.mem, &n);
	assert_int_equal(n.gets, sizeof(errors) / sizeof(errors[0]));
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), errors[5]);
	heal(&g);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -ENOENT);
	assert_int_equal(store_get(g.store, "packs/a", 7, 2, &c), -EBADMSG);
	store_close(g.store);
}

/* Give up at the deadline with one message; then fail at once, probe now and then, and come back. */
static void test_give_up(void **state)
{
	struct store_counters before, after;
	int64_t begin = store_now_ms(), took;
	struct rig g;
	char c;

	rig_open(&g, state, 400);
	g.scratch->log.max = LOG_LEVEL_WARNING;
	break_it(&g, ALL_OPS, 0, -EAGAIN, 0);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	took = store_now_ms() - begin;
	assert_in_range(took, 380, 2000);
	assert_int_equal(messages(&g), 2);
	assert_true(scratch_logged(g.scratch, "packs/a: fault injected; trying again for up to 0 s"));
	assert_true(scratch_logged(g.scratch, "mem:/packs/a: get: packs/a: fault injected (tried "));
	assert_true(scratch_logged(g.scratch, " times in 0.4 s)"));

	/* At once, without a request, told once. */
	store_get_counters(g.mem, &before);
	begin = store_now_ms();
	for (int i = 0; i < 5; i++)
		assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	store_get_counters(g.mem, &after);
	if (store_now_ms() - begin < 60)
		assert_int_equal(before.gets, after.gets);
	assert_int_equal(messages(&g), 3);
	assert_true(scratch_logged(g.scratch, "still unreachable"));

	/* One of the next asks, once. */
	sleep_ms(100);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	store_get_counters(g.mem, &after);
	assert_in_range(after.gets, before.gets + 1, before.gets + 2);
	assert_int_equal(messages(&g), 3);

	heal(&g);
	sleep_ms(100);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(messages(&g), 4);
	assert_true(scratch_logged(g.scratch, "mem:: reachable again"));
	store_close(g.store);
}

/* A failure that only one object has does not make the store count as down. */
static void test_one_object(void **state)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/b", .err = -EAGAIN,
	};
	struct store_fault_rule slow = rule;
	struct rig g;
	char c;

	rig_open(&g, state, 300);
	store_mem_set_faults(g.mem, &rule, 1);
	assert_int_equal(store_get(g.store, "packs/b", 0, 1, &c), -ETIMEDOUT);
	sleep_ms(60);
	/* The probe asks for a sound one. */
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);

	/* An answer while the other is being tried: then nothing counts as down. */
	slow.fault = STORE_FAULT_DELAY;
	slow.amount = 20;
	store_mem_set_faults(g.mem, (struct store_fault_rule[]){ rule, slow }, 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_get(g.store, "packs/b", 0, 1, &c), -ETIMEDOUT);
		sleep_ms(60);
		assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	}
	store_close(g.store);
}

static void *keep_reading(void *arg)
{
	struct rig *g = arg;
	char c;

	while (atomic_load(&g->cancel) == 0) {
		if (store_get(g->store, "packs/a", 0, 1, &c) != 0)
			return g;
		sleep_ms(5);
	}
	return NULL;
}

static void test_others_are_answered(void **state)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/b", .err = -EAGAIN,
	};
	void *failed;
	struct rig g;
	pthread_t t;
	char c;

	rig_open(&g, state, 300);
	store_mem_set_faults(g.mem, &rule, 1);
	assert_int_equal(pthread_create(&t, NULL, keep_reading, &g), 0);
	assert_int_equal(store_get(g.store, "packs/b", 0, 1, &c), -ETIMEDOUT);
	assert_int_equal(store_get(g.store, "packs/b", 0, 1, &c), -ETIMEDOUT);
	assert_false(scratch_logged(g.scratch, "still unreachable"));
	atomic_store(&g.cancel, 1);
	pthread_join(t, &failed);
	assert_null(failed);
	store_close(g.store);
}

/* Somebody waits: that is told once, and once that it is over. */
static void test_slow(void **state)
{
	struct store_fault_rule rules[] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "", .count = 3, .amount = 100 },
		{ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "", .count = 3, .err = -EAGAIN },
	};
	struct rig g;
	char c;

	rig_open(&g, state, 1500);
	g.scratch->log.max = LOG_LEVEL_WARNING;
	store_mem_set_faults(g.mem, rules, 2);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(messages(&g), 2);
	assert_true(scratch_logged(g.scratch, "trying again for up to 1 s"));
	assert_true(scratch_logged(g.scratch, "reachable again"));
	store_close(g.store);
}

static void *cancel_soon(void *arg)
{
	sleep_ms(150);
	atomic_store((atomic_int *)arg, 2);
	return NULL;
}

static void test_cancel(void **state)
{
	int64_t begin;
	struct rig g;
	pthread_t t;
	char c;

	rig_open(&g, state, 60000);
	g.scratch->log.max = LOG_LEVEL_WARNING;
	break_it(&g, ALL_OPS, 0, -EAGAIN, 50000);
	begin = store_now_ms();
	assert_int_equal(pthread_create(&t, NULL, cancel_soon, &g.cancel), 0);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ECANCELED);
	assert_in_range(store_now_ms() - begin, 140, 5000);
	pthread_join(t, NULL);
	heal(&g);
	assert_int_equal(store_put(g.store, "packs/d", "x", 1, 0), -ECANCELED);
	assert_int_equal(messages(&g), 0);
	store_close(g.store);
}

/* The server wants to be left alone: for a while, or for longer than anybody waits. */
static void test_not_before(void **state)
{
	struct store_counters n;
	int64_t begin;
	struct rig g;
	char c;

	rig_open(&g, state, 2000);
	break_it(&g, ALL_OPS, 1, -EAGAIN, 400);
	begin = store_now_ms();
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	assert_in_range(store_now_ms() - begin, 400, 1500);
	store_close(g.store);

	rig_open(&g, state, 300);
	break_it(&g, ALL_OPS, 0, -EAGAIN, 3600 * 1000);
	begin = store_now_ms();
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	assert_in_range(store_now_ms() - begin, 290, 2000);
	store_get_counters(g.mem, &n);
	assert_int_equal(n.gets, 2);
	store_close(g.store);
}

/* Requests that stall take a third of the deadline each: one that could not end in time is not begun. */
static void test_stalls(void **state)
{
	struct store_fault_rule rules[] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "", .amount = 200 },
		{ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "", .err = -EAGAIN },
	};
	struct store_counters n;
	int64_t begin;
	struct rig g;
	char c;

	rig_open(&g, state, 600);
	store_mem_set_faults(g.mem, rules, 2);
	begin = store_now_ms();
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	assert_in_range(store_now_ms() - begin, 200, 690);
	store_get_counters(g.mem, &n);
	assert_in_range(n.gets, 1, 3);
	store_close(g.store);
}

/* What takes much longer than a stall has moved: the deadline counts from its end, but not without end. */
static void test_progress(void **state)
{
	struct store_fault_rule rules[] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "", .count = 3, .amount = 200 },
		{ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "", .count = 3, .err = -EAGAIN },
	};
	struct store_counters n;
	struct rig g;
	char c;

	rig_open(&g, state, 150);
	store_mem_set_faults(g.mem, rules, 2);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), 0);
	rules[0].count = rules[1].count = 0;
	store_mem_set_faults(g.mem, rules, 2);
	store_get_counters(g.mem, &n);
	assert_int_equal(n.gets, 4);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -ETIMEDOUT);
	store_get_counters(g.mem, &n);
	assert_in_range(n.gets, 4 + 5, 4 + 6);
	store_close(g.store);
}

/* --- Listings ----------------------------------------------------------------------------------------------------- */

/* A store whose listings break off after ${left} names, in any order. */
struct cut_store {
	struct store base;
	unsigned listings;
};

static int cut_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	struct cut_store *cut = (struct cut_store *)s;
	unsigned i, from = cut->listings++ * 7;
	char name[32];
	int rc;

	(void)prefix;
	for (i = 0; i < 1000; i++) {
		if (cut->listings < 4 && i == 300 * cut->listings)
			return store_transient(s, 0, "list packs/: cut off");
		snprintf(name, sizeof(name), "packs/%u", (i + from) % 1000);
		rc = fn(arg, name, i);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void cut_close(struct store *s)
{
	store_destroy(s);
	free(s);
}

static const struct store_ops cut_ops = { .list = cut_list, .close = cut_close };

static int mark_name(void *arg, const char *name, uint64_t size)
{
	(void)size;
	((unsigned char *)arg)[atoi(name + 6)]++;
	return 0;
}

static int stop_with_eagain(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	return ++*(unsigned *)arg == 5 ? -EAGAIN : 0;
}

static void test_list(void **state)
{
	struct scratch *s = *state;
	struct store_options o = { .log = &s->log };
	struct cut_store *cut = calloc(1, sizeof(*cut));
	unsigned char seen[1000] = { 0 };
	struct store *store = NULL;
	unsigned n = 0;

	assert_int_equal(store_init(&cut->base, &cut_ops, &s->log, "cut:", NULL), 0);
	assert_int_equal(store_retry_open(&o, &cut->base, &store), 0);
	assert_int_equal(store_list(store, "packs/", mark_name, seen), 0);
	assert_int_equal(cut->listings, 4);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(seen[i], 1);

	/* What the caller's function returns is not the store's. */
	assert_int_equal(store_list(store, "packs/", stop_with_eagain, &n), -EAGAIN);
	assert_int_equal(n, 5);
	assert_int_equal(cut->listings, 5);
	store_close(store);
}

static void test_seen(void **state)
{
	struct seen s = { 0 };
	char name[32];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20000; i++) {
			snprintf(name, sizeof(name), "packs/%x", i);
			assert_int_equal(seen_add(&s, name), round == 0);
		}
	}
	seen_free(&s);
	assert_int_equal(seen_add(&s, "packs/0"), 1);
	seen_free(&s);
}

/* --- Puts --------------------------------------------------------------------------------------------------------- */

/* The answer to the first try was lost: did we make it, or somebody else? */
static void test_exclusive(void **state)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_UNCLEAR, .ops = STORE_OP_PUT, .prefix = "config", .count = 1, .err = -EAGAIN,
	};
	struct rig g;

	rig_open(&g, state, 1500);
	store_mem_set_faults(g.mem, &rule, 1);
	assert_int_equal(store_put(g.store, "config", "mine", 4, STORE_EXCL), 0);
	assert_int_equal(store_put(g.store, "config", "mine", 4, STORE_EXCL), -EEXIST);

	/* A failure before anything was done, and somebody else's object. */
	break_it(&g, STORE_OP_PUT, 1, -EAGAIN, 0);
	assert_int_equal(store_put(g.store, "config", "more", 4, STORE_EXCL), -EEXIST);
	break_it(&g, STORE_OP_PUT, 1, -EAGAIN, 0);
	assert_int_equal(store_put(g.store, "config", "min", 3, STORE_EXCL), -EEXIST);
	store_close(g.store);
}

static void test_put_given_up(void **state)
{
	struct store_put *p;
	uint64_t size;
	struct rig g;

	rig_open(&g, state, 200);
	break_it(&g, STORE_OP_PUT, 0, -EAGAIN, 0);
	assert_int_equal(store_put_begin(g.store, &p), 0);
	assert_int_equal(store_put_append(p, "12", 2), 0);
	assert_int_equal(store_put_commit(p, "packs/n", 0), -ETIMEDOUT);
	/* Down now: the next is refused with its bytes, and freed as well. */
	assert_int_equal(store_put(g.store, "packs/n", "12", 2, 0), -ETIMEDOUT);
	assert_int_equal(store_put_begin(g.store, &p), 0);
	assert_int_equal(store_put_append(p, "12", 2), 0);
	store_put_abort(p);
	heal(&g);
	assert_int_equal(store_stat(g.mem, "packs/n", &size), -ENOENT);
	store_close(g.store);
}

static void test_delete_unclear(void **state)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_UNCLEAR, .ops = STORE_OP_DELETE, .prefix = "", .count = 1, .err = -EAGAIN,
	};
	enum store_class class;
	uint64_t size;
	struct rig g;

	rig_open(&g, state, 1500);
	store_mem_set_faults(g.mem, &rule, 1);
	assert_int_equal(store_delete(g.store, "packs/a"), 0);
	assert_int_equal(store_stat(g.store, "packs/a", &size), -ENOENT);
	assert_int_equal(store_distrust(g.store, "packs/a", 0, 1), 0);
	assert_int_equal(store_thaw(g.store, "packs/b", 1), -ENOTSUP);
	assert_int_equal(store_thaw_state(g.store, "packs/b", &class), 0);
	assert_int_equal(class, STORE_READABLE);
	assert_int_equal(store_retain(g.store, "packs/b", 1), -ENOTSUP);
	assert_int_equal(store_retain_days(g.store), 0);
	store_close(g.store);
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

static void *read_all(void *arg)
{
	struct rig *g = arg;
	char c;

	for (int i = 0; i < 50; i++)
		if (store_get(g->store, "packs/a", 0, 1, &c) != 0)
			return g;
	return NULL;
}

static void *read_one(void *arg)
{
	struct rig *g = arg;
	char c;

	return store_get(g->store, "packs/a", 0, 1, &c) == -ETIMEDOUT ? NULL : g;
}

/* Many at once: all get through; and when the store is gone, one message is enough. */
static void test_threads(void **state)
{
	pthread_t t[8];
	void *failed;
	struct rig g;

	rig_open(&g, state, 1500);
	break_it(&g, STORE_OP_GET, 60, -EAGAIN, 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_all, &g), 0);
	for (size_t i = 0; i < 8; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	store_close(g.store);

	rig_open(&g, state, 300);
	g.scratch->log.max = LOG_LEVEL_WARNING;
	scratch_log_clear(g.scratch);
	break_it(&g, STORE_OP_GET, 0, -EAGAIN, 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_one, &g), 0);
	for (size_t i = 0; i < 8; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	/* That it waits, that it gives up; and that it is still away, to who came too late. */
	assert_in_range(messages(&g), 2, 3);
	store_close(g.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passing, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_final, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_give_up, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_one_object, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_others_are_answered, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_slow, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_cancel, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_not_before, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_stalls, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_progress, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_seen),
		cmocka_unit_test_setup_teardown(test_exclusive, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_put_given_up, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_delete_unclear, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_threads, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
