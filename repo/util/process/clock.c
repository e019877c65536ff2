/*
 * Durations that may be relied on.  See clock.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "repo/util/bytes/id.h"
#include "repo/util/process/clock.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define NS 1000000000LL

static int64_t now_ns(clockid_t id)
{
	struct timespec t = { 0 };

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

/* 32 digits with dashes between them. */
static void read_boot_id(uint8_t out[BOOT_ID_LEN])
{
	char text[64] = "", digits[2 * BOOT_ID_LEN];
	FILE *f = fopen(BOOT_ID_PATH, "re");
	size_t n = 0;

	if (f != NULL) {
		if (fgets(text, sizeof(text), f) == NULL)
			text[0] = '\0';
		fclose(f);
	}
	for (const char *p = text; isxdigit((unsigned char)*p) || *p == '-'; p++)
		if (*p != '-' && n < sizeof(digits))
			digits[n++] = *p;
	if (n == sizeof(digits) && hex_decode(digits, BOOT_ID_LEN, out) == 0)
		return;
	if (getrandom(out, BOOT_ID_LEN, 0) != BOOT_ID_LEN)
		memset(out, 0, BOOT_ID_LEN);
}

void clock_read(const struct clock *c, struct clock_reading *out)
{
	if (c != NULL) {
		c->read(c->arg, out);
		return;
	}
	out->boot_ns = now_ns(CLOCK_BOOTTIME);
	out->real_ns = now_ns(CLOCK_REALTIME);
	read_boot_id(out->boot_id);
}

int64_t clock_at_most(const struct clock_reading *then, const struct clock_reading *now)
{
	int64_t boot = now->boot_ns - then->boot_ns, real = now->real_ns - then->real_ns;

	return boot > real ? boot : real;
}

int64_t clock_at_least(const struct clock_reading *then, const struct clock_reading *now)
{
	int64_t passed = now->boot_ns - then->boot_ns, real = now->real_ns - then->real_ns;

	if (memcmp(then->boot_id, now->boot_id, BOOT_ID_LEN) != 0)
		passed = now->boot_ns < real ? now->boot_ns : real;
	return passed > 0 ? passed : 0;
}
