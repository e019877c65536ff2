/*
 * For the sources of lookup/ only: runs that are not loaded, asked for one object each.
 *
 * All with the resolver's lock held.
 */
#ifndef VARVE_INDEX_LAZY_RUNS_H
#define VARVE_INDEX_LAZY_RUNS_H

#include "repo/index/index_impl.h"

/**
 * lazy_runs_take(x, present):
 * Have those that are left in the listing from now on, and all of it if packs were missing; keep open what is open.  0
 * or -ENOMEM.
 */
int lazy_runs_take(struct index *x, struct run_list *present);
void lazy_runs_close(struct resolver *r);

/**
 * lazy_runs_find(x, id, any, out):
 * Ask them for an object, and learn what is found.  Runs that have it in a pack that was not there are passed over, and
 * ${second_best} is set for that; but with ${any} that will do.  Return 0; -ENOENT only if no run has it; -ESTALE if
 * one of them has gone; else why it cannot be told.
 */
int lazy_runs_find(struct index *x, const struct id *id, bool any, struct place *out);

/* Bytes of what is not loaded, and can be. */
uint64_t lazy_runs_bytes(const struct resolver *r);

#endif
