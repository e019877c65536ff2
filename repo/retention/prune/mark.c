/*
 * Mark: all objects that the snapshots lead to.
 *
 * Pages of directories and of span lists wait on a stack; each distinct page is read once, however many snapshots have
 * it.  Which pages have been is kept by their whole ids, as a page taken for another would lose all below it.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/object/packing/claims.h"
#include "repo/retention/prune/prune_impl.h"

struct page_ref {
	struct id id;
	bool spans; /* a span list's, not a directory's */
};

struct mark {
	struct prune *p;
	struct claims *seen;
	struct page_ref *stack;
	size_t n, cap;
};

static int mark_object(struct mark *m, const struct id *id)
{
	int rc = live_add(m->p->live, id);

	if (rc == -ENOSPC)
		log_error(m->p->r->log, "snapshots need more objects than the index has: nothing is deleted; "
		    "see \"varve check\"");
	return rc == -ENOSPC ? -EBADMSG : rc < 0 ? rc : 0;
}

/* A page, unless it has been. */
static int push(struct mark *m, const struct id *id, bool spans)
{
	struct page_ref *grown;
	int rc = claims_add(m->seen, id);

	if (rc <= 0)
		return rc;
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 256;

		grown = realloc(m->stack, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		m->stack = grown;
		m->cap = cap;
	}
	m->stack[m->n++] = (struct page_ref){ .id = *id, .spans = spans };
	return mark_object(m, id);
}

static int mark_entry(struct mark *m, const struct tree_entry *e)
{
	struct span span;
	int rc = 0;

	if (e->flags & ENTRY_XATTRS_BY_ID)
		rc = mark_object(m, &e->xattrs_id);
	if (rc == 0 && (e->type == ENTRY_DIR || e->type == ENTRY_REG) && (e->flags & ENTRY_HAS_CHILD))
		return push(m, &e->child, e->type == ENTRY_REG);
	for (uint32_t i = 0; rc == 0 && e->type == ENTRY_REG && i < e->nspans; i++) {
		span_decode(e->spans + (size_t)i * SPAN_RECORD_LEN, &span);
		rc = mark_object(m, &span.id);
	}
	return rc;
}

static int mark_dir_page(struct mark *m, const struct id *id)
{
	struct tree *t = m->p->r->tree;
	struct tree_node *node;
	struct tree_page page;
	struct tree_entry e;
	struct tree_ref ref;
	int rc = tree_hold_page(t, id, &node, &page);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < page.count && rc == 0; i++) {
		if (page.level > 0) {
			tree_page_ref(&page, i, &ref);
			rc = push(m, &ref.id, false);
		} else {
			tree_page_entry(&page, i, &e);
			rc = mark_entry(m, &e);
		}
	}
	tree_release(t, node);
	return rc;
}

static int mark_span_page(struct mark *m, const struct id *id)
{
	struct tree *t = m->p->r->tree;
	struct span_page page;
	struct tree_node *node;
	struct span span;
	uint64_t off;
	int rc = tree_hold_spans(t, id, &node, &page);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < page.count && rc == 0; i++) {
		if (page.level > 0) {
			span_page_ref(&page, i, &off, &span.id);
			rc = push(m, &span.id, true);
		} else {
			span_page_span(&page, i, &span);
			rc = mark_object(m, &span.id);
		}
	}
	tree_release(t, node);
	return rc;
}

static int mark_pages(struct mark *m)
{
	int rc = 0;

	while (m->n > 0 && rc == 0) {
		struct page_ref ref = m->stack[--m->n];

		rc = prune_cancelled(m->p) ? -EINTR : 0;
		if (rc == 0)
			rc = ref.spans ? mark_span_page(m, &ref.id) : mark_dir_page(m, &ref.id);
		if (m->p->o->progress != NULL)
			m->p->o->progress->trees++;
	}
	return rc;
}

static int mark_snapshot(struct mark *m, size_t i)
{
	const struct snapshot *s = catalog_at(m->p->catalog, i);
	char hex[ID_HEX_SIZE];
	struct manifest man;
	int rc = catalog_manifest(m->p->catalog, i, &man);

	if (rc == 0) {
		rc = mark_entry(m, &man.root);
		manifest_destroy(&man);
		if (rc == 0)
			rc = mark_pages(m);
	}
	if (rc < 0 && rc != -EINTR && rc != -ENOMEM)
		log_error(m->p->r->log, "snapshot %.8s cannot be read as a whole: nothing is deleted or doomed",
		    id_hex(&s->id, hex));
	return rc;
}

int prune_mark(struct prune *p)
{
	struct mark m = { .p = p, .seen = claims_new(0) };
	struct index_stats stats = { .objects = 0 };
	size_t n = catalog_count(p->catalog);
	int rc = m.seen != NULL ? index_stats(p->r->index, &stats) : -ENOMEM;

	if (rc == 0 && (p->live = live_new(stats.objects)) == NULL)
		rc = -ENOMEM;
	if (p->o->progress != NULL)
		p->o->progress->total_snapshots = n;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = mark_snapshot(&m, i);
		p->out->snapshots += rc == 0;
		if (p->o->progress != NULL)
			p->o->progress->snapshots++;
	}
	free(m.stack);
	claims_free(m.seen);
	return rc;
}
