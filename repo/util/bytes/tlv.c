/*
 * Tagged fields.  See tlv.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/bytes/le.h"
#include "repo/util/bytes/tlv.h"

#define HEAD_LEN 6

int tlv_put(struct buf *b, uint16_t tag, const void *value, size_t len)
{
	uint8_t head[HEAD_LEN];

	/* What the length field cannot say is refused like what does not fit into memory. */
	if (len > UINT32_MAX - HEAD_LEN || buf_reserve(b, HEAD_LEN + len) < 0)
		return -ENOMEM;
	le16enc(head, tag);
	le32enc(head + 2, (uint32_t)len);
	buf_append(b, head, HEAD_LEN);
	return buf_append(b, value, len);
}

int tlv_put_u32(struct buf *b, uint16_t tag, uint32_t v)
{
	uint8_t bytes[4];

	le32enc(bytes, v);
	return tlv_put(b, tag, bytes, sizeof(bytes));
}

int tlv_put_u64(struct buf *b, uint16_t tag, uint64_t v)
{
	uint8_t bytes[8];

	le64enc(bytes, v);
	return tlv_put(b, tag, bytes, sizeof(bytes));
}

int tlv_next(struct rd *r, uint16_t *last, struct tlv *out)
{
	struct rd rest = *r;
	struct tlv t;

	if (rest.len == 0)
		return 0;
	if (rd_le16(&rest, &t.tag) < 0 || rd_le32(&rest, &t.len) < 0 || rd_take(&rest, t.len, &t.value) < 0)
		return -EBADMSG;
	if (t.tag < *last)
		return -EBADMSG;
	*r = rest;
	*last = t.tag;
	*out = t;
	return 1;
}

int tlv_u32(const struct tlv *t, uint32_t *out)
{
	if (t->len != 4)
		return -EBADMSG;
	*out = le32dec(t->value);
	return 0;
}

int tlv_u64(const struct tlv *t, uint64_t *out)
{
	if (t->len != 8)
		return -EBADMSG;
	*out = le64dec(t->value);
	return 0;
}

int tlv_bytes(const struct tlv *t, void *out, size_t len)
{
	if (t->len != len)
		return -EBADMSG;
	if (len > 0)
		memcpy(out, t->value, len);
	return 0;
}

int tlv_string(const struct tlv *t, size_t max, char **out)
{
	char *copy;

	if (t->len > max || memchr(t->value, '\0', t->len) != NULL)
		return -EBADMSG;
	copy = strndup((const char *)t->value, t->len);
	if (copy == NULL)
		return -ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

int tlv_unknown(const struct tlv *t)
{
	return t->tag >= TLV_OPTIONAL ? 0 : -EPROTONOSUPPORT;
}
