/*
 * The object "config".  The owner's key is looked up in the fields first, so that nothing else in them is believed (not
 * even that a field comes from a newer program) before the signature is found right.
 */
#include "repo/crypt/config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/util/bytes/le.h"

#define MAGIC "VARVECF1"
#define MAGIC_LEN 8
#define HEADER_LEN 16

static const uint32_t required = FIELD_BIT(CONFIG_REPO_ID) | FIELD_BIT(CONFIG_CIPHER) | FIELD_BIT(CONFIG_OWNER) |
    FIELD_BIT(CONFIG_METADATA) | FIELD_BIT(CONFIG_DATA) | FIELD_BIT(CONFIG_CREATED) | FIELD_BIT(CONFIG_CHUNK_AVG) |
    FIELD_BIT(CONFIG_SEGMENT_SIZE) | FIELD_BIT(CONFIG_PACK_SIZE);

static bool within(uint32_t v, uint32_t min, uint32_t max)
{
	return v >= min && v <= max;
}

/* 0, -EBADMSG, or -EPROTONOSUPPORT for a cipher that is not known. */
static int check_values(const struct config *c)
{
	if (!crypt_cipher_name(c->cipher))
		return -EPROTONOSUPPORT;
	if (!within(c->chunk_avg, CHUNK_AVG_MIN, CHUNK_AVG_MAX) || (c->chunk_avg & (c->chunk_avg - 1)) != 0)
		return -EBADMSG;
	if (!within(c->segment_size, SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX))
		return -EBADMSG;
	/* The largest chunk has to fit. */
	if (4ull * c->chunk_avg > (uint64_t)SEGMENTS_PER_CHUNK_MAX * c->segment_size)
		return -EBADMSG;
	if (!within(c->pack_size, PACK_SIZE_MIN, PACK_SIZE_MAX) || c->grace_s > GRACE_MAX)
		return -EBADMSG;
	if (!crypt_box_public_valid(&c->metadata) || !crypt_box_public_valid(&c->data))
		return -EBADMSG;
	return 0;
}

static int put_fields(const struct config *c, struct buf *out)
{
	int err = tlv_put(out, CONFIG_REPO_ID, c->repo_id, sizeof(c->repo_id));

	if (err == 0)
		err = tlv_put_u32(out, CONFIG_CIPHER, (uint32_t)c->cipher);
	if (err == 0)
		err = tlv_put(out, CONFIG_OWNER, c->owner.b, sizeof(c->owner.b));
	if (err == 0)
		err = tlv_put(out, CONFIG_METADATA, c->metadata.b, sizeof(c->metadata.b));
	if (err == 0)
		err = tlv_put(out, CONFIG_DATA, c->data.b, sizeof(c->data.b));
	if (err == 0)
		err = tlv_put_u64(out, CONFIG_CREATED, (uint64_t)c->created_ns);
	if (err == 0)
		err = tlv_put_u32(out, CONFIG_CHUNK_AVG, c->chunk_avg);
	if (err == 0)
		err = tlv_put_u32(out, CONFIG_SEGMENT_SIZE, c->segment_size);
	if (err == 0)
		err = tlv_put_u32(out, CONFIG_PACK_SIZE, c->pack_size);
	if (err == 0 && c->grace_s != 0)
		err = tlv_put_u32(out, CONFIG_GRACE, c->grace_s);
	return err;
}

int config_encode(const struct config *c, const struct sign_secret *owner, struct buf *out)
{
	size_t start = out->len;
	struct sign_public pk;
	struct signature sig;
	int err;

	crypt_sign_public(owner, &pk);
	if (check_values(c) != 0 || memcmp(pk.b, c->owner.b, sizeof(pk.b)) != 0)
		return -EINVAL;
	err = buf_append(out, MAGIC, MAGIC_LEN);
	if (err == 0)
		err = buf_le32(out, FORMAT_VERSION);
	if (err == 0)
		err = buf_le32(out, 0);
	if (err == 0)
		err = put_fields(c, out);
	if (err < 0)
		goto out;
	le32enc(out->data + start + 12, (uint32_t)(out->len - start - HEADER_LEN));
	crypt_sign(owner, CONFIG_CONTEXT, out->data + start, out->len - start, &sig);
	err = buf_append(out, sig.b, sizeof(sig.b));
out:
	if (err < 0)
		out->len = start;
	return err;
}

