/*
 * Sealing domains: random keys, wrapped to a public key and mixed with a secret one.
 */
#include <errno.h>
#include <string.h>

#include "repo/crypt/seal.h"

static void mix_key(const struct seal_domain *d, const struct aead_key *raw, struct aead_key *out)
{
	struct id mixed;

	crypt_object_id(&d->mix, raw->b, sizeof(raw->b), &mixed);
	memcpy(out->b, mixed.b, sizeof(out->b));
	crypt_wipe(&mixed, sizeof(mixed));
}

void seal_data_domain(const struct config *c, const struct secrets *s, struct seal_domain *out)
{
	memset(out, 0, sizeof(*out));
	out->cipher = c->cipher;
	out->pk = c->data;
	if (s->mask & SECRET_OBJECT_ID) {
		crypt_derive(s->object_id.b, "varve data mix", out->mix.b);
		out->can_seal = true;
	}
	if (out->can_seal && (s->mask & SECRET_DATA)) {
		out->sk = s->data;
		out->can_open = true;
	}
}

void seal_metadata_domain(const struct config *c, const struct secrets *s, struct seal_domain *out)
{
	memset(out, 0, sizeof(*out));
	out->cipher = c->cipher;
	out->pk = c->metadata;
	if (s->mask & SECRET_METADATA) {
		crypt_derive(s->metadata.b, "varve metadata mix", out->mix.b);
		out->sk = s->metadata;
		out->can_seal = out->can_open = true;
	}
}

void seal_tree_id_key(const struct secrets *s, struct hash_key *out)
{
	crypt_derive(s->metadata.b, "varve tree id", out->b);
}

void seal_new_key(const struct seal_domain *d, struct aead_key *key, uint8_t wrapped[CRYPT_WRAPPED_LEN])
{
	struct aead_key raw;

	crypt_new_wrapped_key(&d->pk, &raw, wrapped);
	mix_key(d, &raw, key);
	crypt_wipe(&raw, sizeof(raw));
}

int seal_open_key(const struct seal_domain *d, const uint8_t wrapped[CRYPT_WRAPPED_LEN], struct aead_key *key)
{
	struct aead_key raw;
	int rc;

	if (!d->can_open)
		return -EACCES;
	rc = crypt_unwrap_key(&d->pk, &d->sk, wrapped, &raw);
	if (rc == 0)
		mix_key(d, &raw, key);
	crypt_wipe(&raw, sizeof(raw));
	return rc;
}

void seal_blob(const struct seal_domain *d, const void *ad, size_t adlen, const void *in, size_t inlen, uint8_t *out)
{
	struct aead_key key;

	seal_new_key(d, &key, out);
	crypt_seal(d->cipher, &key, 0, ad, adlen, in, inlen, out + CRYPT_WRAPPED_LEN);
	crypt_wipe(&key, sizeof(key));
}

int seal_open_blob(const struct seal_domain *d, const void *ad, size_t adlen, const void *in, size_t inlen,
    uint8_t *out)
{
	const uint8_t *p = in;
	struct aead_key key;
	int rc;

	if (inlen < CRYPT_BLOB_OVERHEAD)
		return -EBADMSG;
	rc = seal_open_key(d, p, &key);
	if (rc == 0)
		rc = crypt_open(d->cipher, &key, 0, ad, adlen, p + CRYPT_WRAPPED_LEN, inlen - CRYPT_WRAPPED_LEN, out);
	crypt_wipe(&key, sizeof(key));
	return rc;
}
