/*
 * Difference of two trees: two directory iterators a level, merged by name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/query/diff.h"
#include "repo/query/walk.h"

struct pair {
	struct tree_iter a, b;
	struct tree_entry ea, eb; /* valid while have_a, have_b */
	bool have_a, have_b;
	size_t path_len;
};

struct differ {
	struct tree *tree;
	diff_fn *fn;
	void *arg;
	struct pair *stack;
	size_t depth, cap;
	struct buf path;
};

static const char *path_of(struct differ *d, size_t dir_len, const struct tree_entry *e)
{
	d->path.len = dir_len;
	if (dir_len > 0 && buf_u8(&d->path, '/') != 0)
		return NULL;
	if (buf_append(&d->path, e->name, e->name_len) != 0 || buf_u8(&d->path, 0) != 0)
		return NULL;
	d->path.len--;
	return (const char *)d->path.data;
}

static bool same_spans(const struct tree_entry *a, const struct tree_entry *b)
{
	if ((a->flags & ENTRY_HAS_CHILD) != (b->flags & ENTRY_HAS_CHILD))
		return false;
	if (a->flags & ENTRY_HAS_CHILD)
		return id_equal(&a->child, &b->child);
	return a->nspans == b->nspans &&
	    (a->nspans == 0 || memcmp(a->spans, b->spans, (size_t)a->nspans * SPAN_RECORD_LEN) == 0);
}

static bool same_content(const struct tree_entry *a, const struct tree_entry *b)
{
	switch (a->type) {
	case ENTRY_REG:
		return a->size == b->size && same_spans(a, b);
	case ENTRY_LNK:
		return a->target_len == b->target_len && memcmp(a->target, b->target, a->target_len) == 0;
	case ENTRY_CHR:
	case ENTRY_BLK:
		return a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor;
	default:
		return true;
	}
}

static bool same_xattrs(const struct tree_entry *a, const struct tree_entry *b)
{
	if ((a->flags & ENTRY_XATTRS_BY_ID) != (b->flags & ENTRY_XATTRS_BY_ID))
		return false;
	if (a->flags & ENTRY_XATTRS_BY_ID)
		return id_equal(&a->xattrs_id, &b->xattrs_id);
	return a->xattrs_len == b->xattrs_len &&
	    (a->xattrs_len == 0 || memcmp(a->xattrs, b->xattrs, a->xattrs_len) == 0);
}

static bool same_meta(const struct tree_entry *a, const struct tree_entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->mtime == b->mtime &&
	    a->mtime_ns == b->mtime_ns && (a->type == ENTRY_DIR || a->nlink == b->nlink) && same_xattrs(a, b);
}

static unsigned compare(const struct tree_entry *a, const struct tree_entry *b)
{
	unsigned change = 0;

	if (a->type != b->type)
		return DIFF_TYPE;
	if (!same_content(a, b))
		change |= DIFF_CONTENT;
	if (!same_meta(a, b))
		change |= DIFF_META;
	return change;
}

/* Report what is on one side only: all below ${e}, and ${e} itself unless ${below_only}. */
static int report_side(struct differ *d, unsigned change, size_t dir_len, const struct tree_entry *e, bool below_only)
{
	struct tree_walk *w = NULL;
	struct walk_item item;
	size_t base;
	int rc;

	if (path_of(d, dir_len, e) == NULL)
		return -ENOMEM;
	base = d->path.len;
	rc = tree_walk_begin(d->tree, e, &w);
	while (rc == 0 && (rc = tree_walk_next(w, &item)) == 1) {
		rc = item.event == WALK_DAMAGED ? item.err : 0;
		if (item.event != WALK_ENTRY || (below_only && item.depth == 0))
			continue;
		d->path.len = base;
		if (item.path_len > 0 && buf_u8(&d->path, '/') != 0)
			rc = -ENOMEM;
		if (rc == 0)
			rc = buf_append(&d->path, item.path, item.path_len + 1);
		if (rc == 0)
			rc = d->fn(d->arg, change, (const char *)d->path.data,
			    change == DIFF_REMOVED ? item.entry : NULL, change == DIFF_ADDED ? item.entry : NULL);
	}
	tree_walk_end(w);
	return rc;
}

