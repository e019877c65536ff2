/*
 * Building one page: records are gathered with their offsets and put behind the table when the page is finished.
 */
#include <errno.h>
#include <string.h>

#include "repo/tree/page/page_layout.h"
#include "repo/tree/span/span.h"

void tree_page_builder_init(struct tree_page_builder *b, uint8_t level)
{
	*b = (struct tree_page_builder){ .level = level };
}

void tree_page_builder_destroy(struct tree_page_builder *b)
{
	buf_free(&b->offsets);
	buf_free(&b->records);
}

size_t tree_page_builder_size(const struct tree_page_builder *b)
{
	return PAGE_HEADER_LEN + b->offsets.len + b->records.len;
}

/* Would ${name} be the next, and is there room for a record of ${len} bytes and for ${total} more below? */
static bool fits(const struct tree_page_builder *b, const char *name, uint16_t name_len, uint64_t len, uint64_t total)
{
	const char *last;
	uint16_t last_len;

	if (len > TREE_PAGE_MAX || tree_page_builder_size(b) + 4 + len > TREE_PAGE_MAX)
		return false;
	if (total > TREE_TOTAL_MAX || b->total > TREE_TOTAL_MAX - total)
		return false;
	if (b->count == 0)
		return true;
	last = record_name(b->level, b->records.data + le32dec(b->offsets.data + b->offsets.len - 4), &last_len);
	return entry_name_compare(last, last_len, name, name_len) < 0;
}

/* Begin a record of ${len} bytes: after it, so many bytes can be appended without fail. */
static int begin_record(struct tree_page_builder *b, size_t len)
{
	uint32_t offset = (uint32_t)b->records.len;

	if (buf_reserve(&b->records, len) < 0 || buf_le32(&b->offsets, offset) < 0)
		return -ENOMEM;
	return 0;
}

static void encode_fixed(const struct tree_entry *e, uint64_t before, uint8_t rec[ENTRY_RECORD_LEN])
{
	memset(rec, 0, ENTRY_RECORD_LEN);
	rec[0] = e->type;
	rec[1] = e->flags;
	le16enc(rec + 2, e->mode);
	le16enc(rec + 4, e->name_len);
	rec[6] = e->user_len;
	rec[7] = e->group_len;
	le32enc(rec + 8, e->uid);
	le32enc(rec + 12, e->gid);
	le32enc(rec + 16, e->nlink);
	le32enc(rec + 20, e->rdev_major);
	le32enc(rec + 24, e->rdev_minor);
	le32enc(rec + 28, e->mtime_ns);
	le32enc(rec + 32, e->ctime_ns);
	le32enc(rec + 36, e->btime_ns);
	le64enc(rec + 40, (uint64_t)e->mtime);
	le64enc(rec + 48, (uint64_t)e->ctime);
	le64enc(rec + 56, (uint64_t)e->btime);
	le64enc(rec + 64, e->size);
	le64enc(rec + 72, e->data_bytes);
	le64enc(rec + 80, e->dev);
	le64enc(rec + 88, e->ino);
	le64enc(rec + 96, e->below);
	le64enc(rec + 104, before);
	le16enc(rec + 112, e->target_len);
	le32enc(rec + 116, e->flags & ENTRY_XATTRS_BY_ID ? 0 : e->xattrs_len);
	le32enc(rec + 120, e->nspans);
}

int tree_page_builder_add(struct tree_page_builder *b, const struct tree_entry *e)
{
	uint8_t rec[ENTRY_RECORD_LEN];
	struct buf *out = &b->records;
	uint64_t len;

	if (b->level != 0 || !entry_valid(e))
		return -EINVAL;
	encode_fixed(e, b->total, rec);
	len = entry_record_len(rec);
	if (!fits(b, e->name, e->name_len, len, 1 + e->below))
		return -EINVAL;
	if (begin_record(b, (size_t)len) < 0)
		return -ENOMEM;
	buf_append(out, rec, sizeof(rec));
	buf_append(out, e->name, e->name_len);
	buf_append(out, e->user, e->user_len);
	buf_append(out, e->group, e->group_len);
	buf_append(out, e->target, e->target_len);
	if (e->flags & ENTRY_XATTRS_BY_ID)
		buf_append(out, e->xattrs_id.b, ID_LEN);
	else
		buf_append(out, e->xattrs, e->xattrs_len);
	if (e->flags & ENTRY_HAS_CHILD)
		buf_append(out, e->child.b, ID_LEN);
	buf_append(out, e->spans, (size_t)e->nspans * SPAN_RECORD_LEN);
	b->count++;
	b->entries++;
	b->total += 1 + e->below;
	return 0;
}

int tree_page_builder_add_ref(struct tree_page_builder *b, const char *name, uint16_t name_len, const struct id *id,
    uint64_t total, uint64_t entries)
{
	uint8_t rec[REF_RECORD_LEN] = { 0 };

	if (b->level == 0 || !entry_name_valid(name, name_len) || entries == 0 || entries > total)
		return -EINVAL;
	if (!fits(b, name, name_len, sizeof(rec) + name_len, total))
		return -EINVAL;
	if (begin_record(b, sizeof(rec) + name_len) < 0)
		return -ENOMEM;
	le16enc(rec, name_len);
	le64enc(rec + 8, b->total);
	memcpy(rec + 16, id->b, ID_LEN);
	buf_append(&b->records, rec, sizeof(rec));
	buf_append(&b->records, name, name_len);
	b->count++;
	b->entries += entries;
	b->total += total;
	return 0;
}

int tree_page_builder_finish(struct tree_page_builder *b, struct buf *out)
{
	const uint32_t first = PAGE_HEADER_LEN + (uint32_t)b->offsets.len;
	uint8_t head[PAGE_HEADER_LEN] = PAGE_MAGIC, *table;

	if (b->count == 0)
		return -EINVAL;
	if (buf_reserve(out, tree_page_builder_size(b)) < 0)
		return -ENOMEM;
	head[4] = b->level;
	le32enc(head + 8, b->count);
	le64enc(head + 16, b->total);
	le64enc(head + 24, b->entries);
	buf_append(out, head, sizeof(head));
	table = out->data + out->len;
	buf_append(out, b->offsets.data, b->offsets.len);
	for (uint32_t i = 0; i < b->count; i++, table += 4)
		le32enc(table, first + le32dec(table));
	buf_append(out, b->records.data, b->records.len);

	b->count = 0;
	b->total = b->entries = 0;
	buf_clear(&b->offsets);
	buf_clear(&b->records);
	return 0;
}
