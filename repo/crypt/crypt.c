/*
 * Cryptographic primitives over libsodium.
 *
 * Invariants: every copy of a secret that is made here is wiped before the function returns.  Sealing cannot fail for
 * a reason that a caller could handle (the cipher was checked when the repository was opened or made, the public key
 * when config was read); if it does, the process is stopped, as going on would store bytes that nobody can open.
 */
#include "repo/crypt/crypt.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/blake2b_lanes.h"
#include "repo/util/bytes/le.h"

_Static_assert(HASH_BLOCK == LANES_BLOCK, "block of BLAKE2b");
_Static_assert(sizeof(struct hasher) >= sizeof(crypto_generichash_state), "struct hasher holds libsodium's state");
_Static_assert(_Alignof(struct hasher) >= _Alignof(crypto_generichash_state), "and is aligned for it");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == sizeof(struct aead_key), "key size");
_Static_assert(crypto_aead_aes256gcm_KEYBYTES == sizeof(struct aead_key), "key size");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == CRYPT_TAG_LEN, "tag size");
_Static_assert(crypto_aead_aes256gcm_ABYTES == CRYPT_TAG_LEN, "tag size");
_Static_assert(sizeof(struct aead_key) + crypto_box_SEALBYTES == CRYPT_WRAPPED_LEN, "sealed box");
_Static_assert(crypto_box_SECRETKEYBYTES == sizeof(struct box_secret), "X25519 secret");
_Static_assert(crypto_box_PUBLICKEYBYTES == sizeof(struct box_public), "X25519 public");
_Static_assert(crypto_sign_SEEDBYTES == sizeof(struct sign_secret), "Ed25519 seed");
_Static_assert(crypto_sign_PUBLICKEYBYTES == sizeof(struct sign_public), "Ed25519 public");
_Static_assert(sizeof(struct sha256) >= sizeof(crypto_hash_sha256_state), "struct sha256 holds libsodium's state");
_Static_assert(_Alignof(struct sha256) >= _Alignof(crypto_hash_sha256_state), "and is aligned for it");
_Static_assert(crypto_hash_sha256_BYTES == SHA256_LEN, "SHA-256");
_Static_assert(crypto_auth_hmacsha256_BYTES == CRYPT_HMAC_LEN, "HMAC-SHA-256");
_Static_assert(crypto_sign_BYTES == sizeof(struct signature), "Ed25519 signature");

#define NONCE_MAX crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SECRET_ALIGN 64 /* sodium_malloc() aligns the end of what it returns, so the length has to be a multiple */

static const struct {
	enum cipher cipher;
	const char *name;
} cipher_names[] = {
	{ CIPHER_XCHACHA20_POLY1305, "xchacha20-poly1305" },
	{ CIPHER_AES256_GCM, "aes256-gcm" },
};

#define NCIPHERS (sizeof(cipher_names) / sizeof(cipher_names[0]))

int crypt_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

bool crypt_available(enum cipher cipher)
{
	switch (cipher) {
	case CIPHER_XCHACHA20_POLY1305:
		return true;
	case CIPHER_AES256_GCM:
		return crypto_aead_aes256gcm_is_available() != 0;
	}
	return false;
}

const char *crypt_cipher_name(enum cipher cipher)
{
	for (size_t i = 0; i < NCIPHERS; i++)
		if (cipher_names[i].cipher == cipher)
			return cipher_names[i].name;
	return NULL;
}

int crypt_cipher_parse(const char *name, enum cipher *out)
{
	for (size_t i = 0; i < NCIPHERS; i++) {
		if (strcmp(cipher_names[i].name, name) == 0) {
			*out = cipher_names[i].cipher;
			return 0;
		}
	}
	return -EINVAL;
}

void crypt_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void crypt_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

bool crypt_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void *crypt_secret_alloc(size_t len)
{
	size_t size;
	void *p;

	if (len > SIZE_MAX - SECRET_ALIGN)
		return NULL;
	size = len == 0 ? SECRET_ALIGN : (len + SECRET_ALIGN - 1) / SECRET_ALIGN * SECRET_ALIGN;
	p = sodium_malloc(size);
	if (p)
		memset(p, 0, size);
	return p;
}

