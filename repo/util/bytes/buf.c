/*
 * Growing byte buffer and bounded read cursor.  See buf.h.
 *
 * Invariant of a buffer: len <= cap, and data is NULL exactly if cap is 0.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/bytes/buf.h"
#include "repo/util/bytes/le.h"

#define CAP_MIN 64

int buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	uint8_t *data;

	if (b->cap - b->len >= more)
		return 0;
	if (__builtin_add_overflow(b->len, more, &need))
		return -ENOMEM;

	/* Half as much again: appends stay linear, and a large buffer does not take twice its size. */
	if (__builtin_add_overflow(b->cap, b->cap / 2, &cap) || cap < need)
		cap = need;
	if (cap < CAP_MIN)
		cap = CAP_MIN;
	data = realloc(b->data, cap);
	if (data == NULL)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int rc = buf_reserve(b, len);

	if (rc == 0 && len > 0) {
		memcpy(b->data + b->len, data, len);
		b->len += len;
	}
	return rc;
}

int buf_u8(struct buf *b, uint8_t v)
{
	return buf_append(b, &v, 1);
}

int buf_le16(struct buf *b, uint16_t v)
{
	uint8_t bytes[2];

	le16enc(bytes, v);
	return buf_append(b, bytes, sizeof(bytes));
}

int buf_le32(struct buf *b, uint32_t v)
{
	uint8_t bytes[4];

	le32enc(bytes, v);
	return buf_append(b, bytes, sizeof(bytes));
}

int buf_le64(struct buf *b, uint64_t v)
{
	uint8_t bytes[8];

	le64enc(bytes, v);
	return buf_append(b, bytes, sizeof(bytes));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, rc = -ENOMEM;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || buf_reserve(b, (size_t)n + 1) < 0)
		goto out;

	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	rc = 0;
out:
	return rc;
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

int rd_take(struct rd *r, size_t n, const uint8_t **out)
{
	if (r->len < n)
		return -EBADMSG;
	*out = r->p;
	if (n > 0)
		r->p += n;
	r->len -= n;
	return 0;
}

int rd_u8(struct rd *r, uint8_t *out)
{
	const uint8_t *p;
	int rc = rd_take(r, 1, &p);

	if (rc == 0)
		*out = *p;
	return rc;
}

int rd_le16(struct rd *r, uint16_t *out)
{
	const uint8_t *p;
	int rc = rd_take(r, 2, &p);

	if (rc == 0)
		*out = le16dec(p);
	return rc;
}

int rd_le24(struct rd *r, uint32_t *out)
{
	const uint8_t *p;
	int rc = rd_take(r, 3, &p);

	if (rc == 0)
		*out = le24dec(p);
	return rc;
}

int rd_le32(struct rd *r, uint32_t *out)
{
	const uint8_t *p;
	int rc = rd_take(r, 4, &p);

	if (rc == 0)
		*out = le32dec(p);
	return rc;
}

int rd_le64(struct rd *r, uint64_t *out)
{
	const uint8_t *p;
	int rc = rd_take(r, 8, &p);

	if (rc == 0)
		*out = le64dec(p);
	return rc;
}
