/*
 * Tree page: a run of a directory's entries, laid out to be read in place.
 *
 * A directory is a B+ tree of pages that are cut by content (a hash of the names), so that a change touches one page
 * on each level.  Level 0 holds entries; level n > 0 holds references to pages of level n - 1.  Each page is a tree
 * object; the directory is named by its root page's id.  An empty directory has no page, and no page is empty.
 *
 *   0  magic "VTP1"                         4
 *   4  level u8, zero u8[3]                 4
 *   8  number of records le32, zero le32    8
 *  16  sum of 1 + below over all entries under this page   le64, at most TREE_TOTAL_MAX
 *  24  number of direct entries under this page            le64
 *  32  byte offset of each record le32, in ascending order of name; the first is right behind this table, each next
 *      right behind its forerunner, the last ends with the page
 *
 * Record of level 0 (an entry, entry.h): 128 bytes, then the parts in order:
 *
 *   0  type u8, flags u8, mode le16           4  name_len le16, user_len u8, group_len u8
 *   8  uid le32   12  gid le32   16  nlink le32   20  rdev major le32   24  rdev minor le32
 *  28  mtime ns le32   32  ctime ns le32   36  btime ns le32
 *  40  mtime le64   48  ctime le64   56  btime le64 (two's complement)
 *  64  size le64   72  data bytes le64   80  dev le64   88  ino le64   96  below le64   104  before le64
 * 112  target_len le16, zero le16   116  xattrs_len le32   120  spans le32   124  zero le32
 * 128  name, user, group, target, xattrs (xattrs_len bytes; or the 32 of their id: xattrs_len is 0 then), child id
 *      (32; if flagged), spans (44 each)
 *
 * Record of level n > 0: name_len le16, zero u8[6], before le64, page id (32), name (the first entry's under that
 * page).  ${before}, here and in entries, is the sum of 1 + below over what precedes the record in the same page; a
 * reader that descends adds those of the references it passed.
 */
#ifndef VARVE_TREE_PAGE_H
#define VARVE_TREE_PAGE_H

#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"

#define TREE_PAGE_MAX (512u * 1024) /* bytes of a page that a reader accepts */
#define TREE_LEVEL_MAX 8
#define TREE_TOTAL_MAX (1ull << 40) /* entries below a directory */

/* A checked page over borrowed bytes. */
struct tree_page {
	const uint8_t *data;
	uint32_t len;
	uint32_t count;
	uint8_t level;
	uint64_t total;   /* sum of 1 + below */
	uint64_t entries; /* direct entries */
};

/**
 * tree_page_open(p, data, len):
 * Check the whole page: every record in bounds and complete, names valid and strictly ascending, types and flags
 * known, ${before} ascending without overflow and consistent with below and total, xattrs well-formed, spans ordered
 * and inside the size.  Return 0, or -EBADMSG with ${*p} unchanged.  ${data} is borrowed as long as ${p} is used;
 * after it no access can leave the page.
 */
int tree_page_open(struct tree_page *p, const void *data, size_t len);

/* Decode entry ${i} < count of a level-0 page; pointers into the page. */
void tree_page_entry(const struct tree_page *p, uint32_t i, struct tree_entry *out);

/* Record bytes of entry ${i} of a level-0 page, for copying it verbatim. */
const uint8_t *tree_page_record(const struct tree_page *p, uint32_t i, uint32_t *len);

/* A reference of a page of level > 0. */
struct tree_ref {
	const char *name; /* of the first entry below */
	uint16_t name_len;
	uint64_t before;
	struct id id;
};

void tree_page_ref(const struct tree_page *p, uint32_t i, struct tree_ref *out);

/**
 * tree_page_find(p, name, len, i):
 * Level 0: the entry of that name; level > 0: the reference under which it would be.  Binary search over the bytes.
 * Return true with ${*i}, or false if it is not there (level > 0: before the first).
 */
bool tree_page_find(const struct tree_page *p, const char *name, size_t len, uint32_t *i);

/* First record whose name is not below ${name}, for resuming; ${count} if none. */
uint32_t tree_page_lower_bound(const struct tree_page *p, const char *name, size_t len);

/* Last record with ${before} <= ${pos}; the page must not be empty. */
uint32_t tree_page_at(const struct tree_page *p, uint64_t pos);

/* Builder of one page. */
struct tree_page_builder {
	uint8_t level;
	uint32_t count;
	uint64_t total, entries;
	struct buf offsets; /* le32 each, from the first record */
	struct buf records;
};

void tree_page_builder_init(struct tree_page_builder *b, uint8_t level);
void tree_page_builder_destroy(struct tree_page_builder *b);

/*
 * Append an entry; ${e->before} is not looked at but set in the record.  Names must ascend.  Return 0; -EINVAL if they
 * do not, the entry is none that tree_page_open() would take, or the page would pass TREE_PAGE_MAX; -ENOMEM.
 */
int tree_page_builder_add(struct tree_page_builder *b, const struct tree_entry *e);

/* Append a reference to a page with these totals.  Return 0, -EINVAL, -ENOMEM. */
int tree_page_builder_add_ref(struct tree_page_builder *b, const char *name, uint16_t name_len, const struct id *id,
    uint64_t total, uint64_t entries);

/* Bytes that the page would have now. */
size_t tree_page_builder_size(const struct tree_page_builder *b);

/* Append the page to ${out} and make the builder empty again.  Return 0; -EINVAL for an empty page; -ENOMEM. */
int tree_page_builder_finish(struct tree_page_builder *b, struct buf *out);

#endif
