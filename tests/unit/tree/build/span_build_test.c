/*
 * Unit tests of repo/tree/dir_build.h: lists of spans, which are cut as directories are.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repo/crypt/crypt.h"
#include "repo/pack/place.h"
#include "repo/tree/dir_build.h"
#include "tests/unit/tree/build/pages.h"

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

	*e = pages_file("f");
	e->size = n * 2000;
	e->flags = n % 2 ? ENTRY_HAS_CHILD : ENTRY_HAS_BTIME; /* whatever was there */
	assert_int_equal(span_builder_new(pages_take, p, &b), 0);
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
	const struct page_put *put = pages_find(p, id);
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
		pages_free(&p);
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
	pages_free(&p);
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
	pages_free(&p);
}

static void test_spans_refused(void **state)
{
	struct span s = span_at(1), bad;
	struct span_builder *b;
	struct pages p = { .fail_at = 1 };
	struct tree_entry e = pages_file("f");
	int rc = 0;

	(void)state;
	assert_int_equal(span_builder_new(pages_take, &p, &b), 0);
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
	pages_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans_inline),
		cmocka_unit_test(test_spans_paged),
		cmocka_unit_test(test_span_cuts),
		cmocka_unit_test(test_spans_end_at_cut),
		cmocka_unit_test(test_spans_refused),
	};

	return crypt_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
