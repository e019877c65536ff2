/*
 * Generations of the secrets.  See generation.h.
 */
#include "repo/crypt/keys/generation.h"

#include <errno.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/signed_fields.h"

#define MAGIC "VARVEGN1"
#define MAGIC_LEN 8
#define HEADER_LEN 16
#define KEY_LEN 32
#define ENVELOPE_MIN (KEY_LEN + CRYPT_BLOB_OVERHEAD + KEY_LEN) /* the metadata secret */
#define ENVELOPE_MAX (ENVELOPE_MIN + KEY_LEN)                  /* and the data secret */
#define ENVELOPE_CIPHER CIPHER_XCHACHA20_POLY1305 /* as keyslots: whatever the repository's is */

static const uint8_t header[HEADER_LEN] = MAGIC;

char *generation_object_name(const struct id *id, char out[GENERATION_NAME_SIZE])
{
	memcpy(out, GENERATIONS_PREFIX, strlen(GENERATIONS_PREFIX));
	id_hex(id, out + strlen(GENERATIONS_PREFIX));
	return out;
}

static bool has_data(enum role role)
{
	return (role_mask(role) & SECRET_DATA) != 0;
}

/* --- Making ------------------------------------------------------------------------------------------------------- */

/* The secrets that are to be given away, the metadata's first. */
struct fresh {
	uint8_t secrets[2 * KEY_LEN];
	struct box_public metadata, data;
};

static void make_fresh(struct fresh *f)
{
	struct box_secret metadata, data;

	crypt_box_keypair(&metadata, &f->metadata);
	crypt_box_keypair(&data, &f->data);
	memcpy(f->secrets, metadata.b, KEY_LEN);
	memcpy(f->secrets + KEY_LEN, data.b, KEY_LEN);
	crypt_wipe(&metadata, sizeof(metadata));
	crypt_wipe(&data, sizeof(data));
}

static int put_envelope(const struct fresh *f, const struct grant *to, struct buf *out)
{
	size_t len = has_data(to->role) ? 2 * KEY_LEN : KEY_LEN;
	uint8_t value[ENVELOPE_MAX];

	memcpy(value, to->renewal.b, KEY_LEN);
	crypt_seal_blob(ENVELOPE_CIPHER, &to->renewal, header, sizeof(header), f->secrets, len, value + KEY_LEN);
	return tlv_put(out, GENERATION_ENVELOPE, value, KEY_LEN + CRYPT_BLOB_OVERHEAD + len);
}

static int put_fields(const struct fresh *f, uint32_t number, int64_t time_ns, struct buf *out)
{
	int err = tlv_put_u32(out, GENERATION_NUMBER, number);

	if (err == 0)
		err = tlv_put_u64(out, GENERATION_TIME, (uint64_t)time_ns);
	if (err == 0)
		err = tlv_put(out, GENERATION_METADATA, f->metadata.b, sizeof(f->metadata.b));
	if (err == 0)
		err = tlv_put(out, GENERATION_DATA, f->data.b, sizeof(f->data.b));
	return err;
}

int generation_new(const struct secrets *s, const struct grant *members, size_t n, int64_t time_ns, struct buf *out,
    struct id *id)
{
	struct buf fields = BUF_INIT;
	size_t start = out->len;
	struct fresh f;
	int err;

