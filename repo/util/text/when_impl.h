/*
 * For when.c, which knows what clocks show when, and when_parse.c, which reads what people write.
 */
#ifndef VARVE_WHEN_IMPL_H
#define VARVE_WHEN_IMPL_H

#include <time.h>

#include "repo/util/text/when.h"

#define WHEN_DAY 86400 /* seconds */

/* A date and time of day as written. */
struct when_stamp {
	int year, month, day, hour, minute, second; /* ${second} may be 60 */
	int64_t ns;                                 /* within the second */
	bool zoned;
	int32_t offset; /* seconds east of UTC; if ${zoned} */
};

/* The instant of a stamp, by local clocks unless it is ${utc} or says its zone.  0, -EINVAL or -ERANGE. */
int when_from_stamp(const struct when_stamp *st, bool utc, int64_t *out);

/* Split into whole seconds, rounded down also before 1970, and the rest; and the other way: 0 or -ERANGE. */
time_t when_split(int64_t ns, long *rest);
int when_join(int64_t s, int64_t rest, int64_t *out);

/* By how much local clocks were east of UTC at ${s}, in seconds. */
int32_t when_offset_at(int64_t s);

/*
 * The instant at which local clocks show what a clock at UTC shows at ${shown}.  Not mktime(): where clocks are set
 * back and show a time twice, it picks one of the two by its history, and the later is wanted; where they are set
 * forward and skip a time, the time that an unchanged clock would have shown is meant.
 */
int64_t when_local_to_utc(int64_t shown);

#endif
