/*
 * Manifests as fields: encoding, and the parser of what the seal has yielded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/fields.h"
#include "repo/snapshot/manifest/manifest_impl.h"
#include "repo/tree/page/page.h"

/* --- Encoding --- */

static int put_string(struct buf *out, uint16_t tag, const char *s, size_t max)
{
	size_t len;

	if (s == NULL)
		return 0;
	len = strlen(s);
	return len > max ? -EINVAL : tlv_put(out, tag, s, len);
}

static int put_list(struct buf *out, uint16_t tag, char *const *list, uint32_t n, size_t max)
{
	int rc = n > MANIFEST_LIST_MAX ? -EINVAL : 0;

	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = put_string(out, tag, list[i], max);
	return rc;
}

/* When, where, who, what of. */
static int encode_origin(const struct manifest *m, struct buf *out)
{
	int rc = tlv_put_u64(out, MANIFEST_TIME, (uint64_t)m->time_ns);

	if (rc == 0)
		rc = tlv_put_u32(out, MANIFEST_ZONE, (uint32_t)m->zone_s);
	if (rc == 0)
		rc = put_string(out, MANIFEST_HOST, m->host, MANIFEST_STRING_MAX);
	if (rc == 0)
		rc = put_string(out, MANIFEST_USER, m->user, MANIFEST_STRING_MAX);
	if (rc == 0)
		rc = put_list(out, MANIFEST_PATH, m->paths, m->npaths, MANIFEST_PATH_MAX);
	if (rc == 0)
		rc = put_list(out, MANIFEST_TAG, m->tags, m->ntags, MANIFEST_STRING_MAX);
	if (rc == 0)
		rc = put_string(out, MANIFEST_PROFILE, m->profile, MANIFEST_STRING_MAX);
	if (rc == 0 && m->has_parent)
		rc = tlv_put(out, MANIFEST_PARENT, m->parent.b, ID_LEN);
	if (rc == 0 && m->has_previous)
		rc = tlv_put(out, MANIFEST_PREVIOUS, m->previous.b, ID_LEN);
	if (rc == 0)
		rc = put_string(out, MANIFEST_PROGRAM, m->program, MANIFEST_STRING_MAX);
	return rc;
}

static int encode_counts(const struct manifest *m, struct buf *out)
{
	const struct { uint16_t tag; uint64_t value; } counts[] = {
		{ MANIFEST_UNREADABLE, m->unreadable },
		{ MANIFEST_FILES, m->files },
		{ MANIFEST_DIRS, m->dirs },
		{ MANIFEST_OTHERS, m->others },
		{ MANIFEST_BYTES, m->bytes },
		{ MANIFEST_ADDED, m->added },
		{ MANIFEST_STORED, m->stored },
		{ MANIFEST_DURATION, (uint64_t)m->duration_ns },
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && rc == 0; i++)
		rc = tlv_put_u64(out, counts[i].tag, counts[i].value);
	return rc;
}

int manifest_encode(const struct manifest *m, struct buf *out)
{
	int rc;

	if (m->host == NULL || m->host[0] == '\0' || m->root_page.len == 0 || m->cert.len == 0)
		return -EINVAL;
	if (m->zone_s < -MANIFEST_ZONE_MAX || m->zone_s > MANIFEST_ZONE_MAX)
		return -EINVAL;
	if (m->root_place.len > 0 &&
	    (m->root_place.len < MANIFEST_ROOT_PLACE_MIN || m->root_place.len > MANIFEST_ROOT_PLACE_MAX))
		return -EINVAL;
	rc = encode_origin(m, out);
	if (rc == 0)
		rc = tlv_put(out, MANIFEST_ROOT, m->root_page.data, m->root_page.len);
	if (rc == 0)
		rc = encode_counts(m, out);
	if (rc == 0)
		rc = tlv_put(out, MANIFEST_CERT, m->cert.data, m->cert.len);
	if (rc == 0 && m->root_place.len > 0)
		rc = tlv_put(out, MANIFEST_ROOT_PLACE, m->root_place.data, m->root_place.len);
	if (rc == 0 && m->root_place.len > 0 && m->root_pack_size > 0)
		rc = tlv_put_u32(out, MANIFEST_ROOT_PACK_SIZE, m->root_pack_size);
	return rc;
}

/* --- Decoding --- */

static int take_i64(const struct tlv *t, int64_t *out)
{
	uint64_t v = 0;
	int rc = tlv_u64(t, &v);

	*out = (int64_t)v;
	return rc;
}

static int take_zone(const struct tlv *t, int32_t *out)
{
	uint32_t v = 0;
	int rc = tlv_u32(t, &v);

	*out = (int32_t)v;
	return *out < -MANIFEST_ZONE_MAX || *out > MANIFEST_ZONE_MAX ? -EBADMSG : rc;
}

