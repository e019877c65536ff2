/*
 * A clock for tests.  See fake_clock.h.
 */
#include <string.h>

#include "tests/lib/fake_clock.h"

static void read_clock(void *arg, struct clock_reading *out)
{
	const struct fake_clock *c = arg;

	*out = c->now;
}

void fake_clock_init(struct fake_clock *c, uint8_t boot)
{
	memset(c, 0, sizeof(*c));
	c->clock = (struct clock){ .read = read_clock, .arg = c };
	c->now.boot_ns = 100 * FAKE_HOUR;
	c->now.real_ns = 450000 * FAKE_HOUR;
	c->now.boot_id[0] = boot;
}

void fake_clock_pass(struct fake_clock *c, int64_t ns)
{
	c->now.boot_ns += ns;
	c->now.real_ns += ns;
}

void fake_clock_boot(struct fake_clock *c, uint8_t boot, int64_t ns)
{
	c->now.boot_ns = 0;
	c->now.real_ns += ns;
	c->now.boot_id[0] = boot;
}
