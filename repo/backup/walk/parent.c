/*
 * Comparison with the parent snapshot.
 *
 * What decides whether an object may be relied upon is object_is_safe() alone.
 */
#include <errno.h>
#include <string.h>

#include "repo/backup/walk/parent.h"

void parent_dir_init(struct parent_dir *p, struct tree *t, const struct tree_entry *e)
{
	*p = (struct parent_dir){ .tree = t };
	p->exists = e && e->type == ENTRY_DIR && e->flags & ENTRY_HAS_CHILD;
	if (p->exists)
		p->pages = e->child;
}

/* Set ${p->next} to the next entry.  False at the end. */
static bool advance(struct parent_dir *p)
{
	int err = 0;

	if (!p->open) {
		err = tree_iter_begin(&p->it, p->tree, &p->pages, p->pos);
		p->open = true;
	}
	if (err == 0)
		err = tree_iter_next(&p->it, &p->next, NULL, NULL);
	p->ahead = err > 0;
	if (p->ahead) {
		p->pos = p->next.before;
	} else {
		tree_iter_end(&p->it);
		p->open = p->exists = false;
	}
	return p->ahead;
}

const struct tree_entry *parent_dir_find(struct parent_dir *p, const char *name, size_t len)
{
	int order = -1;

	while (p->exists && order < 0) {
		if (!p->ahead && !advance(p))
			break;
		order = entry_name_compare(p->next.name, p->next.name_len, name, len);
		if (order > 0)
			break;
		/* Asked for, or without a counterpart: it is behind us. */
		p->ahead = false;
		p->pos = p->next.before + 1 + p->next.below;
	}
	return order == 0 ? &p->next : NULL;
}

void parent_dir_park(struct parent_dir *p)
{
	if (p->open)
		tree_iter_end(&p->it);
	p->open = p->ahead = false;
}

/* Is the object stored, and will it stay as long as a snapshot that names it? */
static bool object_is_safe(struct object_writer *w, const struct id *id)
{
	return object_known(w, id) == 1;
}

/* All spans of a level-0 page. */
static bool spans_known(struct object_writer *w, const struct span_page *page)
{
	struct span span;
	uint32_t i;

	for (i = 0; i < page->count; i++) {
		span_page_span(page, i, &span);
		if (!object_is_safe(w, &span.id))
			return false;
	}
	return true;
}

/* A way from the root of a span list to the page at hand. */
struct way {
	unsigned depth;
	struct {
		struct tree_node *node;
		struct span_page page;
		uint32_t next;
	} at[SPAN_LEVEL_MAX + 1];
};

/* Hold page ${id} as the deepest of the way; it must be of a lower level than the one above. */
static bool descend(struct tree *t, struct object_writer *w, const struct id *id, struct way *way)
{
	unsigned d = way->depth;

	if (d > SPAN_LEVEL_MAX || !object_is_safe(w, id) ||
	    tree_hold_spans(t, id, &way->at[d].node, &way->at[d].page) < 0)
		return false;
	way->at[d].next = 0;
	way->depth++;
	return d == 0 || way->at[d].page.level < way->at[d - 1].page.level;
}

static bool list_known(struct tree *t, struct object_writer *w, const struct id *root)
{
	struct way way = { .depth = 0 };
	bool known = descend(t, w, root, &way);
	uint64_t off;
	struct id id;

	while (known && way.depth > 0) {
		unsigned d = way.depth - 1;

		if (way.at[d].page.level > 0 && way.at[d].next < way.at[d].page.count) {
			span_page_ref(&way.at[d].page, way.at[d].next++, &off, &id);
			known = descend(t, w, &id, &way);
			continue;
		}
		if (way.at[d].page.level == 0)
			known = spans_known(w, &way.at[d].page);
		tree_release(t, way.at[d].node);
		way.depth--;
	}
	while (way.depth > 0)
		tree_release(t, way.at[--way.depth].node);
	return known;
}

bool parent_contents_known(struct tree *t, struct object_writer *w, const struct tree_entry *e)
{
	struct span span;
	uint32_t i;

	if (e->flags & ENTRY_XATTRS_BY_ID && !object_is_safe(w, &e->xattrs_id))
		return false;
	if (e->type != ENTRY_REG)
		return true;
	if (e->flags & ENTRY_HAS_CHILD)
		return list_known(t, w, &e->child);
	for (i = 0; i < e->nspans; i++) {
		span_decode(e->spans + (size_t)i * SPAN_RECORD_LEN, &span);
		if (!object_is_safe(w, &span.id))
			return false;
	}
	return true;
}
