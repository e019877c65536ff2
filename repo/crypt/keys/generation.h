/*
 * Generation: new secrets of the metadata and the data domain, for whoever is to have them.
 *
 * Generation 0 is config's.  The owner makes a further one when somebody who had the secrets has left: what is sealed
 * from then on opens with the new ones only.  Who stays finds them in this object, sealed to the public key that he was
 * granted (grant.h); so the whole change is one object, which is there or not.
 *
 * Object "generations/<id>", the id being the BLAKE2b-256 of its bytes:
 *
 *   0  magic "VARVEGN1"                8
 *   8  zero                            8
 *  16  fields (TLV, enum generation_tag), then the owner's signature (signed_fields.h), context "varve generation"
 *
 * Each envelope is a renewal public key (32) and a sealed blob to it (crypt_seal_blob(), XChaCha20-Poly1305, associated
 * data: bytes 0..16) of the metadata secret (32), and for roles that have it the data secret (32).
 *
 * Numbers ascend.  Two owners who make one at a time make two of the same number: all members have both, and that with
 * the higher id counts as the newer.
 */
#ifndef VARVE_CRYPT_GENERATION_H
#define VARVE_CRYPT_GENERATION_H

#include "repo/crypt/keys/grant.h"
#include "repo/crypt/keys/secrets.h"

#define GENERATION_MAX (4 * 1024 * 1024) /* bytes of the object */
#define GENERATION_CONTEXT "varve generation"
#define GENERATIONS_PREFIX "generations/"
#define GENERATION_NAME_SIZE 80
#define GENERATION_NUMBER_MAX 1000000

/* The fields; all but the last once, and that as often as there are members. */
enum generation_tag {
	GENERATION_NUMBER = 1,   /* le32, from 1 */
	GENERATION_TIME = 2,     /* le64, nanoseconds since 1970, two's complement: when; for people */
	GENERATION_METADATA = 3, /* 32 bytes, X25519 public key */
	GENERATION_DATA = 4,     /* 32 bytes, X25519 public key */
	GENERATION_ENVELOPE = 5, /* 160 or 192 bytes */
};

struct generation {
	uint32_t number;
	int64_t time_ns;
	struct box_public metadata, data;
	uint32_t nenvelopes;
	const uint8_t *own; /* the value of the first envelope to the key that was asked for, borrowed; NULL: none */
	size_t own_len;
};

/* Store name of a generation.  Return ${out}. */
char *generation_object_name(const struct id *id, char out[GENERATION_NAME_SIZE]);

/**
 * generation_new(s, members, n, time_ns, out, id):
 * Make the generation after the newest of ${s}, an owner's bundle, for ${n} ${members}; append the object to ${out},
 * and give its id.  Return 0; -EPERM if ${s} is no owner's; -ENOSPC if it has GENERATIONS_MAX already; -EFBIG if the
 * object would pass GENERATION_MAX; -ENOMEM.
 */
int generation_new(const struct secrets *s, const struct grant *members, size_t n, int64_t time_ns, struct buf *out,
    struct id *id);

/**
 * generation_open(data, len, s, out):
 * Verify that it is the owner's, of this repository, and decode; ${out->own} is what is for ${s}.  Borrows ${data}.
 * Return 0; -EBADMSG; -EKEYREJECTED if the owner has not signed it; -EPROTONOSUPPORT; -ENOMEM.
 */
int generation_open(const void *data, size_t len, const struct secrets *s, struct generation *out);

/**
 * generation_secrets(g, s, id, out):
 * What it brings to the holder of ${s}.  Wipe it when done.  Return 0; -ENOENT if there is nothing for him; -EBADMSG if
 * what there is does not open, is not what the role is to have, or does not fit the public keys.
 */
int generation_secrets(const struct generation *g, const struct secrets *s, const struct id *id,
    struct generation_secrets *out);

/* The parser of the fields, for fuzzing too; ${own} is whose envelope is looked for.  0, -EBADMSG, -EPROTONOSUPPORT. */
int generation_decode(const void *data, size_t len, const struct box_public *own, struct generation *out);

#endif
