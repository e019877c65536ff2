/*
 * Durations by two clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fake_clock.h"

static void test_at_most(void **state)
{
	struct clock_reading then = { .boot_ns = 100, .real_ns = 5000 }, now = { .boot_ns = 150, .real_ns = 5020 };

	(void)state;
	assert_int_equal(clock_at_most(&then, &now), 50);
	now.real_ns = 5100; /* the machine was paused */
	assert_int_equal(clock_at_most(&then, &now), 100);
	now.real_ns = 10; /* somebody has set it back */
	assert_int_equal(clock_at_most(&then, &now), 50);
}

static void test_at_least_in_one_boot(void **state)
{
	struct clock_reading then = { .boot_ns = 100, .real_ns = 5000 }, now = { .boot_ns = 150, .real_ns = 9000 };

	(void)state;
	assert_int_equal(clock_at_least(&then, &now), 50);
	now.boot_ns = 90; /* a machine that was brought back to an earlier state */
	assert_int_equal(clock_at_least(&then, &now), 0);
}

static void test_at_least_over_boots(void **state)
{
	struct clock_reading then = { .boot_ns = 100, .real_ns = 5000 }, now = { .boot_ns = 30, .real_ns = 5500 };

	(void)state;
	now.boot_id[3] = 1;
	assert_int_equal(clock_at_least(&then, &now), 30);
	now.boot_ns = 10000; /* a note of another machine, or a clock that was wrong */
	assert_int_equal(clock_at_least(&then, &now), 500);
	now.real_ns = 4000;
	assert_int_equal(clock_at_least(&then, &now), 0);
}

static void test_system(void **state)
{
	struct clock_reading a, b;

	(void)state;
	clock_read(NULL, &a);
	clock_read(NULL, &b);
	assert_memory_equal(a.boot_id, b.boot_id, BOOT_ID_LEN);
	assert_true(a.boot_ns > 0 && b.boot_ns >= a.boot_ns);
	assert_true(clock_at_most(&a, &b) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_most),
		cmocka_unit_test(test_at_least_in_one_boot),
		cmocka_unit_test(test_at_least_over_boots),
		cmocka_unit_test(test_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
