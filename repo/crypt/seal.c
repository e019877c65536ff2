/*
 * Sealing domains: random keys, wrapped to a public key and mixed with a secret one.
 */
#include <errno.h>
#include <string.h>

#include "repo/crypt/seal.h"

static void mix_key(const struct hash_key *mix, const struct aead_key *raw, struct aead_key *out)
{
	struct id mixed;

	crypt_object_id(mix, raw->b, sizeof(raw->b), &mixed);
	memcpy(out->b, mixed.b, sizeof(out->b));
	crypt_wipe(&mixed, sizeof(mixed));
}

/* --- Keys of generations ------------------------------------------------------------------------------------------ */

/*
 * Mixing key of data: for generation 0 of the object-id key alone, later of that and of the metadata secret.  For an
 * auditor does not have the one, and who has left not the other.
 */
static void data_mix(const struct secrets *s, const struct generation_secrets *g, struct hash_key *out)
{
	struct hash_key old = { { 0 } };
	uint8_t fresh[32];
	struct id mixed;

	crypt_derive(s->object_id.b, "varve data mix", old.b);
	*out = old;
	if (g != NULL) {
		crypt_derive(g->metadata.b, "varve data mix", fresh);
		crypt_object_id(&old, fresh, sizeof(fresh), &mixed);
		memcpy(out->b, mixed.b, sizeof(out->b));
	}
	crypt_wipe(&old, sizeof(old));
	crypt_wipe(fresh, sizeof(fresh));
	crypt_wipe(&mixed, sizeof(mixed));
}

/* ${g} NULL: generation 0. */
static void data_keys(const struct config *c, const struct secrets *s, const struct generation_secrets *g,
    struct seal_keys *out)
{
	memset(out, 0, sizeof(*out));
	if (g == NULL)
		out->pk = c->data;
	else
		out->pk = g->data_public;
	if (s->mask & SECRET_OBJECT_ID)
		data_mix(s, g, &out->mix);
	if (s->mask & SECRET_DATA)
		out->sk = g == NULL ? s->data : g->data;
}

static void metadata_keys(const struct box_public *pk, const struct box_secret *sk, struct seal_keys *out)
{
	out->pk = *pk;
	out->sk = *sk;
	crypt_derive(sk->b, "varve metadata mix", out->mix.b);
}

static void later_metadata_keys(const struct generation_secrets *g, struct seal_keys *out)
{
	struct box_public pk;

	crypt_box_public(&g->metadata, &pk);
	metadata_keys(&pk, &g->metadata, out);
}

static const struct generation_secrets *newest(const struct secrets *s)
{
	return s->ngenerations > 0 ? &s->generations[s->ngenerations - 1] : NULL;
}

static void use_keys(struct seal_domain *d, struct seal_keys *k)
{
	d->pk = k->pk;
	d->mix = k->mix;
	if (d->can_open)
		d->sk = k->sk;
	crypt_wipe(k, sizeof(*k));
}

void seal_data_domain(const struct config *c, const struct secrets *s, struct seal_domain *out)
{
	struct seal_keys k;

	memset(out, 0, sizeof(*out));
	out->cipher = c->cipher;
	out->can_seal = (s->mask & SECRET_OBJECT_ID) != 0;
	out->can_open = out->can_seal && (s->mask & SECRET_DATA);
	data_keys(c, s, newest(s), &k);
	use_keys(out, &k);
}

void seal_metadata_domain(const struct config *c, const struct secrets *s, struct seal_domain *out)
{
	struct seal_keys k;

	memset(out, 0, sizeof(*out));
	out->cipher = c->cipher;
	out->pk = c->metadata;
	if (!(s->mask & SECRET_METADATA))
		return;
	out->can_seal = out->can_open = true;
	if (newest(s) != NULL)
		later_metadata_keys(newest(s), &k);
	else
		metadata_keys(&c->metadata, &s->metadata, &k);
	use_keys(out, &k);
}

/* --- Rings -------------------------------------------------------------------------------------------------------- */

