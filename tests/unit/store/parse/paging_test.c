/*
 * Unit tests of repo/store/parse/paging.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repo/store/parse/paging.h"

/* After how many pages is it noticed that ${lead} tokens are followed by ${period} that repeat?  0: not in time. */
static unsigned noticed(unsigned lead, unsigned period)
{
	struct paging p = { 0 };
	char token[16];
	unsigned n;
	int rc = 0;

	for (n = 0; rc == 0 && n < 4 * (lead + period) + 4; n++) {
		snprintf(token, sizeof(token), "%u", n < lead ? n : lead + (n - lead) % period);
		rc = paging_next(&p, token, false);
	}
	paging_free(&p);
	if (rc != 0)
		assert_int_equal(rc, -ELOOP);
	return rc == 0 ? 0 : n;
}

static void test_circles(void **state)
{
	(void)state;
	assert_int_equal(noticed(0, 1), 2);
	for (unsigned lead = 0; lead < 40; lead++)
		for (unsigned period = 1; period < 40; period++)
			assert_true(noticed(lead, period) > lead + period);
}

static void test_no_circle(void **state)
{
	struct paging p = { 0 };
	char token[16];

	(void)state;
	for (unsigned n = 0; n < 10000; n++) {
		snprintf(token, sizeof(token), "%u", n);
		assert_int_equal(paging_next(&p, token, n % 2 == 0), 0);
	}
	paging_free(&p);
}

static void test_empty(void **state)
{
	struct paging p = { 0 };
	char token[16];
	unsigned n;
	int rc = 0;

	(void)state;
	for (n = 0; rc == 0 && n < 2 * PAGING_EMPTY_MAX; n++) {
		snprintf(token, sizeof(token), "%u", n);
		rc = paging_next(&p, token, true);
	}
	assert_int_equal(rc, -ELOOP);
	assert_int_equal(n, PAGING_EMPTY_MAX + 1);
	paging_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_circles),
		cmocka_unit_test(test_no_circle),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
