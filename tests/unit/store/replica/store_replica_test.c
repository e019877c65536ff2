/*
 * Replicas: several stores of one repository, which fail on request: reading and writing.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "repo/store/replica/health.h"
#include "repo/store/retry/store_retry.h"
#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/replica/replica_rig.h"

static uint64_t gets(const struct store *s)
{
	struct store_counters n;

	store_get_counters(s, &n);
	return n.gets;
}

static void test_order(void **state)
{
	struct buf all = BUF_INIT;
	struct replica_rig g;

	replica_rig_open(&g, state, 2000);
	assert_string_equal(store_url(g.store), "mem:first");
	assert_int_equal(store_get_all(g.store, "config", 100, &all), 0);
	assert_int_equal(replica_rig_source(&g), '1');
	/* Nobody is asked who need not be: not even what repository it is. */
	assert_int_equal(gets(g.mem[0]), 2);
	assert_int_equal(gets(g.mem[1]), 0);
	assert_int_equal(g.scratch->nmessages, 0);
	buf_free(&all);
	store_close(g.store);
}

/* A store that has gone is passed over at once, asked now and then, and preferred again when it is back. */
static void test_fall_over(void **state)
{
	static const int errors[] = { -EAGAIN, -ETIMEDOUT, -EACCES };
	uint64_t before;
	struct replica_rig g;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		replica_rig_open(&g, state, 2000);
		scratch_log_clear(g.scratch);
		assert_int_equal(replica_rig_source(&g), '1');
		replica_rig_break(g.mem[0], REPLICA_RIG_READS, 0, errors[i]);
		for (int n = 0; n < 10; n++)
			assert_int_equal(replica_rig_source(&g), '2');
		before = gets(g.mem[0]);
		assert_int_equal(replica_rig_source(&g), '2');
		assert_int_equal(gets(g.mem[0]), before);
		assert_true(scratch_logged(g.scratch, "mem:first: "));
		assert_true(scratch_logged(g.scratch, "passed over until it answers again"));
		replica_rig_break(g.mem[1], REPLICA_RIG_READS, 0, errors[i]);
		assert_int_equal(replica_rig_source(&g), '3');

		replica_rig_sleep_ms(250);
		replica_rig_heal(g.mem[0]);
		assert_int_equal(replica_rig_source(&g), '1');
		assert_true(scratch_logged(g.scratch, "mem:first: answers again"));
		store_close(g.store);
	}
}

/* A failure or two of a disk is no reason to leave the store. */
static void test_single_failures(void **state)
{
	struct replica_rig g;

	replica_rig_open(&g, state, 2000);
	assert_int_equal(replica_rig_source(&g), '1');
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 2, -EIO);
	assert_int_equal(replica_rig_source(&g), '2');
	assert_int_equal(replica_rig_source(&g), '2');
	assert_int_equal(replica_rig_source(&g), '1');
	assert_false(scratch_logged(g.scratch, "passed over"));
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 3, -EIO);
	for (int n = 0; n < 5; n++)
		assert_int_equal(replica_rig_source(&g), '2');
	assert_true(scratch_logged(g.scratch, "mem:first: the store failed; passed over"));
	store_close(g.store);
}

/* All are gone: that may pass, or not. */
static void test_all_gone(void **state)
{
	struct store_options o = { .deadline_ms = 300 };
	struct store *retry = NULL;
	struct replica_rig g;
	char c;

	replica_rig_open(&g, state, 300);
	for (int i = 0; i < REPLICA_RIG_MEMBERS; i++)
		replica_rig_break(g.mem[i], REPLICA_RIG_READS, 0, i == 1 ? -EIO : -EAGAIN);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -EAGAIN);
	/* Also while all of them are passed over: somebody has to be asked. */
	replica_rig_heal(g.mem[2]);
	assert_int_equal(replica_rig_source(&g), '3');
	replica_rig_heal(g.mem[0]);

	for (int i = 0; i < REPLICA_RIG_MEMBERS; i++)
		replica_rig_break(g.mem[i], REPLICA_RIG_READS, 0, -EIO);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -EIO);

	/* With retries around it. */
	for (int i = 0; i < REPLICA_RIG_MEMBERS; i++)
		replica_rig_break(g.mem[i], REPLICA_RIG_READS, 0, -EAGAIN);
	o.log = &g.scratch->log;
	assert_int_equal(store_retry_open(&o, g.store, &retry), 0);
	assert_int_equal(store_get(retry, "packs/a", 0, 1, &c), -ETIMEDOUT);
	assert_true(scratch_logged(g.scratch, "fault injected (tried "));
	replica_rig_heal(g.mem[1]);
	replica_rig_sleep_ms(100);
	assert_int_equal(store_get(retry, "packs/a", 0, 1, &c), 0);
	assert_int_equal(c, '2');
	store_close(retry);
}

