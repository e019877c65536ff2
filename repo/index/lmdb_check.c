/*
 * Check of an LMDB data file (data version 1).  See lmdb_check.h.
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
 *
 * A walk keeps one page a level, so memory is bounded by the depth that LMDB allows.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/index/lmdb.h"
#include "repo/index/lmdb_check.h"
#include "repo/index/lmdb_sum.h"

#define META_MAGIC 0xbeefc0deu
#define DATA_VERSION 1
#define DEPTH_MAX 32    /* LMDB's cursors have so many levels */
#define KEY_MAX 511
#define FREE_FLAGS 0x08 /* integer keys */
#define NO_PAGE SIZE_MAX

enum page_flags { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08 };
enum node_flags { NODE_BIG = 0x01, NODE_TABLE = 0x02 };

struct page_head {
	size_t number;
	uint16_t pad, flags, lower, upper;
};

struct node_head {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint16_t lo, hi;
#else
	uint16_t hi, lo;
#endif
	uint16_t flags, ksize;
};

/* A tree, as the meta page and the tree of tables have it. */
struct tree {
	uint32_t pad;
	uint16_t flags, depth;
	size_t branches, leaves, overflows, entries, root;
};

struct meta {
	uint32_t magic, version;
	size_t address, map_size;
	struct tree free, main;
	size_t last_page, txn;
};

#define PAGE_HEAD (offsetof(struct page_head, upper) + sizeof(uint16_t))

/* A record of a leaf.  ${value} is borrowed for the call. */
struct record {
	unsigned flags;
	const uint8_t *key, *value;
	size_t ksize, vsize;
};

struct table {
	const char *name;
	struct tree tree;
	bool found;
	uint64_t expected, sum; /* as recorded, as computed */
	bool recorded;
};

struct check {
	int fd;
	size_t page_size;
	struct meta meta;
	uint8_t *used;   /* a bit for each page up to meta.last_page */
	size_t nused;
	unsigned ntables; /* with the sums, which are the last */
	struct table table[LMDB_TABLES_MAX + 1];
};

typedef int record_fn(struct check *ck, void *arg, const struct record *r);

/* One walk through a tree. */
struct walk {
	struct check *ck;
	const struct tree *tree;
	bool integer_keys;
	record_fn *fn;
	void *arg;
	size_t branches, leaves, overflows, entries;
	unsigned depth; /* levels in use */
	struct level {
		uint8_t *page;
		unsigned n, next; /* nodes; the one that is next */
	} level[DEPTH_MAX];
	uint8_t last[KEY_MAX], floor[KEY_MAX]; /* last key of a leaf; lowest that the next may be */
	size_t last_len, floor_len;            /* 0: none yet */
};

static int read_at(const struct check *ck, void *out, size_t len, uint64_t off)
{
	uint8_t *p = out;
	ssize_t n;

	for (; len > 0; p += n, off += (uint64_t)n, len -= (size_t)n) {
		n = pread(ck->fd, p, len, (off_t)off);
		if (n < 0 && errno != EINTR)
			return -EIO;
		if (n == 0)
			return -EBADMSG;
		if (n < 0)
			n = 0;
	}
	return 0;
}

/* Note that ${n} pages are in use; they may not be so already. */
static int use_pages(struct check *ck, size_t first, size_t n)
{
	if (first < 2 || first > ck->meta.last_page || n > ck->meta.last_page - first + 1)
		return -EBADMSG;
	for (size_t i = first; i < first + n; i++) {
		if (ck->used[i / 8] & 1u << i % 8)
			return -EBADMSG;
		ck->used[i / 8] |= (uint8_t)(1u << i % 8);
	}
	ck->nused += n;
	return 0;
}

static struct node_head node_at(const uint8_t *page, unsigned i, const uint8_t **key)
{
	struct node_head node;
	uint16_t off;

	memcpy(&off, page + PAGE_HEAD + 2 * i, sizeof(off));
	memcpy(&node, page + off, sizeof(node));
	*key = page + off + sizeof(node);
	return node;
}

static size_t value_len(const struct node_head *node)
{
	return (size_t)node->lo | (size_t)node->hi << 16;
}

static size_t child_of(const struct node_head *node)
{
	size_t n = value_len(node);

	return sizeof(n) > 4 ? n | (size_t)node->flags << 16 << 16 : n;
}

