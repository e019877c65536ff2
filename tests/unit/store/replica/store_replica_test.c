/*
 * Replicas: several stores of one repository, which fail on request.
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
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "repo/store/replica/health.h"
#include "repo/store/replica/store_replica.h"
#include "repo/store/retry/store_retry.h"
#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"

#define READS (STORE_OP_GET | STORE_OP_STAT | STORE_OP_LIST)
#define MEMBERS 3

struct rig {
	struct scratch *scratch;
	struct store *mem[MEMBERS], *store;
};

static struct store *open_mem(struct scratch *s, const char *url, const char *config)
{
	struct store *m = NULL;

	assert_int_equal(store_mem_open(&s->log, &m), 0);
	free(m->url);
	m->url = strdup(url);
	assert_non_null(m->url);
	if (config != NULL)
		assert_int_equal(store_put(m, "config", config, strlen(config), 0), 0);
	return m;
}

/* Three members, all with the object "packs/a", which says where it is from. */
static void rig_open(struct rig *g, void **state, unsigned deadline_ms)
{
	static const char *const urls[MEMBERS] = { "mem:first", "mem:second", "mem:third" };
	struct store_options o;

	*g = (struct rig){ .scratch = *state };
	o = (struct store_options){ .deadline_ms = deadline_ms, .log = &g->scratch->log };
	g->scratch->log.max = LOG_LEVEL_WARNING;
	for (int i = 0; i < MEMBERS; i++) {
		g->mem[i] = open_mem(g->scratch, urls[i], "config of one");
		assert_int_equal(store_put(g->mem[i], "packs/a", i == 0 ? "1aaa" : i == 1 ? "2aaa" : "3aaa", 4, 0), 0);
	}
	assert_int_equal(store_replica_open(&o, g->mem, MEMBERS, &g->store), 0);
}

static void break_it(struct store *m, unsigned ops, uint64_t count, int err)
{
	struct store_fault_rule rule = {
		.fault = STORE_FAULT_ERROR, .ops = ops, .prefix = "", .count = count, .err = err,
	};

	store_mem_set_faults(m, &rule, 1);
}

static void heal(struct store *m)
{
	store_mem_set_faults(m, NULL, 0);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* From where a read of packs/a comes: '1', '2', '3'; 0 if it fails. */
static char source(struct rig *g)
{
	char c;

	return store_get(g->store, "packs/a", 0, 1, &c) == 0 ? c : '\0';
}

static uint64_t gets(const struct store *s)
{
	struct store_counters n;

	store_get_counters(s, &n);
	return n.gets;
}

static void test_order(void **state)
{
	struct buf all = BUF_INIT;
	struct rig g;

	rig_open(&g, state, 2000);
	assert_string_equal(store_url(g.store), "mem:first");
	assert_int_equal(store_get_all(g.store, "config", 100, &all), 0);
	assert_int_equal(source(&g), '1');
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
	struct rig g;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		rig_open(&g, state, 2000);
		scratch_log_clear(g.scratch);
		assert_int_equal(source(&g), '1');
		break_it(g.mem[0], READS, 0, errors[i]);
		for (int n = 0; n < 10; n++)
			assert_int_equal(source(&g), '2');
		before = gets(g.mem[0]);
		assert_int_equal(source(&g), '2');
		assert_int_equal(gets(g.mem[0]), before);
		assert_true(scratch_logged(g.scratch, "mem:first: "));
		assert_true(scratch_logged(g.scratch, "passed over until it answers again"));
		break_it(g.mem[1], READS, 0, errors[i]);
		assert_int_equal(source(&g), '3');

		sleep_ms(250);
		heal(g.mem[0]);
		assert_int_equal(source(&g), '1');
		assert_true(scratch_logged(g.scratch, "mem:first: answers again"));
		store_close(g.store);
	}
}

