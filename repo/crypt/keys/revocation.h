/*
 * Revocation: the owner's statement that a signing key is good no more, and which of its snapshots stay.
 *
 * Object "revoked/<id>", the id being the BLAKE2b-256 of its bytes:
 *
 *   0  magic "VARVERV1"                8
 *   8  zero                            8
 *  16  sealed blob in the metadata domain (associated data: bytes 0..16): fields (TLV), then 64 bytes of Ed25519
 *      signature by the owner's key over "varve revocation" NUL repository id (16) fields
 *
 * A manifest that is signed by the key is good only if every revocation of that key names its id.  So a second one can
 * take away, but never give back; there is no order among them, and nothing in them is compared with a clock.
 */
#ifndef VARVE_CRYPT_REVOCATION_H
#define VARVE_CRYPT_REVOCATION_H

#include "repo/crypt/seal.h"

#define REVOCATION_MAX (16 * 1024 * 1024) /* bytes of the object: half a million snapshots */
#define REVOCATION_CONTEXT "varve revocation"
#define REVOKED_PREFIX "revoked/"
#define REVOCATION_NAME_SIZE 80

/* The fields, each at most once (tlv.h); the first three are always there. */
enum revocation_tag {
	REVOCATION_KEY = 1,  /* 32 bytes, the Ed25519 public key that is revoked */
	REVOCATION_TIME = 2, /* le64, nanoseconds since 1970, two's complement: when; for people */
	REVOCATION_NAME = 3, /* 1 to CERT_NAME_MAX bytes, no NUL: who; for people */
	REVOCATION_KEEPS = 4, /* ids of snapshots that stay good, 32 bytes each, strictly ascending */
};

struct revocation {
	struct sign_public key;
	int64_t time_ns;
	char *name;       /* owned */
	struct buf keeps; /* ids, as encoded */
};

void revocation_destroy(struct revocation *r);

/* Store name of a revocation.  Return ${out}. */
char *revocation_object_name(const struct id *id, char out[REVOCATION_NAME_SIZE]);

/* Does the snapshot stay good? */
bool revocation_keeps(const struct revocation *r, const struct id *snapshot);

/**
 * revocation_seal(r, s, metadata, out, id):
 * Encode, sign with the owner's key of ${s}, seal; append the object to ${out} and give its id.  Return 0; -EPERM if
 * ${s} is no owner's; -EACCES if ${metadata} cannot seal; -EINVAL if the name is missing or too long, or the ids are
 * not in order; -EFBIG if the object would pass REVOCATION_MAX; -ENOMEM.
 */
int revocation_seal(const struct revocation *r, const struct secrets *s, const struct seal_domain *metadata,
    struct buf *out, struct id *id);

/**
 * revocation_open(data, len, s, metadata, out):
 * Open, verify the signature by ${s->owner_public}, decode.  On success ${out} is the caller's (revocation_destroy()),
 * else untouched.  Return 0; -EBADMSG; -EKEYREJECTED if it has been sealed by a holder of the metadata secret who is
 * not the owner; -EPROTONOSUPPORT; -EACCES; -ENOTSUP if this machine cannot do the cipher; -ENOMEM.
 */
int revocation_open(const void *data, size_t len, const struct secrets *s, const struct seal_domain *metadata,
    struct revocation *out);

/*
 * The parser of the opened fields, and what makes them (for fuzzing too).  0, -EBADMSG, -EPROTONOSUPPORT, -ENOMEM;
 * 0, -EINVAL, -ENOMEM.
 */
int revocation_decode(const void *data, size_t len, struct revocation *out);
int revocation_encode(const struct revocation *r, struct buf *out);

#endif
