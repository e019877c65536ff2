/*
 * Which packs a check reads: places on a circle.
 *
 * A pack's place is the first 8 bytes of its id as a number (big-endian, so that places are in the order of ids); ids
 * are hashes, so packs lie evenly.  An arc is a part of the circle; what is read of it is read in the order of places,
 * so that one number says how far a check has come, whatever is added or removed meanwhile: who goes on there reads
 * every pack that lies behind it, also new ones.
 *
 * A rotating check reads an arc each time, and the next one begins where it ended: at least a day's share of the
 * circle, or as much as the days since the last one have earned.  So every pack is read again, and a new one for the
 * first time, within a cycle and the time between two checks, however often or seldom they run.
 */
#ifndef VARVE_CHECK_SHARE_H
#define VARVE_CHECK_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/util/bytes/id.h"

#define ROTATE_DAYS_DEFAULT 30
#define ROTATE_DAYS_MAX 3650
#define DAY_SECONDS 86400

/* Places [${origin}, ${origin + span}], round the circle; those before ${origin + done} have been read. */
struct arc {
	uint64_t origin, span, done;
	bool complete;   /* all of it has been read */
	int64_t begun_s; /* since 1970 */
};

/* All of the circle, nothing of it read. */
struct arc arc_whole(int64_t now_s);

/* The place of a pack on the arc, counted from its origin: to be compared with span and done. */
uint64_t arc_offset(const struct arc *a, const struct id *pack);

/* Is it on the arc, and still to be read? */
bool arc_has(const struct arc *a, const struct id *pack);

/**
 * arc_rotate(last, days, now_s):
 * The arc to read now, in a cycle of ${days} (1..ROTATE_DAYS_MAX): what is left of ${last}, and more if it was begun
 * days ago; if it is complete, the next one.  ${last} NULL: the first arc ever.  A clock that was set back costs
 * nothing but time.
 */
struct arc arc_rotate(const struct arc *last, uint32_t days, int64_t now_s);

#endif
