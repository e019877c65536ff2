/*
 * Revocations of writers' keys.
 */
#include "repo/crypt/keys/revocation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/crypt/signed_fields.h"

#define MAGIC "VARVERV1"
#define MAGIC_LEN 8
#define HEADER_LEN 16

void revocation_destroy(struct revocation *r)
{
	free(r->name);
	buf_free(&r->keeps);
	r->name = NULL;
}

char *revocation_object_name(const struct id *id, char out[REVOCATION_NAME_SIZE])
{
	memcpy(out, REVOKED_PREFIX, strlen(REVOKED_PREFIX));
	id_hex(id, out + strlen(REVOKED_PREFIX));
	return out;
}

/* --- Fields ------------------------------------------------------------------------------------------------------- */

static bool ids_ascend(const struct buf *ids)
{
	if (ids->len % ID_LEN != 0)
		return false;
	for (size_t i = ID_LEN; i < ids->len; i += ID_LEN)
		if (memcmp(ids->data + i - ID_LEN, ids->data + i, ID_LEN) >= 0)
			return false;
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

bool revocation_keeps(const struct revocation *r, const struct id *snapshot)
{
	size_t n = r->keeps.len / ID_LEN;

	return n > 0 && bsearch(snapshot->b, r->keeps.data, n, ID_LEN, compare_ids) != NULL;
}

int revocation_encode(const struct revocation *r, struct buf *out)
{
	size_t name_len = r->name ? strlen(r->name) : 0;
	int err;

	if (name_len == 0 || name_len > CERT_NAME_MAX || !ids_ascend(&r->keeps))
		return -EINVAL;
	err = tlv_put(out, REVOCATION_KEY, r->key.b, sizeof(r->key.b));
	if (err == 0)
		err = tlv_put_u64(out, REVOCATION_TIME, (uint64_t)r->time_ns);
	if (err == 0)
		err = tlv_put(out, REVOCATION_NAME, r->name, name_len);
	if (err == 0 && r->keeps.len > 0)
		err = tlv_put(out, REVOCATION_KEEPS, r->keeps.data, r->keeps.len);
	return err;
}

static int take_field(void *record, const struct tlv *t)
{
	struct revocation *r = record;
	uint64_t u64 = 0;
	int err;

	switch (t->tag) {
	case REVOCATION_KEY:
		return tlv_bytes(t, r->key.b, sizeof(r->key.b));
	case REVOCATION_TIME:
		err = tlv_u64(t, &u64);
		r->time_ns = (int64_t)u64;
		return err;
	case REVOCATION_NAME:
		return t->len == 0 ? -EBADMSG : tlv_string(t, CERT_NAME_MAX, &r->name);
	case REVOCATION_KEEPS:
		err = buf_append(&r->keeps, t->value, t->len);
		return err == 0 && !ids_ascend(&r->keeps) ? -EBADMSG : err;
	}
	return tlv_unknown(t);
}

int revocation_decode(const void *data, size_t len, struct revocation *out)
{
	const uint32_t required = FIELD_BIT(REVOCATION_KEY) | FIELD_BIT(REVOCATION_TIME) | FIELD_BIT(REVOCATION_NAME);
	struct revocation r = { .name = NULL };
	int err = -EBADMSG;

	if (len <= REVOCATION_MAX)
		err = fields_decode(data, len, required, take_field, &r);
	if (err < 0)
		revocation_destroy(&r);
	else
		*out = r;
	return err;
}

/* --- The object --------------------------------------------------------------------------------------------------- */

int revocation_seal(const struct revocation *r, const struct secrets *s, const struct seal_domain *metadata,
    struct buf *out, struct id *id)
{
	static const uint8_t header[HEADER_LEN] = MAGIC;
	struct buf plain = BUF_INIT;
	uint8_t *object;
	size_t len;
	int err;

	if (!(s->mask & SECRET_OWNER))
		return -EPERM;
	if (!metadata->can_seal)
		return -EACCES;
	err = revocation_encode(r, &plain);
	if (err == 0)
		err = signed_fields_seal(&s->owner, REVOCATION_CONTEXT, s->repo_id, &plain);
	len = HEADER_LEN + plain.len + CRYPT_BLOB_OVERHEAD;
	if (err == 0)
		err = len > REVOCATION_MAX ? -EFBIG : buf_reserve(out, len);
	if (err < 0)
		goto out;
	object = out->data + out->len;
	memcpy(object, header, HEADER_LEN);
	seal_blob(metadata, header, HEADER_LEN, plain.data, plain.len, object + HEADER_LEN);
	out->len += len;
	crypt_hash(object, len, id);
out:
	buf_free(&plain);
	return err;
}

static int check_header(const uint8_t *data, size_t len)
{
	static const uint8_t header[HEADER_LEN] = MAGIC;

	if (len > REVOCATION_MAX || len < HEADER_LEN + CRYPT_BLOB_OVERHEAD + sizeof(struct signature))
		return -EBADMSG;
	if (memcmp(data, header, HEADER_LEN) == 0)
		return 0;
	/* The digit at the end of the magic is the version. */
	if (memcmp(data, header, MAGIC_LEN - 1) == 0 && data[MAGIC_LEN - 1] != header[MAGIC_LEN - 1])
		return -EPROTONOSUPPORT;
	return -EBADMSG;
}

/* The signature first: nothing in the fields is looked at before. */
static int open_fields(const struct buf *plain, const struct secrets *s, struct revocation *out)
{
	struct signature sig;
	size_t len;
	int err = signed_fields_split(plain, &len, &sig);

	if (err == 0)
		err = signed_fields_verify(&s->owner_public, REVOCATION_CONTEXT, s->repo_id, plain->data, len, &sig);
	return err == 0 ? revocation_decode(plain->data, len, out) : err;
}

int revocation_open(const void *data, size_t len, const struct secrets *s, const struct seal_domain *metadata,
    struct revocation *out)
{
	const uint8_t *bytes = data;
	struct buf plain = BUF_INIT;
	int err = check_header(bytes, len);

	if (err == 0)
		err = buf_reserve(&plain, len - HEADER_LEN - CRYPT_BLOB_OVERHEAD);
	if (err < 0)
		goto out;
	plain.len = len - HEADER_LEN - CRYPT_BLOB_OVERHEAD;
	err = seal_open_blob(metadata, bytes, HEADER_LEN, bytes + HEADER_LEN, len - HEADER_LEN, plain.data);
	if (err == 0)
		err = open_fields(&plain, s, out);
out:
	buf_free(&plain);
	return err;
}
