/*
 * Retention policies over tables of dates, in zones with and without clocks that change.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/retention/policy.h"
#include "repo/util/text/when.h"

#define ITEMS_MAX 400
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define KOLKATA "IST-5:30"

static void in_zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
	tzset();
}

/* Judge the given times (newest first); return which are kept, a letter each: 'k', or '-'. */
static const char *judge(const struct keep_policy *p, const char *const *times, size_t n)
{
	static char kept[ITEMS_MAX + 1];
	struct keep_item items[ITEMS_MAX] = { { 0 } };
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(when_parse_first(times[i], p->utc, 0, &items[i].time_ns), 0);
	keep_apply(p, items, n);
	for (size_t i = 0; i < n; i++) {
		kept[i] = items[i].reasons ? 'k' : '-';
		count += items[i].reasons != 0;
	}
	kept[n] = '\0';
	assert_int_equal(keep_apply(p, items, n), count);
	return kept;
}

#define TEXTS(...) (const char *const[]){ __VA_ARGS__ }
#define JUDGE(policy, ...) judge((policy), TEXTS(__VA_ARGS__), sizeof(TEXTS(__VA_ARGS__)) / sizeof(char *))

static void test_each_period(void **state)
{
	struct keep_policy p = { .utc = true };

	(void)state;
	p.count[KEEP_LAST] = 2;
	assert_string_equal(JUDGE(&p, "2024-03-03", "2024-03-02", "2024-03-01"), "kk-");
	p = (struct keep_policy){ .utc = true, .count[KEEP_HOURLY] = 2 };
	assert_string_equal(JUDGE(&p, "2024-03-01 12:59", "2024-03-01 12:00", "2024-03-01 11:59", "2024-03-01 10:00"),
	    "k-k-");
	p = (struct keep_policy){ .utc = true, .count[KEEP_DAILY] = 2 };
	assert_string_equal(JUDGE(&p, "2024-03-02 00:00", "2024-03-01 23:59", "2024-03-01 00:00", "2024-02-29 12:00"),
	    "kk--");
	/* 2024-03-04 is a Monday; weeks go on over the end of a year. */
	p = (struct keep_policy){ .utc = true, .count[KEEP_WEEKLY] = 3 };
	assert_string_equal(JUDGE(&p, "2024-03-04 00:00", "2024-03-03 23:59", "2024-02-26 00:00", "2024-02-25 23:59"),
	    "kk-k");
	assert_string_equal(JUDGE(&p, "2025-01-05", "2024-12-30", "2024-12-29"), "k-k");
	p = (struct keep_policy){ .utc = true, .count[KEEP_MONTHLY] = 2 };
	assert_string_equal(JUDGE(&p, "2024-01-01", "2023-12-31", "2023-12-01", "2023-11-30"), "kk--");
	p = (struct keep_policy){ .utc = true, .count[KEEP_YEARLY] = KEEP_ALL };
	assert_string_equal(JUDGE(&p, "2024-01-01", "2023-12-31", "2023-01-01", "1969-12-31", "1969-01-01"), "kk-k-");
}

/* The empty periods between two snapshots count for nothing. */
static void test_gaps(void **state)
{
	struct keep_policy p = { .utc = true, .count[KEEP_DAILY] = 3 };

	(void)state;
	assert_string_equal(JUDGE(&p, "2024-03-20", "2024-03-10", "2023-03-10", "2022-03-10"), "kkk-");
}

static void test_rules_together(void **state)
{
	struct keep_policy p = { .utc = true, .count = { [KEEP_LAST] = 1, [KEEP_DAILY] = 2, [KEEP_MONTHLY] = 2 } };
	struct keep_item items[4] = { { 0 } };
	static const char *const times[] = { "2024-03-02", "2024-03-01", "2024-02-29", "2024-02-28" };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(when_parse_first(times[i], true, 0, &items[i].time_ns), 0);
	assert_int_equal(keep_apply(&p, items, 4), 3);
	assert_int_equal(items[0].reasons, KEPT(KEEP_LAST) | KEPT(KEEP_DAILY) | KEPT(KEEP_MONTHLY));
	assert_int_equal(items[1].reasons, KEPT(KEEP_DAILY));
	assert_int_equal(items[2].reasons, KEPT(KEEP_MONTHLY));
	assert_int_equal(items[3].reasons, 0);
}

