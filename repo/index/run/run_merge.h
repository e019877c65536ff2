/*
 * The objects of several index runs in one order of id.
 */
#ifndef VARVE_INDEX_RUN_MERGE_H
#define VARVE_INDEX_RUN_MERGE_H

#include "repo/index/run/run.h"

/* Not thread-safe. */
struct run_merge;

/**
 * run_merge_open(runs, n, window, out):
 * Begin before the first object of all.  The runs are borrowed until run_merge_close().  Each is read in pieces of at
 * most ${window} bytes (run_cursor.h).  Return 0 or -ENOMEM.
 */
int run_merge_open(struct run *const *runs, size_t n, size_t window, struct run_merge **out);
void run_merge_close(struct run_merge *m);

/* From now on, before the first: give out what each of the runs has of an object, one after the other. */
void run_merge_give_all(struct run_merge *m);

/**
 * run_merge_next(m, which, id, place):
 * The next object: ${*which} is the run it is from, the first of those that have it; the others' are passed over.
 * Return 1; 0 at the end; or an error (run_cursor_next()) of run ${*which}, which is left out from then on: the merge
 * can go on without it.
 */
int run_merge_next(struct run_merge *m, size_t *which, struct id *id, struct place *place);

#endif