/* An object is absent if all say so; if one cannot be asked, nobody knows. */
static void test_absence(void **state)
{
	struct buf all = BUF_INIT;
	uint64_t size;
	struct replica_rig g;
	char c;

	replica_rig_open(&g, state, 400);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -ENOENT);
	assert_int_equal(store_get_all(g.store, "packs/x", 1, &all), -ENOENT);
	assert_int_equal(store_stat(g.store, "packs/x", &size), -ENOENT);
	assert_int_equal(g.scratch->nmessages, 0);

	/* The second has only just gone: that is worth another try; and after a while it is not. */
	replica_rig_break(g.mem[1], REPLICA_RIG_READS, 0, -EAGAIN);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EAGAIN);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EAGAIN);
	replica_rig_sleep_ms(250);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EIO);
	assert_true(scratch_logged(g.scratch, "packs/x: not in mem:first, and mem:second cannot be asked"));
	assert_int_equal(replica_rig_source(&g), '1');

	/* Missing in one only. */
	assert_int_equal(store_put(g.mem[2], "packs/b", "b", 1, 0), 0);
	assert_int_equal(store_get(g.store, "packs/b", 0, 1, &c), 0);
	assert_true(scratch_logged(g.scratch, "packs/b: missing in mem:first, read from mem:third"));
	assert_int_equal(store_stat(g.store, "packs/b", &size), 0);
	assert_int_equal(size, 1);
	buf_free(&all);
	store_close(g.store);
}

/* An object that is cut short, and one that the caller finds damaged. */
static void test_damage(void **state)
{
	struct store_fault_rule cut = {
		.fault = STORE_FAULT_TRUNCATE, .ops = STORE_OP_GET, .prefix = "packs/a", .amount = 2,
	};
	struct replica_rig g;
	char four[4];

	replica_rig_open(&g, state, 2000);
	assert_int_equal(replica_rig_source(&g), '1');
	store_mem_set_faults(g.mem[0], &cut, 1);
	assert_int_equal(store_get(g.store, "packs/a", 0, 4, four), 0);
	assert_memory_equal(four, "2aaa", 4);
	assert_true(scratch_logged(g.scratch, "packs/a: damaged in mem:first, read from mem:second"));
	replica_rig_heal(g.mem[0]);
	assert_int_equal(replica_rig_source(&g), '1');

	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), 0);
	assert_true(scratch_logged(g.scratch, "packs/a: damaged in mem:first; reading it from another"));
	for (int n = 0; n < 3; n++)
		assert_int_equal(replica_rig_source(&g), '2');
	/* Other objects are still the first's. */
	assert_int_equal(store_put(g.mem[0], "packs/b", "1", 1, 0), 0);
	assert_int_equal(store_get(g.store, "packs/b", 0, 1, four), 0);

	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), 0);
	assert_int_equal(replica_rig_source(&g), '3');
	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), -ENOENT);
	/* Nobody is trusted: better than nothing. */
	assert_int_equal(replica_rig_source(&g), '1');
	/* What a cache has from an earlier process: it is not known whose it was, and nobody is blamed. */
	scratch_log_clear(g.scratch);
	assert_int_equal(store_distrust(g.store, "packs/b2", 0, 1), -ENOENT);
	assert_false(scratch_logged(g.scratch, "damaged"));
	store_close(g.store);
}

