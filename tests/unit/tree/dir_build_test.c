/*
 * Unit tests of repo/tree/dir_build.h: pages are cut where the header says, and make the tree that was put in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/crypt/crypt.h"
#include "repo/pack/place.h"
#include "repo/tree/dir_build.h"

/* Where the pages go: in order, the hash of their bytes as id. */
struct pages {
	struct put {
		struct id id;
		uint8_t *data;
		size_t len;
	} *put;
	size_t n;
	size_t fail_at; /* the n-th put fails with -ENOSPC; 0: none */
};

static int take_page(void *arg, const void *data, size_t len, struct id *id)
{
	struct pages *p = arg;
	struct put *at;

	if (p->fail_at && p->n + 1 >= p->fail_at)
		return -ENOSPC;
	p->put = realloc(p->put, (p->n + 1) * sizeof(*p->put));
	assert_non_null(p->put);
	at = &p->put[p->n++];
	crypt_hash(data, len, &at->id);
	at->data = malloc(len);
	assert_non_null(at->data);
	memcpy(at->data, data, len);
	at->len = len;
	*id = at->id;
	return 0;
}

static void free_pages(struct pages *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->put[i].data);
	free(p->put);
	*p = (struct pages){ 0 };
}

static const struct put *page_of(const struct pages *p, const struct id *id)
{
	for (size_t i = 0; i < p->n; i++) {
		if (id_equal(&p->put[i].id, id))
			return &p->put[i];
	}
	fail_msg("a page was not put");
	return NULL;
}

static struct tree_entry file(const char *name)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = ENTRY_REG,
		.mode = 0644,
	};
}

/* A directory of ${n} files "f0000000" and on, with number ${without} left out. */
static int build(struct pages *p, uint32_t n, uint32_t without, struct id *root)
{
	uint64_t entries, below;
	struct dir_builder *b;
	struct tree_entry e;
	char name[16];
	int rc;

	assert_int_equal(dir_builder_new(take_page, p, &b), 0);
	for (uint32_t i = 0; i < n; i++) {
		if (i == without)
			continue;
		snprintf(name, sizeof(name), "f%07u", i);
		e = file(name);
		rc = dir_builder_add(b, &e);
		assert_int_equal(rc, 0);
	}
	rc = dir_builder_finish(b, root, &entries, &below);
	if (rc >= 0) {
		assert_int_equal(entries, without < n ? n - 1 : n);
		assert_int_equal(below, entries);
	}
	dir_builder_free(b);
	return rc;
}

/* Count the entries under a page by walking level for level, and check order and totals on the way. */
struct walk {
	const struct pages *pages;
	uint64_t entries;
	char last[256];
	size_t last_len;
};

static void walk_page(struct walk *w, const struct id *id, int level, uint64_t total)
{
	const struct put *put = page_of(w->pages, id);
	struct tree_page p;
	struct tree_entry e;
	struct tree_ref ref, next;

	assert_int_equal(tree_page_open(&p, put->data, put->len), 0);
	assert_int_equal(p.total, total);
	assert_true(level < 0 || p.level == level);
	for (uint32_t i = 0; i < p.count; i++) {
		if (p.level > 0) {
			tree_page_ref(&p, i, &ref);
			next.before = p.total;
			if (i + 1 < p.count)
				tree_page_ref(&p, i + 1, &next);
			walk_page(w, &ref.id, p.level - 1, next.before - ref.before);
			continue;
		}
		tree_page_entry(&p, i, &e);
		assert_true(entry_name_compare(w->last, w->last_len, e.name, e.name_len) < 0);
		memcpy(w->last, e.name, e.name_len);
		w->last_len = e.name_len;
		w->entries++;
	}
}

static void assert_tree(const struct pages *p, const struct id *root, uint64_t n)
{
	struct walk w = { .pages = p };

	walk_page(&w, root, -1, n);
	assert_int_equal(w.entries, n);
}

