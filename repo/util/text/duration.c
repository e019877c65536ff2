/*
 * Durations as people write them.  See when.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "repo/util/text/when.h"

#define DURATION_MAX (UINT64_C(100) * 366 * 86400)

/* From the longest to the shortest. */
static const struct unit {
	const char *name;
	uint32_t seconds;
} units[] = { { "w", 604800 }, { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };

#define UNITS (sizeof(units) / sizeof(units[0]))

int duration_parse(const char *text, uint64_t *out_s)
{
	const char *p = text;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (uint64_t)(*p - '0');
		if (value > DURATION_MAX)
			return -EINVAL;
	}
	if (p == text)
		return -EINVAL;
	for (size_t i = 0; i < UNITS; i++) {
		if (strcmp(p, units[i].name) != 0)
			continue;
		if (value > DURATION_MAX / units[i].seconds)
			return -EINVAL;
		*out_s = value * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

char *duration_format(uint64_t seconds, char out[DURATION_TEXT_SIZE])
{
	size_t i = 1; /* not in weeks */

	while (i + 1 < UNITS && seconds < 2 * (uint64_t)units[i].seconds)
		i++;
	snprintf(out, DURATION_TEXT_SIZE, "%" PRIu64 " %s", seconds / units[i].seconds, units[i].name);
	return out;
}
