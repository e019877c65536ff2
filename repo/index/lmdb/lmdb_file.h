/*
 * For lmdb_check.c and lmdb_walk.c: the form of an LMDB data file (data version 1).
 *
 * The file is pages of one size.  Pages 0 and 1 are meta pages, of which the one with the higher transaction number
 * counts.  It has the roots of two B+trees: that of free pages (transaction number -> list of page numbers) and that of
 * tables (name -> root of the table's tree and its counts).  Integers are the machine's own.
 *
 *   page    number, pad, flags, lower, upper; then offsets of nodes up to ${lower}; nodes from ${upper} to the end.
 *           Overflow pages (values that do not fit a leaf) have their number of pages in place of lower and upper.
 *   node    32 bits, flags, key length; key; value.  Leaf: the 32 bits are the value's length; instead of a value there
 *           may be the number of its overflow page.  Branch: they and the flags are the child's page number; the key is
 *           the lowest that can be in the child (none for the first).
 */
#ifndef VARVE_INDEX_LMDB_FILE_H
#define VARVE_INDEX_LMDB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LMDB_FILE_NO_PAGE SIZE_MAX

enum lmdb_page_flags { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08 };
enum lmdb_node_flags { NODE_BIG = 0x01, NODE_TABLE = 0x02 };

struct lmdb_page_head {
	size_t number;
	uint16_t pad, flags, lower, upper;
};

#define PAGE_HEAD (offsetof(struct lmdb_page_head, upper) + sizeof(uint16_t))

/* A tree, as the meta page and the tree of tables have it. */
struct lmdb_tree {
	uint32_t pad; /* of the tree of free pages: the page size */
	uint16_t flags, depth;
	size_t branches, leaves, overflows, entries, root;
};

struct lmdb_meta {
	uint32_t magic, version;
	size_t address, map_size;
	struct lmdb_tree free, main;
	size_t last_page, txn;
};

/* A file that is being checked. */
struct lmdb_file {
	int fd;
	size_t page_size;
	struct lmdb_meta meta; /* the one that counts */
	uint8_t *used;         /* a bit for each page up to meta.last_page */
	size_t nused;
};

/* Read ${len} bytes at ${off}: 0; -EBADMSG if the file ends before; -EIO. */
int lmdb_file_read(const struct lmdb_file *f, void *out, size_t len, uint64_t off);

/* Note that ${n} pages are in use: 0; -EBADMSG if they are not pages of the file, or in use already. */
int lmdb_file_use(struct lmdb_file *f, size_t first, size_t n);

/* A record of a leaf.  All is borrowed for the call. */
struct lmdb_record {
	unsigned flags;
	const uint8_t *key, *value;
	size_t ksize, vsize;
};

/**
 * lmdb_file_walk(f, tree, integer_keys, fn, arg):
 * Check a tree and call ${fn} for its records in order; what it returns below 0
 * ends the walk.  One page a level is held in memory, and levels are as few as LMDB's cursors allow.  Return 0;
 * -EBADMSG; -EIO; -ENOMEM; what ${fn} returned.
 */
typedef int lmdb_record_fn(void *arg, const struct lmdb_record *r);
int lmdb_file_walk(struct lmdb_file *f, const struct lmdb_tree *tree, bool integer_keys, lmdb_record_fn *fn, void *arg);

#endif
