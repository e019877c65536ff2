/*
 * Contents of files: every chunk, and the pages of long span lists.
 *
 * The pages of one list are walked with a stack of held pages, the root page first.  Where a page below cannot be read,
 * those above it count as damaged with it, so that whoever meets the list again knows.
 */
#include <errno.h>

#include "repo/check/trees/tree_pass.h"

struct frame {
	struct tree_node *node;
	struct span_page page;
	struct id id;
	uint32_t next;
	uint64_t limit; /* no span below ends behind it */
};

struct span_walk {
	struct check *c;
	unsigned depth;
	struct frame at[SPAN_LEVEL_MAX + 1];
};

static int check_span(struct check *c, const struct span *s)
{
	int rc = object_enter(c, PACK_DATA, &s->id, s->len);

	return rc < 0 ? rc : 0;
}

/* Hold a page: 1; 0 if it cannot be; an error. */
static int hold(struct span_walk *w, const struct id *id, struct frame *f)
{
	int rc = object_enter(w->c, PACK_TREE, id, 0);

	if (rc <= 0)
		return rc;
	f->id = *id;
	f->next = 0;
	forget_message(w->c);
	rc = tree_hold_spans(w->c->tree, id, &f->node, &f->page);
	return rc == 0 ? 1 : tree_object_damaged(w->c, id, rc);
}

static int mark_above(struct span_walk *w, const struct id *id)
{
	uint32_t finding = damage_of(w->c, id);
	int rc = 0;

	for (unsigned i = 0; i < w->depth && rc == 0 && finding != 0; i++)
		rc = damage_add(w->c, &w->at[i].id, finding);
	return rc;
}

/* Enter the child of the innermost page that is next. */
static int enter(struct span_walk *w)
{
	struct frame *parent = &w->at[w->depth - 1], *f = &w->at[w->depth];
	struct id id, next_id;
	uint64_t off, limit = parent->limit, next;
	const char *what = NULL;
	int rc;

	span_page_ref(&parent->page, parent->next++, &off, &id);
	if (parent->next < parent->page.count) {
		span_page_ref(&parent->page, parent->next, &next, &next_id);
		limit = next < limit ? next : limit;
	}
	rc = reference_enter(w->c, hash_mix(hash_mix(id_hash(&id), off), limit + parent->page.level));
	if (rc == 1)
		rc = hold(w, &id, f);
	if (rc == 0)
		return mark_above(w, &id);
	if (rc < 0)
		return rc;
	if (f->page.level + 1 != parent->page.level)
		what = "has another level than its parent says";
	else if (f->page.first != off)
		what = "begins at another offset than its parent says";
	else if (f->page.end > limit)
		what = "ends behind the begin of the next one, or of its parent";
	if (what == NULL) {
		f->limit = limit;
		w->depth++;
		return 0;
	}
	tree_release(w->c->tree, f->node);
	rc = tree_contradicts(w->c, &id, what);
	return rc == 0 ? mark_above(w, &id) : rc;
}

static int check_leaf(struct span_walk *w, const struct frame *f)
{
	struct span s;
	int rc = 0;

	for (uint32_t i = 0; i < f->page.count && rc == 0; i++) {
		span_page_span(&f->page, i, &s);
		rc = check_span(w->c, &s);
	}
	return rc;
}

static int check_list(struct check *c, const struct tree_entry *e)
{
	struct span_walk w = { .c = c };
	struct frame *f = &w.at[0];
	int rc = reference_enter(c, hash_mix(id_hash(&e->child), e->size));

	if (rc == 1)
		rc = hold(&w, &e->child, f);
	if (rc <= 0)
		return rc;
	w.depth = 1;
	f->limit = f->page.end;
	rc = f->page.end > e->size ? tree_contradicts(c, &e->child, "has spans behind the end of the file") : 0;
	while (w.depth > 0 && rc == 0) {
		f = &w.at[w.depth - 1];
		if (cancelled(c)) {
			rc = -EINTR;
		} else if (f->page.level > 0 && f->next < f->page.count) {
			rc = enter(&w);
		} else {
			if (f->page.level == 0)
				rc = check_leaf(&w, f);
			tree_release(c->tree, f->node);
			w.depth--;
		}
	}
	while (w.depth > 0)
		tree_release(c->tree, w.at[--w.depth].node);
	return rc;
}

int check_contents(struct check *c, const struct tree_entry *e)
{
	struct span s;
	int rc = 0;

	if (e->flags & ENTRY_HAS_CHILD)
		return check_list(c, e);
	for (uint32_t i = 0; i < e->nspans && rc == 0; i++) {
		span_decode(e->spans + (size_t)i * SPAN_RECORD_LEN, &s);
		rc = check_span(c, &s);
	}
	return rc;
}
