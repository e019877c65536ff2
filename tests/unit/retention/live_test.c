/*
 * The set of live objects.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repo/retention/prune/live.h"
#include "tests/lib/packs.h"

#define MANY 200000

static void test_members(void **state)
{
	struct live_set *s = live_new(MANY);
	struct id id;
	unsigned wrong = 0;

	(void)state;
	assert_non_null(s);
	for (uint64_t i = 0; i < MANY; i++) {
		packs_id(i, &id);
		assert_int_equal(live_add(s, &id), 1);
		assert_int_equal(live_add(s, &id), 0);
	}
	assert_int_equal(live_count(s), MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		packs_id(i, &id);
		assert_true(live_has(s, &id));
		packs_id(i + MANY, &id);
		wrong += live_has(s, &id);
	}
	assert_int_equal(wrong, 0);
	assert_true(live_memory(s) < MANY * 6);
	live_free(s);
}

/* Ids that meet in the last bucket go on in the first. */
static void test_one_bucket(void **state)
{
	struct live_set *s = live_new(100);
	struct id id;

	(void)state;
	memset(&id, 0xff, sizeof(id));
	for (uint32_t i = 0; i < 100; i++) {
		memcpy(id.b + 8, &i, sizeof(i));
		/* 0 is kept as 1. */
		assert_int_equal(live_add(s, &id), i != 1);
		assert_true(live_has(s, &id));
	}
	assert_int_equal(live_count(s), 99);
	id.b[12] = 5; /* beyond what is kept of an id */
	assert_true(live_has(s, &id));
	live_free(s);
	live_free(NULL);
}

static void test_full(void **state)
{
	struct live_set *s = live_new(0);
	struct id id;
	uint64_t n = 0;
	int rc = 1;

	(void)state;
	assert_non_null(s);
	packs_id(0, &id);
	assert_false(live_has(s, &id));
	for (; rc == 1 && n < 5000; n++) {
		packs_id(n, &id);
		rc = live_add(s, &id);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_false(live_has(s, &id));
	packs_id(0, &id);
	assert_int_equal(live_add(s, &id), 0);
	live_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_one_bucket),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