	if (!(s->mask & SECRET_OWNER))
		return -EPERM;
	if (s->ngenerations == GENERATIONS_MAX)
		return -ENOSPC;
	make_fresh(&f);
	err = put_fields(&f, secrets_newest(s) + 1, time_ns, &fields);
	for (size_t i = 0; i < n && err == 0; i++)
		err = put_envelope(&f, &members[i], &fields);
	crypt_wipe(&f, sizeof(f));
	/* The fields are signed, and the header is in each envelope. */
	if (err == 0)
		err = signed_fields_seal(&s->owner, GENERATION_CONTEXT, s->repo_id, &fields);
	if (err == 0)
		err = HEADER_LEN + fields.len > GENERATION_MAX ? -EFBIG : buf_reserve(out, HEADER_LEN + fields.len);
	if (err == 0)
		err = buf_append(out, header, sizeof(header));
	if (err == 0)
		err = buf_append(out, fields.data, fields.len);
	if (err == 0)
		crypt_hash(out->data + start, out->len - start, id);
	buf_free(&fields);
	return err;
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

struct decoding {
	struct generation g;
	const struct box_public *own;
};

static int take_public(const struct tlv *t, struct box_public *pk)
{
	int err = tlv_bytes(t, pk->b, sizeof(pk->b));

	return err == 0 && !crypt_box_public_valid(pk) ? -EBADMSG : err;
}

static int take_envelope(struct decoding *d, const struct tlv *t)
{
	if (t->len != ENVELOPE_MIN && t->len != ENVELOPE_MAX)
		return -EBADMSG;
	d->g.nenvelopes++;
	if (d->g.own == NULL && memcmp(t->value, d->own->b, KEY_LEN) == 0) {
		d->g.own = t->value;
		d->g.own_len = t->len;
	}
	return 0;
}

static int take_field(void *record, const struct tlv *t)
{
	struct decoding *d = record;
	uint64_t u64 = 0;
	int err;

	switch (t->tag) {
	case GENERATION_NUMBER:
		err = tlv_u32(t, &d->g.number);
		return err == 0 && (d->g.number == 0 || d->g.number > GENERATION_NUMBER_MAX) ? -EBADMSG : err;
	case GENERATION_TIME:
		err = tlv_u64(t, &u64);
		d->g.time_ns = (int64_t)u64;
		return err;
	case GENERATION_METADATA:
		return take_public(t, &d->g.metadata);
	case GENERATION_DATA:
		return take_public(t, &d->g.data);
	case GENERATION_ENVELOPE:
		return take_envelope(d, t);
	}
	return tlv_unknown(t);
}

int generation_decode(const void *data, size_t len, const struct box_public *own, struct generation *out)
{
	const struct field_set set = {
		.required = FIELD_BIT(GENERATION_NUMBER) | FIELD_BIT(GENERATION_TIME) |
		    FIELD_BIT(GENERATION_METADATA) | FIELD_BIT(GENERATION_DATA),
		.repeats = FIELD_BIT(GENERATION_ENVELOPE),
	};
	struct decoding d = { .own = own };
	int err = fields_decode_set(data, len, set, take_field, &d);

	if (err == 0)
		*out = d.g;
	return err;
}

static int check_header(const uint8_t *data, size_t len)
{
	if (len > GENERATION_MAX || len < HEADER_LEN)
		return -EBADMSG;
	if (memcmp(data, header, HEADER_LEN) == 0)
		return 0;
	/* The digit at the end of the magic is the version. */
	if (memcmp(data, header, MAGIC_LEN - 1) == 0 && data[MAGIC_LEN - 1] != header[MAGIC_LEN - 1])
		return -EPROTONOSUPPORT;
	return -EBADMSG;
}

int generation_open(const void *data, size_t len, const struct secrets *s, struct generation *out)
{
	const uint8_t *bytes = data;
	struct box_public own;
	size_t nfields = 0;
	int err = check_header(bytes, len);

	/* The signature first: nothing in the fields is looked at before. */
	if (err == 0)
		err = signed_fields_open(&s->owner_public, GENERATION_CONTEXT, s->repo_id, bytes + HEADER_LEN,
		    len - HEADER_LEN, &nfields);
	if (err < 0)
		return err;
	crypt_box_public(&s->renewal, &own);
	return generation_decode(bytes + HEADER_LEN, nfields, &own, out);
}

/* Do the secrets fit the public keys? */
static bool fits(const struct generation *g, const struct generation_secrets *s, bool data)
{
	struct box_public pk;

	crypt_box_public(&s->metadata, &pk);
	if (!crypt_equal(pk.b, g->metadata.b, sizeof(pk.b)))
		return false;
	if (!data)
		return true;
	crypt_box_public(&s->data, &pk);
	return crypt_equal(pk.b, g->data.b, sizeof(pk.b));
}

int generation_secrets(const struct generation *g, const struct secrets *s, const struct id *id,
    struct generation_secrets *out)
{
	bool data = has_data(s->role);
	uint8_t plain[2 * KEY_LEN] = { 0 };
	struct box_public own;
	int err;

	if (g->own == NULL || s->grant.len == 0)
		return -ENOENT;
	if (g->own_len != (data ? ENVELOPE_MAX : ENVELOPE_MIN))
		return -EBADMSG;
	crypt_box_public(&s->renewal, &own);
	err = crypt_open_blob(ENVELOPE_CIPHER, &own, &s->renewal, header, sizeof(header), g->own + KEY_LEN,
	    g->own_len - KEY_LEN, plain);
	memset(out, 0, sizeof(*out));
	out->number = g->number;
	out->id = *id;
	out->data_public = g->data;
	memcpy(out->metadata.b, plain, KEY_LEN);
	if (data)
		memcpy(out->data.b, plain + KEY_LEN, KEY_LEN);
	if (err == 0 && !fits(g, out, data))
		err = -EBADMSG;
	crypt_wipe(plain, sizeof(plain));
	return err;
}
