/*
 * The step from committed packs to an index run that names them.
 */
#ifndef VARVE_OBJECT_RUN_PUT_H
#define VARVE_OBJECT_RUN_PUT_H

#include "repo/object/packing/packing.h"

/**
 * run_put(store, metadata, segment_size, list, id, size):
 * Put an index run of all packs in ${list}, all of them committed, and of their objects; ${*id} is its name, ${*size}
 * its length.  An object that is in there twice is named once.  A cache keeps the run, as it is loaded next.  Return 0;
 * -ENOMEM; what the store returns.
 */
int run_put(struct store *store, const struct seal_domain *metadata, uint32_t segment_size, const struct packing *list,
    struct id *id, uint64_t *size);

#endif
