/*
 * Sizes in bytes as people write them.  See when.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "repo/util/text/when.h"

static const char unit_letters[] = "KMGTPE";

int size_parse(const char *text, uint64_t *out)
{
	const char *p = text, *letter;
	uint64_t value = 0;
	unsigned shift = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -EINVAL;
	if (p == text)
		return -EINVAL;

	letter = *p == '\0' ? NULL : memchr("KMGTkmgt", *p, 8);
	if (letter != NULL) {
		shift = 10 * (unsigned)(strchr(unit_letters, *p & ~0x20) - unit_letters + 1);
		p++;
	}
	if (*p != '\0' && strcasecmp(p, "B") != 0 && (shift == 0 || strcasecmp(p, "iB") != 0))
		return -EINVAL;
	if (value > (uint64_t)INT64_MAX >> shift)
		return -EINVAL;
	*out = value << shift;
	return 0;
}

char *size_format(uint64_t bytes, char out[SIZE_TEXT_SIZE])
{
	unsigned i, shift;
	uint64_t tenths, part;

	if (bytes < 1024) {
		snprintf(out, SIZE_TEXT_SIZE, "%" PRIu64 " B", bytes);
		return out;
	}
	/* The unit in which less than 1024, rounded to what is shown, stands before it. */
	for (i = 0;; i++) {
		shift = 10 * (i + 1);
		part = bytes & ((UINT64_C(1) << shift) - 1);
		tenths = (bytes >> shift) * 10 + (part * 10 + (UINT64_C(1) << (shift - 1))) / (UINT64_C(1) << shift);
		if (tenths < 10235 || unit_letters[i + 1] == '\0')
			break;
	}
	if (tenths < 1000)
		snprintf(out, SIZE_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " %ciB", tenths / 10, tenths % 10,
			 unit_letters[i]);
	else
		snprintf(out, SIZE_TEXT_SIZE, "%" PRIu64 " %ciB", (tenths + 5) / 10, unit_letters[i]);
	return out;
}