static int take_id(const struct tlv *t, struct id *out, bool *has)
{
	*has = true;
	return tlv_bytes(t, out->b, ID_LEN);
}

static int take_bytes(const struct tlv *t, size_t min, size_t max, struct buf *out)
{
	return t->len < min || t->len > max ? -EBADMSG : buf_append(out, t->value, t->len);
}

static int take_list(const struct tlv *t, size_t max, char ***list, uint32_t *n)
{
	int rc;

	if (t->len > max || memchr(t->value, '\0', t->len) != NULL)
		return -EBADMSG;
	rc = manifest_list_add(list, n, (const char *)t->value, t->len);
	return rc == -EINVAL ? -EBADMSG : rc;
}

static int take_count(struct manifest *m, const struct tlv *t)
{
	switch (t->tag) {
	case MANIFEST_UNREADABLE:
		return tlv_u64(t, &m->unreadable);
	case MANIFEST_FILES:
		return tlv_u64(t, &m->files);
	case MANIFEST_DIRS:
		return tlv_u64(t, &m->dirs);
	case MANIFEST_OTHERS:
		return tlv_u64(t, &m->others);
	case MANIFEST_BYTES:
		return tlv_u64(t, &m->bytes);
	case MANIFEST_ADDED:
		return tlv_u64(t, &m->added);
	case MANIFEST_STORED:
		return tlv_u64(t, &m->stored);
	case MANIFEST_DURATION:
		return take_i64(t, &m->duration_ns);
	}
	return tlv_unknown(t);
}

static int take_field(struct manifest *m, const struct tlv *t)
{
	switch (t->tag) {
	case MANIFEST_TIME:
		return take_i64(t, &m->time_ns);
	case MANIFEST_ZONE:
		return take_zone(t, &m->zone_s);
	case MANIFEST_HOST:
		return t->len == 0 ? -EBADMSG : tlv_string(t, MANIFEST_STRING_MAX, &m->host);
	case MANIFEST_USER:
		return tlv_string(t, MANIFEST_STRING_MAX, &m->user);
	case MANIFEST_PATH:
		return take_list(t, MANIFEST_PATH_MAX, &m->paths, &m->npaths);
	case MANIFEST_TAG:
		return take_list(t, MANIFEST_STRING_MAX, &m->tags, &m->ntags);
	case MANIFEST_PROFILE:
		return tlv_string(t, MANIFEST_STRING_MAX, &m->profile);
	case MANIFEST_PARENT:
		return take_id(t, &m->parent, &m->has_parent);
	case MANIFEST_PREVIOUS:
		return take_id(t, &m->previous, &m->has_previous);
	case MANIFEST_PROGRAM:
		return tlv_string(t, MANIFEST_STRING_MAX, &m->program);
	case MANIFEST_ROOT:
		return take_bytes(t, 1, TREE_PAGE_MAX, &m->root_page);
	case MANIFEST_CERT:
		return take_bytes(t, 1, CERT_MAX, &m->cert);
	case MANIFEST_ROOT_PLACE:
		buf_clear(&m->root_place);
		return take_bytes(t, MANIFEST_ROOT_PLACE_MIN, MANIFEST_ROOT_PLACE_MAX, &m->root_place);
	case MANIFEST_ROOT_PACK_SIZE:
		return tlv_u32(t, &m->root_pack_size);
	}
	return take_count(m, t);
}

static bool repeats(uint16_t tag)
{
	return tag == MANIFEST_PATH || tag == MANIFEST_TAG;
}

static int decode_fields(const void *data, size_t len, struct manifest *m, uint32_t *seen)
{
	struct rd r = rd_init(data, len);
	uint16_t last = 0;
	uint32_t bit;
	struct tlv t;
	int more, rc = 0;

	while (rc == 0 && (more = tlv_next(&r, &last, &t)) != 0) {
		if (more < 0)
			return more;
		bit = t.tag < 32 ? FIELD_BIT(t.tag) : 0;
		if ((*seen & bit) && !repeats(t.tag))
			return -EBADMSG;
		*seen |= bit;
		rc = take_field(m, &t);
	}
	return rc;
}

int manifest_decode(const void *data, size_t len, struct manifest *out)
{
	const uint32_t required = FIELD_BIT(MANIFEST_TIME) | FIELD_BIT(MANIFEST_HOST) | FIELD_BIT(MANIFEST_ROOT) |
	    FIELD_BIT(MANIFEST_CERT);
	uint32_t seen = 0;
	struct manifest m;
	int rc = -EBADMSG;

	manifest_init(&m);
	if (len <= MANIFEST_MAX)
		rc = decode_fields(data, len, &m, &seen);
	if (rc == 0)
		rc = (seen & required) == required ? manifest_open_root(&m) : -EBADMSG;
	if (rc < 0)
		manifest_destroy(&m);
	else
		*out = m;
	return rc;
}
