/*
 * Contents of files: spans, bytes, extended attributes.
 *
 * A cursor holds the level-0 page of the span list that it is in, so that reading on costs no search.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "repo/tree/node.h"
#include "repo/tree/span/span_layout.h"
#include "repo/tree/xattr.h"

/* In a file's list: record ${i} of ${n}. */
struct cursor {
	struct tree *t;
	const struct tree_entry *e;
	struct tree_node *leaf; /* held; NULL: none yet, or the spans are inline */
	uint32_t i;
	uint64_t limit; /* the leaf's last span ends at or before it; there begins the next leaf, if it is not ${end} */
	uint64_t end;   /* of the last span of the list, once a leaf is held */
};

/* Does the child page begin and end where the reference, and what follows it, say? */
static const char *contradiction(uint8_t level, uint64_t off, uint64_t limit, const struct span_page *child)
{
	if (child->level + 1 != level)
		return "has another level than its parent says";
	if (child->first != off)
		return "begins at another offset than its parent says";
	if (child->end > limit)
		return "ends behind the begin of the next one, or of its parent";
	return NULL;
}

static int hold_child(struct cursor *c, const struct span_page *parent, uint32_t i, struct tree_node **out)
{
	struct tree_node *n;
	struct id id, next;
	const char *what;
	uint64_t off, limit;
	int rc;

	span_page_ref(parent, i, &off, &id);
	if (i + 1 < parent->count) {
		span_page_ref(parent, i + 1, &limit, &next);
		if (limit < c->limit)
			c->limit = limit;
	}
	rc = node_hold_spans(c->t, &id, &n);
	if (rc != 0)
		return rc;
	what = contradiction(parent->level, off, c->limit, &n->spans);
	if (what != NULL) {
		tree_release(c->t, n);
		return node_damaged(c->t, &id, what);
	}
	*out = n;
	return 0;
}

static int hold_root(struct cursor *c, struct tree_node **out)
{
	struct tree_node *n;
	int rc = node_hold_spans(c->t, &c->e->child, &n);

	if (rc != 0)
		return rc;
	if (n->spans.end > c->e->size) {
		tree_release(c->t, n);
		return node_damaged(c->t, &c->e->child, "has spans behind the end of the file");
	}
	c->limit = c->end = n->spans.end;
	*out = n;
	return 0;
}

static void cursor_end(struct cursor *c)
{
	tree_release(c->t, c->leaf);
	c->leaf = NULL;
}

/* Hold the leaf that has the span at ${off}, or else the one that ends last before it. */
static int descend(struct cursor *c, uint64_t off)
{
	struct tree_node *n, *child;
	int rc;

	cursor_end(c);
	rc = hold_root(c, &n);
	if (rc != 0)
		return rc;
	while (n->spans.level > 0) {
		rc = hold_child(c, &n->spans, span_page_find(&n->spans, off), &child);
		tree_release(c->t, n);
		if (rc != 0)
			return rc;
		n = child;
	}
	c->leaf = n;
	c->i = span_page_find(&n->spans, off);
	return 0;
}

/* As tree_span(), in a list of pages. */
static int seek_paged(struct cursor *c, uint64_t off, struct span *out)
{
	int rc = descend(c, off);

	/* Between two leaves: the next one begins with what is wanted. */
	if (rc == 0 && c->i == c->leaf->spans.count && c->limit < c->end)
		rc = descend(c, c->limit);
	if (rc != 0)
		return rc;
	if (c->i == c->leaf->spans.count)
		return 0;
	span_page_span(&c->leaf->spans, c->i, out);
	return 1;
}

static int seek(struct cursor *c, uint64_t off, struct span *out)
{
	const struct tree_entry *e = c->e;

	if (e->flags & ENTRY_HAS_CHILD)
		return seek_paged(c, off, out);
	c->i = span_records_find(e->spans, e->nspans, off);
	if (c->i == e->nspans)
		return 0;
	span_decode(e->spans + (size_t)c->i * SPAN_RECORD_LEN, out);
	return 1;
}

