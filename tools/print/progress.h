/*
 * Progress: a live line on a terminal, a line a minute elsewhere, one at once on SIGUSR1, none with --quiet.
 */
#ifndef VARVE_TOOLS_PROGRESS_H
#define VARVE_TOOLS_PROGRESS_H

#include "tools/cli/cli.h"

struct progress;

/* How far it is. */
struct progress_state {
	uint64_t items, bytes;             /* done */
	uint64_t total_items, total_bytes; /* expected; 0: unknown */
	uint64_t errors;
};

/* Fills in the state; called from the progress thread. */
typedef void progress_fn(void *arg, struct progress_state *out);

/* Start; ${what} ("files") is borrowed.  NULL with --quiet or if it cannot be: progress_stop() takes that. */
struct progress *progress_start(struct cli *c, const char *what, progress_fn *fn, void *arg);

/* Stop and clear the live line. */
void progress_stop(struct progress *p);

#endif
