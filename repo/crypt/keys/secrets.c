/*
 * What a role holds, as a bundle.
 *
 * The table below ties each secret to its tag, its place in struct secrets and its bit; encoding, decoding and handing
 * out to a role all go through it.
 */
#include "repo/crypt/keys/secrets.h"

#include <errno.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/keys/renewal.h"

#define SECRET_LEN 32
#define TLV_OVERHEAD 6 /* tag and length */

static const struct secret_field {
	enum secret_mask bit;
	uint16_t tag; /* enum secrets_tag */
	size_t offset;
} secret_fields[] = {
	{ SECRET_OBJECT_ID, SECRETS_OBJECT_ID, offsetof(struct secrets, object_id) },
	{ SECRET_METADATA, SECRETS_METADATA, offsetof(struct secrets, metadata) },
	{ SECRET_DATA, SECRETS_DATA, offsetof(struct secrets, data) },
	{ SECRET_SIGNING, SECRETS_SIGNING, offsetof(struct secrets, signing) },
	{ SECRET_OWNER, SECRETS_OWNER, offsetof(struct secrets, owner) },
};

#define NSECRETS (sizeof(secret_fields) / sizeof(secret_fields[0]))

static const struct {
	enum role role;
	const char *name;
	unsigned mask;
} roles[] = {
	{ ROLE_OWNER, "owner", SECRET_OBJECT_ID | SECRET_METADATA | SECRET_DATA | SECRET_SIGNING | SECRET_OWNER },
	{ ROLE_WRITER, "writer", SECRET_OBJECT_ID | SECRET_METADATA | SECRET_SIGNING },
	{ ROLE_READER, "reader", SECRET_OBJECT_ID | SECRET_METADATA | SECRET_DATA },
	{ ROLE_AUDITOR, "auditor", SECRET_METADATA },
};

#define NROLES (sizeof(roles) / sizeof(roles[0]))

const char *role_name(enum role role)
{
	for (size_t i = 0; i < NROLES; i++)
		if (roles[i].role == role)
			return roles[i].name;
	return NULL;
}

int role_parse(const char *name, enum role *out)
{
	for (size_t i = 0; i < NROLES; i++) {
		if (strcmp(roles[i].name, name) == 0) {
			*out = roles[i].role;
			return 0;
		}
	}
	return -EINVAL;
}

unsigned role_mask(enum role role)
{
	for (size_t i = 0; i < NROLES; i++)
		if (roles[i].role == role)
			return roles[i].mask;
	return 0;
}

struct secrets *secrets_new(void)
{
	return crypt_secret_alloc(sizeof(struct secrets));
}

void secrets_free(struct secrets *s)
{
	if (!s)
		return;
	buf_free(&s->cert);
	buf_free(&s->grant);
	crypt_secret_free(s);
}

static uint8_t *secret_at(struct secrets *s, const struct secret_field *f)
{
	return (uint8_t *)s + f->offset;
}

static const uint8_t *secret_in(const struct secrets *s, const struct secret_field *f)
{
	return (const uint8_t *)s + f->offset;
}

/* A new signing key for ${s}, with a certificate by the owner's key. */
static int give_signing_key(struct secrets *s, const struct sign_secret *owner, const char *name,
    const struct cert_limits *limits, int64_t now_ns)
{
	struct cert c = { .issued_ns = now_ns, .expires_ns = limits->expires_ns };
	int err = 0;

	crypt_sign_keypair(&s->signing, &c.key);
	c.name = name ? strdup(name) : NULL;
	if (name && !c.name)
		err = -ENOMEM;
	if (err == 0)
		err = cert_add_hosts(&c, limits->hosts, limits->nhosts);
	if (err == 0)
		err = cert_add_tags(&c, limits->tags, limits->ntags);
	if (err == 0)
		err = cert_sign(&c, owner, &s->cert);
	cert_destroy(&c);
	return err;
}

/* What the two makers of bundles return: ${s}, or NULL with errno set. */
static struct secrets *made(struct secrets *s, int err)
{
	if (err == 0)
		return s;
	secrets_free(s);
	errno = -err;
	return NULL;
}

struct secrets *secrets_generate(const uint8_t repo_id[16], const char *name, int64_t now_ns)
{
	static const struct cert_limits none;
	struct secrets *s = secrets_new();
	int err;

	if (!s)
		return made(NULL, -ENOMEM);
	s->role = ROLE_OWNER;
	s->mask = role_mask(ROLE_OWNER);
	memcpy(s->repo_id, repo_id, sizeof(s->repo_id));
	crypt_random(&s->object_id, sizeof(s->object_id));
	crypt_random(&s->metadata, sizeof(s->metadata));
	crypt_random(&s->data, sizeof(s->data));
	crypt_sign_keypair(&s->owner, &s->owner_public);
	err = give_signing_key(s, &s->owner, name, &none, now_ns);
	return made(s, err == 0 ? renewal_give(s, &s->owner, name) : err);
}