/* Does node ${i} lie within its page?  ${*size} is what it takes. */
static int check_node(const struct check *ck, const uint8_t *page, const struct page_head *head, unsigned i, size_t *size)
{
	struct node_head node;
	uint16_t off;
	size_t len;

	memcpy(&off, page + PAGE_HEAD + 2 * i, sizeof(off));
	if (off < head->upper || off % 2 != 0 || off > ck->page_size - sizeof(node))
		return -EBADMSG;
	memcpy(&node, page + off, sizeof(node));
	len = sizeof(node) + node.ksize;
	if (head->flags == PAGE_LEAF) {
		if ((node.flags & ~(unsigned)(NODE_BIG | NODE_TABLE)) != 0 || node.ksize == 0)
			return -EBADMSG;
		len += node.flags & NODE_BIG ? sizeof(size_t) : value_len(&node);
	}
	if (node.ksize > KEY_MAX || len > ck->page_size - off)
		return -EBADMSG;
	*size = len + len % 2;
	return 0;
}

static int check_page(const struct check *ck, const uint8_t *page, size_t number, unsigned flags, unsigned *n)
{
	struct page_head head;
	size_t size, sum = 0;
	int rc;

	memcpy(&head, page, PAGE_HEAD);
	if (head.number != number || head.flags != flags || head.lower < PAGE_HEAD || head.lower > head.upper ||
	    head.upper > ck->page_size || (head.lower - PAGE_HEAD) % 2 != 0)
		return -EBADMSG;
	*n = (unsigned)((head.lower - PAGE_HEAD) / 2);
	if (*n < (flags == PAGE_BRANCH ? 2u : 1u))
		return -EBADMSG;
	for (unsigned i = 0; i < *n; i++, sum += size) {
		rc = check_node(ck, page, &head, i, &size);
		if (rc < 0)
			return rc;
	}
	return sum == ck->page_size - head.upper ? 0 : -EBADMSG;
}

static int compare_keys(const struct walk *w, const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
	size_t na, nb;
	int order;

	if (w->integer_keys) {
		memcpy(&na, a, sizeof(na));
		memcpy(&nb, b, sizeof(nb));
		return (na > nb) - (na < nb);
	}
	order = memcmp(a, b, alen < blen ? alen : blen);
	return order != 0 ? order : (alen > blen) - (alen < blen);
}

/* Go down to a child. */
static int push(struct walk *w, size_t number)
{
	unsigned flags = w->depth + 1 == w->tree->depth ? PAGE_LEAF : PAGE_BRANCH;
	struct level *l = &w->level[w->depth];
	int rc;

	rc = use_pages(w->ck, number, 1);
	if (rc < 0)
		return rc;
	if (!l->page && (l->page = malloc(w->ck->page_size)) == NULL)
		return -ENOMEM;
	rc = read_at(w->ck, l->page, w->ck->page_size, (uint64_t)number * w->ck->page_size);
	if (rc == 0)
		rc = check_page(w->ck, l->page, number, flags, &l->n);
	if (rc < 0)
		return rc;
	l->next = 0;
	w->depth++;
	*(flags == PAGE_LEAF ? &w->leaves : &w->branches) += 1;
	return 0;
}

static int walk_branch(struct walk *w, struct level *l)
{
	const uint8_t *key;
	struct node_head node = node_at(l->page, l->next, &key);

	if (l->next++ > 0) {
		if (node.ksize == 0 || (w->integer_keys && node.ksize != sizeof(size_t)) || w->last_len == 0 ||
		    compare_keys(w, key, node.ksize, w->last, w->last_len) <= 0)
			return -EBADMSG;
		memcpy(w->floor, key, node.ksize);
		w->floor_len = node.ksize;
	}
	return push(w, child_of(&node));
}

