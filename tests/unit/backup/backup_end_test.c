/*
 * Backups: how they end, with any number of threads, when cancelled, or when the store fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/backup_rig.h"
#include "tests/unit/backup/backup_source.h"

/* --- Threads, bounds, ends --- */

static void test_few_threads_and_little_memory(void **state)
{
	struct rig *g = *state;

	source_all();
	for (unsigned threads = 1; threads <= 9; threads += 4) {
		g->opts.threads = threads;
		g->opts.memory_bytes = threads == 9 ? 0 : 1;
		g->opts.no_parent = true;
		assert_int_equal(rig_backup(g, "all", NULL), 0);
		assert_string_equal(g->reports, "");
		rig_same(g, "all", "all");
	}
}

/* With hardly any descriptors (from here on, so it comes last): many directories, all of them deep. */
static void test_few_descriptors(void **state)
{
	struct rlimit few = { 256, 256 };
	struct rig *g = *state;
	char path[200];

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "s/a%d/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z%d/f", i % 30, i);
		rig_note(path, path);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_int_equal(rig_backup(g, "s", NULL), 0);
	assert_string_equal(g->reports, "");
	rig_same(g, "s", "s");
}

static atomic_int cancelled;

static void cancel_now(struct rig *g, const char *path)
{
	(void)g;
	(void)path;
	cancelled = 1;
}

static void test_cancel(void **state)
{
	struct rig *g = *state;

	source_all();
	g->opts.cancel = &cancelled;
	g->on_entry = cancel_now;
	assert_int_equal(rig_backup(g, "all", NULL), -EINTR);
	assert_int_equal(rig_snapshots(g), 0);
	assert_int_equal(rig_backup(g, "all", NULL), -EINTR);
	cancelled = 0;
	g->on_entry = NULL;
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	rig_same(g, "all", "all");
}

static void test_dry_run(void **state)
{
	struct rig *g = *state;
	struct store_counters before, after;

	source_all();
	g->opts.dry_run = true;
	store_get_counters(g->f.store, &before);
	assert_int_equal(rig_backup(g, "all", NULL), 0);
	store_get_counters(g->f.store, &after);
	assert_int_equal(before.puts, after.puts);
	assert_true(g->result.data_added > 1000000);
	assert_true(id_is_zero(&g->result.snapshot));
	assert_int_equal(rig_snapshots(g), 0);
}

static void test_role(void **state)
{
	struct rig *g = *state;
	struct secrets *reader = secrets_for_role(g->f.secrets, ROLE_READER, "r", NULL, 1);

	rig_note("s", "1");
	g->repo.secrets = reader;
	assert_int_equal(rig_backup(g, "s", NULL), -EACCES);
	assert_true(fixture_logged(&g->f, "\"reader\" cannot make backups"));
	secrets_free(reader);
}

static int add_size(void *arg, const char *name, uint64_t size)
{
	(void)name;
	*(uint64_t *)arg += size;
	return 0;
}

/* The store fills up at ever later moments: old snapshots stay, no new one appears, and a rerun stores all. */
static void test_store_full(void **state)
{
	struct rig *g = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_NOSPACE, .ops = STORE_OP_PUT, .prefix = "" };
	unsigned failed = 0;
	int err = -ENOSPC;

	rig_file("old/f", 77, 100000);
	assert_int_equal(rig_backup(g, "old", NULL), 0);
	source_all();
	for (uint64_t room = 200000; err != 0; room *= 3) {
		rule.amount = room;
		assert_int_equal(store_list(g->f.store, "", add_size, &rule.amount), 0);
		store_mem_set_faults(g->f.store, &rule, 1);
		err = rig_backup(g, "all", NULL);
		store_mem_set_faults(g->f.store, NULL, 0);
		if (err == 0)
			break;
		assert_int_equal(err, -ENOSPC);
		failed++;
		assert_int_equal(rig_snapshots(g), 1);
		rig_same(g, "old", "old");
	}
	assert_true(failed > 2);
	rig_same(g, "all", "all");
}

/* Each put fails once. */
static void test_store_fails(void **state)
{
	struct rig *g = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "", .count = 1,
		.err = -EIO };
	unsigned failed = 0;

	source_sizes();
	for (rule.skip = 0;; rule.skip++) {
		store_mem_set_faults(g->f.store, &rule, 1);
		if (rig_backup(g, "all", NULL) == 0)
			break;
		failed++;
		assert_int_equal(rig_snapshots(g), 0);
		store_mem_set_faults(g->f.store, NULL, 0);
	}
	store_mem_set_faults(g->f.store, NULL, 0);
	assert_true(failed > 3);
	rig_same(g, "all", "all");
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(test_few_threads_and_little_memory),
		RIG(test_cancel),
		RIG(test_dry_run),
		RIG(test_role),
		RIG(test_store_full),
		RIG(test_store_fails),
		RIG(test_few_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
