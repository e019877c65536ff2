/*
 * Index runs as objects in the store: is one what its name says?
 */
#ifndef VARVE_CHECK_RUNS_H
#define VARVE_CHECK_RUNS_H

#include "repo/repo.h"

/* The ids of all runs in the store (malloc, the caller's).  Return 0, -ENOMEM, what the store returns. */
int runs_list(struct store *store, struct id **out, size_t *n);

/* Do its bytes hash to its name?  0; -EBADMSG; -ENOENT; -ENOMEM; what the store returns. */
int run_verify_hash(struct store *store, const struct id *id);

/* Can all of it be read?  0, or what run_open() and the others return; logged to ${log}. */
int run_verify_records(struct repo *r, const struct id *id, const struct log *log);

#endif
