/*
 * Manifests, and all directories that they lead to.
 *
 * Directories wait on a stack; the pages of one are walked with a stack of held pages, the root page first.  A page
 * is visited once for each different thing that is said of it where it is referred to (number of entries, names
 * around it), which is once but for the neighbours of what has changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/check/trees/tree_pass.h"

struct frame {
	struct tree_node *node;
	struct tree_page page;
	struct id id;
	uint32_t next;
};

struct dir_walk {
	struct tree_pass *p;
	unsigned depth;
	struct frame at[TREE_LEVEL_MAX + 1];
};

static int push(struct tree_pass *p, const struct tree_entry *e)
{
	struct dir_ref *grown;
	int rc = reference_enter(p->c, hash_mix(id_hash(&e->child), e->below));

	if (rc <= 0)
		return rc;
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 256;

		grown = realloc(p->pending, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		p->pending = grown;
		p->cap = cap;
	}
	p->pending[p->n++] = (struct dir_ref){ .id = e->child, .below = e->below };
	return 0;
}

static int check_xattrs(struct tree_pass *p, const struct tree_entry *e)
{
	int rc = reference_enter(p->c, hash_mix(id_hash(&e->xattrs_id), ENTRY_XATTRS_BY_ID));

	if (rc == 1)
		rc = object_enter(p->c, PACK_TREE, &e->xattrs_id, 0);
	if (rc <= 0)
		return rc;
	buf_clear(&p->xattrs);
	forget_message(p->c);
	rc = tree_xattrs(p->c->tree, e, &p->xattrs);
	return rc == 0 ? 0 : tree_object_damaged(p->c, &e->xattrs_id, rc);
}

static int check_entry(struct tree_pass *p, const struct tree_entry *e)
{
	int rc = 0;

	if (e->flags & ENTRY_XATTRS_BY_ID)
		rc = check_xattrs(p, e);
	if (rc == 0 && e->type == ENTRY_REG)
		rc = check_contents(p->c, e);
	else if (rc == 0 && e->type == ENTRY_DIR && (e->flags & ENTRY_HAS_CHILD))
		rc = push(p, e);
	return rc;
}

/* --- One directory ------------------------------------------------------------------------------------------------ */

/* As in spans.c. */
static int hold(struct dir_walk *w, const struct id *id, struct frame *f)
{
	struct check *c = w->p->c;
	int rc = object_enter(c, PACK_TREE, id, 0);

	if (rc <= 0)
		return rc;
	f->id = *id;
	f->next = 0;
	forget_message(c);
	rc = tree_hold_page(c->tree, id, &f->node, &f->page);
	return rc == 0 ? 1 : tree_object_damaged(c, id, rc);
}

static int mark_above(struct dir_walk *w, const struct id *id)
{
	uint32_t finding = damage_of(w->p->c, id);
	int rc = 0;

	for (unsigned i = 0; i < w->depth && rc == 0 && finding != 0; i++)
		rc = damage_add(w->p->c, &w->at[i].id, finding);
	return rc;
}

static const char *name_at(const struct tree_page *p, uint32_t i, uint16_t *len)
{
	struct tree_entry e;
	struct tree_ref ref;

	if (p->level > 0) {
		tree_page_ref(p, i, &ref);
		*len = ref.name_len;
		return ref.name;
	}
	tree_page_entry(p, i, &e);
	*len = e.name_len;
	return e.name;
}

/* What a reference says of the page that it leads to. */
struct expected {
	struct tree_ref ref;
	uint8_t level;
	uint64_t total;
	const char *limit; /* names are below it; NULL: there is no such bound */
	uint16_t limit_len;
};

/* The reference that is next in the innermost page, which moves on. */
static void take_reference(struct dir_walk *w, struct expected *x)
{
	struct frame *f = &w->at[w->depth - 1];
	struct tree_ref next = { .before = f->page.total };

	tree_page_ref(&f->page, f->next++, &x->ref);
	if (f->next < f->page.count)
		tree_page_ref(&f->page, f->next, &next);
	x->level = (uint8_t)(f->page.level - 1);
	x->total = next.before - x->ref.before;
	x->limit = NULL;
	x->limit_len = 0;
	/* The innermost page that has something behind it bounds the names. */
	for (unsigned d = w->depth; d > 0 && x->limit == NULL; d--) {
		f = &w->at[d - 1];
		if (f->next < f->page.count)
			x->limit = name_at(&f->page, f->next, &x->limit_len);
	}
}

static uint64_t expected_key(const struct expected *x)
{
	uint64_t key = hash_mix(id_hash(&x->ref.id), x->total << 4 | x->level);

	key = hash_mix(key, hash_bytes(x->ref.name, x->ref.name_len));
	return hash_mix(key, x->limit != NULL ? hash_bytes(x->limit, x->limit_len) : 0);
}

static const char *contradiction(const struct expected *x, const struct tree_page *p)
{
	const char *name;
	uint16_t len;

	if (p->level != x->level)
		return "has another level than its parent says";
	if (p->total != x->total)
		return "has another number of entries than its parent says";
	name = name_at(p, 0, &len);
	if (entry_name_compare(name, len, x->ref.name, x->ref.name_len) != 0)
		return "begins with another name than its parent says";
	name = name_at(p, p->count - 1, &len);
	if (x->limit != NULL && entry_name_compare(name, len, x->limit, x->limit_len) >= 0)
		return "ends with a name that belongs to the next one";
	return NULL;
}

