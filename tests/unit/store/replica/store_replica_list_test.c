/*
 * Replicas: whose listings are told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/replica/replica_rig.h"

static int add_name(void *arg, const char *name, uint64_t size)
{
	(void)size;
	return buf_printf(arg, "%s ", name);
}

static char *listed(struct store *s, const char *prefix, int expected, struct buf *out)
{
	buf_clear(out);
	assert_int_equal(store_list(s, prefix, add_name, out), expected);
	assert_int_equal(buf_u8(out, 0), 0);
	return (char *)out->data;
}

/* The primary's listing counts; the next one's only if it is away for longer. */
static void test_list(void **state)
{
	struct buf b = BUF_INIT;
	struct replica_rig g;

	replica_rig_open(&g, state, 400);
	assert_int_equal(store_put(g.mem[0], "snapshots/new", "", 0, 0), 0);
	assert_int_equal(store_put(g.mem[0], "snapshots/old", "", 0, 0), 0);
	assert_int_equal(store_put(g.mem[1], "snapshots/old", "", 0, 0), 0);
	assert_string_equal(listed(g.store, "snapshots/", 0, &b), "snapshots/new snapshots/old ");
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 0, -EAGAIN);
	assert_string_equal(listed(g.store, "snapshots/", -EAGAIN, &b), "");
	assert_string_equal(listed(g.store, "snapshots/", -EAGAIN, &b), "");
	assert_int_equal(replica_rig_source(&g), '2');
	replica_rig_sleep_ms(250);
	assert_string_equal(listed(g.store, "snapshots/", 0, &b), "snapshots/old ");
	assert_true(scratch_logged(g.scratch, "mem:first: cannot be asked: snapshots/ listed as in mem:second"));
	replica_rig_heal(g.mem[0]);
	replica_rig_sleep_ms(100);
	assert_string_equal(listed(g.store, "snapshots/", 0, &b), "snapshots/new snapshots/old ");
	buf_free(&b);
	store_close(g.store);
}

/* Who lists nothing may have lost a folder: the next is asked.  One name, and it is not. */
static void test_list_empty(void **state)
{
	struct buf b = BUF_INIT;
	struct replica_rig g;

	replica_rig_open(&g, state, 400);
	assert_string_equal(listed(g.store, "keys/", 0, &b), "");
	assert_int_equal(g.scratch->nmessages, 0);
	assert_int_equal(store_put(g.mem[2], "keys/a", "", 0, 0), 0);
	assert_int_equal(store_put(g.mem[2], "keys/b", "", 0, 0), 0);
	assert_string_equal(listed(g.store, "keys/", 0, &b), "keys/a keys/b ");
	assert_true(scratch_logged(g.scratch, "keys/: there are none in mem:first; listed as in mem:third"));
	buf_clear(&b);
	assert_int_equal(store_list_names(g.store, "keys/", add_name, &b), 0);
	assert_int_equal(b.len, strlen("keys/a keys/b "));

	assert_int_equal(store_put(g.mem[0], "keys/a", "", 0, 0), 0);
	assert_string_equal(listed(g.store, "keys/", 0, &b), "keys/a ");
	/* Where the primary has none, nobody waits for a replica that is away. */
	replica_rig_break(g.mem[2], REPLICA_RIG_READS, 0, -EAGAIN);
	assert_string_equal(listed(g.store, "revoked/", 0, &b), "");
	assert_string_equal(listed(g.store, "keys/", 0, &b), "keys/a ");
	buf_free(&b);
	store_close(g.store);
}

/* At the start nobody waits for a primary that was never seen. */
static void test_list_at_start(void **state)
{
	struct buf b = BUF_INIT;
	struct replica_rig g;

	replica_rig_open(&g, state, 60000);
	replica_rig_break(g.mem[0], REPLICA_RIG_READS, 0, -EAGAIN);
	assert_string_equal(listed(g.store, "packs/", 0, &b), "packs/a ");
	assert_int_equal(store_list_names(g.store, "packs/", add_name, &b), 0);
	buf_free(&b);
	store_close(g.store);
}

static int stop(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	++*(int *)arg;
	return -EAGAIN;
}

static void test_list_stopped(void **state)
{
	struct replica_rig g;
	int n = 0;

	replica_rig_open(&g, state, 2000);
	assert_int_equal(store_list(g.store, "packs/", stop, &n), -EAGAIN);
	assert_int_equal(n, 1);
	assert_int_equal(replica_rig_source(&g), '1');
	store_close(g.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_empty, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_at_start, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_stopped, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