void crypt_secret_free(void *p)
{
	sodium_free(p);
}

void crypt_lock(void *p, size_t len)
{
	if (sodium_mlock(p, len) != 0)
		return; /* more than this user may lock: it is wiped soon */
}

void crypt_unlock(void *p, size_t len)
{
	sodium_munlock(p, len);
}

void crypt_object_id(const struct hash_key *key, const void *data, size_t len, struct id *out)
{
	crypto_generichash(out->b, sizeof(out->b), data, len, key->b, sizeof(key->b));
}

void crypt_hmac_sha256(const void *key, size_t keylen, const void *data, size_t len, uint8_t out[CRYPT_HMAC_LEN])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, keylen);
	crypto_auth_hmacsha256_update(&state, data, len);
	crypto_auth_hmacsha256_final(&state, out);
	crypt_wipe(&state, sizeof(state));
}

static crypto_hash_sha256_state *sha256_state(struct sha256 *h)
{
	return (crypto_hash_sha256_state *)(void *)h;
}

void sha256_init(struct sha256 *h)
{
	crypto_hash_sha256_init(sha256_state(h));
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
	crypto_hash_sha256_update(sha256_state(h), data, len);
}

void sha256_final(struct sha256 *h, uint8_t out[SHA256_LEN])
{
	crypto_hash_sha256_final(sha256_state(h), out);
}

void crypt_base64(const void *data, size_t len, char *out)
{
	sodium_bin2base64(out, CRYPT_BASE64_SIZE(len), data, len, sodium_base64_VARIANT_ORIGINAL);
}

int crypt_base64_decode(const char *text, void *out, size_t size, size_t *len)
{
	const char *end;

	if (sodium_base642bin(out, size, text, strlen(text), NULL, len, &end, sodium_base64_VARIANT_ORIGINAL) != 0)
		return -EINVAL;
	return *end == '\0' ? 0 : -EINVAL;
}

/* At most LANES_MESSAGES_MAX of them.  ${keyed}: the state after the key. */
static void ids_in_lanes(enum lanes lanes, const struct lanes_message *keyed, const struct hash_job *jobs, size_t n)
{
	struct lanes_message m[LANES_MESSAGES_MAX];

	for (size_t i = 0; i < n; i++) {
		m[i] = *keyed;
		m[i].data = jobs[i].data;
		m[i].len = jobs[i].len;
	}
	lanes_run(lanes, m, n);
	for (size_t i = 0; i < n; i++)
		lanes_end(&m[i], jobs[i].out->b);
}

void crypt_object_ids(const struct hash_key *key, const struct hash_job *jobs, size_t n)
{
	struct lanes_message keyed = { .last = true };
	enum lanes lanes = lanes_best();
	size_t take;

	if (lanes == LANES_NONE || n == 1) {
		for (size_t i = 0; i < n; i++)
			crypt_object_id(key, jobs[i].data, jobs[i].len, jobs[i].out);
		return;
	}
	lanes_begin_keyed(&keyed, key->b);
	for (; n > 0; jobs += take, n -= take) {
		/* Empty ones, which there hardly are, end with the key's block. */
		for (take = 0; take < n && take < LANES_MESSAGES_MAX && jobs[take].len > 0; take++)
			;
		ids_in_lanes(lanes, &keyed, jobs, take);
		if (take < n && jobs[take].len == 0) {
			crypt_object_id(key, NULL, 0, jobs[take].out);
			take++;
		}
	}
	crypt_wipe(&keyed, sizeof(keyed));
}

static crypto_generichash_state *hasher_state(struct hasher *h)
{
	return (crypto_generichash_state *)(void *)h;
}

void hasher_init(struct hasher *h)
{
	crypto_generichash_init(hasher_state(h), NULL, 0, ID_LEN);
}

void hasher_update(struct hasher *h, const void *data, size_t len)
{
	crypto_generichash_update(hasher_state(h), data, len);
}

void hasher_final(struct hasher *h, struct id *out)
{
	crypto_generichash_final(hasher_state(h), out->b, sizeof(out->b));
}

