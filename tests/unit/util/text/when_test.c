/*
 * Times and sizes as people write them.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/util/text/when.h"

#define S NS_PER_SEC
#define END (NS_PER_SEC - 1) /* of a second */

/* 2024-01-01T13:30:00Z, a Monday */
#define NOW (1704115800 * S)

/* Rules are written out, so that no time zone files are needed. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
/* Clocks are set forward at midnight, and back to 23:00 at midnight, as in Brazil until 2019. */
#define BRASILIA "<-03>3<-02>,M10.3.0/0,M2.3.0/0"
#define INDIA "IST-5:30"

static void set_zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

static int64_t parsed(const char *text, bool utc)
{
	int64_t ns = -12345;

	if (when_parse_first(text, utc, NOW, &ns) != 0)
		fail_msg("\"%s\" was not understood", text);
	return ns;
}

/* The last instant that the text means. */
static void assert_last(const char *text, bool utc, int64_t expect)
{
	int64_t ns = -12345;

	if (when_parse(text, utc, NOW, &ns) != 0)
		fail_msg("\"%s\" was not understood", text);
	if (ns != expect)
		fail_msg("\"%s\" is %" PRId64 ", expected %" PRId64, text, ns, expect);
}

static void assert_when(const char *text, bool utc, int64_t expect)
{
	int64_t ns = parsed(text, utc);

	if (ns != expect)
		fail_msg("\"%s\" is %" PRId64 ", expected %" PRId64, text, ns, expect);
}

static void test_utc(void **state)
{
	(void)state;
	set_zone(BERLIN);
	assert_when("2024-01-01 14:30:00", true, 1704119400 * S);
	assert_when("2024-01-01T14:30:00", true, 1704119400 * S);
	assert_when("2024-01-01t14:30:05", true, 1704119405 * S);
	assert_when("2024-01-01_14:30:00", true, 1704119400 * S);
	assert_when("2024-01-01%2014:30:00", true, 1704119400 * S);
	assert_when("2024-01-01 14:30:00.123", true, 1704119400 * S + 123000000);
	assert_when("2024-01-01 14:30:00.000000001", true, 1704119400 * S + 1);
	assert_when("2024-01-01 14:30:00.0000000019", true, 1704119400 * S + 1);
	assert_when("1970-01-01 00:00:00", true, 0);
}

/* What is left out is at its end. */
static void test_ends(void **state)
{
	(void)state;
	assert_when("2024-01-01 14:30", true, 1704119400 * S);
	assert_when("2024-01-01", true, 1704067200 * S);
	assert_last("2024-01-01 14:30:05", true, 1704119405 * S + END);
	assert_last("2024-01-01 14:30:05.5", true, 1704119405 * S + S / 2);
	assert_last("@GMT-2024.01.01-14.30.05", false, 1704119405 * S + END);
	assert_last("2024-01-01 14:30", true, 1704119459 * S + END);
	assert_last("2024-01-01 14", true, (1704117600 + 3599) * S + END);
	assert_last("2024-01-01", true, (1704067200 + 86399) * S + END);
	assert_last("2024-01-01Z", false, (1704067200 + 86399) * S + END);
	assert_last("2024-01-01+02:00", false, (1704067200 - 7200 + 86399) * S + END);
	assert_last("2024-01-01-0500", false, (1704067200 + 18000 + 86399) * S + END);
	assert_last("2024-01-01 14-05:00", false, (1704117600 + 18000 + 3599) * S + END);
}

static void test_zones(void **state)
{
	(void)state;
	set_zone(BERLIN);
	assert_when("2024-01-01 14:30:00Z", false, 1704119400 * S);
	assert_when("2024-01-01 14:30:00 Z", false, 1704119400 * S);
	assert_when("2024-01-01 14:30:00z", false, 1704119400 * S);
	assert_when("2024-01-01 14:30:00 UTC", false, 1704119400 * S);
	assert_when("2024-01-01T14:30:00utc", false, 1704119400 * S);
	assert_when("2024-01-01T14:30:00+02:00", true, (1704119400 - 7200) * S);
	assert_when("2024-01-01T14:30:00+0200", true, (1704119400 - 7200) * S);
	assert_when("2024-01-01T14:30:00 -03:30", true, (1704119400 + 12600) * S);
	assert_when("2024-01-01T14:30:00.5-03:30", true, (1704119400 + 12600) * S + 500000000);
	assert_when("2024-01-01T14:30:00-00:00", false, 1704119400 * S);
	assert_last("2024-01-01T14:30Z", false, 1704119459 * S + END);
}