/* Fetch a value from its overflow pages, which may be more than it needs.  ${*out} (malloc) is the caller's. */
static int read_big(struct walk *w, size_t number, size_t len, uint8_t **out)
{
	uint64_t at = (uint64_t)number * w->ck->page_size;
	struct page_head head;
	uint32_t npages;
	int rc;

	if (number > w->ck->meta.last_page)
		return -EBADMSG;
	rc = read_at(w->ck, &head, PAGE_HEAD, at);
	if (rc < 0)
		return rc;
	memcpy(&npages, &head.lower, sizeof(npages));
	if (head.number != number || head.flags != PAGE_OVERFLOW || npages == 0 ||
	    len > npages * w->ck->page_size - PAGE_HEAD)
		return -EBADMSG;
	rc = use_pages(w->ck, number, npages);
	if (rc < 0)
		return rc;
	*out = malloc(len + 1);
	if (!*out)
		return -ENOMEM;
	w->overflows += npages;
	return read_at(w->ck, *out, len, at + PAGE_HEAD);
}

static int walk_leaf(struct walk *w, struct level *l)
{
	const uint8_t *key;
	struct node_head node = node_at(l->page, l->next++, &key);
	struct record r = { node.flags, key, key + node.ksize, node.ksize, value_len(&node) };
	uint8_t *big = NULL;
	size_t number;
	int rc = 0;

	if ((w->integer_keys && r.ksize != sizeof(size_t)) ||
	    (w->last_len > 0 && compare_keys(w, key, r.ksize, w->last, w->last_len) <= 0) ||
	    (w->floor_len > 0 && compare_keys(w, key, r.ksize, w->floor, w->floor_len) < 0))
		return -EBADMSG;
	memcpy(w->last, key, r.ksize);
	w->last_len = r.ksize;
	w->entries++;
	if (r.flags & NODE_BIG) {
		memcpy(&number, r.value, sizeof(number));
		rc = read_big(w, number, r.vsize, &big);
		r.value = big;
	}
	if (rc == 0)
		rc = w->fn(w->ck, w->arg, &r);
	free(big);
	return rc;
}

static int walk_pages(struct walk *w)
{
	struct level *l;
	int rc;

	rc = push(w, w->tree->root);
	while (rc == 0 && w->depth > 0) {
		l = &w->level[w->depth - 1];
		if (l->next == l->n)
			w->depth--;
		else
			rc = w->depth == w->tree->depth ? walk_leaf(w, l) : walk_branch(w, l);
	}
	return rc;
}

/* Check a tree and call ${fn} for its records in order. */
static int walk_tree(struct check *ck, const struct tree *tree, bool integer_keys, record_fn *fn, void *arg)
{
	struct walk *w;
	int rc = 0;

	if (tree->depth > DEPTH_MAX || tree->flags != (integer_keys ? FREE_FLAGS : 0) ||
	    (tree->depth == 0) != (tree->root == NO_PAGE))
		return -EBADMSG;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->ck = ck;
	w->tree = tree;
	w->integer_keys = integer_keys;
	w->fn = fn;
	w->arg = arg;
	if (tree->depth > 0)
		rc = walk_pages(w);
	if (rc == 0 && (w->branches != tree->branches || w->leaves != tree->leaves ||
	    w->overflows != tree->overflows || w->entries != tree->entries))
		rc = -EBADMSG;
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		free(w->level[i].page);
	free(w);
	return rc;
}

static struct table *find_table(struct check *ck, const struct record *r)
{
	for (unsigned i = 0; i < ck->ntables; i++)
		if (strlen(ck->table[i].name) == r->ksize && memcmp(ck->table[i].name, r->key, r->ksize) == 0)
			return &ck->table[i];
	return NULL;
}

static int take_table(struct check *ck, void *arg, const struct record *r)
{
	struct table *t = find_table(ck, r);

	(void)arg;
	if (!t || r->flags != NODE_TABLE || r->vsize != sizeof(t->tree))
		return -EBADMSG;
	memcpy(&t->tree, r->value, sizeof(t->tree));
	t->found = true;
	return 0;
}

static int take_sum(struct check *ck, void *arg, const struct record *r)
{
	struct table *t = find_table(ck, r);

	(void)arg;
	if (!t || (r->flags & NODE_TABLE) || r->vsize != sizeof(uint64_t))
		return -EBADMSG;
	t->expected = le64dec(r->value);
	t->recorded = true;
	return 0;
}

static int add_sum(struct check *ck, void *arg, const struct record *r)
{
	struct table *t = arg;

	(void)ck;
	if (r->flags & NODE_TABLE)
		return -EBADMSG;
	t->sum += lmdb_record_sum(r->key, r->ksize, r->value, r->vsize);
	return 0;
}

