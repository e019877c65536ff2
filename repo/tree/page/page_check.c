/*
 * Checking a page that came from the store, once, so that all later reading may take its records as they are.
 */
#include <errno.h>
#include <string.h>

#include "repo/tree/page/page_layout.h"
#include "repo/tree/span/span.h"
#include "repo/tree/xattr.h"

#define NS_PER_SECOND 1000000000u
#define FLAGS_KNOWN (ENTRY_HAS_CHILD | ENTRY_XATTRS_BY_ID | ENTRY_PARTIAL | ENTRY_HAS_BTIME)
#define SIZE_MAX_SIGNED ((uint64_t)INT64_MAX) /* st_size is signed */

static bool text_valid(const char *text, size_t len)
{
	return len == 0 || memchr(text, '\0', len) == NULL;
}

/* What belongs to some types only. */
static bool type_valid(const struct tree_entry *e)
{
	bool dir = e->type == ENTRY_DIR, reg = e->type == ENTRY_REG;
	bool child = e->flags & ENTRY_HAS_CHILD;

	if (child && !dir && !reg)
		return false;
	if ((e->flags & ENTRY_PARTIAL) && !dir)
		return false;
	/* A directory has a page exactly if there is something below it. */
	if (dir ? child != (e->below > 0) : e->below > 0)
		return false;
	if (e->target_len > 0 && e->type != ENTRY_LNK)
		return false;
	if (e->nspans > 0 && (!reg || child))
		return false;
	return !reg || e->data_bytes <= e->size;
}

bool entry_valid(const struct tree_entry *e)
{
	if (entry_ifmt(e->type) == 0 || (e->flags & ~FLAGS_KNOWN) || (e->mode & ~07777))
		return false;
	if (!entry_name_valid(e->name, e->name_len) || e->target_len > ENTRY_TARGET_MAX)
		return false;
	if (!text_valid(e->user, e->user_len) || !text_valid(e->group, e->group_len) ||
	    !text_valid(e->target, e->target_len))
		return false;
	if (e->mtime_ns >= NS_PER_SECOND || e->ctime_ns >= NS_PER_SECOND || e->btime_ns >= NS_PER_SECOND)
		return false;
	if (e->size > SIZE_MAX_SIGNED || e->data_bytes > SIZE_MAX_SIGNED || e->below >= TREE_TOTAL_MAX)
		return false;
	if (!type_valid(e))
		return false;
	if (!(e->flags & ENTRY_XATTRS_BY_ID) &&
	    (e->xattrs_len > ENTRY_XATTRS_INLINE || xattr_check(e->xattrs, e->xattrs_len) < 0))
		return false;
	return e->nspans <= ENTRY_SPANS_INLINE && span_check(e->spans, e->nspans, e->size) == 0;
}

/* Header, and the table of offsets: the records follow each other, and each has room for its fixed part. */
static int check_frame(struct tree_page *p)
{
	struct rd r = rd_init(p->data, p->len);
	const size_t min = p->level == 0 ? ENTRY_RECORD_LEN : REF_RECORD_LEN;
	uint32_t offset, last;
	const uint8_t *skip;

	if (rd_take(&r, PAGE_HEADER_LEN, &skip) < 0 || rd_le32(&r, &offset) < 0)
		return -EBADMSG;
	if (p->count > (p->len - PAGE_HEADER_LEN) / (4 + min) || offset != PAGE_HEADER_LEN + 4 * p->count)
		return -EBADMSG;
	for (uint32_t i = 1; i < p->count; i++) {
		last = offset;
		if (rd_le32(&r, &offset) < 0 || offset < last || offset - last < min)
			return -EBADMSG;
	}
	return offset <= p->len && p->len - offset >= min ? 0 : -EBADMSG;
}

static int parse_header(struct tree_page *p)
{
	struct rd r = rd_init(p->data, p->len);
	const uint8_t *magic;
	uint32_t zero24, zero32;

	if (rd_take(&r, 4, &magic) < 0 || rd_u8(&r, &p->level) < 0 || rd_le24(&r, &zero24) < 0 ||
	    rd_le32(&r, &p->count) < 0 || rd_le32(&r, &zero32) < 0 || rd_le64(&r, &p->total) < 0 ||
	    rd_le64(&r, &p->entries) < 0)
		return -EBADMSG;
	if (memcmp(magic, PAGE_MAGIC, 4) != 0 || zero24 != 0 || zero32 != 0)
		return -EBADMSG;
	if (p->level > TREE_LEVEL_MAX || p->count == 0 || p->total > TREE_TOTAL_MAX || p->entries > p->total)
		return -EBADMSG;
	return (p->level == 0 ? p->entries == p->count : p->entries >= p->count) ? 0 : -EBADMSG;
}

/* The name of record ${i} is valid and above the one before. */
static bool name_ascends(const struct tree_page *p, uint32_t i)
{
	uint16_t len, last_len;
	const char *name = page_name(p, i, &len), *last;

	if (!entry_name_valid(name, len))
		return false;
	if (i == 0)
		return true;
	last = page_name(p, i - 1, &last_len);
	return entry_name_compare(last, last_len, name, len) < 0;
}

static int check_entries(const struct tree_page *p)
{
	struct tree_entry e;
	uint64_t sum = 0;
	uint32_t len;

	for (uint32_t i = 0; i < p->count; i++) {
		const uint8_t *rec = tree_page_record(p, i, &len);

		if (entry_record_len(rec) != len || le16dec(rec + 114) != 0 || le32dec(rec + 124) != 0)
			return -EBADMSG;
		entry_decode(rec, &e);
		if (!entry_valid(&e) || !name_ascends(p, i) || e.before != sum)
			return -EBADMSG;
		if ((e.flags & ENTRY_XATTRS_BY_ID) && e.xattrs_len != 0)
			return -EBADMSG;
		/* No overflow: there are less than 2^12 entries with at most TREE_TOTAL_MAX each. */
		sum += 1 + e.below;
	}
	return sum == p->total ? 0 : -EBADMSG;
}

static int check_refs(const struct tree_page *p)
{
	uint64_t before, last = 0;
	uint32_t len;

	for (uint32_t i = 0; i < p->count; i++) {
		const uint8_t *rec = tree_page_record(p, i, &len);

		if ((size_t)REF_RECORD_LEN + le16dec(rec) != len || le16dec(rec + 2) != 0 || le32dec(rec + 4) != 0)
			return -EBADMSG;
		before = le64dec(rec + 8);
		if (i == 0 ? before != 0 : before <= last)
			return -EBADMSG;
		if (!name_ascends(p, i))
			return -EBADMSG;
		last = before;
	}
	return last < p->total ? 0 : -EBADMSG;
}

int tree_page_open(struct tree_page *p, const void *data, size_t len)
{
	struct tree_page page = { .data = data };
	int rc = -EBADMSG;

	if (len > TREE_PAGE_MAX)
		goto out;
	page.len = (uint32_t)len;
	rc = parse_header(&page);
	if (rc == 0)
		rc = check_frame(&page);
	if (rc == 0)
		rc = page.level == 0 ? check_entries(&page) : check_refs(&page);
	if (rc == 0)
		*p = page;
out:
	return rc;
}