/* What is not trusted is read all the same when the others are gone. */
static void test_distrusted_last(void **state)
{
	struct replica_rig g;

	replica_rig_open(&g, state, 2000);
	assert_int_equal(replica_rig_source(&g), '1');
	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), 0);
	replica_rig_break(g.mem[1], REPLICA_RIG_READS, 0, -EAGAIN);
	replica_rig_break(g.mem[2], REPLICA_RIG_READS, 0, -EAGAIN);
	assert_int_equal(replica_rig_source(&g), '1');
	store_close(g.store);
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static void test_write(void **state)
{
	struct store_put *p;
	struct replica_rig g;
	char c;

	replica_rig_open(&g, state, 2000);
	assert_int_equal(store_put(g.store, "packs/w", "w", 1, 0), 0);
	assert_int_equal(store_get(g.mem[0], "packs/w", 0, 1, &c), 0);
	assert_int_equal(store_get(g.mem[1], "packs/w", 0, 1, &c), -ENOENT);
	assert_int_equal(store_delete(g.store, "packs/a"), 0);
	assert_int_equal(store_get(g.mem[0], "packs/a", 0, 1, &c), -ENOENT);
	assert_int_equal(replica_rig_source(&g), '2');

	/* No falling over, but another try with the same bytes. */
	replica_rig_break(g.mem[0], STORE_OP_PUT | STORE_OP_DELETE, 2, -EAGAIN);
	assert_int_equal(store_delete(g.store, "packs/a"), -EAGAIN);
	assert_int_equal(store_put_begin(g.store, &p), 0);
	assert_int_equal(store_put_append(p, "v", 1), 0);
	assert_int_equal(store_put_commit(p, "packs/v", STORE_EXCL), -EAGAIN);
	assert_int_equal(store_put_commit(p, "packs/v", STORE_EXCL), 0);
	assert_int_equal(store_put(g.store, "packs/v", "v", 1, STORE_EXCL), -EEXIST);
	assert_int_equal(store_put_begin(g.store, &p), 0);
	store_put_abort(p);
	assert_int_equal(store_thaw(g.store, "packs/v", 1), -ENOTSUP);
	assert_int_equal(store_retain_days(g.store), 0);
	store_close(g.store);
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

static void *read_on(void *arg)
{
	struct replica_rig *g = arg;
	char c;

	for (int i = 0; i < 300; i++)
		if (store_get(g->store, "packs/a", 0, 1, &c) != 0 || store_distrust(g->store, "packs/none", 0, 1) > 0)
			return g;
	return NULL;
}

/* The first comes and goes under readers, who do not notice. */
static void test_threads(void **state)
{
	pthread_t t[6];
	void *failed;
	struct replica_rig g;

	replica_rig_open(&g, state, 100);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_on, &g), 0);
	for (int i = 0; i < 10; i++) {
		replica_rig_break(g.mem[0], REPLICA_RIG_READS, 0, -EAGAIN);
		replica_rig_sleep_ms(3);
		replica_rig_heal(g.mem[0]);
		replica_rig_sleep_ms(15);
	}
	for (size_t i = 0; i < 6; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	store_close(g.store);
}

/* A store that hangs is asked for a seventh of the time at most, however long it hangs. */
static void test_hold(void **state)
{
	static const struct {
		int64_t took_ms, hold_ms;
	} cases[] = { { 0, 3000 }, { 200, 3000 }, { 10000, 80000 }, { 100000, 600000 } };
	struct health h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t now = store_now_ms();

		health_init(&h, 30000);
		assert_true(health_failed(&h, 0, -EAGAIN, now - cases[i].took_ms));
		assert_false(health_may_ask(&h, 0));
		assert_in_range(h.member[0].next_ms - now, cases[i].hold_ms - 10, cases[i].hold_ms + 1000);
		health_destroy(&h);
	}
}

/* --- Archives ----------------------------------------------------------------------------------------------------- */

/* What each member says of "packs/a", and what it was asked. */
static struct {
	enum store_class class[REPLICA_RIG_MEMBERS];
	unsigned states[REPLICA_RIG_MEMBERS], thaws[REPLICA_RIG_MEMBERS];
} archive;

