/*
 * Claims: the concurrent set of the ids that a writer has promised to store and that no index run names yet.
 *
 * An id is in it from the moment that a worker claims it until the run that names it is in the local index, so that an
 * object is stored once however many workers meet it.  Memory: 43 to 86 bytes an id, by what was held at the most.
 *
 * Thread-safe.
 */
#ifndef VARVE_OBJECT_CLAIMS_H
#define VARVE_OBJECT_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

#include "repo/util/bytes/id.h"

struct claims;

/**
 * claims_new(limit):
 * An empty set.  With ${limit} > 0 it forgets ids by the thousand when it holds about that many: for who would rather
 * count an object twice than keep all ids.  NULL if there is no memory.
 */
struct claims *claims_new(size_t limit);
void claims_free(struct claims *c);

/* Add.  Return 1 if it was not in the set (one caller only gets that), 0 if it was, -ENOMEM. */
int claims_add(struct claims *c, const struct id *id);

bool claims_has(struct claims *c, const struct id *id);

/* Take out; nothing if it is not in. */
void claims_drop(struct claims *c, const struct id *id);

size_t claims_count(struct claims *c);

#endif
