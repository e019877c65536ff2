/*
 * Cryptographic primitives: the one file that speaks to libsodium (with keyslot.c, for Argon2id).
 *
 * One type per purpose, so that a key cannot be used for another's work.  All functions are thread-safe after
 * crypt_init().  Comparisons of secrets take constant time.
 */
#ifndef VARVE_CRYPT_CRYPT_H
#define VARVE_CRYPT_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repo/util/bytes/id.h"

/* Written as one byte into config and into every sealed object. */
enum cipher {
	CIPHER_XCHACHA20_POLY1305 = 1, /* draft-irtf-cfrg-xchacha-03; nonce 24 bytes */
	CIPHER_AES256_GCM = 2,         /* NIST SP 800-38D; nonce 12 bytes; needs AES-NI */
};

#define CRYPT_TAG_LEN 16
#define CRYPT_WRAPPED_LEN 80 /* a 32-byte key in a sealed box: 32 ephemeral public key + 32 + 16 tag */
#define CRYPT_BLOB_OVERHEAD (CRYPT_WRAPPED_LEN + CRYPT_TAG_LEN)

struct aead_key { uint8_t b[32]; };    /* seals one pack, run, blob or keyslot */
struct hash_key { uint8_t b[32]; };    /* keys object ids */
struct box_secret { uint8_t b[32]; };  /* X25519 */
struct box_public { uint8_t b[32]; };
struct sign_secret { uint8_t b[32]; }; /* Ed25519 seed, RFC 8032 */
struct sign_public { uint8_t b[32]; };
struct signature { uint8_t b[64]; };

/*
 * Unkeyed BLAKE2b-256 in progress (names of packs and runs).  May be copied.  Mind the alignment: what contains one is
 * allocated with aligned_alloc(), as malloc() aligns to 16 bytes only.
 */
struct hasher { uint64_t opaque[48]; } __attribute__((aligned(64)));

/* Call once before anything else; again does no harm.  Return 0, or -EIO if the library cannot start. */
int crypt_init(void);

/* Can this machine do ${cipher}? */
bool crypt_available(enum cipher cipher);

/* "xchacha20-poly1305", "aes256-gcm"; NULL for an unknown value.  And back: 0 or -EINVAL. */
const char *crypt_cipher_name(enum cipher cipher);
int crypt_cipher_parse(const char *name, enum cipher *out);

/* Fill ${out} from the system's random generator. */
void crypt_random(void *out, size_t len);

/* Overwrite secrets in a way that the compiler keeps. */
void crypt_wipe(void *p, size_t len);

/* Equal? in constant time. */
bool crypt_equal(const void *a, const void *b, size_t len);

/**
 * crypt_secret_alloc(len), crypt_secret_free(p):
 * Zeroed memory for long-lived secrets: locked (not swapped) and kept out of core dumps where the system permits,
 * between guard pages, wiped when freed.  NULL if there is none.  free does nothing for NULL.
 */
void *crypt_secret_alloc(size_t len);
void crypt_secret_free(void *p);

/*
 * The same for a while for memory from elsewhere: keep it from being swapped and out of core dumps where the system
 * permits (whole pages, with what else is there); and wipe it and let it go.
 */
void crypt_lock(void *p, size_t len);
void crypt_unlock(void *p, size_t len);

/* Keyed BLAKE2b-256 (RFC 7693) of ${len} bytes: an object's id. */
void crypt_object_id(const struct hash_key *key, const void *data, size_t len, struct id *out);

/**
 * crypt_hmac_sha256(key, keylen, data, len, out):
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4): what some services want their requests signed with.
 */
#define CRYPT_HMAC_LEN 32
void crypt_hmac_sha256(const void *key, size_t keylen, const void *data, size_t len, uint8_t out[CRYPT_HMAC_LEN]);

/* SHA-256 (FIPS 180-4) in pieces: what services want to be told of what is sent to them.  May be copied. */
#define SHA256_LEN 32
struct sha256 { uint64_t opaque[13]; };
void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *data, size_t len);
void sha256_final(struct sha256 *h, uint8_t out[SHA256_LEN]);

/**
 * crypt_base64(data, len, out), crypt_base64_decode(text, out, size, len):
 * Base64 with "+", "/" and padding (RFC 4648, 4), in a time that does not depend on the bytes.  ${out} of the first has
 * room for CRYPT_BASE64_SIZE(len), with the NUL.  The second returns 0 with the number of bytes in ${*len}, or -EINVAL
 * if ${text} is not exactly that, or is more than ${size} bytes.
 */
#define CRYPT_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void crypt_base64(const void *data, size_t len, char *out);
int crypt_base64_decode(const char *text, void *out, size_t size, size_t *len);

/* One of several objects to be named. */
struct hash_job {
	const void *data; /* borrowed */
	size_t len;
	struct id *out;
};

/**
 * crypt_object_ids(key, jobs, n):
 * As crypt_object_id() for each of ${n} objects, but side by side, in three to four times the speed where the processor
 * can; from three or four objects on, whatever their lengths.
 */
void crypt_object_ids(const struct hash_key *key, const struct hash_job *jobs, size_t n);

