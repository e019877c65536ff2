/*
 * Finding entries: by name, by position, by path, by number.  Each is a descent from a root page to the level-0 page
 * that has it, with one page held at a time.
 */
#include <errno.h>

#include "repo/tree/node.h"
#include "repo/tree/page/page_layout.h"

/* What to look for in a directory. */
struct key {
	const char *name; /* NULL: by position */
	size_t len;
	uint64_t pos; /* from the beginning of the page looked at */
};

void tree_hit_release(struct tree *t, struct tree_hit *hit)
{
	tree_release(t, hit->node);
	hit->node = NULL;
}

static bool choose(const struct tree_page *p, const struct key *k, uint32_t *i)
{
	if (k->name != NULL)
		return tree_page_find(p, k->name, k->len, i);
	if (k->pos >= p->total)
		return false;
	*i = tree_page_at(p, k->pos);
	return true;
}

/*
 * From the root page ${n} (given back) to the page of level 0 that has the key, as record ${*i}; ${*base} is the
 * position that the page begins at.
 */
static int descend(struct tree *t, struct tree_node *n, struct key *k, struct tree_node **out, uint64_t *base,
    uint32_t *i)
{
	struct name_limit limit = { .len = 0 };
	struct tree_node *child;
	struct tree_ref ref;
	int rc = 0;

	*base = 0;
	for (;;) {
		if (!choose(&n->page, k, i))
			rc = -ENOENT;
		if (rc != 0 || n->page.level == 0)
			break;
		tree_page_ref(&n->page, *i, &ref);
		*base += ref.before;
		k->pos -= ref.before;
		name_limit_set(&limit, &n->page, *i + 1);
		rc = node_hold_child(t, &n->page, *i, &limit, &child);
		if (rc != 0)
			break;
		tree_release(t, n);
		n = child;
	}
	if (rc != 0)
		tree_release(t, n);
	else
		*out = n;
	return rc;
}

static int find_in_page(struct tree *t, struct tree_node *root, struct key *k, struct tree_hit *out)
{
	struct tree_node *leaf;
	uint64_t base;
	uint32_t i;
	int rc = descend(t, root, k, &leaf, &base, &i);

	if (rc != 0)
		return rc;
	tree_page_entry(&leaf->page, i, &out->entry);
	out->entry.before += base;
	out->record = tree_page_record(&leaf->page, i, &out->record_len);
	out->node = leaf;
	return 0;
}

int tree_find(struct tree *t, const struct id *dir, const char *name, size_t len, struct tree_hit *out)
{
	struct key k = { .name = name, .len = len };
	struct tree_node *root;
	int rc = node_hold_page(t, dir, &root);

	return rc == 0 ? find_in_page(t, root, &k, out) : rc;
}

int tree_at(struct tree *t, const struct id *dir, uint64_t pos, struct tree_hit *out)
{
	struct key k = { .pos = pos };
	struct tree_node *root;
	int rc = node_hold_page(t, dir, &root);

	return rc == 0 ? find_in_page(t, root, &k, out) : rc;
}

int tree_count(struct tree *t, const struct id *dir, uint64_t *entries, uint64_t *total)
{
	struct tree_node *root;
	int rc = node_hold_page(t, dir, &root);

	if (rc != 0)
		return rc;
	*entries = root->page.entries;
	*total = root->page.total;
	tree_release(t, root);
	return 0;
}

/* Find in the directory that is the entry ${dir}. */
static int find_in_entry(struct tree *t, const struct tree_entry *dir, struct key *k, struct tree_hit *out)
{
	struct tree_node *root;
	int rc;

	if (dir->type != ENTRY_DIR)
		return -ENOTDIR;
	if (!(dir->flags & ENTRY_HAS_CHILD))
		return -ENOENT;
	rc = node_hold_dir(t, dir, &root);
	return rc == 0 ? find_in_page(t, root, k, out) : rc;
}

/* Go from ${*at} into the directory that it is; ${*at} is given back for what is found there, or if nothing is. */
static int step(struct tree *t, struct tree_hit *at, struct key *k)
{
	struct tree_hit next;
	int rc = find_in_entry(t, &at->entry, k, &next);

	tree_hit_release(t, at);
	if (rc == 0)
		*at = next;
	return rc;
}

/* The next name of ${*path}; false at the end. */
static bool next_name(const char **path, size_t *len, struct key *k)
{
	size_t n = 0;

	while (*len > 0 && **path == '/') {
		(*path)++;
		(*len)--;
	}
	while (n < *len && (*path)[n] != '/')
		n++;
	*k = (struct key){ .name = *path, .len = n };
	*path += n;
	*len -= n;
	return n > 0;
}

int tree_path(struct tree *t, const struct tree_entry *root, const char *path, size_t len, struct tree_hit *out)
{
	struct tree_hit at = { .entry = *root };
	struct key k;
	int rc = 0;

	while (rc == 0 && next_name(&path, &len, &k))
		rc = step(t, &at, &k);
	if (rc == 0)
		*out = at;
	return rc;
}

int tree_number(struct tree *t, const struct tree_entry *root, uint64_t number, struct tree_hit *out)
{
	struct tree_hit at = { .entry = *root };
	uint64_t left = number;
	struct key k;
	int rc = 0;

	if (number == 0)
		return -EINVAL;
	if (number > root->below)
		return -ENOENT;
	/*
	 * ${left} is counted from the entry at hand, whose own number is 0, and is at most what is below it: that entry
	 * is a directory while any is left, and each step takes off at least one.
	 */
	while (rc == 0 && left > 0) {
		k = (struct key){ .pos = left - 1 };
		rc = step(t, &at, &k);
		if (rc == 0)
			left -= 1 + at.entry.before;
	}
	if (rc == 0)
		*out = at;
	return rc;
}