static int number_of(const struct store *s)
{
	return strcmp(s->url, "mem:first") == 0 ? 0 : strcmp(s->url, "mem:second") == 0 ? 1 : 2;
}

static int say_state(struct store *s, const char *name, enum store_class *out)
{
	uint64_t size;
	int rc = s->ops->stat(s, name, &size);

	archive.states[number_of(s)]++;
	*out = archive.class[number_of(s)];
	return rc;
}

static int say_thaw(struct store *s, const char *name, unsigned days)
{
	uint64_t size;

	assert_int_equal(days, 5);
	archive.thaws[number_of(s)]++;
	return s->ops->stat(s, name, &size);
}

static void test_archives(void **state)
{
	static const struct {
		enum store_class class[REPLICA_RIG_MEMBERS], best;
		int asked; /* who is asked to thaw it; -1: nobody */
	} cases[] = {
		{ { STORE_READABLE, STORE_ARCHIVED, STORE_ARCHIVED }, STORE_READABLE, -1 },
		{ { STORE_ARCHIVED, STORE_ARCHIVED, STORE_READABLE }, STORE_READABLE, -1 },
		{ { STORE_ARCHIVED, STORE_THAWING, STORE_ARCHIVED }, STORE_THAWING, -1 },
		{ { STORE_ARCHIVED, STORE_ARCHIVED, STORE_ARCHIVED }, STORE_ARCHIVED, 0 },
	};
	struct store_ops ops;
	enum store_class class;
	struct replica_rig g;

	replica_rig_open(&g, state, 2000);
	assert_int_equal(store_thaw(g.store, "packs/a", 5), -ENOTSUP);
	ops = *g.mem[0]->ops;
	ops.thaw_state = say_state;
	ops.thaw = say_thaw;
	for (int i = 0; i < REPLICA_RIG_MEMBERS; i++)
		g.mem[i]->ops = &ops;
	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		memset(&archive, 0, sizeof(archive));
		memcpy(archive.class, cases[n].class, sizeof(archive.class));
		assert_int_equal(store_thaw_state(g.store, "packs/a", &class), 0);
		assert_int_equal(class, cases[n].best);
		assert_int_equal(archive.states[1], n == 0 ? 0 : 1);
		assert_int_equal(store_thaw(g.store, "packs/a", 5), 0);
		for (int i = 0; i < REPLICA_RIG_MEMBERS; i++)
			assert_int_equal(archive.thaws[i], i == cases[n].asked);
	}

	/* Who has gone, or has no such object, is not waited for. */
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 0, -EAGAIN);
	assert_int_equal(store_delete(g.mem[1], "packs/a"), 0);
	assert_int_equal(store_thaw(g.store, "packs/a", 5), 0);
	assert_int_equal(archive.thaws[2], 1);
	assert_int_equal(archive.thaws[0], 1);
	replica_rig_heal(g.mem[0]);
	assert_int_equal(store_thaw_state(g.store, "packs/none", &class), -EAGAIN);
	store_close(g.store);

	/* One without archives has it readable if it has it at all. */
	replica_rig_open(&g, state, 2000);
	g.mem[0]->ops = &ops;
	archive.class[0] = STORE_ARCHIVED;
	assert_int_equal(store_thaw_state(g.store, "packs/a", &class), 0);
	assert_int_equal(class, STORE_READABLE);
	assert_int_equal(store_delete(g.mem[1], "packs/a"), 0);
	assert_int_equal(store_delete(g.mem[2], "packs/a"), 0);
	assert_int_equal(store_thaw_state(g.store, "packs/a", &class), 0);
	assert_int_equal(class, STORE_ARCHIVED);
	assert_int_equal(store_thaw_state(g.store, "packs/none", &class), -ENOENT);
	store_close(g.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_fall_over, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_single_failures, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_all_gone, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_absence, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_damage, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_distrusted_last, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_write, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_threads, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_hold),
		cmocka_unit_test_setup_teardown(test_archives, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