/* A failure or two of a disk is no reason to leave the store. */
static void test_single_failures(void **state)
{
	struct rig g;

	rig_open(&g, state, 2000);
	assert_int_equal(source(&g), '1');
	break_it(g.mem[0], READS, 2, -EIO);
	assert_int_equal(source(&g), '2');
	assert_int_equal(source(&g), '2');
	assert_int_equal(source(&g), '1');
	assert_false(scratch_logged(g.scratch, "passed over"));
	break_it(g.mem[0], READS, 3, -EIO);
	for (int n = 0; n < 5; n++)
		assert_int_equal(source(&g), '2');
	assert_true(scratch_logged(g.scratch, "mem:first: the store failed; passed over"));
	store_close(g.store);
}

/* All are gone: that may pass, or not. */
static void test_all_gone(void **state)
{
	struct store_options o = { .deadline_ms = 300 };
	struct store *retry = NULL;
	struct rig g;
	char c;

	rig_open(&g, state, 300);
	for (int i = 0; i < MEMBERS; i++)
		break_it(g.mem[i], READS, 0, i == 1 ? -EIO : -EAGAIN);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -EAGAIN);
	/* Also while all of them are passed over: somebody has to be asked. */
	heal(g.mem[2]);
	assert_int_equal(source(&g), '3');
	heal(g.mem[0]);

	for (int i = 0; i < MEMBERS; i++)
		break_it(g.mem[i], READS, 0, -EIO);
	assert_int_equal(store_get(g.store, "packs/a", 0, 1, &c), -EIO);

	/* With retries around it. */
	for (int i = 0; i < MEMBERS; i++)
		break_it(g.mem[i], READS, 0, -EAGAIN);
	o.log = &g.scratch->log;
	assert_int_equal(store_retry_open(&o, g.store, &retry), 0);
	assert_int_equal(store_get(retry, "packs/a", 0, 1, &c), -ETIMEDOUT);
	assert_true(scratch_logged(g.scratch, "fault injected (tried "));
	heal(g.mem[1]);
	sleep_ms(100);
	assert_int_equal(store_get(retry, "packs/a", 0, 1, &c), 0);
	assert_int_equal(c, '2');
	store_close(retry);
}

/* An object is absent if all say so; if one cannot be asked, nobody knows. */
static void test_absence(void **state)
{
	struct buf all = BUF_INIT;
	uint64_t size;
	struct rig g;
	char c;

	rig_open(&g, state, 400);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -ENOENT);
	assert_int_equal(store_get_all(g.store, "packs/x", 1, &all), -ENOENT);
	assert_int_equal(store_stat(g.store, "packs/x", &size), -ENOENT);
	assert_int_equal(g.scratch->nmessages, 0);

	/* The second has only just gone: that is worth another try; and after a while it is not. */
	break_it(g.mem[1], READS, 0, -EAGAIN);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EAGAIN);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EAGAIN);
	sleep_ms(250);
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EIO);
	assert_true(scratch_logged(g.scratch, "packs/x: not in mem:first, and mem:second cannot be asked"));
	assert_int_equal(source(&g), '1');

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
	struct rig g;
	char four[4];

	rig_open(&g, state, 2000);
	assert_int_equal(source(&g), '1');
	store_mem_set_faults(g.mem[0], &cut, 1);
	assert_int_equal(store_get(g.store, "packs/a", 0, 4, four), 0);
	assert_memory_equal(four, "2aaa", 4);
	assert_true(scratch_logged(g.scratch, "packs/a: damaged in mem:first, read from mem:second"));
	heal(g.mem[0]);
	assert_int_equal(source(&g), '1');

	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), 0);
	assert_true(scratch_logged(g.scratch, "packs/a: damaged in mem:first; reading it from another"));
	for (int n = 0; n < 3; n++)
		assert_int_equal(source(&g), '2');
	/* Other objects are still the first's. */
	assert_int_equal(store_put(g.mem[0], "packs/b", "1", 1, 0), 0);
	assert_int_equal(store_get(g.store, "packs/b", 0, 1, four), 0);

	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), 0);
	assert_int_equal(source(&g), '3');
	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), -ENOENT);
	/* Nobody is trusted: better than nothing. */
	assert_int_equal(source(&g), '1');
	/* What a cache has from an earlier process: it is not known whose it was, and nobody is blamed. */
	scratch_log_clear(g.scratch);
	assert_int_equal(store_distrust(g.store, "packs/b2", 0, 1), -ENOENT);
	assert_false(scratch_logged(g.scratch, "damaged"));
	store_close(g.store);
}