static void test_empty(void **state)
{
	struct pages p = { 0 };
	struct id root;

	(void)state;
	memset(&root, 7, sizeof(root));
	assert_int_equal(build(&p, 0, UINT32_MAX, &root), 0);
	assert_int_equal(root.b[0], 7);
	assert_int_equal(p.n, 0);
	dir_builder_free(NULL);
}

static void test_small(void **state)
{
	struct pages p = { 0 };
	struct id root;

	(void)state;
	assert_int_equal(build(&p, 1, UINT32_MAX, &root), 1);
	assert_int_equal(p.n, 1);
	assert_true(id_equal(&root, &p.put[0].id));
	assert_tree(&p, &root, 1);
	free_pages(&p);
}

static uint64_t fnv1a(const char *name)
{
	uint64_t h = 14695981039346656037ull;

	for (; *name; name++) {
		h ^= (uint8_t)*name;
		h *= 1099511628211ull;
	}
	return h;
}

/* The rule as the header has it, on level 0 and 1, by itself. */
static void test_cuts(void **state)
{
	const uint32_t n = 300000;
	uint32_t count = 0, leaves = 0, refs = 0, inner = 0;
	struct pages p = { 0 };
	struct tree_page page;
	char name[16], first[16];
	struct id root;
	size_t at = 0;

	(void)state;
	assert_int_equal(build(&p, n, UINT32_MAX, &root), 1);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%07u", i);
		if (count == 0)
			memcpy(first, name, sizeof(first));
		count++;
		/* The entries are small: 192 KiB are reached at 1405 of 128 + 8 + 4 bytes. */
		if (i + 1 < n && (count < 256 || fnv1a(name) % 512 != 0) && 32 + count * 140 < 192 * 1024)
			continue;
		assert_int_equal(tree_page_open(&page, p.put[at].data, p.put[at].len), 0);
		assert_int_equal(page.level, 0);
		assert_int_equal(page.count, count);
		at++;
		leaves++;
		refs++;
		count = 0;
		if (i + 1 < n && (refs < 64 || (fnv1a(first) >> 9) % 128 != 0))
			continue;
		assert_int_equal(tree_page_open(&page, p.put[at].data, p.put[at].len), 0);
		assert_int_equal(page.level, 1);
		assert_int_equal(page.count, refs);
		at++;
		inner++;
		refs = 0;
	}
	assert_true(leaves > 200 && inner > 1);
	assert_int_equal(at + 1, p.n); /* and the root */
	assert_tree(&p, &root, n);
	free_pages(&p);
}

/* A change touches few pages, and the same entries give the same pages. */
static void test_stable(void **state)
{
	struct pages a = { 0 }, b = { 0 }, c = { 0 };
	struct id root_a, root_b, root_c;
	size_t fresh = 0;

	(void)state;
	assert_int_equal(build(&a, 50000, UINT32_MAX, &root_a), 1);
	assert_int_equal(build(&b, 50000, UINT32_MAX, &root_b), 1);
	assert_int_equal(build(&c, 50000, 20000, &root_c), 1);
	assert_true(id_equal(&root_a, &root_b));
	assert_false(id_equal(&root_a, &root_c));
	for (size_t i = 0; i < c.n; i++) {
		size_t k = 0;

		while (k < a.n && !id_equal(&a.put[k].id, &c.put[i].id))
			k++;
		fresh += k == a.n;
	}
	assert_in_range(fresh, 2, 6);
	assert_tree(&c, &root_c, 49999);
	free_pages(&a);
	free_pages(&b);
	free_pages(&c);
}

/* Every length up to some pages: wherever the end falls, the root is right. */
static void test_lengths(void **state)
{
	struct pages p = { 0 };
	struct tree_page page;
	struct id root;

	(void)state;
	for (uint32_t n = 250; n < 3000; n += n < 270 ? 1 : 13) {
		assert_int_equal(build(&p, n, UINT32_MAX, &root), 1);
		assert_tree(&p, &root, n);
		assert_int_equal(tree_page_open(&page, page_of(&p, &root)->data, page_of(&p, &root)->len), 0);
		assert_true(page.level == 0 || page.count > 1);
		free_pages(&p);
	}
}