static int enter(struct dir_walk *w)
{
	struct frame *f = &w->at[w->depth];
	struct check *c = w->p->c;
	struct expected x;
	const char *what;
	int rc;

	take_reference(w, &x);
	rc = reference_enter(c, expected_key(&x));
	if (rc == 1)
		rc = hold(w, &x.ref.id, f);
	if (rc == 0)
		return mark_above(w, &x.ref.id);
	if (rc < 0)
		return rc;
	what = contradiction(&x, &f->page);
	if (what == NULL) {
		w->depth++;
		return 0;
	}
	tree_release(c->tree, f->node);
	rc = tree_contradicts(c, &x.ref.id, what);
	return rc == 0 ? mark_above(w, &x.ref.id) : rc;
}

static int check_page(struct tree_pass *p, const struct tree_page *page)
{
	struct tree_entry e;
	int rc = 0;

	for (uint32_t i = 0; i < page->count && rc == 0; i++) {
		tree_page_entry(page, i, &e);
		rc = check_entry(p, &e);
	}
	return rc;
}

static int check_dir(struct tree_pass *p, const struct dir_ref *d)
{
	struct dir_walk w = { .p = p };
	struct tree *t = p->c->tree;
	struct frame *f = &w.at[0];
	int rc = hold(&w, &d->id, f);

	if (rc <= 0)
		return rc;
	w.depth = 1;
	rc = f->page.total == d->below ? 0 :
	    tree_contradicts(p->c, &d->id, "has another number of entries than the entry of its directory says");
	while (w.depth > 0 && rc == 0) {
		f = &w.at[w.depth - 1];
		if (cancelled(p->c)) {
			rc = -EINTR;
		} else if (f->page.level > 0 && f->next < f->page.count) {
			rc = enter(&w);
		} else {
			if (f->page.level == 0)
				rc = check_page(p, &f->page);
			tree_release(t, f->node);
			w.depth--;
		}
	}
	while (w.depth > 0)
		tree_release(t, w.at[--w.depth].node);
	return rc;
}

/* --- Snapshots ---------------------------------------------------------------------------------------------------- */

/* That the one before is gone is no damage: snapshots are forgotten. */
static void look_at_chain(struct check *c, const char *hex, const struct manifest *m)
{
	char previous[ID_HEX_SIZE];

	if (m->has_previous && catalog_find(c->catalog, &m->previous) < 0)
		log_debug(&c->log, "snapshot %.8s: the one before it on %s, %.8s, is no longer there", hex, m->host,
		    id_hex(&m->previous, previous));
}

static int check_snapshot(struct tree_pass *p, size_t i)
{
	const struct id *id = &catalog_at(p->c->catalog, i)->id;
	char name[SNAPSHOT_NAME_SIZE], hex[ID_HEX_SIZE], what[WHAT_SIZE];
	struct manifest m;
	uint64_t size;
	int rc;

	forget_message(p->c);
	rc = catalog_manifest(p->c->catalog, i, &m);
	if (rc == -ENOMEM)
		return rc;
	snapshot_object_name(id, name);
	if (rc == -EBADMSG && store_stat(p->c->store, name, &size) == -ENOENT) /* forgotten since it was listed */
		return 0;
	p->c->out->snapshots++;
	if (rc < 0) {
		rc = object_fails(p->c, CHECK_SNAPSHOT, name, rc, last_message(p->c, name, rc, what));
		if (rc == 1)
			tell_snapshot(p->c, CHECK_SNAPSHOT, name, id);
		return rc < 0 ? rc : 0;
	}
	look_at_chain(p->c, id_hex(id, hex), &m);
	if (p->c->o->snapshot != NULL)
		p->c->o->snapshot(p->c->o->arg, id, &m);
	rc = p->c->o->signatures_only ? 0 : check_entry(p, &m.root);
	manifest_destroy(&m);
	while (p->n > 0 && rc == 0) {
		struct dir_ref d = p->pending[--p->n];

		rc = check_dir(p, &d);
	}
	return rc;
}

/* What this machine has seen, and the store does not show any more. */
static void tell_withheld(struct check *c)
{
	size_t n;
	const struct withheld *w = catalog_withheld(c->catalog, &n);
	char name[REVOCATION_NAME_SIZE];

	for (size_t i = 0; i < n; i++) {
		if (w[i].revocation)
			finding_add(c, CHECK_REVOCATION, revocation_object_name(&w[i].id, name),
			    "was here, and is withheld");
		else
			finding_add(c, CHECK_SNAPSHOT, snapshot_object_name(&w[i].id, name),
			    "was here, and is withheld or was forgotten, and there is no newer one of its host");
	}
}

int check_trees(struct check *c)
{
	struct tree_pass p = { .c = c };
	struct check_progress *progress = c->o->progress;
	int rc = 0;

	tell_withheld(c);

	if (progress != NULL)
		progress->total_snapshots = catalog_count(c->catalog);
	for (size_t i = 0; i < catalog_count(c->catalog) && rc == 0; i++) {
		rc = cancelled(c) ? -EINTR : check_snapshot(&p, i);
		if (progress != NULL)
			progress->snapshots++;
	}
	if (rc == 0)
		tell_unindexed(c);
	buf_free(&p.xattrs);
	free(p.pending);
	return rc;
}
