/*
 * Plaintexts of objects that wait to be compared with their ids, hashed many at once.
 */
#ifndef VARVE_CHECK_VERIFY_H
#define VARVE_CHECK_VERIFY_H

#include "repo/check/check_impl.h"

#define VERIFY_ROOM (8u * 1024 * 1024) /* of plaintext; more only for an object that is larger */

struct pack_scan;
struct verify;

/* NULL if there is no memory. */
struct verify *verify_new(struct check *c);
void verify_free(struct verify *v);

/* Room for ${len} bytes, which are the caller's until the next call of this or of flush.  NULL without memory. */
uint8_t *verify_room(struct verify *v, size_t len);

/**
 * verify_add(v, p, id, place, data):
 * Object ${id}, by its record at ${place} in the pack of ${p}, has its plaintext at ${data} in that room: compare it,
 * soon, and tell pack_scan_judge().  Return 0 or -ENOMEM.
 */
int verify_add(struct verify *v, struct pack_scan *p, const struct id *id, const struct place *place,
    const uint8_t *data);

/* Now.  The room is free again.  Return 0 or -ENOMEM. */
int verify_flush(struct verify *v);

#endif
