/*
 * The limit of bytes a second that all transfers share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repo/store/http/rate.h"

/* Send pieces of ${piece} bytes as soon as they may go, from ${*now} on for ${ms}.  Return the bytes. */
static uint64_t send_for(struct rate *r, int64_t *now, int64_t ms, size_t piece)
{
	int64_t end = *now + ms;
	uint64_t sent = 0;
	int wait;

	while (*now < end) {
		if (rate_open(r, *now)) {
			rate_take(r, piece);
			sent += piece;
			continue;
		}
		wait = rate_wait_ms(r, *now);
		assert_in_range(wait, 1, 1000000);
		*now += wait;
	}
	return sent;
}

static void test_without_limit(void **state)
{
	struct rate r;

	(void)state;
	rate_init(&r, 0, 5);
	for (int i = 0; i < 100; i++) {
		assert_true(rate_open(&r, 5));
		rate_take(&r, SIZE_MAX / 200);
		assert_int_equal(rate_wait_ms(&r, 5), 0);
	}
}

/* Whatever the size of the pieces, the rate is kept: within one piece and the bucket, a tenth of a second's worth. */
static void test_rate_is_kept(void **state)
{
	static const struct {
		uint64_t per_s;
		size_t piece;
	} cases[] = {
		{ 1, 1 }, { 10, 64 }, { 999, 1 }, { 1000, 16384 }, { 62500, 65536 }, { 25000000, 65536 },
		{ 25000000, 2097152 }, { 1250000000, 65536 },
	};
	struct rate r;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t begun = 1000, now = begun;
		uint64_t sent, right;

		rate_init(&r, cases[i].per_s, begun);
		sent = send_for(&r, &now, 20000, cases[i].piece);
		right = cases[i].per_s * (uint64_t)(now - begun) / 1000;
		if (sent > right + cases[i].per_s / 10 + 1 + cases[i].piece || sent + cases[i].piece < right * 99 / 100)
			fail_msg("%llu a second: %llu bytes, not %llu", (unsigned long long)cases[i].per_s,
			    (unsigned long long)sent, (unsigned long long)right);
	}
}

/* What was not used while nothing was to be sent is not sent later, but for a tenth of a second. */
static void test_idle(void **state)
{
	int64_t now = 0;
	struct rate r;

	(void)state;
	rate_init(&r, 10000, now);
	send_for(&r, &now, 1000, 100);
	now += 3600 * 1000;
	assert_true(rate_open(&r, now));
	assert_in_range(send_for(&r, &now, 1, 100), 1000, 1200);
}

/* More than the bucket has may go at once, and is waited for; a clock that stands still opens nothing. */
static void test_debt(void **state)
{
	struct rate r;

	(void)state;
	rate_init(&r, 1000, 0);
	assert_true(rate_open(&r, 0));
	rate_take(&r, 5000);
	for (int i = 0; i < 10; i++)
		assert_false(rate_open(&r, 0));
	assert_in_range(rate_wait_ms(&r, 0), 4890, 4910);
	assert_false(rate_open(&r, 4800));
	assert_true(rate_open(&r, 4910));
	/* Nor does one that goes back. */
	rate_take(&r, 1000);
	assert_false(rate_open(&r, 100));
}

static void test_extremes(void **state)
{
	struct rate r;

	(void)state;
	rate_init(&r, UINT64_MAX, 0);
	assert_true(rate_open(&r, 0));
	rate_take(&r, (size_t)1 << 43);
	assert_in_range(rate_wait_ms(&r, 0), 800, 1000);
	assert_true(rate_open(&r, INT64_MAX / 2));
	rate_init(&r, 1, 0);
	rate_take(&r, 2);
	assert_in_range(rate_wait_ms(&r, 0), 1, 2001);
	for (int64_t now = 1; now < 1000; now++)
		assert_false(rate_open(&r, now));
	assert_true(rate_open(&r, 2001));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_limit),
		cmocka_unit_test(test_rate_is_kept),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_debt),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
