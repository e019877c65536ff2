/*
 * Compression of segments: the one file that speaks to zstd.
 */
#ifndef VARVE_OBJECT_COMPRESS_H
#define VARVE_OBJECT_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

/* First byte of every segment's plaintext. */
enum codec { CODEC_RAW = 0, CODEC_ZSTD = 1 };

#define COMPRESS_LEVEL_DEFAULT 3

/* Working memory of one thread; must not be used by two at once. */
struct compressor;
struct decompressor;

/* Return NULL if there is no memory.  ${level} is zstd's (1 to 19). */
struct compressor *compressor_new(int level);
void compressor_free(struct compressor *c);
struct decompressor *decompressor_new(void);
void decompressor_free(struct decompressor *d);

/* Bytes that compress_segment() may need at ${out} for ${len} bytes: codec byte and the worst case. */
size_t compress_bound(size_t len);

/**
 * compress_segment(c, in, len, out, cap):
 * Write codec byte and body to ${out} (${cap} at least compress_bound(len)): zstd where it saves at least 1/32, else
 * the bytes as they are.  Data that a cheap probe finds incompressible is not tried.  Return the number of bytes
 * written, at most ${len + 1}; or 0 if zstd failed (no memory).
 */
size_t compress_segment(struct compressor *c, const uint8_t *in, size_t len, uint8_t *out, size_t cap);

/**
 * decompress_segment(d, in, inlen, out, len):
 * Expand codec byte and body to exactly ${len} bytes.  Return 0; -EBADMSG if the body is malformed or expands to any
 * other size (${out} is then undefined; never more than ${len} bytes are written); -EPROTONOSUPPORT for an unknown
 * codec.
 */
int decompress_segment(struct decompressor *d, const uint8_t *in, size_t inlen, uint8_t *out, size_t len);

#endif
