/*
 * Sealing domains: how packs, index runs, tables and manifests get their keys.
 *
 * Each sealed object has a random 32-byte key of its own, wrapped to the public key of its domain (data: file contents;
 * metadata: everything else), so that who only writes cannot read.  A public key is public, however, and anybody could
 * wrap keys of his own to it: therefore the key that seals is not the wrapped one, but
 *
 *     sealing key = keyed BLAKE2b-256 (key: the domain's mixing key) of the wrapped random key's 32 bytes
 *
 * with a mixing key that the store's operator does not have: derived from the object-id key for data, from the metadata
 * secret for metadata.  What opens was sealed by a holder of the repository's secrets, at that place.
 *
 * The secrets come in generations (generation.h).  What is sealed is sealed for the newest that was known when the
 * domain was made; what is to be opened does not say of which it is, and each is tried.
 */
#ifndef VARVE_CRYPT_SEAL_H
#define VARVE_CRYPT_SEAL_H

#include <stdatomic.h>

#include "repo/crypt/config.h"
#include "repo/crypt/crypt.h"
#include "repo/crypt/keys/secrets.h"

/* Of one generation. */
struct seal_keys {
	struct box_public pk;
	struct box_secret sk;
	struct hash_key mix;
};

/*
 * The keys of other generations, to open with.  They grow in number while the domain is in use: seal_ring_add() by one
 * thread at a time, all else by any number.
 */
struct seal_ring {
	_Atomic unsigned n;
	_Atomic unsigned last;                   /* that which opened something last */
	_Atomic bool behind;                     /* there are generations of which there is no key */
	struct seal_keys keys[GENERATIONS_MAX + 1];
	/* Nothing opens: see whether there are new ones.  0; an error if that could not be seen.  May be NULL. */
	int (*renew)(void *arg);
	void *arg;
};

struct seal_domain {
	enum cipher cipher;
	struct box_public pk;
	struct box_secret sk;
	struct hash_key mix;
	bool can_seal;          /* has the mixing key */
	bool can_open;          /* has the secret as well */
	struct seal_ring *ring; /* other generations'; NULL: none */
};

/*
 * The domains of a repository as far as ${s} allows, for the newest generation that it has, without a ring.  Both are
 * wiped with crypt_wipe() by the owner of their memory.
 */
void seal_data_domain(const struct config *c, const struct secrets *s, struct seal_domain *out);
void seal_metadata_domain(const struct config *c, const struct secrets *s, struct seal_domain *out);

/*
 * Fill ${ring}, which is zeroed, with the keys of all generations of ${s} but the newest.  ${ring} is wiped as above.
 */
void seal_data_ring(const struct config *c, const struct secrets *s, struct seal_ring *ring);
void seal_metadata_ring(const struct config *c, const struct secrets *s, struct seal_ring *ring);

/* Add a further generation to the ring of a domain that can open.  Nothing if there are GENERATIONS_MAX + 1. */
void seal_data_ring_add(struct seal_ring *ring, const struct secrets *s, const struct generation_secrets *g);
void seal_metadata_ring_add(struct seal_ring *ring, const struct generation_secrets *g);

/* Key of tree-object ids, for all holders of the metadata secret.  The same in all generations. */
void seal_tree_id_key(const struct secrets *s, struct hash_key *out);

/*
 * A fresh sealing key, and its wrapped form for the object's header.  The domain must have can_seal: callers check, as
 * a key that was mixed with nothing would seal for everybody.
 */
void seal_new_key(const struct seal_domain *d, struct aead_key *key, uint8_t wrapped[CRYPT_WRAPPED_LEN]);

/*
 * The sealing key back.  Return 0; -EBADMSG if damaged or foreign; -EACCES if this role has not the secret, or if it
 * may be of a generation that this key was not given; -EIO if it could not be seen whether there is a new one.
 */
int seal_open_key(const struct seal_domain *d, const uint8_t wrapped[CRYPT_WRAPPED_LEN], struct aead_key *key);

/**
 * seal_blob(d, ad, adlen, in, inlen, out), seal_open_blob(...):
 * A whole small object under a fresh key: wrapped key, then the box at position 0.  seal writes
 * ${inlen + CRYPT_BLOB_OVERHEAD} bytes, open ${inlen - CRYPT_BLOB_OVERHEAD}; ${out} must not overlap ${in}.  open
 * returns 0; -EBADMSG; -EACCES; -ENOTSUP as crypt_open().
 */
void seal_blob(const struct seal_domain *d, const void *ad, size_t adlen, const void *in, size_t inlen, uint8_t *out);
int seal_open_blob(const struct seal_domain *d, const void *ad, size_t adlen, const void *in, size_t inlen,
    uint8_t *out);

#endif
