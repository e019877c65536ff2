/*
 * Tagged fields: { le16 tag, le32 length, bytes }, in ascending order of tag; a tag may repeat.  Config, certificates,
 * key bundles and manifests are sequences of them, so that fields can be added without a new format version: a reader
 * skips unknown tags from TLV_OPTIONAL up and refuses (-EPROTONOSUPPORT) unknown ones below.
 */
#ifndef VARVE_UTIL_TLV_H
#define VARVE_UTIL_TLV_H

#include "repo/util/bytes/buf.h"

#define TLV_OPTIONAL 0x8000

struct tlv {
	uint16_t tag;
	uint32_t len;
	const uint8_t *value; /* borrowed from the bytes parsed */
};

/* Append one field.  Return 0 or -ENOMEM. */
int tlv_put(struct buf *b, uint16_t tag, const void *value, size_t len);
int tlv_put_u32(struct buf *b, uint16_t tag, uint32_t v);
int tlv_put_u64(struct buf *b, uint16_t tag, uint64_t v);

/**
 * tlv_next(r, last, out):
 * Take the next field.  ${*last} is the tag before it (start with 0) and is brought forward.  Return 1 with ${*out}
 * set, 0 at the end, or -EBADMSG if a field is cut off or a tag is lower than ${*last}.
 */
int tlv_next(struct rd *r, uint16_t *last, struct tlv *out);

/* Value of exactly 4, 8 or ${len} bytes.  Return 0, or -EBADMSG if the field has another length. */
int tlv_u32(const struct tlv *t, uint32_t *out);
int tlv_u64(const struct tlv *t, uint64_t *out);
int tlv_bytes(const struct tlv *t, void *out, size_t len);

/**
 * tlv_string(t, max, out):
 * A NUL-terminated copy (malloc, owned by the caller) of a value of at most ${max} bytes without a NUL in it.  Replaces
 * and frees what ${*out} held.  Return 0, -EBADMSG, -ENOMEM.
 */
int tlv_string(const struct tlv *t, size_t max, char **out);

/* What to do with an unknown tag: 0 (skip it) or -EPROTONOSUPPORT. */
int tlv_unknown(const struct tlv *t);

#endif