static void test_local(void **state)
{
	(void)state;
	set_zone(BERLIN);
	assert_when("2024-01-01 14:30:00", false, (1704119400 - 3600) * S);
	assert_when("2024-07-01 14:30:00", false, 1719837000 * S);
	assert_last("2024-07-01", false, (1719784800 + 86399) * S + END);
	set_zone(INDIA);
	assert_when("2024-01-01 14:30:00", false, (1704119400 - 19800) * S);
	set_zone("UTC0");
	assert_when("2024-01-01 14:30:00", false, 1704119400 * S);
}

static void test_clocks_change(void **state)
{
	(void)state;
	set_zone(BERLIN);
	/* 2024-03-31 02:00 CET is 03:00 CEST, 1711846800. */
	assert_when("2024-03-31 01:59:59", false, 1711846799 * S);
	assert_when("2024-03-31 03:00:00", false, 1711846800 * S);
	assert_when("2024-03-31 02:30:00", false, (1711846800 + 1800) * S);
	/* 2024-10-27 03:00 CEST is 02:00 CET, 1729990800: of two, the later is meant. */
	assert_when("2024-10-27 01:59:59", false, (1729990800 - 3601) * S);
	assert_when("2024-10-27 02:30:00", false, (1729990800 + 1800) * S);
	assert_last("2024-10-27 02", false, (1729990800 + 3599) * S + END);
	assert_when("2024-10-27 03:00:00", false, (1729990800 + 3600) * S);
	/* Days of 23 and 25 hours. */
	assert_true(parsed("2024-04-01", false) - parsed("2024-03-31", false) == 23 * 3600 * S);
	assert_true(parsed("2024-10-28", false) - parsed("2024-10-27", false) == 25 * 3600 * S);
	/* The first gives the way for the next, whatever was asked before. */
	assert_when("2024-10-27 02:30:00", false, (1729990800 + 1800) * S);

	set_zone(BRASILIA);
	/* 2024-10-20 00:00 -03 is 01:00 -02, 1729393200. */
	assert_last("2024-10-19", false, 1729393199 * S + END);
	assert_when("2024-10-20 00:00:00", false, 1729393200 * S);
	assert_when("2024-10-20 01:00:00", false, 1729393200 * S);
	/* 2024-02-18 00:00 -02 is 2024-02-17 23:00 -03, 1708221600. */
	assert_last("2024-02-17", false, (1708221600 + 3599) * S + END);
	assert_when("2024-02-17 22:59:59", false, (1708221600 - 3601) * S);
	assert_when("2024-02-17 23:30:00", false, (1708221600 + 1800) * S);
}

static void test_before_1970(void **state)
{
	(void)state;
	set_zone(BERLIN);
	assert_when("1969-12-31 23:59:59", true, -1 * S);
	assert_when("1969-12-31 23:59:59.75", true, -250000000);
	assert_last("1969-12-31", true, -1);
	assert_when("1904-01-01 00:00:00", true, -2082844800 * S);
	assert_when("1677-09-21 00:12:44", true, -9223372036 * S);
	assert_when("2262-04-11 23:47:16", true, 9223372036 * S);
	assert_when("1970-01-01 00:30:00", false, -1800 * S);
}

static void test_leap(void **state)
{
	(void)state;
	assert_when("2024-02-29 00:00:00", true, 1709164800 * S);
	assert_when("2000-02-29 00:00:00", true, 951782400 * S);
	assert_when("2016-12-31 23:59:60Z", false, 1483228800 * S);
	assert_when("2017-01-01 05:29:60.5+05:30", false, 1483228800 * S + 500000000);
	assert_when("@GMT-2016.12.31-23.59.60", false, 1483228800 * S);
}

static void test_epoch(void **state)
{
	(void)state;
	assert_when("@1704119400", false, 1704119400 * S);
	assert_when("@1704119400.5", false, 1704119400 * S + 500000000);
	assert_when("@0", false, 0);
	assert_when("@-1", false, -1 * S);
	assert_when("@-1.25", false, -1250000000);
	assert_when("@-0.25", false, -250000000);
	assert_when("@9223372036.854775807", false, INT64_MAX);
	assert_when("@-9223372036.854775807", false, INT64_MIN + 1);
	assert_when("@-9223372036.854775808", false, INT64_MIN);
	set_zone(BERLIN);
	assert_when("@GMT-2024.01.01-14.30.00", false, 1704119400 * S);
	assert_when("@GMT-1969.12.31-23.59.59", false, -1 * S);
}

