/*
 * Layout of tree pages (page.h), for the files of this folder that read and write them.
 */
#ifndef VARVE_TREE_PAGE_LAYOUT_H
#define VARVE_TREE_PAGE_LAYOUT_H

#include "repo/tree/page/page.h"
#include "repo/util/bytes/le.h"

#define PAGE_MAGIC "VTP1"
#define PAGE_HEADER_LEN 32
#define ENTRY_RECORD_LEN 128 /* of an entry, before its parts */
#define REF_RECORD_LEN 48    /* of a reference, before its name */

/* A record, and where its name is.  The page, or at least its table, has been checked. */
static inline const uint8_t *page_record(const struct tree_page *p, uint32_t i)
{
	return p->data + le32dec(p->data + PAGE_HEADER_LEN + 4 * (size_t)i);
}

static inline const char *record_name(uint8_t level, const uint8_t *rec, uint16_t *len)
{
	*len = le16dec(level == 0 ? rec + 4 : rec);
	return (const char *)rec + (level == 0 ? ENTRY_RECORD_LEN : REF_RECORD_LEN);
}

static inline const char *page_name(const struct tree_page *p, uint32_t i, uint16_t *len)
{
	return record_name(p->level, page_record(p, i), len);
}

/* Bytes of the whole record of an entry, as its first ENTRY_RECORD_LEN bytes say. */
uint64_t entry_record_len(const uint8_t *rec);

/* Decode the record of an entry that has the length it says. */
void entry_decode(const uint8_t *rec, struct tree_entry *out);

/* Is this an entry that may stand in a page?  All that page.h and entry.h demand of one entry by itself. */
bool entry_valid(const struct tree_entry *e);

#endif