/* Version and framing; points ${*fields} at the fields and copies the signature that follows them. */
static int decode_frame(const void *data, size_t len, uint32_t *version, struct rd *fields, struct signature *sig)
{
	struct rd r = rd_init(data, len);
	const uint8_t *magic, *p;
	uint32_t nfields;

	if (rd_take(&r, MAGIC_LEN, &magic) < 0 || memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	if (rd_le32(&r, version) < 0 || *version == 0)
		return -EBADMSG;
	if (*version > FORMAT_VERSION)
		return -EPROTONOSUPPORT;
	if (len > CONFIG_MAX || rd_le32(&r, &nfields) < 0 || rd_take(&r, nfields, &p) < 0 || r.len != sizeof(sig->b))
		return -EBADMSG;
	*fields = rd_init(p, nfields);
	memcpy(sig->b, r.p, sizeof(sig->b));
	return 0;
}

static int take_owner(void *record, const struct tlv *t)
{
	struct sign_public *pk = record;

	return t->tag == CONFIG_OWNER ? tlv_bytes(t, pk->b, sizeof(pk->b)) : 0;
}

static int take_field(void *record, const struct tlv *t)
{
	struct config *c = record;
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	int err;

	switch (t->tag) {
	case CONFIG_REPO_ID:
		return tlv_bytes(t, c->repo_id, sizeof(c->repo_id));
	case CONFIG_CIPHER:
		err = tlv_u32(t, &u32);
		c->cipher = (enum cipher)u32;
		return err;
	case CONFIG_OWNER:
		return tlv_bytes(t, c->owner.b, sizeof(c->owner.b));
	case CONFIG_METADATA:
		return tlv_bytes(t, c->metadata.b, sizeof(c->metadata.b));
	case CONFIG_DATA:
		return tlv_bytes(t, c->data.b, sizeof(c->data.b));
	case CONFIG_CREATED:
		err = tlv_u64(t, &u64);
		c->created_ns = (int64_t)u64;
		return err;
	case CONFIG_CHUNK_AVG:
		return tlv_u32(t, &c->chunk_avg);
	case CONFIG_SEGMENT_SIZE:
		return tlv_u32(t, &c->segment_size);
	case CONFIG_PACK_SIZE:
		return tlv_u32(t, &c->pack_size);
	case CONFIG_GRACE:
		err = tlv_u32(t, &c->grace_s);
		return err == 0 && c->grace_s == 0 ? -EBADMSG : err;
	}
	return tlv_unknown(t);
}

int config_decode(const void *data, size_t len, struct config *out)
{
	struct config c = { 0 };
	struct signature sig;
	struct sign_public owner;
	struct rd fields;
	int err;

	err = decode_frame(data, len, &c.version, &fields, &sig);
	if (err == -EPROTONOSUPPORT)
		out->version = c.version;
	if (err < 0)
		return err;
	err = fields_decode(fields.p, fields.len, FIELD_BIT(CONFIG_OWNER), take_owner, &owner);
	if (err < 0)
		return err;
	err = crypt_verify(&owner, CONFIG_CONTEXT, data, len - sizeof(sig.b), &sig);
	if (err < 0)
		return err;
	err = fields_decode(fields.p, fields.len, required, take_field, &c);
	if (err == 0)
		err = check_values(&c);
	if (err == 0)
		*out = c;
	else if (err == -EPROTONOSUPPORT)
		out->version = c.version;
	return err;
}

int config_matches(const struct config *c, const struct secrets *s)
{
	bool same = crypt_equal(c->repo_id, s->repo_id, sizeof(c->repo_id)) &&
	    crypt_equal(c->owner.b, s->owner_public.b, sizeof(c->owner.b));

	return same ? 0 : -EKEYREJECTED;
}
