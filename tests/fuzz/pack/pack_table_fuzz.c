/*
 * Table of a pack, as it is after opening.  The first byte chooses the segment size.  What is accepted must be exactly
 * what encoding writes, and its segments must cover the object.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/pack/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int encode_again(void *arg, const struct id *id, const struct place *place)
{
	struct buf *b = arg;

	if (buf_append(b, id->b, ID_LEN) != 0 || place_encode(place, b) != 0)
		abort();
	return 0;
}

static int cover(void *arg, const struct id *id, const struct place *place)
{
	uint32_t segment_size = *(const uint32_t *)arg, off, skip, take, sum = 0;
	struct segment_place seg;

	(void)id;
	for (unsigned i = 0; i < place_nsegments(place); i++) {
		place_segment(place, i, segment_size, &seg, &off, &skip, &take);
		if (off != sum || take == 0 || skip + take > seg.len || seg.len > segment_size ||
		    seg.box > seg.len + 1 + CRYPT_TAG_LEN || (uint64_t)seg.offset + seg.box > UINT32_MAX)
			abort();
		sum += take;
	}
	if (sum != place->len)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT;
	uint32_t segment_size;

	if (size == 0)
		return 0;
	segment_size = 1u << (10 + data[0] % 10);
	data++;
	size--;
	pack_parse_table(data, size, segment_size, cover, &segment_size);
	if (pack_parse_table(data, size, segment_size, encode_again, &b) == 0 &&
	    (b.len != size || (size > 0 && memcmp(b.data, data, size) != 0)))
		abort();
	buf_free(&b);
	return 0;
}
