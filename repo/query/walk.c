/*
 * Walk over a tree: a stack of directory iterators.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/query/walk.h"

#define WALK_DEPTH_MAX 65536 /* directories within one another; a hostile tree must not eat memory */

struct level {
	struct tree_iter iter;
	size_t path_len;  /* of the directory's path */
	uint64_t base;    /* number of the directory */
};

struct tree_walk {
	struct tree *tree;
	const struct tree_entry *root;
	struct level *stack;
	size_t depth, cap; /* directories that are open */
	struct buf path;
	struct tree_entry entry;
	uint64_t number;   /* of ${entry} */
	enum { BEFORE_ROOT, AT_ENTRY, NEXT, DONE } state;
	bool skip;
};

int tree_walk_begin(struct tree *t, const struct tree_entry *root, struct tree_walk **out)
{
	struct tree_walk *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->tree = t;
	w->root = root;
	w->state = BEFORE_ROOT;
	*out = w;
	return 0;
}

void tree_walk_end(struct tree_walk *w)
{
	if (w == NULL)
		return;
	while (w->depth > 0)
		tree_iter_end(&w->stack[--w->depth].iter);
	free(w->stack);
	buf_free(&w->path);
	free(w);
}

void tree_walk_skip(struct tree_walk *w)
{
	w->skip = true;
}

/* The path as a C string that is not counted in it. */
static const char *path_text(struct tree_walk *w)
{
	if (buf_reserve(&w->path, 1) != 0)
		return NULL;
	w->path.data[w->path.len] = '\0';
	return (const char *)w->path.data;
}

static int set_path(struct tree_walk *w, size_t dir_len, const struct tree_entry *e)
{
	int rc = 0;

	w->path.len = dir_len;
	if (dir_len > 0)
		rc = buf_u8(&w->path, '/');
	return rc == 0 ? buf_append(&w->path, e->name, e->name_len) : rc;
}

static int fill(struct tree_walk *w, enum walk_event event, int err, unsigned depth, struct walk_item *out)
{
	out->event = event;
	out->entry = event == WALK_ENTRY ? &w->entry : NULL;
	out->path = path_text(w);
	out->path_len = w->path.len;
	out->depth = depth;
	out->number = w->number;
	out->err = err;
	return out->path != NULL ? 1 : -ENOMEM;
}

/* Open the directory ${w->entry}, whose path is ${w->path}. */
static int push(struct tree_walk *w)
{
	struct level *l;
	int rc;

	if (w->depth == WALK_DEPTH_MAX)
		return -EBADMSG;
	if (w->depth == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 16;
		struct level *grown = realloc(w->stack, cap * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		w->stack = grown;
		w->cap = cap;
	}
	l = &w->stack[w->depth];
	l->path_len = w->path.len;
	l->base = w->number;
	rc = tree_iter_begin_dir(&l->iter, w->tree, &w->entry, 0);
	if (rc == 0)
		w->depth++;
	else
		tree_iter_end(&l->iter);
	return rc;
}

/* The next entry of the innermost directory, or its end. */
static int step(struct tree_walk *w, struct walk_item *out)
{
	struct level *l = &w->stack[w->depth - 1];
	int rc;

	rc = tree_iter_next(&l->iter, &w->entry, NULL, NULL);
	if (rc == 1) {
		w->number = l->base + 1 + w->entry.before;
		rc = set_path(w, l->path_len, &w->entry);
		w->state = AT_ENTRY;
		return rc == 0 ? fill(w, WALK_ENTRY, 0, (unsigned)w->depth, out) : rc;
	}
	w->path.len = l->path_len;
	w->number = l->base;
	if (rc < 0) {
		/* Told once; the directory then ends as others do. */
		tree_iter_end(&l->iter);
		if (tree_iter_begin(&l->iter, w->tree, NULL, 0) != 0)
			return -ENOMEM;
		return fill(w, WALK_DAMAGED, rc, (unsigned)w->depth - 1, out);
	}
	tree_iter_end(&l->iter);
	w->depth--;
	if (w->depth == 0)
		w->state = DONE;
	return fill(w, WALK_LEAVE, 0, (unsigned)w->depth, out);
}

/* After an entry: enter it if it is a directory that is wanted.  1 with a finding in ${out}, 0 to go on, -ENOMEM. */
static int enter(struct tree_walk *w, struct walk_item *out)
{
	bool wanted = w->entry.type == ENTRY_DIR && !w->skip;
	int rc;

	w->skip = false;
	rc = wanted ? push(w) : 0;
	w->state = w->depth > 0 ? NEXT : DONE;
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	return fill(w, WALK_DAMAGED, rc, (unsigned)w->depth, out);
}

int tree_walk_next(struct tree_walk *w, struct walk_item *out)
{
	int rc;

	if (w->state == BEFORE_ROOT) {
		w->entry = *w->root;
		w->state = AT_ENTRY;
		return fill(w, WALK_ENTRY, 0, 0, out);
	}
	if (w->state == AT_ENTRY) {
		rc = enter(w, out);
		if (rc != 0)
			return rc;
	}
	return w->state == NEXT ? step(w, out) : 0;
}