/* Local days: clocks go forward at 2024-03-31 01:00Z, back at 2024-10-27 01:00Z. */
static void test_local_days(void **state)
{
	struct keep_policy p = { .count[KEEP_DAILY] = KEEP_ALL }, utc = { .utc = true, .count[KEEP_DAILY] = KEEP_ALL };

	(void)state;
	in_zone(BERLIN);
	assert_string_equal(JUDGE(&p, "2024-03-31T22:30Z", "2024-03-31T21:30Z", "2024-03-30T23:30Z",
	    "2024-03-30T22:30Z"), "kk-k");
	assert_string_equal(JUDGE(&p, "2024-10-27T23:30Z", "2024-10-27T22:30Z", "2024-10-26T22:30Z",
	    "2024-10-26T21:30Z"), "kk-k");
	/* The same ones by days of UTC. */
	assert_string_equal(JUDGE(&utc, "2024-03-31T22:30Z", "2024-03-31T21:30Z", "2024-03-30T23:30Z",
	    "2024-03-30T22:30Z"), "k-k-");
	in_zone(KOLKATA);
	assert_string_equal(JUDGE(&p, "2024-03-01T18:30Z", "2024-03-01T18:29Z", "2024-02-29T18:30Z"), "kk-");
	in_zone("UTC");
}

/* The hour that clocks show twice is two hours; that which they skip is none. */
static void test_hours_of_a_change(void **state)
{
	struct keep_policy p = { .count[KEEP_HOURLY] = KEEP_ALL };

	(void)state;
	in_zone(BERLIN);
	assert_string_equal(JUDGE(&p, "2024-10-27T02:10Z", "2024-10-27T01:50Z", "2024-10-27T01:10Z",
	    "2024-10-27T00:50Z", "2024-10-27T00:10Z"), "kk-k-");
	assert_string_equal(JUDGE(&p, "2024-03-31T01:10Z", "2024-03-31T00:50Z", "2024-03-31T00:10Z"), "kk-");
	in_zone(KOLKATA);
	assert_string_equal(JUDGE(&p, "2024-03-01T10:30Z", "2024-03-01T10:29Z", "2024-03-01T09:30Z"), "kk-");
	in_zone("UTC");
}

static void test_local_weeks_and_years(void **state)
{
	struct keep_policy weeks = { .count[KEEP_WEEKLY] = KEEP_ALL }, years = { .count[KEEP_YEARLY] = KEEP_ALL };

	(void)state;
	in_zone(BERLIN);
	/* Monday begins an hour before that of UTC. */
	assert_string_equal(JUDGE(&weeks, "2024-03-03T23:30Z", "2024-03-03T22:30Z"), "kk");
	assert_string_equal(JUDGE(&years, "2023-12-31T23:30Z", "2023-12-31T22:30Z"), "kk");
	in_zone("UTC");
	assert_string_equal(JUDGE(&weeks, "2024-03-03T23:30Z", "2024-03-03T22:30Z"), "k-");
	assert_string_equal(JUDGE(&years, "2023-12-31T23:30Z", "2023-12-31T22:30Z"), "k-");
}

