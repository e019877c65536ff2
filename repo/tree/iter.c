/*
 * Iterating over a directory: the pages from the root page down to the one at hand are held, so that the way on is
 * known.
 */
#include <errno.h>

#include "repo/tree/node.h"
#include "repo/tree/page/page_layout.h"

/* Enter record ${i} of the innermost page held, which is of level > 0. */
static int enter(struct tree_iter *it, uint32_t i)
{
	const struct tree_page *p = &it->at[it->depth - 1].node->page;
	struct name_limit limit = { .len = 0 };
	struct tree_node *child;
	struct tree_ref ref;
	int rc;

	/* From the root page down: the innermost bound is the lowest. */
	for (unsigned d = 0; d + 1 < it->depth; d++)
		name_limit_set(&limit, &it->at[d].node->page, it->at[d].next);
	name_limit_set(&limit, p, i + 1);
	rc = node_hold_child(it->tree, p, i, &limit, &child);
	if (rc != 0)
		return rc;
	tree_page_ref(p, i, &ref);
	it->at[it->depth - 1].next = i + 1;
	it->at[it->depth].node = child;
	it->at[it->depth].next = 0;
	it->at[it->depth].base = it->at[it->depth - 1].base + ref.before;
	it->depth++;
	return 0;
}

/* Go down to the first entry at ${pos} or behind it. */
static int seek(struct tree_iter *it, uint64_t pos)
{
	const struct tree_page *p = &it->at[0].node->page;
	struct tree_entry e;
	uint32_t i;
	int rc;

	if (pos >= p->total) {
		it->at[0].next = p->count;
		return 0;
	}
	while (p->level > 0) {
		rc = enter(it, tree_page_at(p, pos - it->at[it->depth - 1].base));
		if (rc < 0)
			return rc;
		p = &it->at[it->depth - 1].node->page;
	}
	pos -= it->at[it->depth - 1].base;
	i = tree_page_at(p, pos);
	tree_page_entry(p, i, &e);
	it->at[it->depth - 1].next = e.before < pos ? i + 1 : i;
	return 0;
}

/* Begin at the root page, which the iterator takes over. */
static int begin(struct tree_iter *it, struct tree_node *root, uint64_t pos)
{
	it->at[0].node = root;
	it->at[0].next = 0;
	it->at[0].base = 0;
	it->depth = 1;
	return pos > 0 ? seek(it, pos) : 0;
}

int tree_iter_begin(struct tree_iter *it, struct tree *t, const struct id *dir, uint64_t pos)
{
	struct tree_node *root;
	int rc;

	it->tree = t;
	it->depth = 0;
	if (dir == NULL)
		return 0;
	rc = node_hold_page(t, dir, &root);
	return rc == 0 ? begin(it, root, pos) : rc;
}

int tree_iter_begin_dir(struct tree_iter *it, struct tree *t, const struct tree_entry *dir, uint64_t pos)
{
	struct tree_node *root;
	int rc;

	it->tree = t;
	it->depth = 0;
	if (dir->type != ENTRY_DIR || !(dir->flags & ENTRY_HAS_CHILD))
		return 0;
	rc = node_hold_dir(t, dir, &root);
	return rc == 0 ? begin(it, root, pos) : rc;
}

int tree_iter_next(struct tree_iter *it, struct tree_entry *out, const uint8_t **record, uint32_t *record_len)
{
	int rc = 0;

	while (rc == 0 && it->depth > 0) {
		const struct tree_page *p = &it->at[it->depth - 1].node->page;
		uint32_t i = it->at[it->depth - 1].next;

		if (i == p->count) {
			tree_release(it->tree, it->at[--it->depth].node);
		} else if (p->level > 0) {
			rc = enter(it, i);
		} else {
			tree_page_entry(p, i, out);
			out->before += it->at[it->depth - 1].base;
			if (record != NULL)
				*record = tree_page_record(p, i, record_len);
			it->at[it->depth - 1].next++;
			rc = 1;
		}
	}
	return rc;
}

void tree_iter_end(struct tree_iter *it)
{
	while (it->depth > 0)
		tree_release(it->tree, it->at[--it->depth].node);
}
