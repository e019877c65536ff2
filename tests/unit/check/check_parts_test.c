/*
 * Check: a share of the packs each time, and going on where one was interrupted or killed.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/check/repair.h"
#include "tests/unit/check/check_rig.h"

static uint64_t packs_of_part(struct check_rig *k, uint32_t part, uint32_t parts)
{
	k->o.part = part;
	k->o.parts = parts;
	assert_int_equal(check_rig_run(k, true), 0);
	return k->result.packs_read;
}

static void test_parts(void **state)
{
	struct check_rig *k = *state;
	uint64_t packs;
	char name[32];

	check_rig_fill(k);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "part%u", i);
		rig_note(name, name);
		assert_int_equal(rig_backup(k->g, name, NULL), 0);
	}
	packs = packs_of_part(k, 1, 1);
	assert_int_equal(packs, k->result.packs);
	assert_int_equal(packs_of_part(k, 1, 3) + packs_of_part(k, 2, 3) + packs_of_part(k, 3, 3), packs);
	k->o.parts = k->o.part = 0;
	k->o.percent = 50;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.packs_read, (k->result.packs + 1) / 2);
	k->o.percent = 100;
	assert_int_equal(check_rig_run(k, true), 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
}

static void more_packs(struct check_rig *k, unsigned n)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "more%u", i);
		rig_note(name, name);
		assert_int_equal(rig_backup(k->g, name, NULL), 0);
	}
}

/* A cycle of rotating checks reads every pack, and what is damaged is told until it is not. */
static void test_rotation(void **state)
{
	struct check_rig *k = *state;
	uint64_t read = 0, packs;
	unsigned told = 0;
	struct check_rig_sizes l;

	check_rig_fill(k);
	more_packs(k, 5);
	k->o.cache_dir = k->g->f.scratch->dir;
	k->o.days = 4;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(check_rig_run(k, true), 0);
		packs = k->result.packs;
		assert_true(k->result.packs_read < packs);
		read += k->result.packs_read;
	}
	assert_true(read >= packs && read <= packs + 1);
	check_rig_flip(k, check_rig_largest(k, "packs/", &l), 5000);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t findings = check_rig_run(k, true);

		assert_true(findings == (told > 0) || (findings == 1 && told == 0));
		told += findings > 0;
	}
	assert_true(told > 0);
	assert_int_equal(check_rig_run(k, true), 1);
	/* By every other check, too, and no more once it is sound. */
	k->o.days = 0;
	k->o.part = 1;
	k->o.parts = 1000000;
	assert_int_equal(check_rig_run(k, true), 1);
	check_rig_flip(k, l.of[0].name, 5000);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(k->result.packs_read >= 1);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(k->result.packs_read <= 1);
}

/* Check, and end with the first finding. */
static void interrupt(struct check_rig *k)
{
	k->o.read_data = true;
	k->stop_at = 1;
	assert_int_equal(check_run(&k->g->repo, &k->o, &k->result), -EINTR);
	assert_true(k->result.packs_read > 0 && k->result.packs_read < k->result.packs);
	k->stop = 0;
}

/* An interrupted one goes on, and tells what it had found. */
static void test_goes_on(void **state)
{
	struct check_rig *k = *state;
	struct check_rig_sizes l;

	check_rig_fill(k);
	more_packs(k, 5);
	k->o.cache_dir = k->g->f.scratch->dir;
	k->o.threads = 1;
	check_rig_largest(k, "packs/", &l);
	for (unsigned i = 0; i < l.n; i++)
		check_rig_flip(k, l.of[i].name, 200);
	interrupt(k);
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_true(k->result.packs_before > 0);
	assert_int_equal(k->result.packs_before + k->result.packs_read, k->result.packs);
	/* That is over, and all is read by the next one. */
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_int_equal(k->result.packs_before, 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
	/* Or at once, if it is to begin anew; and one of another kind does not go on with it. */
	interrupt(k);
	k->o.part = k->o.parts = 1;
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_int_equal(k->result.packs_before, 0);
	k->o.part = k->o.parts = 0;
	k->o.restart = true;
	assert_int_equal(check_rig_run(k, true), l.n);
	assert_int_equal(k->result.packs_before, 0);
	assert_int_equal(k->result.packs_read, k->result.packs);
}

/* Read slowly; the caller kills it. */
static void check_in_child(struct check_rig *k)
{
	struct store_fault_rule rule = { .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .amount = 150 };

	rule.prefix = "packs/";
	store_mem_set_faults(check_rig_fixture(k)->store, &rule, 1);
	check_run(&k->g->repo, &k->o, &k->result);
	_exit(0);
}

/* One that was killed goes on behind what it had written down. */
static void test_killed(void **state)
{
	struct check_rig *k = *state;
	char path[512], hex[33];
	pid_t child;

	check_rig_fill(k);
	more_packs(k, 12);
	k->o.cache_dir = k->g->f.scratch->dir;
	k->o.read_data = true;
	k->o.threads = 1;
	hex_encode(k->g->f.config.repo_id, 16, hex);
	snprintf(path, sizeof(path), "%s/check/%s/data-all", k->o.cache_dir, hex);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		check_in_child(k);
	for (unsigned i = 0; i < 6000 && access(path, F_OK) != 0; i++)
		usleep(10000);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(check_rig_run(k, true), 0);
	assert_true(k->result.packs_before > 0);
	assert_int_equal(k->result.packs_before + k->result.packs_read, k->result.packs);
	assert_int_equal(access(path, F_OK), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, check_rig_setup, check_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_parts),
		TEST(test_rotation),
		TEST(test_goes_on),
		TEST(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
