/*
 * Grants.  See grant.h.
 */
#include "repo/crypt/keys/grant.h"

#include <errno.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/signed_fields.h"

static int put_fields(const struct grant *g, struct buf *out)
{
	int err = tlv_put_u32(out, GRANT_ROLE, (uint32_t)g->role);

	if (err == 0)
		err = tlv_put(out, GRANT_RENEWAL, g->renewal.b, sizeof(g->renewal.b));
	if (err == 0 && g->signs)
		err = tlv_put(out, GRANT_SIGNING, g->signing.b, sizeof(g->signing.b));
	if (err == 0)
		err = tlv_put(out, GRANT_NAME, g->name, strnlen(g->name, CERT_NAME_MAX));
	return err;
}

int grant_sign(const struct grant *g, const uint8_t repo_id[16], const struct sign_secret *owner, struct buf *out)
{
	struct buf fields = BUF_INIT;
	int err = put_fields(g, &fields);

	if (err == 0)
		err = signed_fields_seal(owner, GRANT_CONTEXT, repo_id, &fields);
	if (err == 0)
		err = buf_append(out, fields.data, fields.len);
	buf_free(&fields);
	return err;
}

static int take_name(struct grant *g, const struct tlv *t)
{
	if (t->len > CERT_NAME_MAX || memchr(t->value, '\0', t->len) != NULL)
		return -EBADMSG;
	memcpy(g->name, t->value, t->len);
	g->name[t->len] = '\0';
	return 0;
}

static int take_field(void *record, const struct tlv *t)
{
	struct grant *g = record;
	uint32_t u32 = 0;
	int err;

	switch (t->tag) {
	case GRANT_ROLE:
		err = tlv_u32(t, &u32);
		g->role = (enum role)u32;
		return err;
	case GRANT_RENEWAL:
		err = tlv_bytes(t, g->renewal.b, sizeof(g->renewal.b));
		return err == 0 && !crypt_box_public_valid(&g->renewal) ? -EBADMSG : err;
	case GRANT_SIGNING:
		g->signs = true;
		return tlv_bytes(t, g->signing.b, sizeof(g->signing.b));
	case GRANT_NAME:
		return take_name(g, t);
	}
	return tlv_unknown(t);
}

int grant_open(const void *data, size_t len, const uint8_t repo_id[16], const struct sign_public *owner,
    struct grant *out)
{
	const uint32_t required = FIELD_BIT(GRANT_ROLE) | FIELD_BIT(GRANT_RENEWAL) | FIELD_BIT(GRANT_NAME);
	struct grant g = { .signs = false };
	size_t nfields = 0;
	int err = -EBADMSG;

	if (len <= GRANT_MAX)
		err = signed_fields_open(owner, GRANT_CONTEXT, repo_id, data, len, &nfields);
	if (err == 0)
		err = fields_decode(data, nfields, required, take_field, &g);
	if (err == 0 && role_name(g.role) == NULL)
		err = -EPROTONOSUPPORT;
	if (err == 0 && g.signs != ((role_mask(g.role) & SECRET_SIGNING) != 0))
		err = -EBADMSG;
	if (err == 0)
		*out = g;
	return err;
}
