/*
 * Retention policy: which of a series of snapshots to keep.  Pure: no store, no clock.
 *
 * A calendar rule goes from the newest snapshot to the oldest and keeps the newest one of each hour, day, week (from
 * Monday on), month or year that has any, until it has kept as many as it says.  Ages are counted from the newest
 * snapshot of the series and not from now, so that a series whose backups have stopped does not fade away.  A snapshot
 * is kept if any rule keeps it.
 */
#ifndef VARVE_RETENTION_POLICY_H
#define VARVE_RETENTION_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How finely a rule looks at time; also which rule kept a snapshot, as the bit 1 << period. */
enum keep_period {
	KEEP_LAST, /* every snapshot is one of its own */
	KEEP_HOURLY,
	KEEP_DAILY,
	KEEP_WEEKLY,
	KEEP_MONTHLY,
	KEEP_YEARLY,
	KEEP_PERIODS,
};

/* Further reasons: bits of their own. */
#define KEPT(period) (1u << (period))
#define KEPT_WITHIN(period) (1u << ((period) + KEEP_PERIODS))
#define KEPT_TAG (1u << (2 * KEEP_PERIODS))
#define KEPT_MIN (2u << (2 * KEEP_PERIODS))
#define KEEP_ALL UINT32_MAX

/* A length of time as calendars have it. */
struct keep_span {
	bool given;
	int years, months, days, hours;
};

struct keep_policy {
	uint32_t count[KEEP_PERIODS];          /* 0: no such rule; KEEP_ALL: without limit */
	struct keep_span within[KEEP_PERIODS]; /* the newest of each period that is not older than that */
	const char *const *tags;               /* borrowed; snapshots with any of these are kept */
	size_t ntags;
	uint32_t min;                          /* the newest are kept until there are as many */
	bool utc;                              /* days are those of UTC, not of local time */
};

/* A snapshot as the policy sees it. */
struct keep_item {
	int64_t time_ns;
	char *const *tags; /* borrowed */
	uint32_t ntags;
	unsigned reasons;  /* result: why it is kept; 0: it is not */
};

/* Has it any rule? */
bool keep_policy_given(const struct keep_policy *p);

/**
 * keep_apply(p, items, n):
 * Judge ${n} snapshots, newest first.  Sets the reasons of all; returns how many are kept.
 */
size_t keep_apply(const struct keep_policy *p, struct keep_item *items, size_t n);

/**
 * keep_span_parse(text, out):
 * Parse "2y5m7d3h": numbers of years, months, weeks (w), days and hours, each at most once, in this order.  Return 0,
 * or -EINVAL with ${*out} unchanged.
 */
int keep_span_parse(const char *text, struct keep_span *out);

/* Parse a count: a number, or "all".  Return 0, or -EINVAL. */
int keep_count_parse(const char *text, uint32_t *out);

/* The option's name for one reason's bit: "daily", "within-hourly", "tag", "min". */
const char *keep_reason_name(unsigned bit);

#endif
