/*
 * Unit tests of repo/tree/span/span.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/pack/place.h"
#include "repo/tree/span/span.h"
#include "repo/util/bytes/le.h"

static void put(uint8_t *out, uint64_t off, uint32_t len)
{
	struct span s = { .off = off, .len = len };

	memset(s.id.b, 0x5a, ID_LEN);
	span_encode(&s, out);
}

static void test_record(void **state)
{
	struct span s = { .off = 0x0102030405060708, .len = 0x0a0b0c }, back;
	uint8_t rec[SPAN_RECORD_LEN];

	(void)state;
	for (int i = 0; i < ID_LEN; i++)
		s.id.b[i] = (uint8_t)i;
	span_encode(&s, rec);
	assert_int_equal(rec[0], 8);
	assert_int_equal(rec[8], 0x0c);
	assert_int_equal(rec[12], 0);
	assert_int_equal(rec[43], 31);
	span_decode(rec, &back);
	assert_int_equal(back.off, s.off);
	assert_int_equal(back.len, s.len);
	assert_true(id_equal(&back.id, &s.id));
}

static void test_check(void **state)
{
	uint8_t r[2 * SPAN_RECORD_LEN];

	(void)state;
	assert_int_equal(span_check(NULL, 0, 0), 0);
	put(r, 0, 100);
	put(r + SPAN_RECORD_LEN, 100, 50);
	assert_int_equal(span_check(r, 2, 150), 0);
	assert_int_equal(span_check(r, 2, 149), -EBADMSG);
	put(r + SPAN_RECORD_LEN, 99, 50); /* overlaps */
	assert_int_equal(span_check(r, 2, 1000), -EBADMSG);
	put(r + SPAN_RECORD_LEN, 101, 50); /* a hole before it */
	assert_int_equal(span_check(r, 2, 151), 0);
	put(r, 0, 0);
	assert_int_equal(span_check(r, 1, 1000), -EBADMSG);
	put(r, 0, OBJECT_LEN_MAX);
	assert_int_equal(span_check(r, 1, UINT64_MAX), 0);
	put(r, 0, OBJECT_LEN_MAX + 1);
	assert_int_equal(span_check(r, 1, UINT64_MAX), -EBADMSG);
	put(r, UINT64_MAX - 10, 100); /* wraps around */
	assert_int_equal(span_check(r, 1, UINT64_MAX), -EBADMSG);
	put(r, 1, 100);
	assert_int_equal(span_check(r, 1, 50), -EBADMSG);
}

static size_t make_leaf(uint8_t *page)
{
	memset(page, 0, SPAN_PAGE_HEADER);
	memcpy(page, "VSP1", 4);
	le32enc(page + 8, 3);
	le64enc(page + 16, 10);
	le64enc(page + 24, 500);
	put(page + 32, 10, 90);
	put(page + 32 + 44, 100, 100);
	put(page + 32 + 88, 400, 100);
	return 32 + 3 * 44;
}

static size_t make_refs(uint8_t *page)
{
	memset(page, 0, 32 + 2 * 40);
	memcpy(page, "VSP1", 4);
	page[4] = 1;
	le32enc(page + 8, 2);
	le64enc(page + 16, 10);
	le64enc(page + 24, 500);
	le64enc(page + 32, 10);
	memset(page + 40, 1, ID_LEN);
	le64enc(page + 72, 300);
	memset(page + 80, 2, ID_LEN);
	return 32 + 2 * 40;
}

static int open_copy(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct span_page p;
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = span_page_open(&p, copy, len);
	free(copy);
	return rc;
}

static void test_leaf(void **state)
{
	uint8_t page[256];
	struct span_page p;
	struct span s;

	(void)state;
	assert_int_equal(span_page_open(&p, page, make_leaf(page)), 0);
	assert_int_equal(p.level, 0);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.first, 10);
	assert_int_equal(p.end, 500);
	span_page_span(&p, 2, &s);
	assert_int_equal(s.off, 400);
	assert_int_equal(s.len, 100);
	assert_int_equal(s.id.b[0], 0x5a);
	assert_int_equal(span_page_find(&p, 0), 0);
	assert_int_equal(span_page_find(&p, 99), 0);
	assert_int_equal(span_page_find(&p, 100), 1);
	assert_int_equal(span_page_find(&p, 199), 1);
	assert_int_equal(span_page_find(&p, 200), 2); /* in the hole */
	assert_int_equal(span_page_find(&p, 499), 2);
	assert_int_equal(span_page_find(&p, 500), 3);
	assert_int_equal(span_page_find(&p, UINT64_MAX), 3);
}

static void test_refs(void **state)
{
	uint8_t page[256];
	struct span_page p;
	struct id id;
	uint64_t off;

	(void)state;
	assert_int_equal(span_page_open(&p, page, make_refs(page)), 0);
	assert_int_equal(p.level, 1);
	span_page_ref(&p, 1, &off, &id);
	assert_int_equal(off, 300);
	assert_int_equal(id.b[5], 2);
	assert_int_equal(span_page_find(&p, 0), 0);
	assert_int_equal(span_page_find(&p, 299), 0);
	assert_int_equal(span_page_find(&p, 300), 1);
	assert_int_equal(span_page_find(&p, 10000), 1);
}

static void test_cut(void **state)
{
	uint8_t page[256] = { 0 };
	size_t len = make_leaf(page);

	(void)state;
	for (size_t n = 0; n < len; n++)
		assert_int_equal(open_copy(page, n), -EBADMSG);
	assert_int_equal(open_copy(page, len), 0);
	assert_int_equal(open_copy(page, len + 1), -EBADMSG);
	len = make_refs(page);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(open_copy(page, n), -EBADMSG);
}

static void test_wounds(void **state)
{
	const struct { bool refs; size_t at; uint64_t value; } wounds[] = {
		{ false, 0, 0 },
		{ false, 4, 1 },
		{ false, 4, 0x0100 },
		{ false, 8, 0 },
		{ false, 8, 2 },
		{ false, 8, 0x100000003 },
		{ false, 16, 11 },
		{ false, 24, 499 },
		{ false, 24, 501 },
		{ false, 32, 9 },
		{ false, 76, 99 },
		{ false, 32 + 8, 0 },
		{ true, 4, 0 },
		{ true, 4, SPAN_LEVEL_MAX + 1 },
		{ true, 16, 9 },
		{ true, 24, 300 },
		{ true, 24, 1ull << 63 },
		{ true, 72, 10 },
		{ true, 72, 500 },
	};
	uint8_t page[256];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(wounds) / sizeof(wounds[0]); i++) {
		len = wounds[i].refs ? make_refs(page) : make_leaf(page);
		assert_int_equal(open_copy(page, len), 0);
		le64enc(page + wounds[i].at, wounds[i].value);
		if (open_copy(page, len) != -EBADMSG)
			fail_msg("wound %zu was taken", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_leaf),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_wounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
