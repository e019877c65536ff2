/*
 * Pack keys: what opening a segment needs to know of its pack, in a bounded cache, as unwrapping a key costs more than
 * opening a small segment.  Keys are kept in memory for secrets.
 *
 * Thread-safe.
 */
#ifndef VARVE_OBJECT_PACK_KEYS_H
#define VARVE_OBJECT_PACK_KEYS_H

#include "repo/index/index.h"

struct pack_keys;

/* All borrowed until pack_keys_free().  NULL if there is no memory. */
struct pack_keys *pack_keys_new(struct index *index, const struct seal_domain *data,
    const struct seal_domain *metadata);
void pack_keys_free(struct pack_keys *k);

/**
 * pack_keys_get(k, number, info, key):
 * Describe the index's pack ${number} (${info->wrapped} stays undefined) and give its sealing key, which the caller
 * wipes.  Return 0; -EBADMSG if the wrapped key does not open; -EACCES if this role has not the secret; -ENOENT if the
 * index has no such pack; -EIO if it failed.
 */
int pack_keys_get(struct pack_keys *k, uint32_t number, struct pack_info *info, struct aead_key *key);

/* What is known of the pack is doubtful: have the index asked again. */
void pack_keys_forget(struct pack_keys *k, uint32_t number);

#endif
