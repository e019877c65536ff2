/*
 * tree_page_open() over arbitrary bytes: what it takes can be read everywhere, is found again, and is the one form that
 * the builder gives to these entries.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/tree/page/page.h"
#include "repo/tree/span/span.h"
#include "repo/tree/xattr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t sum_of(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len-- > 0)
		sum ^= *b++;
	return sum;
}

/* Touch all that a decoded entry points to. */
static uint8_t read_entry(const struct tree_entry *e)
{
	struct xattr x;
	struct span s;
	struct stat st;
	struct rd r = rd_init(e->xattrs, e->xattrs_len);
	uint8_t sum = 0;

	entry_stat(e, &st);
	need(st.st_blocks >= 0 && st.st_size >= 0);
	while (xattr_next(&r, &x) == 1)
		sum ^= sum_of(x.name, x.name_len) ^ sum_of(x.value, x.value_len);
	need(r.len == 0);
	for (uint32_t i = 0; i < e->nspans; i++) {
		span_decode(e->spans + (size_t)i * SPAN_RECORD_LEN, &s);
		need(s.off + s.len <= e->size);
	}
	return sum ^ sum_of(e->name, e->name_len) ^ sum_of(e->user, e->user_len) ^ sum_of(e->group, e->group_len) ^
	    sum_of(e->target, e->target_len);
}

static void read_entries(const struct tree_page *p, struct tree_page_builder *b)
{
	struct tree_entry e;
	uint32_t at, len;

	for (uint32_t i = 0; i < p->count; i++) {
		const uint8_t *rec = tree_page_record(p, i, &len);

		need(rec >= p->data && rec + len <= p->data + p->len);
		tree_page_entry(p, i, &e);
		read_entry(&e);
		need(tree_page_find(p, e.name, e.name_len, &at) && at == i);
		need(tree_page_lower_bound(p, e.name, e.name_len) == i);
		need(tree_page_at(p, e.before) == i && tree_page_at(p, e.before + e.below) == i);
		need(e.before + e.below < p->total);
		need(tree_page_builder_add(b, &e) == 0);
	}
}

static void read_refs(const struct tree_page *p, struct tree_page_builder *b)
{
	struct tree_ref ref, next;
	uint32_t at;

	for (uint32_t i = 0; i < p->count; i++) {
		tree_page_ref(p, i, &ref);
		next.before = p->total;
		if (i + 1 < p->count)
			tree_page_ref(p, i + 1, &next);
		need(next.before > ref.before);
		need(tree_page_find(p, ref.name, ref.name_len, &at) && at == i);
		need(tree_page_at(p, ref.before) == i && tree_page_at(p, next.before - 1) == i);
		need(tree_page_builder_add_ref(b, ref.name, ref.name_len, &ref.id, next.before - ref.before, 1) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree_page_builder b;
	struct buf again = BUF_INIT;
	struct tree_page p;

	if (tree_page_open(&p, data, size) != 0)
		return 0;
	tree_page_builder_init(&b, p.level);
	if (p.level == 0)
		read_entries(&p, &b);
	else
		read_refs(&p, &b);
	/* How the direct entries of a page of references spread over them is not in it. */
	b.entries = p.entries;
	need(tree_page_builder_finish(&b, &again) == 0);
	need(again.len == size && memcmp(again.data, data, size) == 0);
	tree_page_builder_destroy(&b);
	buf_free(&again);
	return 0;
}
