/*
 * Replicas: opening, and that all are of the same repository.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "repo/store/replica/store_replica.h"
#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/replica/replica_rig.h"

static void test_other_repository(void **state)
{
	struct scratch *s = *state;
	struct store_options o = { .deadline_ms = 2000, .log = &s->log };
	struct store *m[3], *store = NULL;
	struct buf b = BUF_INIT;
	char c;

	m[0] = replica_rig_mem(s, "mem:first", "config of one");
	m[1] = replica_rig_mem(s, "mem:second", "config of another");
	m[2] = replica_rig_mem(s, "mem:third", NULL);
	assert_int_equal(store_put(m[1], "packs/a", "2", 1, 0), 0);
	assert_int_equal(store_put(m[2], "packs/a", "3", 1, 0), 0);
	assert_int_equal(store_replica_open(&o, m, 3, &store), 0);
	assert_int_equal(store_get_all(store, "config", 100, &b), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -EIO);
	assert_true(scratch_logged(s, "mem:second: not a copy of the repository at mem:first"));
	assert_true(scratch_logged(s, "mem:third: not a repository (it has no config)"));

	/* One becomes a copy, by and by; the other never. */
	assert_int_equal(store_put(m[2], "config", b.data, b.len, 0), 0);
	replica_rig_sleep_ms(250);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), 0);
	assert_int_equal(c, '3');
	assert_int_equal(store_get(store, "packs/x", 0, 1, &c), -ENOENT);
	buf_free(&b);
	store_close(store);
}

/* What the config of the first says is not what the others are compared with, once it is known to be damaged. */
static void test_damaged_config(void **state)
{
	struct buf b = BUF_INIT;
	struct replica_rig g;
	char c;

	replica_rig_open(&g, state, 400);
	assert_int_equal(store_mem_replace(g.mem[0], "config", "c0nfig of one", 13), 0);
	assert_int_equal(store_get_all(g.store, "config", 100, &b), 0);
	assert_int_equal(store_distrust(g.store, "config", 0, b.len), 0);
	assert_true(scratch_logged(g.scratch, "config: damaged in mem:first; reading it from another"));
	buf_clear(&b);
	assert_int_equal(store_get_all(g.store, "config", 100, &b), 0);
	assert_memory_equal(b.data, "config of one", 13);
	assert_int_equal(replica_rig_source(&g), '2');
	assert_false(scratch_logged(g.scratch, "not a copy"));
	/* It may be of this repository, and have what the others lack. */
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EIO);

	assert_int_equal(store_mem_replace(g.mem[0], "config", "config of one", 13), 0);
	replica_rig_sleep_ms(100);
	assert_int_equal(replica_rig_source(&g), '1');
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -ENOENT);
	buf_free(&b);
	store_close(g.store);
}

/* All configs are damaged: that is an end, and nobody is taken for another repository. */
static void test_damaged_configs(void **state)
{
	struct buf b = BUF_INIT;
	struct replica_rig g;

	replica_rig_open(&g, state, 2000);
	for (int i = 0; i < REPLICA_RIG_MEMBERS; i++) {
		buf_clear(&b);
		assert_int_equal(store_get_all(g.store, "config", 100, &b), 0);
		assert_int_equal(store_distrust(g.store, "config", 0, b.len),
		    i == REPLICA_RIG_MEMBERS - 1 ? -ENOENT : 0);
	}
	assert_false(scratch_logged(g.scratch, "not a copy"));
	buf_free(&b);
	store_close(g.store);
}

/* The primary is another than its replicas, which were seen first: neither read nor written. */
static void test_other_primary(void **state)
{
	struct replica_rig g;
	char c;

	replica_rig_open(&g, state, 400);
	assert_int_equal(store_mem_replace(g.mem[0], "config", "elsewhere", 9), 0);
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 1, -EAGAIN);
	assert_int_equal(replica_rig_source(&g), '2');
	replica_rig_sleep_ms(100);
	assert_int_equal(replica_rig_source(&g), '2');
	assert_true(scratch_logged(g.scratch, "mem:first: not a copy of the repository at mem:second"));
	assert_int_equal(store_put(g.store, "packs/w", "w", 1, 0), -EIO);
	assert_int_equal(store_get(g.mem[0], "packs/w", 0, 1, &c), -ENOENT);
	store_close(g.store);
}

static void test_open(void **state)
{
	struct scratch *s = *state;
	char first[SCRATCH_PATH_SIZE], second[SCRATCH_PATH_SIZE];
	const char *replicas[] = { second, "/does/not/exist" };
	struct store_options o = { .url = first, .create = true, .log = &s->log };
	struct store *store = NULL;
	char c;

	scratch_path(s, "first", first);
	scratch_path(s, "second", second);
	assert_int_equal(store_open(&o, &store), 0);
	assert_int_equal(store_put(store, "config", "c", 1, 0), 0);
	store_close(store);
	o.url = second;
	assert_int_equal(store_open(&o, &store), 0);
	assert_int_equal(store_put(store, "config", "c", 1, 0), 0);
	assert_int_equal(store_put(store, "packs/aa/a", "a", 1, 0), 0);
	store_close(store);

	o = (struct store_options){ .url = first, .replicas = replicas, .nreplicas = 2, .log = &s->log };
	assert_int_equal(store_open(&o, &store), 0);
	assert_true(scratch_logged(s, "replica 2 of 2 is left out"));
	assert_int_equal(store_get(store, "packs/aa/a", 0, 1, &c), 0);
	assert_non_null(store_local_path(store));
	store_close(store);

	/* Without the primary. */
	o.url = "/does/not/exist";
	assert_int_equal(store_open(&o, &store), 0);
	assert_true(scratch_logged(s, "the repository's replicas are read instead"));
	assert_int_equal(store_get(store, "packs/aa/a", 0, 1, &c), 0);
	assert_int_equal(store_put(store, "packs/aa/b", "b", 1, 0), -EIO);
	assert_int_equal(store_get(store, "packs/aa/b", 0, 1, &c), -EIO);
	store_close(store);

	/* Without any, or with a name that is none. */
	replicas[0] = "/does/not/exist/either";
	assert_int_equal(store_open(&o, &store), -ENOENT);
	o.url = first;
	replicas[1] = "no-such-scheme://x";
	assert_int_equal(store_open(&o, &store), -EPROTONOSUPPORT);
}

static void *read_once(void *arg)
{
	struct replica_rig *g = arg;
	char c;

	return store_get(g->store, "packs/a", 0, 1, &c) == 0 && c == '3' ? NULL : g;
}

/* Those who ask a store that hangs whether it is of this repository don't wait for each other. */
static void test_identify_hangs(void **state)
{
	static const struct store_fault_rule hangs[] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "config", .amount = 400 },
		{ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "config", .err = -EAGAIN },
	};
	pthread_t t[6];
	int64_t begun;
	void *failed;
	struct replica_rig g;

	replica_rig_open(&g, state, 4000);
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 0, -EAGAIN);
	store_mem_set_faults(g.mem[1], hangs, 2);
	begun = store_now_ms();
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_once, &g), 0);
	for (size_t i = 0; i < 6; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	assert_in_range(store_now_ms() - begun, 400, 1600);
	store_close(g.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_other_repository, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_config, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_configs, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_other_primary, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_open, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_identify_hangs, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
