/*
 * Building a span list: as a directory (dir_build.c), but that the few spans of a small file never become a page.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pack/place.h"
#include "repo/tree/dir_build.h"
#include "repo/tree/span/span_layout.h"
#include "repo/util/bytes/le.h"

#define CUT_SPANS_MIN 256
#define CUT_SPANS_MASK 511 /* low bits of the chunk id */
#define CUT_REFS_MIN 64
#define CUT_REFS_MASK 127  /* low bits of the page id */
#define CUT_COUNT_MAX 4096

/* The open page of a level. */
struct open_page {
	uint32_t count;
	uint64_t first, end; /* bytes of the file */
	struct buf records;
};

struct span_builder {
	tree_put_fn *put;
	void *arg;
	int err;      /* the first error */
	unsigned top; /* highest level that has been used */
	struct open_page level[SPAN_LEVEL_MAX + 1];
	struct buf page;     /* the page being put */
	uint64_t end;        /* of the last span */
	uint64_t data_bytes;
};

int span_builder_new(tree_put_fn *put, void *arg, struct span_builder **out)
{
	struct span_builder *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->put = put;
	b->arg = arg;
	*out = b;
	return 0;
}

void span_builder_free(struct span_builder *b)
{
	if (b == NULL)
		return;
	for (unsigned l = 0; l <= SPAN_LEVEL_MAX; l++)
		buf_free(&b->level[l].records);
	buf_free(&b->page);
	free(b);
}

/* Does the page end after the record that names ${id}? */
static bool is_cut(const struct open_page *p, unsigned level, const struct id *id)
{
	uint16_t bits = le16dec(id->b);

	if (p->count >= CUT_COUNT_MAX)
		return true;
	if (level == 0)
		return p->count >= CUT_SPANS_MIN && (bits & CUT_SPANS_MASK) == 0;
	return p->count >= CUT_REFS_MIN && (bits & CUT_REFS_MASK) == 0;
}

/* Append a record for bytes [${first}, ${end}) of the file. */
static int add_record(struct open_page *p, const uint8_t *rec, size_t len, uint64_t first, uint64_t end)
{
	int rc = buf_append(&p->records, rec, len);

	if (rc == 0) {
		if (p->count++ == 0)
			p->first = first;
		p->end = end;
	}
	return rc;
}

/* Put the open page of a level; it is empty then. */
static int put_page(struct span_builder *b, unsigned level, struct id *id)
{
	struct open_page *p = &b->level[level];
	uint8_t head[SPAN_PAGE_HEADER] = SPAN_MAGIC;

	head[4] = (uint8_t)level;
	le32enc(head + 8, p->count);
	le64enc(head + 16, p->first);
	le64enc(head + 24, p->end);
	buf_clear(&b->page);
	if (buf_append(&b->page, head, sizeof(head)) < 0 || buf_append(&b->page, p->records.data, p->records.len) < 0)
		return -ENOMEM;
	p->count = 0;
	buf_clear(&p->records);
	return b->put(b->arg, b->page.data, b->page.len, id);
}

/* Put the open page of ${level} and refer to it in the one above; and those above that are cut by this. */
static int close_pages(struct span_builder *b, unsigned level)
{
	uint8_t rec[SPAN_REF_LEN];
	uint64_t first, end;
	struct id id;
	int rc;

	do {
		if (level == SPAN_LEVEL_MAX)
			return -EINVAL;
		first = b->level[level].first;
		end = b->level[level].end;
		rc = put_page(b, level, &id);
		level++;
		if (rc == 0) {
			le64enc(rec, first);
			memcpy(rec + 8, id.b, ID_LEN);
			rc = add_record(&b->level[level], rec, sizeof(rec), first, end);
		}
		if (level > b->top)
			b->top = level;
	} while (rc == 0 && is_cut(&b->level[level], level, &id));
	return rc;
}

int span_builder_add(struct span_builder *b, const struct span *s)
{
	uint8_t rec[SPAN_RECORD_LEN];
	int rc = b->err;

	if (rc < 0)
		goto out;
	if (s->len == 0 || s->len > OBJECT_LEN_MAX || s->off < b->end || s->off > (uint64_t)INT64_MAX - s->len)
		return -EINVAL;
	span_encode(s, rec);
	rc = add_record(&b->level[0], rec, sizeof(rec), s->off, s->off + s->len);
	if (rc < 0)
		goto out;
	b->end = s->off + s->len;
	b->data_bytes += s->len;
	if (is_cut(&b->level[0], 0, &s->id))
		rc = close_pages(b, 0);
out:
	b->err = rc;
	return rc;
}

static void set_inline(struct span_builder *b, struct tree_entry *e)
{
	e->flags &= (uint8_t)~ENTRY_HAS_CHILD;
	e->spans = b->level[0].records.data;
	e->nspans = b->level[0].count;
}

/* Put the pages below the top one, and the root page. */
static int put_root(struct span_builder *b, struct id *root)
{
	struct open_page *top;
	int rc = 0;

	for (unsigned l = 0; l < b->top && rc == 0; l++) {
		if (b->level[l].count > 0)
			rc = close_pages(b, l);
	}
	if (rc < 0)
		return rc;
	top = &b->level[b->top];
	if (b->top == 0 || top->count > 1)
		return put_page(b, b->top, root);
	memcpy(root->b, top->records.data + 8, ID_LEN);
	return 0;
}

int span_builder_finish(struct span_builder *b, struct tree_entry *e)
{
	struct id root;
	int rc = b->err;

	if (rc < 0)
		goto out;
	if (b->top == 0 && b->level[0].count <= ENTRY_SPANS_INLINE) {
		set_inline(b, e);
	} else {
		rc = put_root(b, &root);
		if (rc < 0)
			goto out;
		e->flags |= ENTRY_HAS_CHILD;
		e->child = root;
		e->spans = NULL;
		e->nspans = 0;
	}
	e->data_bytes = b->data_bytes;
out:
	b->err = rc < 0 ? rc : -EINVAL;
	return rc;
}
