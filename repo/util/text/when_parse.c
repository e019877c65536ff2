/*
 * Times as people write them.  See when.h.
 *
 * Parsing fills in a stamp whose clock starts out as the last nanosecond of a day: parts that the text gives replace
 * theirs, and what it leaves out is still at its end.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "repo/util/text/when.h"
#include "repo/util/text/when_impl.h"

#define TEXT_MAX 63 /* bytes; no form is as long */

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly ${n} digits, with a value of ${min} to ${max}. */
static bool take_number(const char **p, int n, int min, int max, int *out)
{
	int i, value = 0;

	for (i = 0; i < n; i++) {
		if (!is_digit((*p)[i]))
			return false;
		value = value * 10 + ((*p)[i] - '0');
	}
	if (value < min || value > max)
		return false;
	*p += n;
	*out = value;
	return true;
}

/* The digits behind a decimal point, as nanoseconds; finer ones are dropped. */
static bool take_fraction(const char **p, int64_t *ns)
{
	int64_t unit = NS_PER_SEC;

	*ns = 0;
	if (!is_digit(**p))
		return false;
	for (; is_digit(**p); (*p)++) {
		unit /= 10;
		*ns += (**p - '0') * unit;
	}
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(const char **p, char sep, struct when_stamp *st)
{
	return take_number(p, 4, 0, 9999, &st->year) && take_char(p, sep) && take_number(p, 2, 1, 12, &st->month) &&
	       take_char(p, sep) && take_number(p, 2, 1, days_in_month(st->year, st->month), &st->day);
}

/* HH[:MM[:SS[.fraction]]] */
static bool take_clock(const char **p, struct when_stamp *st)
{
	if (!take_number(p, 2, 0, 23, &st->hour))
		return false;
	if (!take_char(p, ':'))
		return true;
	if (!take_number(p, 2, 0, 59, &st->minute))
		return false;
	if (!take_char(p, ':'))
		return true;
	if (!take_number(p, 2, 0, 60, &st->second))
		return false;
	return !take_char(p, '.') || take_fraction(p, &st->ns);
}

/* "Z", "UTC", "+HH:MM", "+HHMM" or nothing. */
static bool take_zone(const char **p, struct when_stamp *st)
{
	bool west = **p == '-';
	int hours, minutes;

	if (**p == '\0')
		return true;
	st->zoned = true;
	if (strncasecmp(*p, "UTC", 3) == 0) {
		*p += 3;
		return true;
	}
	if (take_char(p, 'Z') || take_char(p, 'z'))
		return true;
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	if (!take_number(p, 2, 0, 23, &hours))
		return false;
	take_char(p, ':');
	if (!take_number(p, 2, 0, 59, &minutes))
		return false;
	st->offset = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

/* What a stamp says of what it leaves out: the first or the last instant that it can mean. */
static struct when_stamp blank_stamp(bool first)
{
	struct when_stamp begin = { .hour = 0 }, end = { .hour = 23, .minute = 59, .second = 59, .ns = NS_PER_SEC - 1 };

	return first ? begin : end;
}

/* "2024-01-01", "2024-01-01 14", "2024-01-01T14:30:00.5 +02:00" */
static int parse_stamp(const char *p, bool utc, bool first, int64_t *out)
{
	struct when_stamp st = blank_stamp(first);

	if (!take_date(&p, '-', &st))
		return -EINVAL;
	if ((*p == ' ' || *p == 'T' || *p == 't') && is_digit(p[1])) {
		p++;
		if (!take_clock(&p, &st))
			return -EINVAL;
	}
	if (*p == ' ' && p[1] != '\0')
		p++;
	if (!take_zone(&p, &st) || *p != '\0')
		return -EINVAL;
	return when_from_stamp(&st, utc, out);
}

/* What follows "@GMT-": "2024.01.01-14.30.00" */
static int parse_gmt(const char *p, bool first, int64_t *out)
{
	struct when_stamp st = blank_stamp(first);

	st.zoned = true;
	if (!take_date(&p, '.', &st) || !take_char(&p, '-') || !take_number(&p, 2, 0, 23, &st.hour) ||
	    !take_char(&p, '.') || !take_number(&p, 2, 0, 59, &st.minute) || !take_char(&p, '.') ||
	    !take_number(&p, 2, 0, 60, &st.second) || *p != '\0')
		return -EINVAL;
	return when_from_stamp(&st, true, out);
}

/* A whole number of at most 18 digits. */
static bool take_count(const char **p, int64_t *out)
{
	int64_t value = 0;
	int n;

	for (n = 0; is_digit(**p); n++, (*p)++) {
		if (n == 18)
			return false;
		value = value * 10 + (**p - '0');
	}
	*out = value;
	return n > 0;
}

/* What follows the "@" of "@-1704119400.5" */
static int parse_epoch(const char *p, int64_t *out)
{
	bool negative = take_char(&p, '-');
	int64_t s, ns = 0;

	if (!take_count(&p, &s) || (take_char(&p, '.') && !take_fraction(&p, &ns)) || *p != '\0')
		return -EINVAL;
	return negative ? when_join(-s, -ns, out) : when_join(s, ns, out);
}

/* The first or last instant of the day, local or of UTC, that is ${days} before that of ${now_ns}. */
static int day_before(int days, bool utc, bool first, int64_t now_ns, int64_t *out)
{
	long rest;
	int64_t s = when_split(now_ns, &rest);

	s += utc ? 0 : when_offset_at(s);
	s -= (s % WHEN_DAY + WHEN_DAY) % WHEN_DAY;
	s += (int64_t)(1 - days) * WHEN_DAY - (first ? WHEN_DAY : 1);
	return when_join(utc ? s : when_local_to_utc(s), first ? 0 : NS_PER_SEC - 1, out);
}

/* The length in ns of the unit called by these ${len} bytes, or 0. */
static int64_t unit_ns(const char *name, size_t len)
{
	static const struct {
		char letter; /* may stand for the name; 0 if none may */
		const char *name;
		int64_t seconds;
	} units[] = {
		{ 0, "seconds", 1 },  { 0, "minutes", 60 },    { 'h', "hours", 3600 },
		{ 'd', "days", WHEN_DAY }, { 'w', "weeks", 7 * WHEN_DAY },
	};
	size_t i, full;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		full = strlen(units[i].name);
		if ((len == 1 && *name == units[i].letter) ||
		    ((len == full || len == full - 1) && strncasecmp(name, units[i].name, len) == 0))
			return units[i].seconds * NS_PER_SEC;
	}
	return 0;
}

/* "3 days ago", "3d", "3d ago" */
static int parse_ago(const char *p, int64_t now_ns, int64_t *out)
{
	int64_t count, unit, ns;
	size_t len;

	if (!take_count(&p, &count))
		return -EINVAL;
	take_char(&p, ' ');
	len = strcspn(p, " ");
	if (strcasecmp(p + len, " ago") != 0 && !(len == 1 && p[len] == '\0'))
		return -EINVAL;
	unit = unit_ns(p, len);
	if (unit == 0)
		return -EINVAL;
	if (__builtin_mul_overflow(count, unit, &ns) || __builtin_sub_overflow(now_ns, ns, &ns))
		return -ERANGE;
	*out = ns;
	return 0;
}

/* Copy ${text} with a space for each "_" and "%20". */
static int copy_spaced(const char *text, char out[TEXT_MAX + 1])
{
	size_t n = 0;

	while (*text != '\0') {
		if (n == TEXT_MAX)
			return -EINVAL;
		if (*text == '_') {
			out[n++] = ' ';
			text++;
		} else if (strncmp(text, "%20", 3) == 0) {
			out[n++] = ' ';
			text += 3;
		} else {
			out[n++] = *text++;
		}
	}
	out[n] = '\0';
	return 0;
}

static int parse(const char *text, bool utc, bool first, int64_t now_ns, int64_t *out_ns)
{
	char spaced[TEXT_MAX + 1] = { 0 };
	int64_t ns;
	int rc;

	rc = copy_spaced(text, spaced);
	if (rc < 0)
		goto out;
	if (strcasecmp(spaced, "now") == 0)
		ns = now_ns;
	else if (strcasecmp(spaced, "today") == 0)
		rc = day_before(0, utc, first, now_ns, &ns);
	else if (strcasecmp(spaced, "yesterday") == 0)
		rc = day_before(1, utc, first, now_ns, &ns);
	else if (strncmp(spaced, "@GMT-", 5) == 0)
		rc = parse_gmt(spaced + 5, first, &ns);
	else if (spaced[0] == '@')
		rc = parse_epoch(spaced + 1, &ns);
	else if (strspn(spaced, "0123456789") == 4 && spaced[4] == '-')
		rc = parse_stamp(spaced, utc, first, &ns);
	else
		rc = parse_ago(spaced, now_ns, &ns);
	if (rc == 0)
		*out_ns = ns;
out:
	return rc;
}

int when_parse(const char *text, bool utc, int64_t now_ns, int64_t *out_ns)
{
	return parse(text, utc, false, now_ns, out_ns);
}

int when_parse_first(const char *text, bool utc, int64_t now_ns, int64_t *out_ns)
{
	return parse(text, utc, true, now_ns, out_ns);
}
