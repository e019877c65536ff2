/*
 * Retention policy.  See policy.h.
 */
#include "repo/retention/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/util/text/when.h"

#define HOUR 3600
#define DAY 86400
#define SPAN_MAX 100000 /* of any unit: some hundred years of hours */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The time as the calendar has it, and what local clocks are ahead of UTC. */
static int64_t calendar(int64_t s, bool utc, struct tm *tm)
{
	time_t t = (time_t)s;

	memset(tm, 0, sizeof(*tm));
	if (utc)
		gmtime_r(&t, tm);
	else
		localtime_r(&t, tm);
	return tm->tm_gmtoff;
}

/*
 * The number of the period that the time is in.  An hour that clocks show twice is two: it begins at two instants.
 */
static int64_t period_of(enum keep_period period, int64_t time_ns, bool utc)
{
	int64_t s = floor_div(time_ns, NS_PER_SEC), offset;
	struct tm tm;

	offset = calendar(s, utc, &tm);
	switch (period) {
	case KEEP_HOURLY:
		return floor_div(s + offset, HOUR) * HOUR - offset;
	case KEEP_DAILY:
		return floor_div(s + offset, DAY);
	case KEEP_WEEKLY:
		return floor_div(floor_div(s + offset, DAY) + 3, 7); /* 1970 began on a Thursday */
	case KEEP_MONTHLY:
		return (int64_t)tm.tm_year * 12 + tm.tm_mon;
	case KEEP_YEARLY:
		return tm.tm_year;
	case KEEP_LAST:
	case KEEP_PERIODS:
		break;
	}
	return 0;
}

/* The instant that lies ${span} before the time, as the calendar goes back. */
static int64_t before(int64_t time_ns, const struct keep_span *span, bool utc)
{
	int64_t s = floor_div(time_ns, NS_PER_SEC);
	struct tm tm;

	calendar(s, utc, &tm);
	tm.tm_year -= span->years;
	tm.tm_mon -= span->months;
	tm.tm_mday -= span->days;
	tm.tm_isdst = -1;
	s = utc ? timegm(&tm) : mktime(&tm);
	s -= (int64_t)span->hours * HOUR;
	/* Before what 64 bits of nanoseconds reach, all are within. */
	if (s < INT64_MIN / NS_PER_SEC + 1)
		return INT64_MIN;
	return s * NS_PER_SEC + (time_ns - floor_div(time_ns, NS_PER_SEC) * NS_PER_SEC);
}

/* One rule: the newest of each period, at most ${count}, none older than ${oldest}. */
static void keep_periods(enum keep_period period, uint32_t count, int64_t oldest, unsigned reason, bool utc,
    struct keep_item *items, size_t n)
{
	int64_t now, last = 0;
	bool any = false;

	for (size_t i = 0; i < n && count > 0 && items[i].time_ns >= oldest; i++) {
		now = period_of(period, items[i].time_ns, utc);
		if (period != KEEP_LAST && any && now == last)
			continue;
		any = true;
		last = now;
		items[i].reasons |= reason;
		if (count != KEEP_ALL)
			count--;
	}
}

static bool has_tag(const struct keep_item *item, const struct keep_policy *p)
{
	for (uint32_t i = 0; i < item->ntags; i++)
		for (size_t k = 0; k < p->ntags; k++)
			if (strcmp(item->tags[i], p->tags[k]) == 0)
				return true;
	return false;
}

bool keep_policy_given(const struct keep_policy *p)
{
	for (int i = 0; i < KEEP_PERIODS; i++)
		if (p->count[i] > 0 || p->within[i].given)
			return true;
	return p->ntags > 0 || p->min > 0;
}

size_t keep_apply(const struct keep_policy *p, struct keep_item *items, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		items[i].reasons = has_tag(&items[i], p) ? KEPT_TAG : 0;
	for (int i = 0; i < KEEP_PERIODS && n > 0; i++) {
		keep_periods((enum keep_period)i, p->count[i], INT64_MIN, KEPT(i), p->utc, items, n);
		if (p->within[i].given)
			keep_periods((enum keep_period)i, KEEP_ALL, before(items[0].time_ns, &p->within[i], p->utc),
			    KEPT_WITHIN(i), p->utc, items, n);
	}
	for (size_t i = 0; i < n; i++)
		kept += items[i].reasons != 0;
	for (size_t i = 0; i < n && kept < p->min; i++) {
		if (items[i].reasons != 0)
			continue;
		items[i].reasons = KEPT_MIN;
		kept++;
	}
	return kept;
}

int keep_span_parse(const char *text, struct keep_span *out)
{
	static const char units[] = "ymwdh";
	struct keep_span span = { .given = true };
	int *const field[] = { &span.years, &span.months, &span.days, &span.days, &span.hours };
	const char *p = text, *unit;
	size_t next = 0;
	char *end;
	long v;

	while (*p != '\0') {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		errno = 0;
		v = strtol(p, &end, 10);
		unit = *end != '\0' ? strchr(units, *end) : NULL;
		if (errno != 0 || v > SPAN_MAX || unit == NULL || (size_t)(unit - units) < next)
			return -EINVAL;
		next = (size_t)(unit - units) + 1;
		*field[next - 1] += (int)v * (*end == 'w' ? 7 : 1);
		p = end + 1;
	}
	if (p == text)
		return -EINVAL;
	*out = span;
	return 0;
}

int keep_count_parse(const char *text, uint32_t *out)
{
	unsigned long v;
	char *end;

	if (strcmp(text, "all") == 0) {
		*out = KEEP_ALL;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || v >= KEEP_ALL)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

const char *keep_reason_name(unsigned bit)
{
	static const char *const names[] = {
		"last", "hourly", "daily", "weekly", "monthly", "yearly",
		"within", "within-hourly", "within-daily", "within-weekly", "within-monthly", "within-yearly",
		"tag", "min",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bit == 1u << i)
			return names[i];
	return "?";
}
