/*
 * Growing byte buffer (struct buf) and bounded read cursor (struct rd).
 *
 * Neither is safe to use from two threads at once.
 */
#ifndef VARVE_UTIL_BUF_H
#define VARVE_UTIL_BUF_H

#include <stddef.h>
#include <stdint.h>

/* Bytes ${data[0..len)} of an allocation of ${cap} bytes, owned by the buffer.  All zero is an empty buffer. */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
};

#define BUF_INIT { NULL, 0, 0 }

/**
 * buf_reserve(b, more):
 * Make room for ${more} further bytes, so that ${b->data + b->len} may be written directly and the next appends of
 * that many bytes cannot fail.  Return 0, or -ENOMEM with ${b} unchanged.
 */
int buf_reserve(struct buf *b, size_t more);

/**
 * buf_append(b, data, len):
 * Append a copy of ${len} bytes.  Return 0, or -ENOMEM with ${b} unchanged.
 */
int buf_append(struct buf *b, const void *data, size_t len);

/* Append one integer, little-endian.  Return 0 or -ENOMEM. */
int buf_u8(struct buf *b, uint8_t v);
int buf_le16(struct buf *b, uint16_t v);
int buf_le32(struct buf *b, uint32_t v);
int buf_le64(struct buf *b, uint64_t v);

/**
 * buf_printf(b, fmt, ...):
 * Append formatted text.  A NUL follows the text but is not counted in ${b->len}.  Return 0 or -ENOMEM.
 */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forget the contents and keep the allocation. */
static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

/* Free the allocation; ${b} is then an empty buffer.  Does nothing to an empty one. */
void buf_free(struct buf *b);

/*
 * As buf_free(), but wipe the whole allocation first.  Allocations that the buffer has outgrown were not wiped: for
 * secrets, buf_reserve() all before the first append.
 */
void buf_wipe(struct buf *b);

/* A cursor over ${len} borrowed bytes that are still to be read at ${p}. */
struct rd {
	const uint8_t *p;
	size_t len;
};

static inline struct rd rd_init(const void *p, size_t len)
{
	struct rd r = { p, len };

	return r;
}

/**
 * rd_take(r, n, out):
 * Point ${*out} at the next ${n} bytes (borrowed as long as the bytes under the cursor) and step over them.  Return 0,
 * or -EBADMSG with cursor and ${*out} unchanged if fewer are left.  Every parser of store bytes goes through here.
 */
int rd_take(struct rd *r, size_t n, const uint8_t **out);

/* Read one little-endian integer.  Return 0, or -EBADMSG with ${*out} unchanged if the bytes end before. */
int rd_u8(struct rd *r, uint8_t *out);
int rd_le16(struct rd *r, uint16_t *out);
int rd_le24(struct rd *r, uint32_t *out);
int rd_le32(struct rd *r, uint32_t *out);
int rd_le64(struct rd *r, uint64_t *out);

#endif
