/*
 * decompress_segment() over arbitrary bytes: two bytes of little-endian length to expand to, then the segment.  Memory
 * is of exactly that length, so that a sanitizer sees one byte too many; what was taken is also compressed and
 * expanded.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/object/compress.h"
#include "repo/util/bytes/le.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(struct decompressor *d, const uint8_t *in, size_t len)
{
	struct compressor *c = compressor_new(1);
	size_t cap = compress_bound(len), n;
	uint8_t *seg = malloc(cap), *back = malloc(len ? len : 1);

	if (!c || !seg || !back)
		goto out;
	n = compress_segment(c, in, len, seg, cap);
	if (n == 0 || n > len + 1 || decompress_segment(d, seg, n, back, len) != 0 || memcmp(back, in, len) != 0)
		abort();
out:
	compressor_free(c);
	free(seg);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decompressor *d;
	uint8_t *out;
	size_t len;

	if (size < 2)
		return 0;
	len = le16dec(data);
	d = decompressor_new();
	out = malloc(len ? len : 1);
	if (d && out && decompress_segment(d, data + 2, size - 2, out, len) == 0)
		round_trip(d, out, len);
	decompressor_free(d);
	free(out);
	return 0;
}
