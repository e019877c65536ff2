/*
 * Decoding of the TLV records of this directory (config, bundle, certificate, label, revocation): each is a set of
 * fields that occur once, but for those that the record says may repeat.
 */
#ifndef VARVE_CRYPT_FIELDS_H
#define VARVE_CRYPT_FIELDS_H

#include "repo/util/bytes/tlv.h"

#define FIELD_BIT(tag) (1u << (tag)) /* tags of these records are below 32 */

/* Take one field into ${record}: 0 or a negative errno; tlv_unknown() for a tag that is not known. */
typedef int field_fn(void *record, const struct tlv *t);

/**
 * fields_decode(data, len, required, take, record):
 * Give every field of the ${len} bytes to ${take}.  Return 0; -EBADMSG if the fields are malformed, one below
 * TLV_OPTIONAL occurs twice, or one of ${required} (FIELD_BIT()s) is missing; else what ${take} returned.
 */
int fields_decode(const void *data, size_t len, uint32_t required, field_fn *take, void *record);

/* Which fields of a record must be there, and which may occur more than once (FIELD_BIT()s). */
struct field_set {
	uint32_t required, repeats;
};

/* The same for a record with lists in it. */
int fields_decode_set(const void *data, size_t len, struct field_set set, field_fn *take, void *record);

#endif
