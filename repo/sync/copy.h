/*
 * Copying the objects of one kind, several at a time.
 */
#ifndef VARVE_SYNC_COPY_H
#define VARVE_SYNC_COPY_H

#include "repo/sync/inventory.h"
#include "repo/sync/sync.h"

/* What came of it. */
struct copy_result {
	uint64_t copied, bytes;
	uint64_t damaged;
	uint64_t gone; /* were in the list, and are no longer there */
};

/**
 * copy_objects(o, kind, v, out):
 * Copy all objects of ${v}, verified, and add to ${out}.  Return 0, also if some were damaged or gone; else the first
 * error, as of sync_run().
 */
int copy_objects(const struct sync_options *o, enum sync_kind kind, const struct inventory *v,
    struct copy_result *out);

#endif
