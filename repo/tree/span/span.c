/*
 * Span lists: records and pages, read in place.
 */
#include "repo/tree/span/span.h"

#include <errno.h>
#include <string.h>

#include "repo/pack/place.h"
#include "repo/tree/span/span_layout.h"
#include "repo/util/bytes/le.h"

void span_encode(const struct span *s, uint8_t out[SPAN_RECORD_LEN])
{
	le64enc(out, s->off);
	le32enc(out + 8, s->len);
	memcpy(out + 12, s->id.b, ID_LEN);
}

void span_decode(const uint8_t in[SPAN_RECORD_LEN], struct span *out)
{
	out->off = le64dec(in);
	out->len = le32dec(in + 8);
	memcpy(out->id.b, in + 12, ID_LEN);
}

int span_check(const uint8_t *records, uint32_t n, uint64_t size)
{
	uint64_t end = 0, off;
	uint32_t len;

	for (; n > 0; n--, records += SPAN_RECORD_LEN) {
		off = le64dec(records);
		len = le32dec(records + 8);
		if (len == 0 || len > OBJECT_LEN_MAX || off < end || size < len || off > size - len)
			return -EBADMSG;
		end = off + len;
	}
	return 0;
}

static size_t record_len(uint8_t level)
{
	return level == 0 ? SPAN_RECORD_LEN : SPAN_REF_LEN;
}

static const uint8_t *record(const struct span_page *p, uint32_t i)
{
	return p->data + SPAN_PAGE_HEADER + i * record_len(p->level);
}

static int parse_header(struct span_page *p, size_t len)
{
	struct rd r = rd_init(p->data, len);
	const uint8_t *magic;
	uint32_t zero24, zero32;

	if (rd_take(&r, 4, &magic) < 0 || rd_u8(&r, &p->level) < 0 || rd_le24(&r, &zero24) < 0 ||
	    rd_le32(&r, &p->count) < 0 || rd_le32(&r, &zero32) < 0 || rd_le64(&r, &p->first) < 0 ||
	    rd_le64(&r, &p->end) < 0)
		return -EBADMSG;
	if (memcmp(magic, SPAN_MAGIC, 4) != 0 || zero24 != 0 || zero32 != 0)
		return -EBADMSG;
	if (p->level > SPAN_LEVEL_MAX || p->count == 0 || p->end > INT64_MAX)
		return -EBADMSG;
	/* What is left is just the records: a count that passes memory cannot be equal. */
	return r.len == (uint64_t)p->count * record_len(p->level) ? 0 : -EBADMSG;
}

static int check_spans(const struct span_page *p)
{
	struct span last;

	if (span_check(record(p, 0), p->count, p->end) < 0)
		return -EBADMSG;
	span_page_span(p, p->count - 1, &last);
	return last.off + last.len == p->end ? 0 : -EBADMSG;
}

static int check_refs(const struct span_page *p)
{
	uint64_t off, last = 0;

	for (uint32_t i = 0; i < p->count; i++, last = off) {
		off = le64dec(record(p, i));
		if (i > 0 && off <= last)
			return -EBADMSG;
	}
	return last < p->end ? 0 : -EBADMSG;
}

int span_page_open(struct span_page *p, const void *data, size_t len)
{
	struct span_page page = { .data = data };
	int rc = -EBADMSG;

	if (len > SPAN_PAGE_MAX)
		goto out;
	rc = parse_header(&page, len);
	if (rc == 0 && le64dec(record(&page, 0)) != page.first)
		rc = -EBADMSG;
	if (rc == 0)
		rc = page.level == 0 ? check_spans(&page) : check_refs(&page);
	if (rc == 0)
		*p = page;
out:
	return rc;
}

void span_page_span(const struct span_page *p, uint32_t i, struct span *out)
{
	span_decode(record(p, i), out);
}

void span_page_ref(const struct span_page *p, uint32_t i, uint64_t *off, struct id *id)
{
	const uint8_t *rec = record(p, i);

	*off = le64dec(rec);
	memcpy(id->b, rec + 8, ID_LEN);
}

uint32_t span_records_find(const uint8_t *records, uint32_t n, uint64_t off)
{
	uint32_t low = 0, high = n, mid;

	while (low < high) {
		const uint8_t *rec;

		mid = low + (high - low) / 2;
		rec = records + (size_t)mid * SPAN_RECORD_LEN;
		if (le64dec(rec) + le32dec(rec + 8) <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t span_page_find(const struct span_page *p, uint64_t off)
{
	uint32_t low = 0, high = p->count, mid;

	if (p->level == 0)
		return span_records_find(record(p, 0), p->count, off);
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (le64dec(record(p, mid)) <= off)
			low = mid;
		else
			high = mid;
	}
	return low;
}