static void test_within(void **state)
{
	struct keep_policy p = { .utc = true };

	(void)state;
	assert_int_equal(keep_span_parse("2d", &p.within[KEEP_LAST]), 0);
	assert_string_equal(JUDGE(&p, "2024-03-03 12:00", "2024-03-01 12:00", "2024-03-01 11:59"), "kk-");
	/* A month before the end of March is the 31st of February, which is the 2nd of March. */
	assert_int_equal(keep_span_parse("1m", &p.within[KEEP_LAST]), 0);
	assert_string_equal(JUDGE(&p, "2024-03-31 00:00", "2024-03-02 00:00", "2024-03-01 23:00"), "kk-");
	p = (struct keep_policy){ .utc = true };
	assert_int_equal(keep_span_parse("1y", &p.within[KEEP_MONTHLY]), 0);
	assert_string_equal(JUDGE(&p, "2024-03-05", "2024-03-01", "2024-02-01", "2023-03-06", "2023-03-04"), "k-kk-");
	/* Longer than times reach. */
	assert_int_equal(keep_span_parse("900y", &p.within[KEEP_LAST]), 0);
	assert_string_equal(JUDGE(&p, "2024-03-05", "1700-01-01"), "kk");
}

/* A local day back over a change of clocks is 25 hours. */
static void test_within_local(void **state)
{
	struct keep_policy p = { .min = 0 };

	(void)state;
	in_zone(BERLIN);
	assert_int_equal(keep_span_parse("1d", &p.within[KEEP_LAST]), 0);
	assert_string_equal(JUDGE(&p, "2024-10-27T11:00Z", "2024-10-26T10:00Z", "2024-10-26T09:59Z"), "kk-");
	in_zone("UTC");
}

static void test_tags_and_min(void **state)
{
	static const char *const wanted[] = { "keep", "gold" };
	char gold[] = "gold", dust[] = "dust", *const tags1[] = { dust, gold }, *const tags2[] = { dust };
	struct keep_policy p = { .utc = true, .tags = wanted, .ntags = 2 };
	struct keep_item items[4] = { { .time_ns = 4 }, { .time_ns = 3, .tags = tags1, .ntags = 2 },
		{ .time_ns = 2, .tags = tags2, .ntags = 1 }, { .time_ns = 1 } };

	(void)state;
	assert_int_equal(keep_apply(&p, items, 4), 1);
	assert_int_equal(items[1].reasons, KEPT_TAG);
	assert_int_equal(keep_apply(&p, items + 2, 2), 0);
	p.min = 3;
	assert_int_equal(keep_apply(&p, items, 4), 3);
	assert_int_equal(items[0].reasons, KEPT_MIN);
	assert_int_equal(items[1].reasons, KEPT_TAG);
	assert_int_equal(items[2].reasons, KEPT_MIN);
	assert_int_equal(items[3].reasons, 0);
	p.min = 9;
	assert_int_equal(keep_apply(&p, items, 4), 4);
	assert_int_equal(keep_apply(&p, items, 0), 0);
}

static void test_given(void **state)
{
	struct keep_policy none = { .utc = true }, zero = none, min = { .min = 1 };

	(void)state;
	zero.within[KEEP_LAST].given = true;
	assert_false(keep_policy_given(&none));
	assert_true(keep_policy_given(&zero));
	assert_true(keep_policy_given(&min));
}

static void test_parse(void **state)
{
	static const char *const bad[] = { "", "d", "7", "7x", "7d7d", "1d1w", "7d ", "-1d", "1.5d", "9999999d", "1D" };
	struct keep_span span;
	uint32_t n;

	(void)state;
	assert_int_equal(keep_span_parse("2y5m3w7d12h", &span), 0);
	assert_true(span.given && span.years == 2 && span.months == 5 && span.days == 28 && span.hours == 12);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(keep_span_parse(bad[i], &span), -EINVAL);
	assert_int_equal(span.years, 2);
	assert_int_equal(keep_count_parse("all", &n), 0);
	assert_int_equal(n, KEEP_ALL);
	assert_int_equal(keep_count_parse("0", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(keep_count_parse("-1", &n), -EINVAL);
	assert_int_equal(keep_count_parse("4294967295", &n), -EINVAL);
	assert_int_equal(keep_count_parse("7d", &n), -EINVAL);
	assert_int_equal(keep_count_parse("", &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_period),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_rules_together),
		cmocka_unit_test(test_local_days),
		cmocka_unit_test(test_hours_of_a_change),
		cmocka_unit_test(test_local_weeks_and_years),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_within_local),
		cmocka_unit_test(test_tags_and_min),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
