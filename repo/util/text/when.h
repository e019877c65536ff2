/*
 * Times and sizes as people write them.
 */
#ifndef VARVE_UTIL_WHEN_H
#define VARVE_UTIL_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_SEC 1000000000LL

/* Nanoseconds since 1970-01-01T00:00:00Z on CLOCK_REALTIME. */
int64_t when_now_ns(void);

/**
 * when_parse(text, utc, now_ns, out_ns):
 * Parse a point in time: "2024-01-01", "2024-01-01 14:30[:00[.123]]" or with "T", each with an optional zone ("Z",
 * "+02:00", "+0200", "UTC"); "@1704119400[.5]"; "@GMT-2024.01.01-14.30.00"; "now", "today", "yesterday", "N minutes
 * ago", "Nh", "Nd", "Nw" (that long before ${now_ns}); also with "%20" or "_" for the space.  A form that leaves out
 * the fraction (or seconds, minutes, the time of day) means the *last* instant of what it names, as the newest snapshot
 * "at or before 14:30" is wanted to include the one of 14:30:20; "yesterday" is yesterday's end.  Without a zone it is
 * local time, or UTC if ${utc}.  Return 0; -EINVAL if it is no time; -ERANGE if it is one, but 64 bits do not reach it:
 * from September 1677 to April 2262 they do.  ${*out_ns} is unchanged then.  Thread-safe.
 */
int when_parse(const char *text, bool utc, int64_t now_ns, int64_t *out_ns);

/* Words for -ERANGE. */
#define WHEN_RANGE_TEXT "a time out of range, which is from 1678 to 2261"

/* As when_parse(), but the *first* instant of what it names: for saying when something was. */
int when_parse_first(const char *text, bool utc, int64_t now_ns, int64_t *out_ns);

enum when_style {
	WHEN_MINUTES, /* 2024-01-01T14:30 */
	WHEN_SECONDS, /* 2024-01-01T14:30:05 */
	WHEN_GMT,     /* @GMT-2024.01.01-14.30.05, always UTC (Samba's shadow_copy2) */
	WHEN_RFC3339, /* 2024-01-01T14:30:05.123456789+01:00; "Z" for UTC */
	WHEN_HUMAN,   /* 2024-01-01 14:30:05 */
};

#define WHEN_SIZE 48

/**
 * when_format(ns, style, utc, out):
 * Write the time in local time, or UTC if ${utc}.  Return ${out}.  Thread-safe.
 */
char *when_format(int64_t ns, enum when_style style, bool utc, char out[WHEN_SIZE]);

/* Offset of local time from UTC at ${ns}, in seconds east. */
int32_t when_offset(int64_t ns);

/**
 * size_parse(text, out):
 * Parse a size in bytes: digits, optionally followed by K, M, G, T (powers of 1024; also "KiB", "k", "B").  Return 0,
 * or -EINVAL (also when it does not fit 63 bits) with ${*out} unchanged.
 */
int size_parse(const char *text, uint64_t *out);

/**
 * duration_parse(text, out_s):
 * Parse a duration: a number and its unit, "s", "min", "h", "d" or "w".  Return 0 with seconds, or -EINVAL (also when
 * it is more than 100 years) with ${*out_s} unchanged.
 */
int duration_parse(const char *text, uint64_t *out_s);

/* "45 s", "12 min", "5 h", "3 d": whole units, of which there are two at least.  Return ${out}. */
#define DURATION_TEXT_SIZE 24
char *duration_format(uint64_t seconds, char out[DURATION_TEXT_SIZE]);

/* "1.5 GiB", "312 KiB", "17 B".  Return ${out}. */
#define SIZE_TEXT_SIZE 24
char *size_format(uint64_t bytes, char out[SIZE_TEXT_SIZE]);

#endif