void crypt_hash(const void *data, size_t len, struct id *out)
{
	crypto_generichash(out->b, sizeof(out->b), data, len, NULL, 0);
}

void hash_stream_init(struct hash_stream *s)
{
	struct lanes_message m;

	lanes_begin(&m);
	memcpy(s->h, m.h, sizeof(s->h));
	s->len = m.t;
}

static void streams_in_lanes(const struct hash_piece *pieces, size_t n)
{
	struct lanes_message m[LANES_MESSAGES_MAX];

	for (size_t i = 0; i < n; i++) {
		memcpy(m[i].h, pieces[i].stream->h, sizeof(m[i].h));
		m[i].t = pieces[i].stream->len;
		m[i].data = pieces[i].data;
		m[i].len = pieces[i].len;
		m[i].last = pieces[i].last;
	}
	lanes_run(lanes_best(), m, n);
	for (size_t i = 0; i < n; i++) {
		memcpy(pieces[i].stream->h, m[i].h, sizeof(m[i].h));
		pieces[i].stream->len = m[i].t;
	}
}

void hash_streams_update(const struct hash_piece *pieces, size_t n)
{
	size_t take;

	for (; n > 0; pieces += take, n -= take) {
		take = n < LANES_MESSAGES_MAX ? n : LANES_MESSAGES_MAX;
		streams_in_lanes(pieces, take);
	}
}

void hash_stream_final(const struct hash_stream *s, struct id *out)
{
	for (unsigned i = 0; i < ID_LEN / 8; i++)
		le64enc(out->b + 8 * i, s->h[i]);
}

void crypt_derive(const uint8_t secret[32], const char *purpose, uint8_t out[32])
{
	crypto_generichash(out, 32, (const uint8_t *)purpose, strlen(purpose), secret, 32);
}

/* The nonce of either cipher: the longer one is written, the shorter one is its beginning. */
static void nonce_of(uint64_t position, uint8_t nonce[NONCE_MAX])
{
	memset(nonce, 0, NONCE_MAX);
	le64enc(nonce, position);
}

void crypt_seal(enum cipher cipher, const struct aead_key *key, uint64_t position, const void *ad, size_t adlen,
    const void *in, size_t inlen, uint8_t *out)
{
	uint8_t nonce[NONCE_MAX];
	int rc = -1;

	nonce_of(position, nonce);
	switch (cipher) {
	case CIPHER_XCHACHA20_POLY1305:
		rc = crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, inlen, ad, adlen, NULL, nonce, key->b);
		break;
	case CIPHER_AES256_GCM:
		if (crypt_available(cipher))
			rc = crypto_aead_aes256gcm_encrypt(out, NULL, in, inlen, ad, adlen, NULL, nonce, key->b);
		break;
	}
	if (rc != 0)
		abort();
}

int crypt_open(enum cipher cipher, const struct aead_key *key, uint64_t position, const void *ad, size_t adlen,
    const void *in, size_t inlen, uint8_t *out)
{
	uint8_t nonce[NONCE_MAX];
	int rc = -1;

	if (!crypt_available(cipher))
		return -ENOTSUP;
	if (inlen < CRYPT_TAG_LEN)
		return -EBADMSG;
	nonce_of(position, nonce);
	switch (cipher) {
	case CIPHER_XCHACHA20_POLY1305:
		rc = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, inlen, ad, adlen, nonce, key->b);
		break;
	case CIPHER_AES256_GCM:
		rc = crypto_aead_aes256gcm_decrypt(out, NULL, NULL, in, inlen, ad, adlen, nonce, key->b);
		break;
	}
	return rc == 0 ? 0 : -EBADMSG;
}

void crypt_new_wrapped_key(const struct box_public *pk, struct aead_key *key, uint8_t wrapped[CRYPT_WRAPPED_LEN])
{
	crypt_random(key->b, sizeof(key->b));
	if (crypto_box_seal(wrapped, key->b, sizeof(key->b), pk->b) != 0)
		abort();
}

