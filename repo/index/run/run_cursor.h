/*
 * The objects of an index run one after the other, read in large pieces: for loading and merging.
 */
#ifndef VARVE_INDEX_RUN_CURSOR_H
#define VARVE_INDEX_RUN_CURSOR_H

#include "repo/index/run/run.h"

#define RUN_WINDOW_MIN (RUN_BLOCK_LEN + 1024) /* holds a block as run_add() closes it; a larger one is read alone */

/* Not thread-safe; ${r} may be used by others meanwhile. */
struct run_cursor;

/**
 * run_cursor_open(r, window, out):
 * Begin before the first object.  ${r} is borrowed until run_cursor_close().  Reads of at most ${window} bytes (at
 * least RUN_WINDOW_MIN are taken), of which one is held in memory.  Return 0 or -ENOMEM.
 */
int run_cursor_open(struct run *r, size_t window, struct run_cursor **out);
void run_cursor_close(struct run_cursor *c);

/**
 * run_cursor_next(c, id, place):
 * The next object in order of id.  Return 1; 0 at the end; -EBADMSG (logged) if a block is damaged or the order is
 * wrong; -ENOMEM; what the store returns.  After a failure only run_cursor_close() may follow.
 */
int run_cursor_next(struct run_cursor *c, struct id *id, struct place *place);

#endif
