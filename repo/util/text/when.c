/*
 * Times as clocks show them.  See when.h; reading them: when_parse.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "repo/util/text/when.h"
#include "repo/util/text/when_impl.h"

int64_t when_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

time_t when_split(int64_t ns, long *rest)
{
	int64_t s = ns / NS_PER_SEC, r = ns % NS_PER_SEC;

	if (r < 0) {
		r += NS_PER_SEC;
		s--;
	}
	*rest = (long)r;
	return (time_t)s;
}

int when_join(int64_t s, int64_t rest, int64_t *out)
{
	int64_t ns;

	/* One second nearer to zero first: the earliest time that fits begins with a second that does not. */
	if (s < 0) {
		s++;
		rest -= NS_PER_SEC;
	}
	if (__builtin_mul_overflow(s, NS_PER_SEC, &ns) || __builtin_add_overflow(ns, rest, &ns))
		return -ERANGE;
	*out = ns;
	return 0;
}

int32_t when_offset_at(int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	return localtime_r(&t, &tm) != NULL ? (int32_t)tm.tm_gmtoff : 0;
}

int64_t when_local_to_utc(int64_t shown)
{
	int32_t before = when_offset_at(shown - WHEN_DAY), after = when_offset_at(shown + WHEN_DAY);
	int64_t late = shown - (before < after ? before : after);
	int64_t early = shown - (before < after ? after : before);

	if (when_offset_at(late) == shown - late)
		return late;
	if (when_offset_at(early) == shown - early)
		return early;
	return shown - before;
}

int when_from_stamp(const struct when_stamp *st, bool utc, int64_t *out)
{
	bool leap = st->second == 60;
	struct tm tm = { 0 };
	int64_t s;

	tm.tm_year = st->year - 1900;
	tm.tm_mon = st->month - 1;
	tm.tm_mday = st->day;
	tm.tm_hour = st->hour;
	tm.tm_min = st->minute;
	tm.tm_sec = leap ? 59 : st->second;
	s = timegm(&tm);
	if (st->zoned)
		s -= st->offset;
	else if (!utc)
		s = when_local_to_utc(s);

	/* A leap second is the last of a day of UTC.  The system's time has none and shows the next one twice. */
	if (leap && (s % WHEN_DAY + WHEN_DAY) % WHEN_DAY != WHEN_DAY - 1)
		return -EINVAL;
	return when_join(leap ? s + 1 : s, st->ns, out);
}

/* Append what RFC 3339 wants behind the seconds. */
static void format_zone(char *out, size_t size, long ns, long offset)
{
	long minutes = (offset < 0 ? -offset : offset) / 60;

	if (offset == 0)
		snprintf(out, size, ".%09ldZ", ns);
	else
		snprintf(out, size, ".%09ld%c%02ld:%02ld", ns, offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

char *when_format(int64_t ns, enum when_style style, bool utc, char out[WHEN_SIZE])
{
	struct tm tm = { 0 };
	size_t n = 0;
	long rest;
	time_t s = when_split(ns, &rest);

	utc = utc || style == WHEN_GMT;
	/* RFC 3339 cannot write the seconds in the offsets of local mean time, before there were time zones. */
	if (style == WHEN_RFC3339 && !utc && when_offset_at(s) % 60 != 0)
		utc = true;
	if (utc || localtime_r(&s, &tm) == NULL)
		gmtime_r(&s, &tm);
	switch (style) {
	case WHEN_MINUTES:
		n = strftime(out, WHEN_SIZE, "%Y-%m-%dT%H:%M", &tm);
		break;
	case WHEN_SECONDS:
	case WHEN_RFC3339:
		n = strftime(out, WHEN_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
		break;
	case WHEN_GMT:
		n = strftime(out, WHEN_SIZE, "@GMT-%Y.%m.%d-%H.%M.%S", &tm);
		break;
	case WHEN_HUMAN:
		n = strftime(out, WHEN_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
		break;
	}
	if (style == WHEN_RFC3339)
		format_zone(out + n, WHEN_SIZE - n, rest, utc ? 0 : tm.tm_gmtoff);
	return out;
}

int32_t when_offset(int64_t ns)
{
	long rest;

	return when_offset_at(when_split(ns, &rest));
}