int crypt_unwrap_key(const struct box_public *pk, const struct box_secret *sk, const uint8_t wrapped[CRYPT_WRAPPED_LEN],
    struct aead_key *key)
{
	return crypto_box_seal_open(key->b, wrapped, CRYPT_WRAPPED_LEN, pk->b, sk->b) == 0 ? 0 : -EBADMSG;
}

void crypt_seal_blob(enum cipher cipher, const struct box_public *pk, const void *ad, size_t adlen, const void *in,
    size_t inlen, uint8_t *out)
{
	struct aead_key key;

	crypt_new_wrapped_key(pk, &key, out);
	crypt_seal(cipher, &key, 0, ad, adlen, in, inlen, out + CRYPT_WRAPPED_LEN);
	crypt_wipe(&key, sizeof(key));
}

int crypt_open_blob(enum cipher cipher, const struct box_public *pk, const struct box_secret *sk, const void *ad,
    size_t adlen, const void *in, size_t inlen, uint8_t *out)
{
	const uint8_t *p = in;
	struct aead_key key;
	int err;

	if (inlen < CRYPT_BLOB_OVERHEAD)
		return -EBADMSG;
	err = crypt_unwrap_key(pk, sk, p, &key);
	if (err == 0)
		err = crypt_open(cipher, &key, 0, ad, adlen, p + CRYPT_WRAPPED_LEN, inlen - CRYPT_WRAPPED_LEN, out);
	crypt_wipe(&key, sizeof(key));
	return err;
}

void crypt_box_keypair(struct box_secret *sk, struct box_public *pk)
{
	crypt_random(sk->b, sizeof(sk->b));
	crypt_box_public(sk, pk);
}

void crypt_box_public(const struct box_secret *sk, struct box_public *pk)
{
	if (crypto_scalarmult_base(pk->b, sk->b) != 0)
		abort();
}

bool crypt_box_public_valid(const struct box_public *pk)
{
	/* A scalar is made a multiple of 8, which takes exactly the points of low order to zero: that is refused. */
	static const uint8_t scalar[crypto_scalarmult_SCALARBYTES] = { 8 };
	uint8_t point[crypto_scalarmult_BYTES];

	return crypto_scalarmult(point, scalar, pk->b) == 0;
}

/* libsodium's form of a secret key is the seed and the public key. */
static void expand_seed(const struct sign_secret *sk, struct sign_public *pk, uint8_t full[crypto_sign_SECRETKEYBYTES])
{
	if (crypto_sign_seed_keypair(pk->b, full, sk->b) != 0)
		abort();
}

void crypt_sign_keypair(struct sign_secret *sk, struct sign_public *pk)
{
	crypt_random(sk->b, sizeof(sk->b));
	crypt_sign_public(sk, pk);
}

void crypt_sign_public(const struct sign_secret *sk, struct sign_public *pk)
{
	uint8_t full[crypto_sign_SECRETKEYBYTES];

	expand_seed(sk, pk, full);
	crypt_wipe(full, sizeof(full));
}

/* What is signed: BLAKE2b-256 of the context with its NUL, and the data. */
static void signed_hash(const char *context, const void *data, size_t len, struct id *out)
{
	struct hasher h;

	hasher_init(&h);
	hasher_update(&h, context, strlen(context) + 1);
	hasher_update(&h, data, len);
	hasher_final(&h, out);
}

void crypt_sign(const struct sign_secret *sk, const char *context, const void *data, size_t len, struct signature *out)
{
	uint8_t full[crypto_sign_SECRETKEYBYTES];
	struct sign_public pk;
	struct id hash;

	signed_hash(context, data, len, &hash);
	expand_seed(sk, &pk, full);
	if (crypto_sign_detached(out->b, NULL, hash.b, sizeof(hash.b), full) != 0)
		abort();
	crypt_wipe(full, sizeof(full));
}

int crypt_verify(const struct sign_public *pk, const char *context, const void *data, size_t len,
    const struct signature *sig)
{
	struct id hash;

	signed_hash(context, data, len, &hash);
	return crypto_sign_verify_detached(sig->b, hash.b, sizeof(hash.b), pk->b) == 0 ? 0 : -EBADMSG;
}
