/*
 * span_page_open() over arbitrary bytes: what it takes is ordered, and every offset finds what it should.
 */
#include <stdlib.h>

#include "repo/pack/place.h"
#include "repo/tree/span/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void read_spans(const struct span_page *p)
{
	uint64_t end = p->first;
	struct span s;

	for (uint32_t i = 0; i < p->count; i++) {
		span_page_span(p, i, &s);
		need(s.len > 0 && s.len <= OBJECT_LEN_MAX && s.off >= end);
		need(span_page_find(p, end) == i); /* in the hole before it, or its first byte */
		end = s.off + s.len;
		need(span_page_find(p, s.off) == i && span_page_find(p, end - 1) == i);
	}
	need(end == p->end && span_page_find(p, end) == p->count);
}

static void read_refs(const struct span_page *p)
{
	uint64_t off, last = 0;
	struct id id;

	for (uint32_t i = 0; i < p->count; i++) {
		span_page_ref(p, i, &off, &id);
		need(i == 0 ? off == p->first : off > last);
		need(span_page_find(p, off) == i);
		need(i == 0 || span_page_find(p, off - 1) == i - 1);
		last = off;
	}
	need(last < p->end && span_page_find(p, UINT64_MAX) == p->count - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span_page p;

	/* The records by themselves, as they stand in an entry. */
	if (size % SPAN_RECORD_LEN == 0)
		span_check(data, (uint32_t)(size / SPAN_RECORD_LEN), INT64_MAX);
	if (span_page_open(&p, data, size) != 0)
		return 0;
	if (p.level == 0)
		read_spans(&p);
	else
		read_refs(&p);
	return 0;
}
