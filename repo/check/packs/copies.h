/*
 * Objects that a pack holds more than once, as one that was repacked may: the index names one of the places.
 */
#ifndef VARVE_CHECK_COPIES_H
#define VARVE_CHECK_COPIES_H

#include "repo/check/packs/records.h"

/**
 * copies_tell(c, r, ids, moved, arg):
 * ${ids} are objects of a pack with records ${r} which the index places in this pack, but not where they were met.
 * Call ${moved} for each of which no record is at the index's place; the others are further copies, and in order.
 * One thread a pack.  Return 0; what ${moved} returned; -ENOMEM; what index_lookup() returns.
 */
int copies_tell(struct check *c, const struct records *r, const struct buf *ids,
    int (*moved)(void *arg, const struct id *id), void *arg);

#endif