/* Unkeyed BLAKE2b-256, in pieces or at once. */
void hasher_init(struct hasher *h);
void hasher_update(struct hasher *h, const void *data, size_t len);
void hasher_final(struct hasher *h, struct id *out);
void crypt_hash(const void *data, size_t len, struct id *out);

/*
 * The same of several streams side by side.  A piece that is not the last of its stream has a multiple of HASH_BLOCK
 * bytes; the last has at least one, unless it is the only one.
 */
#define HASH_BLOCK 128

struct hash_stream {
	uint64_t h[8];
	uint64_t len; /* so far */
};

struct hash_piece {
	struct hash_stream *stream; /* another one for each piece of a call */
	const void *data;           /* borrowed */
	size_t len;
	bool last;
};

void hash_stream_init(struct hash_stream *s);
void hash_streams_update(const struct hash_piece *pieces, size_t n);

/* After the last piece. */
void hash_stream_final(const struct hash_stream *s, struct id *out);

/**
 * crypt_derive(secret, purpose, out):
 * Derive 32 bytes for ${purpose} (a literal of at most 64 characters) from the 32 bytes ${secret}: keyed BLAKE2b-256 of
 * the purpose.
 */
void crypt_derive(const uint8_t secret[32], const char *purpose, uint8_t out[32]);

/**
 * crypt_seal(cipher, key, position, ad, adlen, in, inlen, out):
 * Encrypt ${inlen} bytes and append the tag: ${inlen + CRYPT_TAG_LEN} bytes to ${out}, which may be ${in}.  The nonce
 * is ${position} as 8 bytes little-endian followed by zeros: a pair of ${key} and ${position} must never seal two
 * different plaintexts.  ${ad} is authenticated with it.  ${cipher} must be crypt_available(): the process is stopped
 * otherwise.
 */
void crypt_seal(enum cipher cipher, const struct aead_key *key, uint64_t position, const void *ad, size_t adlen,
    const void *in, size_t inlen, uint8_t *out);

/**
 * crypt_open(cipher, key, position, ad, adlen, in, inlen, out):
 * Reverse crypt_seal(): ${inlen} includes the tag; ${inlen - CRYPT_TAG_LEN} bytes to ${out}, which may be ${in}.
 * Return 0; -EBADMSG if it does not authenticate or is shorter than a tag (${out} then holds nothing of the plaintext);
 * -ENOTSUP if this machine cannot do the cipher.
 */
int crypt_open(enum cipher cipher, const struct aead_key *key, uint64_t position, const void *ad, size_t adlen,
    const void *in, size_t inlen, uint8_t *out);

/**
 * crypt_new_wrapped_key(pk, key, wrapped):
 * Make a new random key and its form wrapped to ${pk} (crypto_box_seal: X25519, XSalsa20-Poly1305).  ${pk} must be
 * crypt_box_public_valid() (config_decode() sees to that): the process is stopped otherwise.
 */
void crypt_new_wrapped_key(const struct box_public *pk, struct aead_key *key, uint8_t wrapped[CRYPT_WRAPPED_LEN]);

/* Unwrap it.  Return 0, or -EBADMSG if it was not wrapped to this key pair or is damaged. */
int crypt_unwrap_key(const struct box_public *pk, const struct box_secret *sk, const uint8_t wrapped[CRYPT_WRAPPED_LEN],
    struct aead_key *key);

/**
 * crypt_seal_blob(cipher, pk, ad, adlen, in, inlen, out):
 * Seal ${inlen} bytes under a fresh key wrapped to ${pk}: wrapped key, then the box at position 0.  Writes
 * ${inlen + CRYPT_BLOB_OVERHEAD} bytes to ${out}, which must not overlap ${in}.
 */
void crypt_seal_blob(enum cipher cipher, const struct box_public *pk, const void *ad, size_t adlen, const void *in,
    size_t inlen, uint8_t *out);

/* Reverse it; writes ${inlen - CRYPT_BLOB_OVERHEAD} bytes.  Errors as crypt_open(). */
int crypt_open_blob(enum cipher cipher, const struct box_public *pk, const struct box_secret *sk, const void *ad,
    size_t adlen, const void *in, size_t inlen, uint8_t *out);

/* Key pairs: a random secret, and the public half of a secret. */
void crypt_box_keypair(struct box_secret *sk, struct box_public *pk);
void crypt_box_public(const struct box_secret *sk, struct box_public *pk);
void crypt_sign_keypair(struct sign_secret *sk, struct sign_public *pk);
void crypt_sign_public(const struct sign_secret *sk, struct sign_public *pk);

/* Can keys be wrapped to ${pk}?  Not to the few points of low order: anybody could unwrap those. */
bool crypt_box_public_valid(const struct box_public *pk);

/**
 * crypt_sign(sk, context, data, len, out), crypt_verify(pk, context, data, len, sig):
 * Ed25519 over BLAKE2b-256(${context} NUL ${data}); the context is a literal that names what is signed, so that a
 * signature of one kind of thing is none of another.  verify returns 0 or -EBADMSG.
 */
void crypt_sign(const struct sign_secret *sk, const char *context, const void *data, size_t len, struct signature *out);
int crypt_verify(const struct sign_public *pk, const char *context, const void *data, size_t len,
    const struct signature *sig);

#endif
