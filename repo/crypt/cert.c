/*
 * Certificates of writers: an owner's statement that a signing key may publish snapshots, and which.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/secrets.h"

static int put_string(struct buf *out, uint16_t tag, const char *s)
{
	size_t len = strlen(s);

	return len == 0 || len > CERT_NAME_MAX ? -EINVAL : tlv_put(out, tag, s, len);
}

int cert_sign(struct cert *c, const struct sign_secret *owner, struct buf *out)
{
	size_t start = out->len;
	int err;

	if (!c->name)
		return -EINVAL;
	err = tlv_put(out, CERT_KEY, c->key.b, sizeof(c->key.b));
	if (err == 0)
		err = tlv_put_u64(out, CERT_ISSUED, (uint64_t)c->issued_ns);
	if (err == 0)
		err = tlv_put_u64(out, CERT_EXPIRES, (uint64_t)c->expires_ns);
	if (err == 0)
		err = put_string(out, CERT_NAME, c->name);
	if (err == 0 && c->host)
		err = put_string(out, CERT_HOST, c->host);
	if (err == 0 && c->tag)
		err = put_string(out, CERT_TAG, c->tag);
	if (err < 0)
		goto out;
	crypt_sign(owner, CERT_CONTEXT, out->data + start, out->len - start, &c->signature);
	err = buf_append(out, c->signature.b, sizeof(c->signature.b));
out:
	if (err < 0)
		out->len = start;
	return err;
}

static int take_string(const struct tlv *t, char **out)
{
	return t->len == 0 ? -EBADMSG : tlv_string(t, CERT_NAME_MAX, out);
}

static int take_ns(const struct tlv *t, int64_t *out)
{
	uint64_t v = 0;
	int err = tlv_u64(t, &v);

	*out = (int64_t)v;
	return err;
}

static int take_field(void *record, const struct tlv *t)
{
	struct cert *c = record;

	switch (t->tag) {
	case CERT_KEY:
		return tlv_bytes(t, c->key.b, sizeof(c->key.b));
	case CERT_ISSUED:
		return take_ns(t, &c->issued_ns);
	case CERT_EXPIRES:
		return take_ns(t, &c->expires_ns);
	case CERT_NAME:
		return take_string(t, &c->name);
	case CERT_HOST:
		return take_string(t, &c->host);
	case CERT_TAG:
		return take_string(t, &c->tag);
	}
	return tlv_unknown(t);
}

int cert_open(const void *data, size_t len, const struct sign_public *owner, struct cert *out)
{
	const uint32_t required =
	    FIELD_BIT(CERT_KEY) | FIELD_BIT(CERT_ISSUED) | FIELD_BIT(CERT_EXPIRES) | FIELD_BIT(CERT_NAME);
	struct rd r = rd_init(data, len);
	const uint8_t *fields, *sig;
	struct cert c = { 0 };
	size_t nfields;
	int err;

	if (len > CERT_MAX || len < sizeof(c.signature.b))
		return -EBADMSG;
	nfields = len - sizeof(c.signature.b);
	if (rd_take(&r, nfields, &fields) < 0 || rd_take(&r, sizeof(c.signature.b), &sig) < 0)
		return -EBADMSG;
	memcpy(c.signature.b, sig, sizeof(c.signature.b));
	err = crypt_verify(owner, CERT_CONTEXT, fields, nfields, &c.signature);
	if (err == 0)
		err = fields_decode(fields, nfields, required, take_field, &c);
	if (err < 0)
		cert_destroy(&c);
	else
		*out = c;
	return err;
}

void cert_destroy(struct cert *c)
{
	free(c->name);
	free(c->host);
	free(c->tag);
	c->name = c->host = c->tag = NULL;
}
