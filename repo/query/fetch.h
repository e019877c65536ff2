/*
 * Fetching what is sealed: everything that a subtree consists of goes through the repository's store once, so that a
 * cache around it has it (store/cache/store_cache.h).  Contents are not opened.
 */
#ifndef VARVE_QUERY_FETCH_H
#define VARVE_QUERY_FETCH_H

#include <stdatomic.h>

#include "repo/repo.h"

/* How far it is; may be read by another thread meanwhile. */
struct fetch_progress {
	_Atomic uint64_t items; /* entries that were seen */
	_Atomic uint64_t bytes; /* sealed bytes of contents, here or fetched */
};

/**
 * fetch_subtree(r, root, cancel, p, damaged):
 * Fetch the directories below the entry ${root}, its xattrs and all contents.  ${r->store} must be a cache.  What
 * cannot be had is logged, counted in ${*damaged}, and passed over; but a store that fails, or is full, ends it.
 * Return 0; -EINTR if ${*cancel} was set; -ENOMEM; what the store returns.
 */
int fetch_subtree(struct repo *r, const struct tree_entry *root, const atomic_int *cancel, struct fetch_progress *p,
    uint64_t *damaged);

#endif