static const struct id *child_of(const struct tree_entry *e)
{
	return e->type == ENTRY_DIR && (e->flags & ENTRY_HAS_CHILD) ? &e->child : NULL;
}

static bool same_child(const struct tree_entry *a, const struct tree_entry *b)
{
	const struct id *x = child_of(a), *y = child_of(b);

	return x == NULL || y == NULL ? x == y : id_equal(x, y);
}

static int push(struct differ *d, const struct tree_entry *a, const struct tree_entry *b)
{
	struct pair *p;
	int rc;

	if (d->depth == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		struct pair *grown = realloc(d->stack, cap * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		d->stack = grown;
		d->cap = cap;
	}
	p = &d->stack[d->depth++];
	memset(p, 0, sizeof(*p));
	p->path_len = d->path.len;
	rc = tree_iter_begin_dir(&p->a, d->tree, a, 0);
	if (rc == 0)
		rc = tree_iter_begin_dir(&p->b, d->tree, b, 0);
	return rc;
}

static void pop(struct differ *d)
{
	struct pair *p = &d->stack[--d->depth];

	tree_iter_end(&p->a);
	tree_iter_end(&p->b);
}

static int fetch(struct pair *p)
{
	int rc;

	if (!p->have_a) {
		rc = tree_iter_next(&p->a, &p->ea, NULL, NULL);
		if (rc < 0)
			return rc;
		p->have_a = rc == 1;
	}
	if (!p->have_b) {
		rc = tree_iter_next(&p->b, &p->eb, NULL, NULL);
		if (rc < 0)
			return rc;
		p->have_b = rc == 1;
	}
	return 0;
}

/* Both sides have the name. */
static int both(struct differ *d, struct pair *p)
{
	unsigned change = compare(&p->ea, &p->eb);
	const char *path = path_of(d, p->path_len, &p->ea);
	bool descend = p->ea.type == ENTRY_DIR && p->eb.type == ENTRY_DIR && !same_child(&p->ea, &p->eb);
	size_t dir_len = p->path_len;
	int rc = 0;

	p->have_a = p->have_b = false;
	if (path == NULL)
		return -ENOMEM;
	if (change != 0)
		rc = d->fn(d->arg, change, path, &p->ea, &p->eb);
	if (rc == 0 && change == DIFF_TYPE && p->ea.type == ENTRY_DIR)
		rc = report_side(d, DIFF_REMOVED, dir_len, &p->ea, true);
	if (rc == 0 && change == DIFF_TYPE && p->eb.type == ENTRY_DIR)
		rc = report_side(d, DIFF_ADDED, dir_len, &p->eb, true);
	if (rc == 0 && descend) {
		/* push() may move the stack that the entries are in. */
		struct tree_entry a = p->ea, b = p->eb;

		rc = push(d, &a, &b);
	}
	return rc;
}

static int step(struct differ *d)
{
	struct pair *p = &d->stack[d->depth - 1];
	int rc, order;

	rc = fetch(p);
	if (rc != 0)
		return rc;
	if (!p->have_a && !p->have_b) {
		pop(d);
		return 0;
	}
	if (!p->have_a)
		order = 1;
	else if (!p->have_b)
		order = -1;
	else
		order = entry_name_compare(p->ea.name, p->ea.name_len, p->eb.name, p->eb.name_len);
	if (order == 0)
		return both(d, p);
	if (order < 0) {
		p->have_a = false;
		return report_side(d, DIFF_REMOVED, p->path_len, &p->ea, false);
	}
	p->have_b = false;
	return report_side(d, DIFF_ADDED, p->path_len, &p->eb, false);
}

int diff_trees(struct tree *t, const struct tree_entry *a, const struct tree_entry *b, diff_fn *fn, void *arg)
{
	struct differ d = { .tree = t, .fn = fn, .arg = arg };
	int rc = 0;

	if (!same_child(a, b))
		rc = push(&d, a, b);
	while (rc == 0 && d.depth > 0)
		rc = step(&d);
	while (d.depth > 0)
		pop(&d);
	free(d.stack);
	buf_free(&d.path);
	return rc;
}