/* An end just at a cut: the one page is the root, and no page of references is made for it. */
static void test_end_at_cut(void **state)
{
	struct pages p = { 0 };
	struct id root;
	char name[16];
	uint32_t n;

	(void)state;
	for (n = 255; n < 100000; n++) {
		snprintf(name, sizeof(name), "f%07u", n);
		if (fnv1a(name) % 512 == 0)
			break;
	}
	assert_int_equal(build(&p, n + 1, UINT32_MAX, &root), 1);
	assert_int_equal(p.n, 1);
	assert_true(id_equal(&root, &p.put[0].id));
	free_pages(&p);
}

static void test_refuses(void **state)
{
	struct tree_entry e = file("b"), dir = file("c");
	uint64_t entries, below;
	struct pages p = { 0 };
	struct dir_builder *b;
	struct id root;

	(void)state;
	assert_int_equal(dir_builder_new(take_page, &p, &b), 0);
	assert_int_equal(dir_builder_add(b, &e), 0);
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e = file("a");
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e = file("x/y");
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	dir.type = ENTRY_DIR;
	dir.flags = ENTRY_HAS_CHILD;
	dir.below = TREE_TOTAL_MAX - 1; /* one too many, with the entry before */
	assert_int_equal(dir_builder_add(b, &dir), -EINVAL);
	dir.below--;
	assert_int_equal(dir_builder_add(b, &dir), 0);
	/* None of these did harm. */
	assert_int_equal(dir_builder_finish(b, &root, &entries, &below), 1);
	assert_int_equal(entries, 2);
	assert_int_equal(below, TREE_TOTAL_MAX);
	e = file("d");
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	assert_int_equal(dir_builder_finish(b, &root, &entries, &below), -EINVAL);
	dir_builder_free(b);
	free_pages(&p);
}

/* The bound of all entries holds across pages that are put already. */
static void test_refuses_across_pages(void **state)
{
	struct tree_entry e = file("a");
	struct pages p = { 0 };
	struct dir_builder *b;

	(void)state;
	e.type = ENTRY_DIR;
	e.flags = ENTRY_HAS_CHILD;
	e.below = TREE_TOTAL_MAX / 2;
	assert_int_equal(dir_builder_new(take_page, &p, &b), 0);
	assert_int_equal(dir_builder_add(b, &e), 0);
	assert_int_equal(dir_builder_spill(b), 0);
	e.name = "b";
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e.below -= 2;
	e.name = "a";
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e.name = "b";
	assert_int_equal(dir_builder_add(b, &e), 0);
	dir_builder_free(b);
	free_pages(&p);
}

/* What the put says is said again, and nothing that was lost is forgotten. */
static void test_put_fails(void **state)
{
	uint64_t entries, below;
	struct dir_builder *b;
	struct tree_entry e;
	struct id root;
	char name[16];

	(void)state;
	for (size_t at = 1; at < 5; at++) {
		struct pages p = { .fail_at = at };
		int rc = 0;

		assert_int_equal(dir_builder_new(take_page, &p, &b), 0);
		for (int i = 0; i < 3000 && rc == 0; i++) {
			snprintf(name, sizeof(name), "f%07d", i);
			e = file(name);
			rc = dir_builder_add(b, &e);
		}
		if (rc < 0) {
			assert_int_equal(rc, -ENOSPC);
			p.fail_at = 0;
			e = file("z");
			assert_int_equal(dir_builder_add(b, &e), -ENOSPC);
			assert_int_equal(dir_builder_spill(b), -ENOSPC);
		}
		rc = dir_builder_finish(b, &root, &entries, &below);
		assert_int_equal(rc, -ENOSPC);
		dir_builder_free(b);
		free_pages(&p);
	}
}

