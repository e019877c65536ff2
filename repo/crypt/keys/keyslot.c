/*
 * Keyslots.  parse() is the only reader of the object's framing; it checks Argon2id's parameters against the limits, so
 * that nothing is allocated or computed for a store's sake beyond them.
 */
#include "repo/crypt/keys/keyslot.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/keys/grant.h"

#define MAGIC "VARVEKS1"
#define MAGIC_LEN 8
#define HEADER_LEN 60
#define SALT_LEN 32
#define ARGON_SALT_LEN 16
#define HASH_LEN 32
#define WRAP_CONTEXT "varve keyslot"
#define BUNDLE_CIPHER CIPHER_XCHACHA20_POLY1305 /* whatever the repository's is: it can be opened on every machine */

_Static_assert(crypto_pwhash_argon2id_SALTBYTES == ARGON_SALT_LEN, "Argon2id's salt");
_Static_assert(crypto_pwhash_argon2id_MEMLIMIT_MIN == KEYSLOT_MEMORY_KIB_MIN * 1024, "Argon2id's least memory");
_Static_assert(sizeof(struct box_public) == SALT_LEN, "a recipient's key takes the place of the salt");

/* A keyslot object taken apart; pointers are borrowed from its bytes. */
struct slot {
	enum keyslot_kind kind;
	uint32_t passes;
	uint32_t memory_kib;
	const uint8_t *salt;
	const uint8_t *label;
	size_t label_len;
	const uint8_t *bundle; /* also the end of its associated data */
	size_t bundle_len;
};

static bool has_passphrase(enum keyslot_kind kind)
{
	return kind == KEYSLOT_PASSPHRASE || kind == KEYSLOT_BOTH;
}

static bool has_key_file(enum keyslot_kind kind)
{
	return kind == KEYSLOT_KEY_FILE || kind == KEYSLOT_BOTH;
}

static bool argon_within_limits(uint32_t passes, uint32_t memory_kib)
{
	return passes >= crypto_pwhash_argon2id_OPSLIMIT_MIN && passes <= KEYSLOT_PASSES_MAX &&
	    memory_kib >= KEYSLOT_MEMORY_KIB_MIN && memory_kib <= KEYSLOT_MEMORY_KIB_MAX;
}

static int parse(const void *data, size_t len, struct slot *s)
{
	static const uint8_t zero[3];
	struct rd r = rd_init(data, len);
	const uint8_t *magic, *reserved;
	uint32_t label_len, bundle_len;
	uint8_t kind;

	if (rd_take(&r, MAGIC_LEN, &magic) < 0 || memcmp(magic, MAGIC, MAGIC_LEN) != 0 || rd_u8(&r, &kind) < 0)
		return -EBADMSG;
	if (kind < KEYSLOT_PASSPHRASE || kind > KEYSLOT_RECIPIENT)
		return -EPROTONOSUPPORT;
	s->kind = (enum keyslot_kind)kind;
	if (len > KEYSLOT_MAX || rd_take(&r, sizeof(zero), &reserved) < 0 || memcmp(reserved, zero, sizeof(zero)) != 0)
		return -EBADMSG;
	if (rd_le32(&r, &s->passes) < 0 || rd_le32(&r, &s->memory_kib) < 0 || rd_take(&r, SALT_LEN, &s->salt) < 0)
		return -EBADMSG;
	if (rd_le32(&r, &label_len) < 0 || rd_le32(&r, &bundle_len) < 0)
		return -EBADMSG;
	if (rd_take(&r, label_len, &s->label) < 0 || rd_take(&r, bundle_len, &s->bundle) < 0 || r.len != 0)
		return -EBADMSG;
	s->label_len = label_len;
	s->bundle_len = bundle_len;
	if (has_passphrase(s->kind))
		return argon_within_limits(s->passes, s->memory_kib) ? 0 : -EPROTONOSUPPORT;
	return s->passes == 0 && s->memory_kib == 0 ? 0 : -EBADMSG;
}

int keyslot_kind(const void *data, size_t len, enum keyslot_kind *out)
{
	struct slot s;
	int err = parse(data, len, &s);

	if (err == 0)
		*out = s.kind;
	return err;
}

int keyslot_addressee(const void *data, size_t len, struct box_public *out)
{
	struct slot s;
	int err = parse(data, len, &s);

	if (err == 0 && s.kind != KEYSLOT_RECIPIENT)
		err = -EINVAL;
	if (err == 0)
		memcpy(out->b, s.salt, sizeof(out->b));
	return err;
}