/* What is not trusted is read all the same when the others are gone. */
static void test_distrusted_last(void **state)
{
	struct rig g;

	rig_open(&g, state, 2000);
	assert_int_equal(source(&g), '1');
	assert_int_equal(store_distrust(g.store, "packs/a", 0, 4), 0);
	break_it(g.mem[1], READS, 0, -EAGAIN);
	break_it(g.mem[2], READS, 0, -EAGAIN);
	assert_int_equal(source(&g), '1');
	store_close(g.store);
}

/* --- Listings ----------------------------------------------------------------------------------------------------- */

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
	struct rig g;

	rig_open(&g, state, 400);
	assert_int_equal(store_put(g.mem[0], "snapshots/new", "", 0, 0), 0);
	assert_int_equal(store_put(g.mem[0], "snapshots/old", "", 0, 0), 0);
	assert_int_equal(store_put(g.mem[1], "snapshots/old", "", 0, 0), 0);
	assert_string_equal(listed(g.store, "snapshots/", 0, &b), "snapshots/new snapshots/old ");
	break_it(g.mem[0], READS, 0, -EAGAIN);
	assert_string_equal(listed(g.store, "snapshots/", -EAGAIN, &b), "");
	assert_string_equal(listed(g.store, "snapshots/", -EAGAIN, &b), "");
	assert_int_equal(source(&g), '2');
	sleep_ms(250);
	assert_string_equal(listed(g.store, "snapshots/", 0, &b), "snapshots/old ");
	assert_true(scratch_logged(g.scratch, "mem:first: cannot be asked: snapshots/ listed as in mem:second"));
	heal(g.mem[0]);
	sleep_ms(100);
	assert_string_equal(listed(g.store, "snapshots/", 0, &b), "snapshots/new snapshots/old ");
	buf_free(&b);
	store_close(g.store);
}

/* Who lists nothing may have lost a folder: the next is asked.  One name, and it is not. */
static void test_list_empty(void **state)
{
	struct buf b = BUF_INIT;
	struct rig g;

	rig_open(&g, state, 400);
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
	break_it(g.mem[2], READS, 0, -EAGAIN);
	assert_string_equal(listed(g.store, "revoked/", 0, &b), "");
	assert_string_equal(listed(g.store, "keys/", 0, &b), "keys/a ");
	buf_free(&b);
	store_close(g.store);
}