static void test_relative(void **state)
{
	(void)state;
	set_zone(BERLIN); /* now is 14:30 there */
	assert_when("now", false, NOW);
	assert_when("NOW", true, NOW);
	assert_last("today", false, (1704067200 - 3600 + 86399) * S + END);
	assert_last("today", true, (1704067200 + 86399) * S + END);
	assert_last("yesterday", false, (1704067200 - 3600 - 1) * S + END);
	assert_last("Yesterday", true, 1704067199 * S + END);
	assert_when("10 minutes ago", false, NOW - 600 * S);
	assert_when("1 minute ago", false, NOW - 60 * S);
	assert_when("10_minutes_ago", false, NOW - 600 * S);
	assert_when("10%20minutes%20ago", false, NOW - 600 * S);
	assert_when("1 second ago", false, NOW - 1 * S);
	assert_when("2 hours ago", false, NOW - 7200 * S);
	assert_when("3 days ago", false, NOW - 3 * 86400 * S);
	assert_when("2 weeks ago", false, NOW - 14 * 86400 * S);
	assert_when("2h", false, NOW - 7200 * S);
	assert_when("0d", false, NOW);
	assert_when("36h ago", false, NOW - 36 * 3600 * S);
	assert_when("2d", false, NOW - 2 * 86400 * S);
	assert_when("1w", false, NOW - 7 * 86400 * S);
	assert_when("2024h", false, NOW - 2024 * 3600 * S);
}

/* Local days begin and end when local clocks say so. */
static void test_relative_days(void **state)
{
	int64_t ns;

	(void)state;
	set_zone(BERLIN);
	/* 2024-01-01 00:30 in Berlin is still the 31st of December at UTC. */
	assert_int_equal(when_parse("today", false, 1704065400 * S, &ns), 0);
	assert_true(ns == (1704067200 - 3600 + 86399) * S + END);
	assert_int_equal(when_parse("today", true, 1704065400 * S, &ns), 0);
	assert_true(ns == 1704067199 * S + END);
	/* On the day after the clocks were set back. */
	assert_int_equal(when_parse("yesterday", false, 1730100000 * S, &ns), 0);
	assert_true(ns == parsed("2024-10-28", false) - 1);
	assert_int_equal(when_parse_first("yesterday", false, 1730100000 * S, &ns), 0);
	assert_true(ns == parsed("2024-10-27", false));
	/* Before 1970. */
	assert_int_equal(when_parse("today", true, -1, &ns), 0);
	assert_true(ns == -1);
	assert_int_equal(when_parse("yesterday", true, -86400 * S, &ns), 0);
	assert_true(ns == -86400 * S - 1);
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = {
		"", " ", "x", "never", "2024", "2024-", "2024-01", "2024-1-1", "24-01-01", "20240101",
		"02024-01-01", "2024-00-01", "2024-13-01", "2024-01-00", "2024-01-32", "2024-04-31", "2023-02-29",
		"1900-02-29", "2024-02-30", "2024/01/01", " 2024-01-01", "2024-01-01 ", "2024-01-01T", "2024-01-01x",
		"2024-01-01  14:30", "2024-01-01 24:00", "2024-01-01 14:60", "2024-01-01 14:30:61",
		"2024-01-01 14:30:60Z", "2024-01-01 14:", "2024-01-01 14:3", "2024-01-01 14:30:", "2024-01-01 14:30:5",
		"2024-01-01 14:30:00.", "2024-01-01 14:30:00.x", "2024-01-01 14:30.5", "2024-01-01 1430",
		"2024-01-01 4:30", "2024-01-01 14:30:00,5", "2024-01-01 14:30:00 ", "2024-01-01 14:30:00 x",
		"2024-01-01 14:30:00ZZ", "2024-01-01 14:30:00Z x", "2024-01-01 14:30:00+", "2024-01-01 14:30:00+2",
		"2024-01-01 14:30:00+02", "2024-01-01 14:30:00+02:", "2024-01-01 14:30:00+02:0",
		"2024-01-01 14:30:00+24:00", "2024-01-01 14:30:00+02:60", "2024-01-01 14:30:00+02:000",
		"2024-01-01 14:30:00 EST", "2024-01-01 14:30:00 UTC+2", "2024-01-01 pm", "-2024-01-01",
		"@", "@-", "@x", "@1.", "@1x", "@1 ", "@1.5.5", "@+1", "@--1", "@9999999999999999999999",
		"@GMT-", "@GMT-2024.01.01", "@GMT-2024.01.01-14.30", "@GMT-2024.01.01-14.30.00Z",
		"@GMT-2024.13.01-14.30.00", "@GMT-2024.01.01-24.30.00", "@GMT-2024-01-01-14.30.00",
		"@gmt-2024.01.01-14.30.00", "nowx", "now ", "today 14:30", "tomorrow", "yesterdays", "3", "3x", "3m",
		"3 d x", "h", "-3h", "3 days", "3 days agox", "3 days  ago", "days ago", "3 ago", "ago", "3 months ago",
		"3hh", "3 dayss ago", "1.5h", "99999999999999999999h", "2024-01-01%2",
		"2024-01-01%2114:30",
		"2024-01-01 14:30:00.00000000000000000000000000000000000000000000000000000000000000000000000000000",
	};
	int64_t ns = 4711;
	size_t i;

	(void)state;
	set_zone("UTC0");
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (when_parse(texts[i], false, NOW, &ns) != -EINVAL)
			fail_msg("\"%s\" was understood", texts[i]);
		if (ns != 4711)
			fail_msg("\"%s\" changed the result", texts[i]);
	}
}

