/*
 * Live objects: a set of ids in 5 bytes each, for as many as a repository may have.
 *
 * Of each id there are kept a bucket and 32 bits.  So an object that is not in the set may seem to be, one in some
 * hundred million: it is then kept although nobody needs it, until another one is told apart.  The other way round does
 * not happen.
 *
 * Not thread-safe while it is added to.
 */
#ifndef VARVE_RETENTION_LIVE_H
#define VARVE_RETENTION_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/util/bytes/id.h"

struct live_set;

/* For ${expected} ids, and some more.  NULL if there is no memory. */
struct live_set *live_new(uint64_t expected);
void live_free(struct live_set *s);

/* Add.  Return 1 if it was not in the set, 0 if it was, -ENOSPC if the set is full. */
int live_add(struct live_set *s, const struct id *id);

bool live_has(const struct live_set *s, const struct id *id);

uint64_t live_count(const struct live_set *s);

/* Bytes of memory that it takes. */
uint64_t live_memory(const struct live_set *s);

#endif