/* The span after the one at hand, ${*s}. */
static int next(struct cursor *c, struct span *s)
{
	if (c->leaf == NULL) {
		if (++c->i >= c->e->nspans)
			return 0;
		span_decode(c->e->spans + (size_t)c->i * SPAN_RECORD_LEN, s);
	} else if (c->i + 1 < c->leaf->spans.count) {
		span_page_span(&c->leaf->spans, ++c->i, s);
	} else {
		return c->limit < c->end ? seek_paged(c, c->limit, s) : 0;
	}
	return 1;
}

int tree_span(struct tree *t, const struct tree_entry *e, uint64_t off, struct span *out)
{
	struct cursor c = { .t = t, .e = e };
	int rc;

	if (e->type != ENTRY_REG)
		return -EINVAL;
	rc = seek(&c, off, out);
	cursor_end(&c);
	return rc;
}

/* What span ${s} has of bytes [${off}, ${end}), and zeros up to it; ${*off} goes behind it. */
static int read_span(struct tree *t, const struct span *s, uint64_t *off, uint64_t end, uint8_t **out)
{
	const struct object_wanted chunk = { &s->id, s->len };
	uint64_t from = *off, take;
	int rc;

	if (s->off > from) {
		take = (s->off < end ? s->off : end) - from;
		memset(*out, 0, (size_t)take);
		*out += take;
		from += take;
	}
	take = s->off + s->len < end ? s->off + s->len : end;
	take -= from;
	*off = from + take;
	if (take == 0)
		return 0;
	rc = object_read_range(tree_reader(t), &chunk, (uint32_t)(from - s->off), (uint32_t)take, *out);
	*out += take;
	return rc;
}

ssize_t tree_read(struct tree *t, const struct tree_entry *e, uint64_t off, size_t len, uint8_t *out)
{
	struct cursor c = { .t = t, .e = e };
	struct span s = { .off = off };
	uint64_t begin = off, end;
	int more, rc = 0;

	if (e->type != ENTRY_REG)
		return -EINVAL;
	if (off >= e->size || len == 0)
		return 0;
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	end = e->size - off < len ? e->size : off + len;
	more = seek(&c, off, &s);
	while (more == 1) {
		rc = read_span(t, &s, &off, end, &out);
		if (rc < 0 || off == end)
			break;
		more = next(&c, &s);
	}
	cursor_end(&c);
	if (rc < 0 || more < 0)
		return rc < 0 ? rc : more;
	/* Behind the last span there is a hole, if anything. */
	memset(out, 0, (size_t)(end - off));
	return (ssize_t)(end - begin);
}

void tree_prefetch_end(struct tree_prefetch *p)
{
	object_prefetch(tree_reader(p->tree), p->ids, p->n);
	p->n = 0;
}

int tree_prefetch(struct tree_prefetch *p, const struct tree_entry *e, uint64_t off, uint64_t len)
{
	struct cursor c = { .t = p->tree, .e = e };
	struct span s = { .off = off };
	uint64_t end;
	int rc;

	if (e->type != ENTRY_REG)
		return -EINVAL;
	if (off >= e->size)
		return 0;
	end = e->size - off < len ? e->size : off + len;
	rc = seek(&c, off, &s);
	while (rc == 1 && s.off < end) {
		if (p->n == OBJECT_PREFETCH_MAX)
			tree_prefetch_end(p);
		p->ids[p->n++] = s.id;
		rc = next(&c, &s);
	}
	cursor_end(&c);
	return rc < 0 ? rc : 0;
}

int tree_xattrs(struct tree *t, const struct tree_entry *e, struct buf *out)
{
	size_t start = out->len;
	int rc;

	if (!(e->flags & ENTRY_XATTRS_BY_ID))
		return buf_append(out, e->xattrs, e->xattrs_len);
	rc = object_read(tree_reader(t), PACK_TREE, &e->xattrs_id, ENTRY_XATTRS_MAX, out);
	if (rc == 0 && xattr_check(out->data + start, out->len - start) < 0) {
		out->len = start;
		rc = node_damaged(t, &e->xattrs_id, "extended attributes are malformed");
	}
	return rc;
}
