/*
 * Compression of segments over zstd.
 *
 * Body of CODEC_ZSTD: exactly one zstd frame (RFC 8878) that states its content size; no checksum (the segment is
 * authenticated), no dictionary.
 */
#include "repo/object/compress.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "repo/util/bytes/le.h"

/*
 * The probe: pieces of the input, evenly spread over it, together at most SAMPLE_LEN bytes, are compressed at a fast
 * level as if they were one file.  If that saves nothing, the input is not tried.  As the pieces are many, whatever
 * fills more than a few percent of the input is met by some of them, and as they are long enough for zstd to see both a
 * skewed distribution of bytes and short repeats, text of any kind is found out from one or two pieces.
 *
 * What is neighbour to something that compressed well most likely does so too, and is not probed: the probe would cost
 * a tenth of the attempt, and an attempt in vain costs little more than one that succeeds.
 */
#define PROBE_LEVEL 1
#define PROBE_MIN (32 * 1024) /* bytes of input from which it is worth while */
#define PIECE_LEN 1024
#define SAMPLE_LEN (24 * 1024)
#define NPIECES (SAMPLE_LEN / PIECE_LEN)
#define SAVED_WELL 8 /* one part in so many */

#define ZSTD_FRAME_MAGIC 0xfd2fb528u

struct compressor {
	ZSTD_CCtx *zstd;
	ZSTD_CCtx *probe; /* its own, as changing levels would allocate again and again */
	size_t probe_cap;
	uint8_t *probe_out;
	bool went_well; /* the last input that was compressed */
	uint8_t sample[SAMPLE_LEN];
};

struct decompressor {
	ZSTD_DCtx *zstd;
};

struct compressor *compressor_new(int level)
{
	struct compressor *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	c->went_well = false;
	c->zstd = ZSTD_createCCtx();
	c->probe = ZSTD_createCCtx();
	c->probe_cap = ZSTD_compressBound(SAMPLE_LEN);
	c->probe_out = malloc(c->probe_cap);
	if (!c->zstd || !c->probe || !c->probe_out)
		goto fail;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level)))
		goto fail;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c->probe, ZSTD_c_compressionLevel, PROBE_LEVEL)))
		goto fail;
	return c;
fail:
	compressor_free(c);
	return NULL;
}

void compressor_free(struct compressor *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->zstd);
	ZSTD_freeCCtx(c->probe);
	free(c->probe_out);
	free(c);
}

size_t compress_bound(size_t len)
{
	return 1 + ZSTD_compressBound(len);
}

/* May compressing be worth while?  An error counts as yes: the real attempt will tell. */
static bool worth_trying(struct compressor *c, const uint8_t *in, size_t len)
{
	size_t step, zlen;

	if (len < PROBE_MIN || c->went_well)
		return true;
	step = (len - PIECE_LEN) / (NPIECES - 1);
	for (size_t i = 0; i < NPIECES; i++)
		memcpy(c->sample + i * PIECE_LEN, in + i * step, PIECE_LEN);
	zlen = ZSTD_compress2(c->probe, c->probe_out, c->probe_cap, c->sample, SAMPLE_LEN);
	return ZSTD_isError(zlen) || zlen < SAMPLE_LEN;
}

static size_t store_raw(const uint8_t *in, size_t len, uint8_t *out)
{
	out[0] = CODEC_RAW;
	if (len)
		memcpy(out + 1, in, len);
	return len + 1;
}

size_t compress_segment(struct compressor *c, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	size_t zlen;

	if (len == 0 || !worth_trying(c, in, len))
		return store_raw(in, len, out);
	zlen = ZSTD_compress2(c->zstd, out + 1, cap - 1, in, len);
	if (ZSTD_isError(zlen))
		return 0;
	c->went_well = zlen < len && len - zlen >= len / SAVED_WELL;
	if (zlen >= len || len - zlen < (len + 31) / 32)
		return store_raw(in, len, out);
	out[0] = CODEC_ZSTD;
	return zlen + 1;
}

struct decompressor *decompressor_new(void)
{
	struct decompressor *d = malloc(sizeof(*d));

	if (!d)
		return NULL;
	d->zstd = ZSTD_createDCtx();
	if (!d->zstd) {
		free(d);
		return NULL;
	}
	return d;
}

void decompressor_free(struct decompressor *d)
{
	if (!d)
		return;
	ZSTD_freeDCtx(d->zstd);
	free(d);
}

static int expand_raw(const uint8_t *body, size_t bodylen, uint8_t *out, size_t len)
{
	if (bodylen != len)
		return -EBADMSG;
	if (len)
		memcpy(out, body, len);
	return 0;
}

/*
 * Expanding a whole frame at once writes straight into ${out} and never past ${len}; no window is allocated, whatever
 * size the frame claims to need.
 */
static int expand_zstd(struct decompressor *d, const uint8_t *body, size_t bodylen, uint8_t *out, size_t len)
{
	size_t n;

	if (bodylen < 4 || le32dec(body) != ZSTD_FRAME_MAGIC) /* a skippable frame or one of an old zstd */
		return -EBADMSG;
	if (ZSTD_getFrameContentSize(body, bodylen) != len)
		return -EBADMSG;
	if (ZSTD_findFrameCompressedSize(body, bodylen) != bodylen)
		return -EBADMSG;
	n = ZSTD_decompressDCtx(d->zstd, out, len, body, bodylen);
	return n == len ? 0 : -EBADMSG;
}

int decompress_segment(struct decompressor *d, const uint8_t *in, size_t inlen, uint8_t *out, size_t len)
{
	if (inlen < 1)
		return -EBADMSG;
	switch (in[0]) {
	case CODEC_RAW:
		return expand_raw(in + 1, inlen - 1, out, len);
	case CODEC_ZSTD:
		return expand_zstd(d, in + 1, inlen - 1, out, len);
	}
	return -EPROTONOSUPPORT;
}