/* At the start nobody waits for a primary that was never seen. */
static void test_list_at_start(void **state)
{
	struct buf b = BUF_INIT;
	struct rig g;

	rig_open(&g, state, 60000);
	break_it(g.mem[0], READS, 0, -EAGAIN);
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
	struct rig g;
	int n = 0;

	rig_open(&g, state, 2000);
	assert_int_equal(store_list(g.store, "packs/", stop, &n), -EAGAIN);
	assert_int_equal(n, 1);
	assert_int_equal(source(&g), '1');
	store_close(g.store);
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static void test_write(void **state)
{
	struct store_put *p;
	struct rig g;
	char c;

	rig_open(&g, state, 2000);
	assert_int_equal(store_put(g.store, "packs/w", "w", 1, 0), 0);
	assert_int_equal(store_get(g.mem[0], "packs/w", 0, 1, &c), 0);
	assert_int_equal(store_get(g.mem[1], "packs/w", 0, 1, &c), -ENOENT);
	assert_int_equal(store_delete(g.store, "packs/a"), 0);
	assert_int_equal(store_get(g.mem[0], "packs/a", 0, 1, &c), -ENOENT);
	assert_int_equal(source(&g), '2');

	/* No falling over, but another try with the same bytes. */
	break_it(g.mem[0], STORE_OP_PUT | STORE_OP_DELETE, 2, -EAGAIN);
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

/* --- The same repository ------------------------------------------------------------------------------------------ */

static void test_other_repository(void **state)
{
	struct scratch *s = *state;
	struct store_options o = { .deadline_ms = 2000, .log = &s->log };
	struct store *m[3], *store = NULL;
	struct buf b = BUF_INIT;
	char c;

	m[0] = open_mem(s, "mem:first", "config of one");
	m[1] = open_mem(s, "mem:second", "config of another");
	m[2] = open_mem(s, "mem:third", NULL);
	assert_int_equal(store_put(m[1], "packs/a", "2", 1, 0), 0);
	assert_int_equal(store_put(m[2], "packs/a", "3", 1, 0), 0);
	assert_int_equal(store_replica_open(&o, m, 3, &store), 0);
	assert_int_equal(store_get_all(store, "config", 100, &b), 0);
	assert_int_equal(store_get(store, "packs/a", 0, 1, &c), -EIO);
	assert_true(scratch_logged(s, "mem:second: not a copy of the repository at mem:first"));
	assert_true(scratch_logged(s, "mem:third: not a repository (it has no config)"));

	/* One becomes a copy, by and by; the other never. */
	assert_int_equal(store_put(m[2], "config", b.data, b.len, 0), 0);
	sleep_ms(250);
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
	struct rig g;
	char c;

	rig_open(&g, state, 400);
	assert_int_equal(store_mem_replace(g.mem[0], "config", "c0nfig of one", 13), 0);
	assert_int_equal(store_get_all(g.store, "config", 100, &b), 0);
	assert_int_equal(store_distrust(g.store, "config", 0, b.len), 0);
	assert_true(scratch_logged(g.scratch, "config: damaged in mem:first; reading it from another"));
	buf_clear(&b);
	assert_int_equal(store_get_all(g.store, "config", 100, &b), 0);
	assert_memory_equal(b.data, "config of one", 13);
	assert_int_equal(source(&g), '2');
	assert_false(scratch_logged(g.scratch, "not a copy"));
	/* It may be of this repository, and have what the others lack. */
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -EIO);

	assert_int_equal(store_mem_replace(g.mem[0], "config", "config of one", 13), 0);
	sleep_ms(100);
	assert_int_equal(source(&g), '1');
	assert_int_equal(store_get(g.store, "packs/x", 0, 1, &c), -ENOENT);
	buf_free(&b);
	store_close(g.store);
}

/* All configs are damaged: that is an end, and nobody is taken for another repository. */
static void test_damaged_configs(void **state)
{
	struct buf b = BUF_INIT;
	struct rig g;

	rig_open(&g, state, 2000);
	for (int i = 0; i < MEMBERS; i++) {
		buf_clear(&b);
		assert_int_equal(store_get_all(g.store, "config", 100, &b), 0);
		assert_int_equal(store_distrust(g.store, "config", 0, b.len), i == MEMBERS - 1 ? -ENOENT : 0);
	}
	assert_false(scratch_logged(g.scratch, "not a copy"));
	buf_free(&b);
	store_close(g.store);
}

/* The primary is another than its replicas, which were seen first: neither read nor written. */
static void test_other_primary(void **state)
{
	struct rig g;
	char c;

	rig_open(&g, state, 400);
	assert_int_equal(store_mem_replace(g.mem[0], "config", "elsewhere", 9), 0);
	break_it(g.mem[0], READS, 1, -EAGAIN);
	assert_int_equal(source(&g), '2');
	sleep_ms(100);
	assert_int_equal(source(&g), '2');
	assert_true(scratch_logged(g.scratch, "mem:first: not a copy of the repository at mem:second"));
	assert_int_equal(store_put(g.store, "packs/w", "w", 1, 0), -EIO);
	assert_int_equal(store_get(g.mem[0], "packs/w", 0, 1, &c), -ENOENT);
	store_close(g.store);
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

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

/* --- Threads ------------------------------------------------------------------------------------------------------ */

static void *read_on(void *arg)
{
	struct rig *g = arg;
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
	struct rig g;

	rig_open(&g, state, 100);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, read_on, &g), 0);
	for (int i = 0; i < 10; i++) {
		break_it(g.mem[0], READS, 0, -EAGAIN);
		sleep_ms(3);
		heal(g.mem[0]);
		sleep_ms(15);
	}
	for (size_t i = 0; i < 6; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	store_close(g.store);
}

static void *read_once(void *arg)
{
	struct rig *g = arg;
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
	struct rig g;

	rig_open(&g, state, 4000);
	break_it(g.mem[0], READS, 0, -EAGAIN);
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
	enum store_class class[MEMBERS];
	unsigned states[MEMBERS], thaws[MEMBERS];
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
		enum store_class class[MEMBERS], best;
		int asked; /* who is asked to thaw it; -1: nobody */
	} cases[] = {
		{ { STORE_READABLE, STORE_ARCHIVED, STORE_ARCHIVED }, STORE_READABLE, -1 },
		{ { STORE_ARCHIVED, STORE_ARCHIVED, STORE_READABLE }, STORE_READABLE, -1 },
		{ { STORE_ARCHIVED, STORE_THAWING, STORE_ARCHIVED }, STORE_THAWING, -1 },
		{ { STORE_ARCHIVED, STORE_ARCHIVED, STORE_ARCHIVED }, STORE_ARCHIVED, 0 },
	};
	struct store_ops ops;
	enum store_class class;
	struct rig g;

	rig_open(&g, state, 2000);
	assert_int_equal(store_thaw(g.store, "packs/a", 5), -ENOTSUP);
	ops = *g.mem[0]->ops;
	ops.thaw_state = say_state;
	ops.thaw = say_thaw;
	for (int i = 0; i < MEMBERS; i++)
		g.mem[i]->ops = &ops;
	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		memset(&archive, 0, sizeof(archive));
		memcpy(archive.class, cases[n].class, sizeof(archive.class));
		assert_int_equal(store_thaw_state(g.store, "packs/a", &class), 0);
		assert_int_equal(class, cases[n].best);
		assert_int_equal(archive.states[1], n == 0 ? 0 : 1);
		assert_int_equal(store_thaw(g.store, "packs/a", 5), 0);
		for (int i = 0; i < MEMBERS; i++)
			assert_int_equal(archive.thaws[i], i == cases[n].asked);
	}

	/* Who has gone, or has no such object, is not waited for. */
	break_it(g.mem[0], READS, 0, -EAGAIN);
	assert_int_equal(store_delete(g.mem[1], "packs/a"), 0);
	assert_int_equal(store_thaw(g.store, "packs/a", 5), 0);
	assert_int_equal(archive.thaws[2], 1);
	assert_int_equal(archive.thaws[0], 1);
	heal(g.mem[0]);
	assert_int_equal(store_thaw_state(g.store, "packs/none", &class), -EAGAIN);
	store_close(g.store);

	/* One without archives has it readable if it has it at all. */
	rig_open(&g, state, 2000);
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
		cmocka_unit_test_setup_teardown(test_list, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_empty, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_at_start, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_list_stopped, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_write, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_other_repository, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_config, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_damaged_configs, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_other_primary, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_open, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_threads, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_identify_hangs, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_hold),
		cmocka_unit_test_setup_teardown(test_archives, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
