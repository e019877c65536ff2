/*
 * A clock that stands still until a test sets it forward.
 */
#ifndef VARVE_TEST_FAKE_CLOCK_H
#define VARVE_TEST_FAKE_CLOCK_H

#include "repo/util/process/clock.h"

struct fake_clock {
	struct clock clock; /* to be given to what is tested */
	struct clock_reading now;
};

#define FAKE_HOUR (3600 * INT64_C(1000000000))

/* Begin at some time in the boot ${boot}. */
void fake_clock_init(struct fake_clock *c, uint8_t boot);

/* Both clocks go on. */
void fake_clock_pass(struct fake_clock *c, int64_t ns);

/* The machine boots: uptime begins anew ${ns} later. */
void fake_clock_boot(struct fake_clock *c, uint8_t boot, int64_t ns);

#endif
