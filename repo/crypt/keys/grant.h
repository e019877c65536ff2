/*
 * Grant: the owner's statement that the holder of a bundle is to have the secrets of later generations
 * (generation.h), and to which public key they are sealed for him.
 *
 * Each bundle has a renewal secret of its own and the grant of its public key; the label of the keyslot has the grant
 * as well, where the owner finds it when the secrets are rotated.  So nobody need be asked for a passphrase then.
 * Labels can be made by everybody; grants cannot, and what the label says besides does not count.
 *
 *   fields (TLV, enum grant_tag), then the owner's signature (signed_fields.h), context "varve grant"
 */
#ifndef VARVE_CRYPT_GRANT_H
#define VARVE_CRYPT_GRANT_H

#include "repo/crypt/keys/secrets.h"

#define GRANT_CONTEXT "varve grant"
#define GRANT_MAX 1024 /* bytes */

/* The fields, each at most once (tlv.h); SIGNING for the roles that sign, the others always. */
enum grant_tag {
	GRANT_ROLE = 1,    /* le32, enum role */
	GRANT_RENEWAL = 2, /* 32 bytes, X25519 public key */
	GRANT_SIGNING = 3, /* 32 bytes, Ed25519 public key of the bundle's signing key */
	GRANT_NAME = 4,    /* 0 to CERT_NAME_MAX bytes, no NUL: who; for people */
};

struct grant {
	enum role role;
	struct box_public renewal;
	struct sign_public signing;
	bool signs; /* there is ${signing} */
	char name[CERT_NAME_MAX + 1];
};

/* Append ${g}, signed by the owner of the repository.  Return 0 or -ENOMEM. */
int grant_sign(const struct grant *g, const uint8_t repo_id[16], const struct sign_secret *owner, struct buf *out);

/**
 * grant_open(data, len, repo_id, owner, out):
 * Verify and decode.  Return 0; -EBADMSG if it is malformed; -EKEYREJECTED if it is not the owner's, or for another
 * repository; -EPROTONOSUPPORT for an unknown role or mandatory field; -ENOMEM.
 */
int grant_open(const void *data, size_t len, const uint8_t repo_id[16], const struct sign_public *owner,
    struct grant *out);

#endif
