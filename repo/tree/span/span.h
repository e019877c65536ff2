/*
 * Span list: the contents of a regular file, as an ordered list of chunks.  Bytes of the file that no span covers are
 * holes.
 *
 * Record of a span, 44 bytes: byte offset in the file le64, length le32 (1 to OBJECT_LEN_MAX), chunk id (32).
 *
 * Up to ENTRY_SPANS_INLINE spans stand in the entry.  Longer lists are a B+ tree of pages cut by content (bits of the
 * chunk ids), each a tree object, named by the root page; no page is empty:
 *
 *   0  magic "VSP1"                   4
 *   4  level u8, zero u8[3]           4
 *   8  number of records le32, zero le32    8
 *  16  byte offset of the first span below le64, end of the last span below le64   16
 *  32  level 0: spans, 44 bytes each;  level n > 0: offset of the first span below le64, page id (32)
 *
 * so that a seek into a terabyte file is a binary search in two or three pages.
 */
#ifndef VARVE_TREE_SPAN_H
#define VARVE_TREE_SPAN_H

#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"

#define SPAN_RECORD_LEN 44
#define SPAN_REF_LEN 40
#define SPAN_PAGE_HEADER 32
#define SPAN_PAGE_MAX (512u * 1024)
#define SPAN_LEVEL_MAX 6

struct span {
	uint64_t off; /* in the file */
	uint32_t len;
	struct id id; /* of the chunk */
};

void span_encode(const struct span *s, uint8_t out[SPAN_RECORD_LEN]);
void span_decode(const uint8_t in[SPAN_RECORD_LEN], struct span *out);

/* Check ${n} records: lengths in bounds, ascending without overlap, none beyond ${size}.  Return 0 or -EBADMSG. */
int span_check(const uint8_t *records, uint32_t n, uint64_t size);

/* A checked span page over borrowed bytes. */
struct span_page {
	const uint8_t *data;
	uint8_t level;
	uint32_t count;
	uint64_t first, end;
};

/* Check the whole page.  Return 0, or -EBADMSG with ${*p} unchanged.  ${data} is borrowed as long as ${p} is used. */
int span_page_open(struct span_page *p, const void *data, size_t len);

/* Record ${i}: a span (level 0), or a reference (level > 0). */
void span_page_span(const struct span_page *p, uint32_t i, struct span *out);
void span_page_ref(const struct span_page *p, uint32_t i, uint64_t *off, struct id *id);

/*
 * Level 0: first span that ends after ${off} (count if none).  Level > 0: the reference under which it is, if it is
 * not the first one of the next; the first reference for all that is before it.
 */
uint32_t span_page_find(const struct span_page *p, uint64_t off);

#endif