static void test_spill(void **state)
{
	struct pages p = { 0 };
	uint64_t entries, below;
	struct dir_builder *b;
	struct tree_entry e;
	struct id root;
	size_t before;
	char name[16];

	(void)state;
	assert_int_equal(dir_builder_new(take_page, &p, &b), 0);
	assert_int_equal(dir_builder_spill(b), 0);
	assert_int_equal(p.n, 0);
	before = dir_builder_memory(b);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%07d", i);
		e = file(name);
		assert_int_equal(dir_builder_add(b, &e), 0);
		if (i % 100 == 99) {
			assert_true(dir_builder_memory(b) > before + 100 * 136);
			assert_int_equal(dir_builder_spill(b), 0);
			assert_true(dir_builder_memory(b) < before + 1000);
		}
	}
	assert_int_equal(p.n, 2);
	assert_int_equal(dir_builder_finish(b, &root, &entries, &below), 1);
	assert_int_equal(entries, 200);
	assert_tree(&p, &root, 200);
	dir_builder_free(b);
	free_pages(&p);
}

/* --- Span lists --- */

static struct span span_at(uint64_t i)
{
	struct span s = { .off = i * 2000, .len = 1000 };

	crypt_hash(&i, sizeof(i), &s.id);
	return s;
}

static struct span_builder *build_spans(struct pages *p, uint64_t n, struct tree_entry *e)
{
	struct span_builder *b;
	struct span s;

	*e = file("f");
	e->size = n * 2000;
	e->flags = n % 2 ? ENTRY_HAS_CHILD : ENTRY_HAS_BTIME; /* whatever was there */
	assert_int_equal(span_builder_new(take_page, p, &b), 0);
	for (uint64_t i = 0; i < n; i++) {
		s = span_at(i);
		assert_int_equal(span_builder_add(b, &s), 0);
	}
	assert_int_equal(span_builder_finish(b, e), 0);
	assert_int_equal(e->data_bytes, n * 1000);
	return b;
}

static void walk_spans(const struct pages *p, const struct id *id, int level, uint64_t *i)
{
	const struct put *put = page_of(p, id);
	struct span_page page;
	struct span s, want;
	struct id child;
	uint64_t off;

	assert_int_equal(span_page_open(&page, put->data, put->len), 0);
	assert_true(level < 0 || page.level == level);
	for (uint32_t k = 0; k < page.count; k++) {
		want = span_at(*i);
		if (page.level > 0) {
			span_page_ref(&page, k, &off, &child);
			assert_int_equal(off, want.off);
			walk_spans(p, &child, page.level - 1, i);
			continue;
		}
		span_page_span(&page, k, &s);
		assert_int_equal(s.off, want.off);
		assert_int_equal(s.len, want.len);
		assert_true(id_equal(&s.id, &want.id));
		++*i;
	}
}

static void test_spans_inline(void **state)
{
	struct span_builder *b;
	struct pages p = { 0 };
	struct tree_entry e;
	struct span s;

	(void)state;
	for (uint64_t n = 0; n <= ENTRY_SPANS_INLINE; n++) {
		b = build_spans(&p, n, &e);
		assert_int_equal(e.nspans, n);
		assert_int_equal(e.flags & ENTRY_HAS_CHILD, 0);
		assert_int_equal(p.n, 0);
		if (n > 0) {
			span_decode(e.spans + (n - 1) * SPAN_RECORD_LEN, &s);
			assert_int_equal(s.off, (n - 1) * 2000);
			assert_int_equal(span_check(e.spans, e.nspans, e.size), 0);
		}
		assert_int_equal(span_builder_finish(b, &e), -EINVAL);
		span_builder_free(b);
	}
	span_builder_free(NULL);
}

