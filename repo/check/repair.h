/*
 * Repair: what can be made whole again from what is there.
 */
#ifndef VARVE_CHECK_REPAIR_H
#define VARVE_CHECK_REPAIR_H

#include "repo/repo.h"

struct repair_result {
	uint64_t runs, objects;   /* index runs written, and objects that they name */
	uint64_t unreadable;      /* packs whose tables cannot be read */
	uint64_t runs_removed;    /* damaged index runs */
};

/**
 * repair_index(r, out):
 * Write index runs for all packs that no readable run names, from their tables.  If that has been done for all of them,
 * remove the runs that are damaged (their bytes do not hash to their name, and they cannot be read): they hold nothing
 * then that others do not.  Return 0 (see ${out->unreadable}); -EACCES if this role cannot; -ENOMEM; what the store
 * returns.
 */
int repair_index(struct repo *r, struct repair_result *out);

#endif