struct secrets *secrets_for_role(const struct secrets *owner, enum role role, const char *name,
    const struct cert_limits *limits, int64_t now_ns)
{
	static const struct cert_limits none;
	struct secrets *s;
	int err = 0;

	if (owner->role != ROLE_OWNER)
		return made(NULL, -EPERM);
	if (!role_name(role))
		return made(NULL, -EINVAL);
	s = secrets_new();
	if (!s)
		return made(NULL, -ENOMEM);
	s->role = role;
	s->mask = role_mask(role);
	memcpy(s->repo_id, owner->repo_id, sizeof(s->repo_id));
	s->owner_public = owner->owner_public;
	for (size_t i = 0; i < NSECRETS; i++)
		if (s->mask & secret_fields[i].bit && secret_fields[i].bit != SECRET_SIGNING)
			memcpy(secret_at(s, &secret_fields[i]), secret_in(owner, &secret_fields[i]), SECRET_LEN);
	if (s->mask & SECRET_SIGNING)
		err = give_signing_key(s, &owner->owner, name, limits ? limits : &none, now_ns);
	if (err == 0)
		err = renewal_give(s, &owner->owner, name);
	if (err == 0)
		renewal_hand_on(owner, s);
	return made(s, err);
}

static int put_fields(const struct secrets *s, struct buf *out)
{
	int err;

	err = tlv_put_u32(out, SECRETS_ROLE, (uint32_t)s->role);
	if (err == 0)
		err = tlv_put(out, SECRETS_REPO_ID, s->repo_id, sizeof(s->repo_id));
	if (err == 0)
		err = tlv_put(out, SECRETS_OWNER_PUBLIC, s->owner_public.b, sizeof(s->owner_public.b));
	for (size_t i = 0; err == 0 && i < NSECRETS; i++)
		if (s->mask & secret_fields[i].bit)
			err = tlv_put(out, secret_fields[i].tag, secret_in(s, &secret_fields[i]), SECRET_LEN);
	if (err == 0 && s->mask & SECRET_SIGNING)
		err = tlv_put(out, SECRETS_CERT, s->cert.data, s->cert.len);
	return err == 0 ? renewal_put(s, out) : err;
}

int secrets_encode(const struct secrets *s, struct buf *out)
{
	/* Room for everything at once: growing later would leave secrets behind in freed memory. */
	size_t most = (NSECRETS + 6) * (TLV_OVERHEAD + SECRET_LEN) + s->cert.len + s->grant.len +
	    s->ngenerations * (TLV_OVERHEAD + sizeof(s->generations[0]));
	int err = buf_reserve(out, most);

	return err < 0 ? err : put_fields(s, out);
}

static int take_secret(struct secrets *s, const struct tlv *t)
{
	for (size_t i = 0; i < NSECRETS; i++) {
		if (secret_fields[i].tag == t->tag) {
			s->mask |= secret_fields[i].bit;
			return tlv_bytes(t, secret_at(s, &secret_fields[i]), SECRET_LEN);
		}
	}
	return tlv_unknown(t);
}

static int take_field(void *record, const struct tlv *t)
{
	struct secrets *s = record;
	uint32_t u32 = 0;
	int err;

	switch (t->tag) {
	case SECRETS_ROLE:
		err = tlv_u32(t, &u32);
		s->role = (enum role)u32;
		return err;
	case SECRETS_REPO_ID:
		return tlv_bytes(t, s->repo_id, sizeof(s->repo_id));
	case SECRETS_OWNER_PUBLIC:
		return tlv_bytes(t, s->owner_public.b, sizeof(s->owner_public.b));
	case SECRETS_CERT:
		return t->len > CERT_MAX ? -EBADMSG : buf_append(&s->cert, t->value, t->len);
	case SECRETS_RENEWAL:
	case SECRETS_GRANT:
	case SECRETS_GENERATION:
		return renewal_take(s, t);
	}
	return take_secret(s, t);
}

/* Is ${pk} the public half of ${sk}? */
static int check_pair(const struct sign_secret *sk, const struct sign_public *pk)
{
	struct sign_public own;

	crypt_sign_public(sk, &own);
	return crypt_equal(own.b, pk->b, sizeof(own.b)) ? 0 : -EBADMSG;
}

/* The certificate is the owner's and for the signing key. */
static int check_cert(const struct secrets *s)
{
	struct cert c;
	int err;

	err = cert_open(s->cert.data, s->cert.len, &s->owner_public, &c);
	if (err < 0)
		return err;
	err = check_pair(&s->signing, &c.key);
	cert_destroy(&c);
	return err;
}

/* Does all that a bundle holds belong together? */
static int check_bundle(const struct secrets *s)
{
	int err = 0;

	if (!role_name(s->role))
		return -EPROTONOSUPPORT;
	if (s->mask != role_mask(s->role) || (s->cert.len != 0) != ((s->mask & SECRET_SIGNING) != 0))
		return -EBADMSG;
	if (s->mask & SECRET_OWNER)
		err = check_pair(&s->owner, &s->owner_public);
	if (err == 0 && s->mask & SECRET_SIGNING)
		err = check_cert(s);
	return err == 0 ? renewal_check(s) : err;
}

int secrets_decode(const void *data, size_t len, struct secrets **out)
{
	const struct field_set set = {
		.required = FIELD_BIT(SECRETS_ROLE) | FIELD_BIT(SECRETS_REPO_ID) | FIELD_BIT(SECRETS_OWNER_PUBLIC),
		.repeats = FIELD_BIT(SECRETS_GENERATION),
	};
	struct secrets *s = secrets_new();
	int err;

	if (!s)
		return -ENOMEM;
	err = fields_decode_set(data, len, set, take_field, s);
	if (err == 0)
		err = check_bundle(s);
	if (err < 0)
		secrets_free(s);
	else
		*out = s;
	return err;
}
