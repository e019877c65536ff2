/*
 * Walking through a B+tree of an LMDB data file, and checking it on the way.  See lmdb_file.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/index/lmdb/lmdb_file.h"

#define DEPTH_MAX 32    /* LMDB's cursors have so many levels */
#define KEY_MAX 511
#define FREE_FLAGS 0x08 /* integer keys */

struct node_head {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint16_t lo, hi;
#else
	uint16_t hi, lo;
#endif
	uint16_t flags, ksize;
};

/* One walk through a tree. */
struct walk {
	struct lmdb_file *f;
	const struct lmdb_tree *tree;
	bool integer_keys;
	lmdb_record_fn *fn;
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

int lmdb_file_read(const struct lmdb_file *f, void *out, size_t len, uint64_t off)
{
	uint8_t *p = out;
	ssize_t n;

	for (; len > 0; p += n, off += (uint64_t)n, len -= (size_t)n) {
		n = pread(f->fd, p, len, (off_t)off);
		if (n < 0 && errno != EINTR)
			return -EIO;
		if (n == 0)
			return -EBADMSG;
		if (n < 0)
			n = 0;
	}
	return 0;
}

int lmdb_file_use(struct lmdb_file *f, size_t first, size_t n)
{
	if (first < 2 || first > f->meta.last_page || n > f->meta.last_page - first + 1)
		return -EBADMSG;
	for (size_t i = first; i < first + n; i++) {
		if (f->used[i / 8] & 1u << i % 8)
			return -EBADMSG;
		f->used[i / 8] |= (uint8_t)(1u << i % 8);
	}
	f->nused += n;
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
static int check_node(const struct lmdb_file *f, const uint8_t *page, const struct lmdb_page_head *head, unsigned i,
    size_t *size)
{
	struct node_head node;
	uint16_t off;
	size_t len;

	memcpy(&off, page + PAGE_HEAD + 2 * i, sizeof(off));
	if (off < head->upper || off % 2 != 0 || off > f->page_size - sizeof(node))
		return -EBADMSG;
	memcpy(&node, page + off, sizeof(node));
	len = sizeof(node) + node.ksize;
	if (head->flags == PAGE_LEAF) {
		if ((node.flags & ~(unsigned)(NODE_BIG | NODE_TABLE)) != 0 || node.ksize == 0)
			return -EBADMSG;
		len += node.flags & NODE_BIG ? sizeof(size_t) : value_len(&node);
	}
	if (node.ksize > KEY_MAX || len > f->page_size - off)
		return -EBADMSG;
	*size = len + len % 2;
	return 0;
}

static int check_page(const struct lmdb_file *f, const uint8_t *page, size_t number, unsigned flags, unsigned *n)
{
	struct lmdb_page_head head;
	size_t size, sum = 0;
	int rc;

	memcpy(&head, page, PAGE_HEAD);
	if (head.number != number || head.flags != flags || head.lower < PAGE_HEAD || head.lower > head.upper ||
	    head.upper > f->page_size || (head.lower - PAGE_HEAD) % 2 != 0)
		return -EBADMSG;
	*n = (unsigned)((head.lower - PAGE_HEAD) / 2);
	if (*n < (flags == PAGE_BRANCH ? 2u : 1u))
		return -EBADMSG;
	for (unsigned i = 0; i < *n; i++, sum += size) {
		rc = check_node(f, page, &head, i, &size);
		if (rc < 0)
			return rc;
	}
	return sum == f->page_size - head.upper ? 0 : -EBADMSG;
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

	rc = lmdb_file_use(w->f, number, 1);
	if (rc < 0)
		return rc;
	if (!l->page && (l->page = malloc(w->f->page_size)) == NULL)
		return -ENOMEM;
	rc = lmdb_file_read(w->f, l->page, w->f->page_size, (uint64_t)number * w->f->page_size);
	if (rc == 0)
		rc = check_page(w->f, l->page, number, flags, &l->n);
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
	uint64_t at = (uint64_t)number * w->f->page_size;
	struct lmdb_page_head head;
	uint32_t npages;
	int rc;

	if (number > w->f->meta.last_page)
		return -EBADMSG;
	rc = lmdb_file_read(w->f, &head, PAGE_HEAD, at);
	if (rc < 0)
		return rc;
	memcpy(&npages, &head.lower, sizeof(npages));
	if (head.number != number || head.flags != PAGE_OVERFLOW || npages == 0 ||
	    len > npages * w->f->page_size - PAGE_HEAD)
		return -EBADMSG;
	rc = lmdb_file_use(w->f, number, npages);
	if (rc < 0)
		return rc;
	*out = malloc(len + 1);
	if (!*out)
		return -ENOMEM;
	w->overflows += npages;
	return lmdb_file_read(w->f, *out, len, at + PAGE_HEAD);
}

static int walk_leaf(struct walk *w, struct level *l)
{
	const uint8_t *key;
	struct node_head node = node_at(l->page, l->next++, &key);
	struct lmdb_record r = { node.flags, key, key + node.ksize, node.ksize, value_len(&node) };
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
		rc = w->fn(w->arg, &r);
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

int lmdb_file_walk(struct lmdb_file *f, const struct lmdb_tree *tree, bool integer_keys, lmdb_record_fn *fn, void *arg)
{
	struct walk *w;
	int rc = 0;

	if (tree->depth > DEPTH_MAX || tree->flags != (integer_keys ? FREE_FLAGS : 0) ||
	    (tree->depth == 0) != (tree->root == LMDB_FILE_NO_PAGE))
		return -EBADMSG;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->f = f;
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

