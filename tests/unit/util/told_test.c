/*
 * What has been told already.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repo/util/told.h"

static void test_once(void **state)
{
	struct told t;

	(void)state;
	told_init(&t, 3600);
	assert_false(told_before(&t, 0));
	assert_false(told_before(&t, 7));
	assert_true(told_before(&t, 7));
	assert_false(told_before(&t, 8));
	assert_true(told_before(&t, 7));
}

static void test_oldest_forgotten(void **state)
{
	struct told t;

	(void)state;
	told_init(&t, 3600);
	for (uint64_t i = 1; i <= TOLD_MAX; i++)
		assert_false(told_before(&t, i));
	assert_true(told_before(&t, 1));
	assert_false(told_before(&t, TOLD_MAX + 1));
	assert_false(told_before(&t, 1));
	assert_true(told_before(&t, TOLD_MAX));
}

static void test_names(void **state)
{
	struct told t;

	(void)state;
	told_init(&t, 3600);
	assert_false(told_name_before(&t, "packs/12/34"));
	assert_false(told_name_before(&t, "packs/12/35"));
	assert_true(told_name_before(&t, "packs/12/34"));
}

static void test_time_over(void **state)
{
	struct told t;

	(void)state;
	told_init(&t, 0);
	assert_false(told_before(&t, 7));
	assert_false(told_before(&t, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_oldest_forgotten),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_time_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
