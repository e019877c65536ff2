/*
 * Decoding of TLV records in which fields occur once, unless they are said to repeat.
 */
#include "repo/crypt/fields.h"

#include <errno.h>

int fields_decode_set(const void *data, size_t len, struct field_set set, field_fn *take, void *record)
{
	struct rd r = rd_init(data, len);
	uint16_t last = 0;
	uint32_t seen = 0;
	struct tlv t;
	int more, err;

	while ((more = tlv_next(&r, &last, &t)) == 1) {
		if (t.tag < 32) {
			if (seen & ~set.repeats & FIELD_BIT(t.tag))
				return -EBADMSG;
			seen |= FIELD_BIT(t.tag);
		}
		err = take(record, &t);
		if (err < 0)
			return err;
	}
	if (more < 0)
		return more;
	return (seen & set.required) == set.required ? 0 : -EBADMSG;
}

int fields_decode(const void *data, size_t len, uint32_t required, field_fn *take, void *record)
{
	return fields_decode_set(data, len, (struct field_set){ .required = required }, take, record);
}