/* Times that are none of ours, but times: who gave one is told so. */
static void test_out_of_range(void **state)
{
	static const char *const texts[] = {
		"1600-01-01", "1677-09-21 00:12:42", "2262-04-11 23:47:17", "2262-04-12", "2999-01-01", "9999-12-31",
		"0000-01-01", "@9223372037", "@-9223372037", "@9223372036.854775808", "@-9223372036.854775809",
		"@999999999999999999", "999999999999999w", "999999 weeks ago", "@GMT-2999.01.01-00.00.00",
		"2999-01-01 14:30 +02:00",
	};
	int64_t ns = 4711;

	(void)state;
	set_zone("UTC0");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (when_parse(texts[i], false, NOW, &ns) != -ERANGE)
			fail_msg("\"%s\" is not out of range", texts[i]);
		if (ns != 4711)
			fail_msg("\"%s\" changed the result", texts[i]);
	}
}

static void assert_format(int64_t ns, enum when_style style, bool utc, const char *expect)
{
	char text[WHEN_SIZE];

	assert_ptr_equal(when_format(ns, style, utc, text), text);
	assert_string_equal(text, expect);
}

static void test_format(void **state)
{
	int64_t ns = 1704119405 * S + 123456789;

	(void)state;
	set_zone(BERLIN);
	assert_format(ns, WHEN_MINUTES, true, "2024-01-01T14:30");
	assert_format(ns, WHEN_SECONDS, true, "2024-01-01T14:30:05");
	assert_format(ns, WHEN_GMT, true, "@GMT-2024.01.01-14.30.05");
	assert_format(ns, WHEN_RFC3339, true, "2024-01-01T14:30:05.123456789Z");
	assert_format(ns, WHEN_HUMAN, true, "2024-01-01 14:30:05");
	assert_format(ns, WHEN_MINUTES, false, "2024-01-01T15:30");
	assert_format(ns, WHEN_GMT, false, "@GMT-2024.01.01-14.30.05");
	assert_format(ns, WHEN_RFC3339, false, "2024-01-01T15:30:05.123456789+01:00");
	assert_format(1719837000 * S, WHEN_RFC3339, false, "2024-07-01T14:30:00.000000000+02:00");
	set_zone(INDIA);
	assert_format(ns, WHEN_RFC3339, false, "2024-01-01T20:00:05.123456789+05:30");
	set_zone("<-0330>3:30");
	assert_format(ns, WHEN_RFC3339, false, "2024-01-01T11:00:05.123456789-03:30");
	set_zone("LMT-0:53:28"); /* not to be written in hours and minutes */
	assert_format(ns, WHEN_RFC3339, false, "2024-01-01T14:30:05.123456789Z");
	assert_format(ns, WHEN_SECONDS, false, "2024-01-01T15:23:33");
}

static void test_format_limits(void **state)
{
	(void)state;
	set_zone(BERLIN);
	assert_format(0, WHEN_RFC3339, true, "1970-01-01T00:00:00.000000000Z");
	assert_format(-1, WHEN_RFC3339, true, "1969-12-31T23:59:59.999999999Z");
	assert_format(-S, WHEN_RFC3339, true, "1969-12-31T23:59:59.000000000Z");
	assert_format(INT64_MAX, WHEN_RFC3339, true, "2262-04-11T23:47:16.854775807Z");
	assert_format(INT64_MIN, WHEN_RFC3339, true, "1677-09-21T00:12:43.145224192Z");
	assert_format(INT64_MAX, WHEN_RFC3339, false, "2262-04-12T01:47:16.854775807+02:00");
}