bool keyslot_has_id(const void *data, size_t len, const struct id *id)
{
	struct id hash;

	crypt_hash(data, len, &hash);
	return id_equal(&hash, id);
}

int keyslot_recipient(const void *key_file, size_t len, struct box_secret *out)
{
	struct id hash;

	if (len < KEY_FILE_MIN || len > KEY_FILE_MAX)
		return -EINVAL;
	crypt_hash(key_file, len, &hash);
	crypt_derive(hash.b, RECIPIENT_PURPOSE, out->b);
	crypt_wipe(&hash, sizeof(hash));
	return 0;
}

bool keyslot_suits(enum keyslot_kind kind, const struct credentials *cred)
{
	if (has_passphrase(kind) && !cred->passphrase)
		return false;
	if (has_key_file(kind) && !cred->key_file)
		return false;
	return kind != KEYSLOT_RECIPIENT || cred->recipient;
}

/* The wrapping key of kinds 1 to 3. */
static int derive_key(enum keyslot_kind kind, uint32_t passes, uint32_t memory_kib, const uint8_t salt[SALT_LEN],
    const struct credentials *cred, struct aead_key *key)
{
	uint8_t kind_byte = (uint8_t)kind, argon[HASH_LEN];
	crypto_generichash_state h;
	struct id file;
	int err = 0;

	crypto_generichash_init(&h, salt, SALT_LEN, sizeof(key->b));
	crypto_generichash_update(&h, (const uint8_t *)WRAP_CONTEXT, strlen(WRAP_CONTEXT));
	crypto_generichash_update(&h, &kind_byte, 1);
	if (has_passphrase(kind)) {
		if (crypto_pwhash_argon2id(argon, sizeof(argon), cred->passphrase, cred->passphrase_len, salt, passes,
		    (size_t)memory_kib * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
			err = -ENOMEM;
			goto out;
		}
		crypto_generichash_update(&h, argon, sizeof(argon));
	}
	if (has_key_file(kind)) {
		crypt_hash(cred->key_file, cred->key_file_len, &file);
		crypto_generichash_update(&h, file.b, sizeof(file.b));
	}
	crypto_generichash_final(&h, key->b, sizeof(key->b));
out:
	crypt_wipe(argon, sizeof(argon));
	crypt_wipe(&file, sizeof(file));
	crypt_wipe(&h, sizeof(h));
	return err;
}

_Static_assert((KEYSLOT_PASSPHRASE | KEYSLOT_KEY_FILE) == KEYSLOT_BOTH, "kinds combine as bits");

/* What wraps a new keyslot; 0 if it is nothing that is allowed. */
static unsigned kind_to_seal(const struct credentials *cred, const struct keyslot_params *params)
{
	bool pass = cred->passphrase && cred->passphrase_len > 0;

	if (params->recipient)
		return crypt_box_public_valid(params->recipient) ? KEYSLOT_RECIPIENT : 0;
	if (cred->passphrase && (!pass || !argon_within_limits(params->passes, params->memory_kib)))
		return 0;
	if (cred->key_file && (cred->key_file_len < KEY_FILE_MIN || cred->key_file_len > KEY_FILE_MAX))
		return 0;
	return (pass ? KEYSLOT_PASSPHRASE : 0) | (cred->key_file ? KEYSLOT_KEY_FILE : 0);
}

static int put_header(enum keyslot_kind kind, const struct keyslot_params *params, size_t label_len, size_t bundle_len,
    struct buf *out)
{
	uint8_t salt[SALT_LEN];
	int err;

	if (kind == KEYSLOT_RECIPIENT)
		memcpy(salt, params->recipient->b, sizeof(salt));
	else
		crypt_random(salt, sizeof(salt));
	err = buf_append(out, MAGIC, MAGIC_LEN);
	if (err == 0)
		err = buf_le32(out, (uint32_t)kind); /* and the three zero bytes */
	if (err == 0)
		err = buf_le32(out, has_passphrase(kind) ? params->passes : 0);
	if (err == 0)
		err = buf_le32(out, has_passphrase(kind) ? params->memory_kib : 0);
	if (err == 0)
		err = buf_append(out, salt, sizeof(salt));
	if (err == 0)
		err = buf_le32(out, (uint32_t)label_len);
	if (err == 0)
		err = buf_le32(out, (uint32_t)bundle_len);
	return err;
}

static int encode_label(const struct keyslot_label *label, struct buf *out)
{
	int err = tlv_put_u32(out, LABEL_ROLE, (uint32_t)label->role);

	if (err == 0)
		err = tlv_put(out, LABEL_NAME, label->name, strnlen(label->name, sizeof(label->name) - 1));
	if (err == 0)
		err = tlv_put_u64(out, LABEL_CREATED, (uint64_t)label->created_ns);
	if (err == 0 && label->cert.len > 0)
		err = tlv_put(out, LABEL_CERT, label->cert.data, label->cert.len);
	if (err == 0 && label->grant.len > 0)
		err = tlv_put(out, LABEL_GRANT, label->grant.data, label->grant.len);
	return err;
}

/* Seal ${bundle} behind the ${adlen} bytes at ${slot}, for which there is room. */
static int seal_bundle(enum keyslot_kind kind, const struct credentials *cred, const struct keyslot_params *params,
    const struct buf *bundle, uint8_t *slot, size_t adlen)
{
	const uint8_t *salt = slot + HEADER_LEN - 8 - SALT_LEN;
	struct aead_key key;
	int err;

	if (kind == KEYSLOT_RECIPIENT) {
		crypt_seal_blob(BUNDLE_CIPHER, params->recipient, slot, adlen, bundle->data, bundle->len, slot + adlen);
		return 0;
	}
	err = derive_key(kind, params->passes, params->memory_kib, salt, cred, &key);
	if (err == 0)
		crypt_seal(BUNDLE_CIPHER, &key, 0, slot, adlen, bundle->data, bundle->len, slot + adlen);
	crypt_wipe(&key, sizeof(key));
	return err;
}

int keyslot_seal(const struct secrets *secrets, const struct credentials *cred, const struct keyslot_params *params,
    enum cipher cipher, const struct box_public *metadata, const struct keyslot_label *label, struct buf *out)
{
	struct buf bundle = BUF_INIT, text = BUF_INIT;
	unsigned kind = kind_to_seal(cred, params);
	size_t label_len, bundle_len, start = out->len;
	uint8_t *slot;
	int err;

	if (kind == 0 || !crypt_box_public_valid(metadata))
		return -EINVAL;
	if (!crypt_available(cipher))
		return -ENOTSUP;
	err = secrets_encode(secrets, &bundle);
	if (err == 0)
		err = encode_label(label, &text);
	if (err < 0)
		goto out;
	label_len = text.len + CRYPT_BLOB_OVERHEAD;
	bundle_len = bundle.len + (kind == KEYSLOT_RECIPIENT ? CRYPT_BLOB_OVERHEAD : CRYPT_TAG_LEN);
	err = buf_reserve(out, HEADER_LEN + label_len + bundle_len);
	if (err == 0)
		err = put_header((enum keyslot_kind)kind, params, label_len, bundle_len, out);
	if (err < 0)
		goto out;
	slot = out->data + start;
	crypt_seal_blob(cipher, metadata, slot, HEADER_LEN, text.data, text.len, slot + HEADER_LEN);
	err = seal_bundle((enum keyslot_kind)kind, cred, params, &bundle, slot, HEADER_LEN + label_len);
	if (err == 0)
		out->len += label_len + bundle_len;
out:
	if (err < 0)
		out->len = start;
	buf_wipe(&bundle);
	buf_free(&text);
	return err;
}

/* Kinds 1 to 3, with the parts that they need; ${out} holds the plaintext of ${s->bundle}. */
static int open_with_key(const uint8_t *data, const struct slot *s, const struct credentials *cred, uint8_t *out)
{
	size_t adlen = (size_t)(s->bundle - data);
	struct aead_key key;
	int err;

	if (has_key_file(s->kind) && cred->key_file_len > KEY_FILE_MAX)
		return -EKEYREJECTED;
	err = derive_key(s->kind, s->passes, s->memory_kib, s->salt, cred, &key);
	if (err == 0)
		err = crypt_open(BUNDLE_CIPHER, &key, 0, data, adlen, s->bundle, s->bundle_len, out);
	crypt_wipe(&key, sizeof(key));
	return err;
}

static int open_with_recipient(const uint8_t *data, const struct slot *s, const struct box_secret *sk, uint8_t *out)
{
	struct box_public pk;

	crypt_box_public(sk, &pk);
	if (!crypt_equal(pk.b, s->salt, sizeof(pk.b)))
		return -EKEYREJECTED;
	return crypt_open_blob(BUNDLE_CIPHER, &pk, sk, data, (size_t)(s->bundle - data), s->bundle, s->bundle_len, out);
}

int keyslot_open(const void *data, size_t len, const struct credentials *cred, struct secrets **out)
{
	size_t overhead;
	uint8_t *bundle;
	struct slot s;
	int err;

	err = parse(data, len, &s);
	if (err < 0)
		return err;
	overhead = s.kind == KEYSLOT_RECIPIENT ? CRYPT_BLOB_OVERHEAD : CRYPT_TAG_LEN;
	if (s.bundle_len < overhead)
		return -EBADMSG;
	if (!keyslot_suits(s.kind, cred))
		return -EKEYREJECTED;
	bundle = crypt_secret_alloc(s.bundle_len);
	if (!bundle)
		return -ENOMEM;
	if (s.kind == KEYSLOT_RECIPIENT)
		err = open_with_recipient(data, &s, cred->recipient, bundle);
	else
		err = open_with_key(data, &s, cred, bundle);
	if (err == -EBADMSG)
		err = -EKEYREJECTED; /* a wrong passphrase and a damaged box cannot be told apart */
	if (err == 0)
		err = secrets_decode(bundle, s.bundle_len - overhead, out);
	crypt_secret_free(bundle);
	return err;
}

static int take_name(struct keyslot_label *label, const struct tlv *t)
{
	if (t->len >= sizeof(label->name) || memchr(t->value, '\0', t->len))
		return -EBADMSG;
	memcpy(label->name, t->value, t->len);
	label->name[t->len] = '\0';
	return 0;
}

static int take_label_field(void *record, const struct tlv *t)
{
	struct keyslot_label *label = record;
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	int err;

	switch (t->tag) {
	case LABEL_ROLE:
		err = tlv_u32(t, &u32);
		label->role = (enum role)u32;
		return err;
	case LABEL_NAME:
		return take_name(label, t);
	case LABEL_CREATED:
		err = tlv_u64(t, &u64);
		label->created_ns = (int64_t)u64;
		return err;
	case LABEL_CERT:
		return t->len == 0 || t->len > CERT_MAX ? -EBADMSG : buf_append(&label->cert, t->value, t->len);
	case LABEL_GRANT:
		return t->len == 0 || t->len > GRANT_MAX ? -EBADMSG : buf_append(&label->grant, t->value, t->len);
	}
	return tlv_unknown(t);
}

void keyslot_label_destroy(struct keyslot_label *label)
{
	buf_free(&label->cert);
	buf_free(&label->grant);
}

int keyslot_label(const void *data, size_t len, enum cipher cipher, const struct box_public *pk,
    const struct box_secret *sk, struct keyslot_label *out)
{
	const uint32_t required = FIELD_BIT(LABEL_ROLE) | FIELD_BIT(LABEL_NAME) | FIELD_BIT(LABEL_CREATED);
	struct keyslot_label label = { 0 };
	struct buf text = BUF_INIT;
	struct slot s;
	int err;

	err = parse(data, len, &s);
	if (err < 0)
		return err;
	err = buf_reserve(&text, s.label_len);
	if (err == 0)
		err = crypt_open_blob(cipher, pk, sk, data, HEADER_LEN, s.label, s.label_len, text.data);
	if (err == 0)
		err = fields_decode(text.data, s.label_len - CRYPT_BLOB_OVERHEAD, required, take_label_field, &label);
	if (err == 0 && !role_name(label.role))
		err = -EPROTONOSUPPORT;
	if (err == 0)
		*out = label;
	else
		keyslot_label_destroy(&label);
	buf_free(&text);
	return err;
}

int keyslot_read_label(const void *data, size_t len, enum cipher cipher, const struct secrets *s,
    struct keyslot_label *out)
{
	const struct box_secret *sk;
	struct box_public pk;
	int err = -EBADMSG;

	for (unsigned i = s->ngenerations + 1; i-- > 0 && err == -EBADMSG;) {
		sk = i > 0 ? &s->generations[i - 1].metadata : &s->metadata;
		crypt_box_public(sk, &pk);
		err = keyslot_label(data, len, cipher, &pk, sk, out);
	}
	return err;
}
