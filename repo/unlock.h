/*
 * Keyslots of a repository as objects in its store: finding the one that opens, adding, listing, removing (repo.h has
 * the contracts of what programs use).
 */
#ifndef VARVE_UNLOCK_H
#define VARVE_UNLOCK_H

#include "repo/repo.h"

#define KEYSLOT_NAME_SIZE 72

/* Store name of a keyslot: "keys/<64 digits>".  Return ${out}. */
char *keyslot_object_name(const struct id *id, char out[KEYSLOT_NAME_SIZE]);

/**
 * unlock_repo(r, cred):
 * Open a keyslot with ${cred} and set ${r->secrets} and ${r->keyslot}.  Store, config and index of ${r} are open.
 * The keyslot that this machine used last is tried first, as each try of a passphrase costs Argon2id.  Return 0;
 * -EKEYREJECTED if none opens; -EBADMSG if none opens and one is damaged (its bytes are not those of its name) or the
 * config is not theirs; what the store returns.  Logged.
 */
int unlock_repo(struct repo *r, const struct credentials *cred);

#endif