/* Counted when it is complete, as others may be looking. */
static void ring_add(struct seal_ring *ring, struct seal_keys *k)
{
	unsigned n = ring->n;

	if (n < GENERATIONS_MAX + 1) {
		ring->keys[n] = *k;
		atomic_store(&ring->n, n + 1);
	}
	crypt_wipe(k, sizeof(*k));
}

void seal_data_ring_add(struct seal_ring *ring, const struct secrets *s, const struct generation_secrets *g)
{
	struct seal_keys k;

	data_keys(NULL, s, g, &k);
	ring_add(ring, &k);
}

void seal_metadata_ring_add(struct seal_ring *ring, const struct generation_secrets *g)
{
	struct seal_keys k;

	later_metadata_keys(g, &k);
	ring_add(ring, &k);
}

void seal_data_ring(const struct config *c, const struct secrets *s, struct seal_ring *ring)
{
	struct seal_keys k;

	if (s->ngenerations == 0)
		return;
	data_keys(c, s, NULL, &k);
	ring_add(ring, &k);
	for (unsigned i = 0; i + 1 < s->ngenerations; i++)
		seal_data_ring_add(ring, s, &s->generations[i]);
}

void seal_metadata_ring(const struct config *c, const struct secrets *s, struct seal_ring *ring)
{
	struct seal_keys k;

	if (s->ngenerations == 0)
		return;
	metadata_keys(&c->metadata, &s->metadata, &k);
	ring_add(ring, &k);
	for (unsigned i = 0; i + 1 < s->ngenerations; i++)
		seal_metadata_ring_add(ring, &s->generations[i]);
}

/* --- Sealing ------------------------------------------------------------------------------------------------------ */

void seal_tree_id_key(const struct secrets *s, struct hash_key *out)
{
	crypt_derive(s->metadata.b, "varve tree id", out->b);
}

void seal_new_key(const struct seal_domain *d, struct aead_key *key, uint8_t wrapped[CRYPT_WRAPPED_LEN])
{
	struct aead_key raw;

	crypt_new_wrapped_key(&d->pk, &raw, wrapped);
	mix_key(&d->mix, &raw, key);
	crypt_wipe(&raw, sizeof(raw));
}

static int try_keys(const struct seal_keys *k, const uint8_t wrapped[CRYPT_WRAPPED_LEN], struct aead_key *key)
{
	struct aead_key raw;
	int rc = crypt_unwrap_key(&k->pk, &k->sk, wrapped, &raw);

	if (rc == 0)
		mix_key(&k->mix, &raw, key);
	crypt_wipe(&raw, sizeof(raw));
	return rc;
}

/* Neighbours are of one age: that which opened the last one first. */
static int try_ring(struct seal_ring *ring, const uint8_t wrapped[CRYPT_WRAPPED_LEN], struct aead_key *key)
{
	unsigned n = ring->n, last = ring->last;
	int rc = last < n ? try_keys(&ring->keys[last], wrapped, key) : -EBADMSG;

	while (rc != 0 && n-- > 0) {
		if (n == last)
			continue;
		rc = try_keys(&ring->keys[n], wrapped, key);
		if (rc == 0)
			ring->last = n;
	}
	return rc;
}

int seal_open_key(const struct seal_domain *d, const uint8_t wrapped[CRYPT_WRAPPED_LEN], struct aead_key *key)
{
	struct aead_key raw;
	unsigned n;
	int rc;

	if (!d->can_open)
		return -EACCES;
	rc = crypt_unwrap_key(&d->pk, &d->sk, wrapped, &raw);
	if (rc == 0)
		mix_key(&d->mix, &raw, key);
	crypt_wipe(&raw, sizeof(raw));
	if (rc == 0 || d->ring == NULL)
		return rc;
	n = d->ring->n;
	rc = try_ring(d->ring, wrapped, key);
	if (rc != 0 && d->ring->renew != NULL) {
		if (d->ring->renew(d->ring->arg) < 0)
			return -EIO;
		if (d->ring->n != n)
			rc = try_ring(d->ring, wrapped, key);
	}
	return rc != 0 && d->ring->behind ? -EACCES : rc;
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