static void test_spans_paged(void **state)
{
	static const uint64_t lengths[] = { ENTRY_SPANS_INLINE + 1, 255, 256, 257, 5000, 300000 };
	struct span_builder *b;
	struct pages p = { 0 };
	struct tree_entry e;
	uint64_t i;

	(void)state;
	for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
		b = build_spans(&p, lengths[k], &e);
		assert_int_equal(e.nspans, 0);
		assert_true(e.flags & ENTRY_HAS_CHILD);
		i = 0;
		walk_spans(&p, &e.child, -1, &i);
		assert_int_equal(i, lengths[k]);
		span_builder_free(b);
		free_pages(&p);
	}
}

/* The rule as the header has it. */
static void test_span_cuts(void **state)
{
	const uint64_t n = 100000;
	struct span_builder *b;
	struct pages p = { 0 };
	struct span_page page;
	struct tree_entry e;
	uint32_t count = 0, refs = 0;
	size_t at = 0;

	(void)state;
	b = build_spans(&p, n, &e);
	for (uint64_t i = 0; i < n; i++) {
		struct span s = span_at(i);

		count++;
		if (i + 1 < n && (count < 256 || (s.id.b[0] | s.id.b[1] << 8) % 512 != 0) && count < 4096)
			continue;
		assert_int_equal(span_page_open(&page, p.put[at].data, p.put[at].len), 0);
		assert_int_equal(page.level, 0);
		assert_int_equal(page.count, count);
		count = 0;
		refs++;
		at++;
		if (i + 1 < n && (refs < 64 || p.put[at - 1].id.b[0] % 128 != 0))
			continue;
		assert_int_equal(span_page_open(&page, p.put[at].data, p.put[at].len), 0);
		assert_int_equal(page.level, 1);
		assert_int_equal(page.count, refs);
		refs = 0;
		at++;
	}
	assert_true(at == p.n || at + 1 == p.n);
	span_builder_free(b);
	free_pages(&p);
}

/* An end just at a cut: the one page is the root. */
static void test_spans_end_at_cut(void **state)
{
	struct span_builder *b;
	struct pages p = { 0 };
	struct tree_entry e;
	uint64_t n = 256;
	struct span s;

	(void)state;
	do
		s = span_at(n++ - 1);
	while ((s.id.b[0] | s.id.b[1] << 8) % 512 != 0);
	b = build_spans(&p, n - 1, &e);
	assert_int_equal(p.n, 1);
	assert_true(id_equal(&e.child, &p.put[0].id));
	span_builder_free(b);
	free_pages(&p);
}

static void test_spans_refused(void **state)
{
	struct span s = span_at(1), bad;
	struct span_builder *b;
	struct pages p = { .fail_at = 1 };
	struct tree_entry e = file("f");
	int rc = 0;

	(void)state;
	assert_int_equal(span_builder_new(take_page, &p, &b), 0);
	assert_int_equal(span_builder_add(b, &s), 0);
	assert_int_equal(span_builder_add(b, &s), -EINVAL);
	bad = span_at(2);
	bad.len = 0;
	assert_int_equal(span_builder_add(b, &bad), -EINVAL);
	bad.len = OBJECT_LEN_MAX + 1;
	assert_int_equal(span_builder_add(b, &bad), -EINVAL);
	bad.len = 1000;
	bad.off = INT64_MAX - 999;
	assert_int_equal(span_builder_add(b, &bad), -EINVAL);
	for (uint64_t i = 2; i < 10000 && rc == 0; i++) {
		s = span_at(i);
		rc = span_builder_add(b, &s);
	}
	assert_int_equal(rc, -ENOSPC);
	p.fail_at = 0;
	assert_int_equal(span_builder_add(b, &s), -ENOSPC);
	assert_int_equal(span_builder_finish(b, &e), -ENOSPC);
	span_builder_free(b);
	free_pages(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_end_at_cut),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_across_pages),
		cmocka_unit_test(test_put_fails),
		cmocka_unit_test(test_spill),
		cmocka_unit_test(test_spans_inline),
		cmocka_unit_test(test_spans_paged),
		cmocka_unit_test(test_span_cuts),
		cmocka_unit_test(test_spans_end_at_cut),
		cmocka_unit_test(test_spans_refused),
	};

	return crypt_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