/* What RFC 3339 says is understood again, to the nanosecond, whatever the clocks do. */
static void test_round_trip(void **state)
{
	static const char *const zones[] = { "UTC0", BERLIN, BRASILIA, INDIA };
	char text[WHEN_SIZE];
	int64_t ns;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		set_zone(zones[i]);
		for (ns = -9200000000 * S + 7; ns < 9200000000 * S; ns += 12345678 * S + 987654321) {
			assert_when(when_format(ns, WHEN_RFC3339, false, text), true, ns);
			assert_when(when_format(ns, WHEN_RFC3339, true, text), false, ns);
			assert_when(when_format(ns, WHEN_SECONDS, true, text), true, (ns - (ns % S + S) % S));
			assert_when(when_format(ns, WHEN_GMT, false, text), false, (ns - (ns % S + S) % S));
		}
	}
}

static void test_offset(void **state)
{
	(void)state;
	set_zone(BERLIN);
	assert_int_equal(when_offset(1704119400 * S), 3600);
	assert_int_equal(when_offset(1719837000 * S), 7200);
	assert_int_equal(when_offset(1711846800 * S - 1), 3600);
	assert_int_equal(when_offset(1711846800 * S), 7200);
	set_zone(BRASILIA);
	assert_int_equal(when_offset(1720000000 * S), -10800);
}

static void test_now(void **state)
{
	int64_t a = when_now_ns(), b = when_now_ns();

	(void)state;
	assert_true(a > 1704119400 * S);
	assert_true(b >= a && b - a < 60 * S);
	assert_true(a / S - time(NULL) <= 0 && time(NULL) - a / S < 60);
}

static void test_size_parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "17", 17 },
		{ "17B", 17 },
		{ "1K", 1024 },
		{ "1k", 1024 },
		{ "1KiB", 1024 },
		{ "1kib", 1024 },
		{ "1KB", 1024 },
		{ "64M", UINT64_C(64) << 20 },
		{ "3g", UINT64_C(3) << 30 },
		{ "2T", UINT64_C(2) << 40 },
		{ "2TiB", UINT64_C(2) << 40 },
		{ "8388607T", UINT64_C(8388607) << 40 },
		{ "9223372036854775807", INT64_MAX },
		{ "0009", 9 },
	};
	static const char *const bad[] = {
		"", "K", "B", "-1", "+1", " 1", "1 ", "1 K", "1.5G", "1KK", "1Kx", "1KiBx", "1iB", "1Ki", "1BB", "0x10",
		"1P", "1E", "8388608T", "9223372036854775808", "18446744073709551616", "99999999999999999999999",
		"1@", "1\x0b",
	};
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		v = 1;
		if (size_parse(good[i].text, &v) != 0 || v != good[i].bytes)
			fail_msg("\"%s\" is %" PRIu64, good[i].text, v);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = 4711;
		if (size_parse(bad[i], &v) != -EINVAL || v != 4711)
			fail_msg("\"%s\" was understood", bad[i]);
	}
}

static void test_size_format(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 0, "0 B" },
		{ 17, "17 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 99 * 1024, "99.0 KiB" },
		{ 312 * 1024, "312 KiB" },
		{ 1023 * 1024 + 400, "1023 KiB" },
		{ 1024 * 1024 - 1, "1.0 MiB" },
		{ UINT64_C(3) << 29, "1.5 GiB" },
		{ UINT64_C(5) << 40, "5.0 TiB" },
		{ UINT64_C(1) << 50, "1.0 PiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char text[SIZE_TEXT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_string_equal(size_format(sizes[i].bytes, text), sizes[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utc),	      cmocka_unit_test(test_ends),
		cmocka_unit_test(test_zones),	      cmocka_unit_test(test_local),
		cmocka_unit_test(test_clocks_change), cmocka_unit_test(test_before_1970),
		cmocka_unit_test(test_leap),	      cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_relative),      cmocka_unit_test(test_relative_days),
		cmocka_unit_test(test_nonsense),      cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_limits), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_offset),	      cmocka_unit_test(test_now),
		cmocka_unit_test(test_size_parse),    cmocka_unit_test(test_size_format),
		cmocka_unit_test(test_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
