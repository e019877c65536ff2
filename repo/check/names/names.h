/*
 * Objects against their names, for which no key is needed.
 */
#ifndef VARVE_CHECK_NAMES_H
#define VARVE_CHECK_NAMES_H

#include "repo/store/store.h"

/**
 * name_verify(store, name, hash, len):
 * Does the hash of an object's bytes begin with the ${len} bytes ${hash}?  Where the store may give other bytes, it is
 * asked twice.  Return 0; -EBADMSG if not; -ENOENT; -ENOMEM; what the store returns.
 */
int name_verify(struct store *store, const char *name, const uint8_t *hash, size_t len);

#endif
