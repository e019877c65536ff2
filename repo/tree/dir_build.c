/*
 * Building a directory: one open page a level.  An entry goes to level 0; a page that is complete is put, and a
 * reference to it goes to the level above.
 *
 * The cut looks at names alone, so that two versions of a directory have the same pages but where they differ.
 */
#include "repo/tree/dir_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/tree/page/page_layout.h"

#define CUT_ENTRIES_MIN 256
#define CUT_ENTRIES_MASK 511 /* low bits of the name's hash */
#define CUT_REFS_MIN 64
#define CUT_REFS_SHIFT 9     /* other bits of it, or each page would end where one below it ends */
#define CUT_REFS_MASK 127
#define CUT_COUNT_MAX 4096
#define CUT_LEN_MAX (192u * 1024)

struct dir_builder {
	tree_put_fn *put;
	void *arg;
	int err;      /* the first error: what was lost by it is not to be forgotten */
	unsigned top; /* highest level that has been used */
	struct tree_page_builder level[TREE_LEVEL_MAX + 1];
	struct buf page;             /* the page being put */
	char last[ENTRY_NAME_MAX];   /* name of the entry added last */
	uint16_t last_len;
	uint64_t entries, total;
};

int dir_builder_new(tree_put_fn *put, void *arg, struct dir_builder **out)
{
	struct dir_builder *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->put = put;
	b->arg = arg;
	for (uint8_t l = 0; l <= TREE_LEVEL_MAX; l++)
		tree_page_builder_init(&b->level[l], l);
	*out = b;
	return 0;
}

void dir_builder_free(struct dir_builder *b)
{
	if (b == NULL)
		return;
	for (unsigned l = 0; l <= TREE_LEVEL_MAX; l++)
		tree_page_builder_destroy(&b->level[l]);
	buf_free(&b->page);
	free(b);
}

static uint64_t fnv1a(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3;
	return h;
}

/* Does the page end after the record of ${name}? */
static bool is_cut(const struct tree_page_builder *p, const char *name, size_t len)
{
	if (p->count >= CUT_COUNT_MAX || tree_page_builder_size(p) >= CUT_LEN_MAX)
		return true;
	if (p->level == 0)
		return p->count >= CUT_ENTRIES_MIN && (fnv1a(name, len) & CUT_ENTRIES_MASK) == 0;
	return p->count >= CUT_REFS_MIN && (fnv1a(name, len) >> CUT_REFS_SHIFT & CUT_REFS_MASK) == 0;
}

/* Put the open page of a level. */
static int put_page(struct dir_builder *b, unsigned level, struct id *id)
{
	int rc;

	buf_clear(&b->page);
	rc = tree_page_builder_finish(&b->level[level], &b->page);
	return rc == 0 ? b->put(b->arg, b->page.data, b->page.len, id) : rc;
}

/* Put the open page of ${level} and refer to it in the one above; and those above that are cut by this. */
static int close_pages(struct dir_builder *b, unsigned level)
{
	struct tree_page_builder *p;
	char name[ENTRY_NAME_MAX];
	const char *first;
	uint16_t len;
	uint64_t total, entries;
	struct id id;
	int rc;

	do {
		if (level == TREE_LEVEL_MAX)
			return -EINVAL;
		p = &b->level[level];
		first = record_name(p->level, p->records.data, &len);
		memcpy(name, first, len);
		total = p->total;
		entries = p->entries;
		rc = put_page(b, level, &id);
		level++;
		if (rc == 0)
			rc = tree_page_builder_add_ref(&b->level[level], name, len, &id, total, entries);
		if (level > b->top)
			b->top = level;
	} while (rc == 0 && is_cut(&b->level[level], name, len));
	return rc;
}

int dir_builder_add(struct dir_builder *b, const struct tree_entry *e)
{
	int rc = b->err;

	if (rc < 0)
		goto out;
	if (b->entries > 0 && entry_name_compare(b->last, b->last_len, e->name, e->name_len) >= 0)
		return -EINVAL;
	/* The whole must stay within bounds, not only the open page. */
	if (e->below >= TREE_TOTAL_MAX || b->total >= TREE_TOTAL_MAX - e->below)
		return -EINVAL;
	rc = tree_page_builder_add(&b->level[0], e);
	if (rc == -EINVAL)
		return rc;
	if (rc < 0)
		goto out;
	memcpy(b->last, e->name, e->name_len);
	b->last_len = e->name_len;
	b->entries++;
	b->total += 1 + e->below;
	if (is_cut(&b->level[0], e->name, e->name_len))
		rc = close_pages(b, 0);
out:
	b->err = rc;
	return rc;
}

size_t dir_builder_memory(const struct dir_builder *b)
{
	size_t sum = sizeof(*b) + b->page.cap;

	for (unsigned l = 0; l <= b->top; l++)
		sum += b->level[l].offsets.cap + b->level[l].records.cap;
	return sum;
}

int dir_builder_spill(struct dir_builder *b)
{
	if (b->err == 0 && b->level[0].count > 0)
		b->err = close_pages(b, 0);
	/* Empty now: what it frees are the allocations. */
	tree_page_builder_destroy(&b->level[0]);
	buf_free(&b->page);
	return b->err;
}

/* Put the pages below the top one.  A level may get its first page by this, and become the top. */
static int close_all(struct dir_builder *b)
{
	int rc = 0;

	for (unsigned l = 0; l < b->top && rc == 0; l++) {
		if (b->level[l].count > 0)
			rc = close_pages(b, l);
	}
	return rc;
}

int dir_builder_finish(struct dir_builder *b, struct id *root, uint64_t *entries, uint64_t *below)
{
	struct tree_page_builder *top;
	int rc = b->err;

	if (rc == 0)
		rc = close_all(b);
	if (rc < 0)
		goto out;
	*entries = b->entries;
	*below = b->total;
	if (b->entries == 0)
		goto out;
	top = &b->level[b->top];
	if (b->top > 0 && top->count == 1)
		memcpy(root->b, top->records.data + 16, ID_LEN);
	else
		rc = put_page(b, b->top, root);
	if (rc == 0)
		rc = 1;
out:
	b->err = rc < 0 ? rc : -EINVAL;
	return rc;
}
