/*
 * Durations that may be relied on.
 *
 * CLOCK_BOOTTIME goes on while a machine sleeps, and nobody sets it; but it stands still while a virtual machine is
 * paused, and begins anew with each boot.  CLOCK_REALTIME knows about pauses, and can be set.
 */
#ifndef VARVE_UTIL_CLOCK_H
#define VARVE_UTIL_CLOCK_H

#include <stdint.h>

#define BOOT_ID_LEN 16

struct clock_reading {
	int64_t boot_ns, real_ns;
	uint8_t boot_id[BOOT_ID_LEN]; /* of this boot of this machine; random, as if of another, if it is not told */
};

/* Where readings come from: NULL for the system's clocks; tests have others. */
struct clock {
	void (*read)(void *arg, struct clock_reading *out);
	void *arg;
};

void clock_read(const struct clock *c, struct clock_reading *out);

/* Nanoseconds from ${then} to ${now}, of one process: at least so many have passed by one of the clocks. */
int64_t clock_at_most(const struct clock_reading *then, const struct clock_reading *now);

/*
 * Nanoseconds from ${then} to ${now}, readings of one machine, perhaps of different boots: no more than have passed.
 * Of a boot that has ended only what realtime says beside this one's uptime counts.
 */
int64_t clock_at_least(const struct clock_reading *then, const struct clock_reading *now);

#endif
