/*
 * Reading in a checked page: every access here is within what tree_page_open() has seen to be complete.
 */
#include "repo/tree/page/page.h"

#include <string.h>

#include "repo/tree/page/page_layout.h"
#include "repo/tree/span/span.h"

uint64_t entry_record_len(const uint8_t *rec)
{
	uint8_t flags = rec[1];
	uint64_t len = ENTRY_RECORD_LEN;

	len += (uint64_t)le16dec(rec + 4) + rec[6] + rec[7] + le16dec(rec + 112);
	len += flags & ENTRY_XATTRS_BY_ID ? ID_LEN : le32dec(rec + 116);
	len += flags & ENTRY_HAS_CHILD ? ID_LEN : 0;
	return len + (uint64_t)le32dec(rec + 120) * SPAN_RECORD_LEN;
}

/* The next ${n} bytes of a record's parts: never NULL, so that nobody need ask before he copies none. */
static const void *part(const uint8_t **p, size_t n)
{
	const void *at = *p;

	*p += n;
	return at;
}

static void decode_parts(const uint8_t *p, struct tree_entry *e)
{
	e->name = part(&p, e->name_len);
	e->user = part(&p, e->user_len);
	e->group = part(&p, e->group_len);
	e->target = part(&p, e->target_len);
	if (e->flags & ENTRY_XATTRS_BY_ID)
		memcpy(e->xattrs_id.b, part(&p, ID_LEN), ID_LEN);
	else
		e->xattrs = part(&p, e->xattrs_len);
	if (e->flags & ENTRY_HAS_CHILD)
		memcpy(e->child.b, part(&p, ID_LEN), ID_LEN);
	e->spans = part(&p, (size_t)e->nspans * SPAN_RECORD_LEN);
}

void entry_decode(const uint8_t *rec, struct tree_entry *out)
{
	*out = (struct tree_entry){
		.type = rec[0],
		.flags = rec[1],
		.mode = le16dec(rec + 2),
		.name_len = le16dec(rec + 4),
		.user_len = rec[6],
		.group_len = rec[7],
		.uid = le32dec(rec + 8),
		.gid = le32dec(rec + 12),
		.nlink = le32dec(rec + 16),
		.rdev_major = le32dec(rec + 20),
		.rdev_minor = le32dec(rec + 24),
		.mtime_ns = le32dec(rec + 28),
		.ctime_ns = le32dec(rec + 32),
		.btime_ns = le32dec(rec + 36),
		.mtime = (int64_t)le64dec(rec + 40),
		.ctime = (int64_t)le64dec(rec + 48),
		.btime = (int64_t)le64dec(rec + 56),
		.size = le64dec(rec + 64),
		.data_bytes = le64dec(rec + 72),
		.dev = le64dec(rec + 80),
		.ino = le64dec(rec + 88),
		.below = le64dec(rec + 96),
		.before = le64dec(rec + 104),
		.target_len = le16dec(rec + 112),
		.xattrs_len = le32dec(rec + 116),
		.nspans = le32dec(rec + 120),
	};
	decode_parts(rec + ENTRY_RECORD_LEN, out);
}

void tree_page_entry(const struct tree_page *p, uint32_t i, struct tree_entry *out)
{
	entry_decode(page_record(p, i), out);
}

const uint8_t *tree_page_record(const struct tree_page *p, uint32_t i, uint32_t *len)
{
	const uint8_t *rec = page_record(p, i);
	const uint8_t *end = i + 1 < p->count ? page_record(p, i + 1) : p->data + p->len;

	*len = (uint32_t)(end - rec);
	return rec;
}

void tree_page_ref(const struct tree_page *p, uint32_t i, struct tree_ref *out)
{
	const uint8_t *rec = page_record(p, i);

	out->name = record_name(p->level, rec, &out->name_len);
	out->before = le64dec(rec + 8);
	memcpy(out->id.b, rec + 16, ID_LEN);
}

/* First record whose name is not below ${name}; ${*equal}: it has just that name. */
static uint32_t lower_bound(const struct tree_page *p, const char *name, size_t len, bool *equal)
{
	uint32_t low = 0, high = p->count, mid;
	uint16_t mid_len;
	const char *mid_name;
	int order;

	*equal = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		mid_name = page_name(p, mid, &mid_len);
		order = entry_name_compare(mid_name, mid_len, name, len);
		if (order == 0) {
			*equal = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool tree_page_find(const struct tree_page *p, const char *name, size_t len, uint32_t *i)
{
	bool equal;
	uint32_t at = lower_bound(p, name, len, &equal);

	if (equal)
		*i = at;
	else if (p->level > 0 && at > 0)
		*i = at - 1;
	else
		return false;
	return true;
}

uint32_t tree_page_lower_bound(const struct tree_page *p, const char *name, size_t len)
{
	bool equal;

	return lower_bound(p, name, len, &equal);
}

uint32_t tree_page_at(const struct tree_page *p, uint64_t pos)
{
	const size_t field = p->level == 0 ? 104 : 8;
	uint32_t low = 0, high = p->count, mid; /* low: is at most ${pos} */

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (le64dec(page_record(p, mid) + field) <= pos)
			low = mid;
		else
			high = mid;
	}
	return low;
}