/* A list of free pages, highest first; room behind it is allowed. */
static int take_free(struct check *ck, void *arg, const struct record *r)
{
	size_t n, number, before = NO_PAGE, txn;
	int rc;

	(void)arg;
	memcpy(&txn, r->key, sizeof(txn));
	if ((r->flags & NODE_TABLE) || txn == 0 || txn > ck->meta.txn || r->vsize < sizeof(n))
		return -EBADMSG;
	memcpy(&n, r->value, sizeof(n));
	if (n > r->vsize / sizeof(n) - 1)
		return -EBADMSG;
	for (size_t i = 1; i <= n; i++, before = number) {
		memcpy(&number, r->value + i * sizeof(number), sizeof(number));
		if (number >= before)
			return -EBADMSG;
		rc = use_pages(ck, number, 1);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_meta(const struct check *ck, unsigned i, struct meta *out)
{
	uint8_t b[PAGE_HEAD + sizeof(*out)];
	struct page_head head;
	int rc;

	rc = read_at(ck, b, sizeof(b), (uint64_t)i * ck->page_size);
	if (rc < 0)
		return rc;
	memcpy(&head, b, PAGE_HEAD);
	memcpy(out, b + PAGE_HEAD, sizeof(*out));
	if (head.number != i || head.flags != PAGE_META || out->magic != META_MAGIC || out->version != DATA_VERSION ||
	    (out->txn != 0 && out->txn % 2 != i))
		return -EBADMSG;
	return 0;
}

/* The page size is the same in both meta pages (in the pad of the tree of free pages), and a power of two. */
static int read_metas(struct check *ck)
{
	struct meta m[2];
	int rc;

	rc = read_meta(ck, 0, &m[0]);
	if (rc < 0)
		return rc;
	ck->page_size = m[0].free.pad;
	if (ck->page_size < 512 || ck->page_size > 65536 || (ck->page_size & (ck->page_size - 1)) != 0)
		return -EBADMSG;
	rc = read_meta(ck, 1, &m[1]);
	if (rc < 0)
		return rc;
	if (m[1].free.pad != ck->page_size)
		return -EBADMSG;
	ck->meta = m[m[0].txn < m[1].txn];
	if (ck->meta.last_page < 1 || ck->meta.last_page >= LMDB_MAP_SIZE / ck->page_size)
		return -EBADMSG;
	return 0;
}

static int check_tables(struct check *ck)
{
	struct table *t, *sums = &ck->table[ck->ntables - 1];
	unsigned nfound = 0;
	int rc;

	rc = walk_tree(ck, &ck->meta.main, false, take_table, NULL);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < ck->ntables; i++)
		nfound += ck->table[i].found;
	if (nfound == 0)
		return 0;
	if (nfound != ck->ntables)
		return -EBADMSG;
	rc = walk_tree(ck, &sums->tree, false, take_sum, NULL);
	for (t = ck->table; rc == 0 && t < sums; t++) {
		rc = walk_tree(ck, &t->tree, false, add_sum, t);
		if (rc == 0 && (t->sum != t->expected || (t->tree.entries > 0 && !t->recorded)))
			rc = -EBADMSG;
	}
	return rc;
}

/* Every page is in use, free, or one of the two meta pages: otherwise a list of free pages is not what it was. */
static int check_all(struct check *ck)
{
	int rc;

	rc = check_tables(ck);
	if (rc == 0)
		rc = walk_tree(ck, &ck->meta.free, true, take_free, NULL);
	if (rc == 0 && ck->nused + 2 != ck->meta.last_page + 1)
		rc = -EBADMSG;
	return rc;
}

int lmdb_check(int fd, const char *const *tables, unsigned ntables)
{
	struct check *ck;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -EIO;
	if (st.st_size == 0)
		return 0;
	ck = calloc(1, sizeof(*ck));
	if (!ck)
		return -ENOMEM;
	ck->fd = fd;
	for (unsigned i = 0; i < ntables; i++)
		ck->table[ck->ntables++].name = tables[i];
	ck->table[ck->ntables++].name = LMDB_SUM_TABLE;
	rc = read_metas(ck);
	if (rc == 0) {
		ck->used = calloc(ck->meta.last_page / 8 + 1, 1);
		rc = ck->used ? check_all(ck) : -ENOMEM;
	}
	free(ck->used);
	free(ck);
	return rc;
}
