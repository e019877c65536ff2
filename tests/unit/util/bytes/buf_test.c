/*
 * Buffers and cursors.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/bytes/buf.h"
#include "repo/util/bytes/le.h"

static void test_append_grows(void **state)
{
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < 100000; i++)
		assert_int_equal(buf_u8(&b, (uint8_t)(i * 7)), 0);
	assert_int_equal(b.len, 100000);
	assert_true(b.cap >= b.len && b.cap <= 2 * b.len);
	for (i = 0; i < b.len; i++)
		assert_int_equal(b.data[i], (uint8_t)(i * 7));
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_non_null(b.data);
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_free(&b);
}

static void test_append_nothing(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	assert_int_equal(buf_reserve(&b, 0), 0);
	assert_null(b.data);
}

static void test_reserve(void **state)
{
	struct buf b = BUF_INIT;
	uint8_t *at;

	(void)state;
	assert_int_equal(buf_append(&b, "abc", 3), 0);
	assert_int_equal(buf_reserve(&b, 5000), 0);
	at = b.data;
	memset(b.data + b.len, 'x', 5000);
	b.len += 4000;
	assert_int_equal(buf_reserve(&b, 1000), 0);
	assert_int_equal(buf_append(&b, "y", 1), 0);
	assert_ptr_equal(b.data, at);
	assert_memory_equal(b.data, "abcxx", 5);
	assert_int_equal(b.data[4003], 'y');
	buf_free(&b);
}

static void test_no_memory(void **state)
{
	struct buf b = BUF_INIT;
	struct buf before;

	(void)state;
	assert_int_equal(buf_append(&b, "abc", 3), 0);
	before = b;
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -ENOMEM);
	assert_memory_equal(&b, &before, sizeof(b));
	assert_memory_equal(b.data, "abc", 3);
	buf_free(&b);
}

static void test_integers(void **state)
{
	static const uint8_t expect[] = { 0x12, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 8, 7, 6, 5, 4, 3, 2, 0xff };
	struct buf b = BUF_INIT;
	uint8_t three[3];

	(void)state;
	assert_int_equal(buf_u8(&b, 0x12), 0);
	assert_int_equal(buf_le16(&b, 0x1234), 0);
	assert_int_equal(buf_le32(&b, 0x12345678), 0);
	assert_int_equal(buf_le64(&b, 0xff02030405060708), 0);
	assert_int_equal(b.len, sizeof(expect));
	assert_memory_equal(b.data, expect, sizeof(expect));
	buf_free(&b);
	le24enc(three, 0xabcdef);
	assert_int_equal(le24dec(three), 0xabcdef);
}

static void test_printf(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_printf(&b, "%s-%d", "ab", 12), 0);
	assert_int_equal(b.len, 5);
	assert_string_equal((char *)b.data, "ab-12");
	assert_int_equal(buf_printf(&b, "%0200d", 7), 0);
	assert_int_equal(b.len, 205);
	assert_int_equal(b.data[5], '0');
	assert_int_equal(b.data[204], '7');
	assert_int_equal(b.data[205], '\0');
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_int_equal(b.len, 205);
	buf_free(&b);
}

static void test_wipe(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_wipe(&b);
	assert_int_equal(buf_append(&b, "secret", 6), 0);
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, 0);
}

static void test_cursor(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 'x', 'y' };
	struct rd r = rd_init(bytes, sizeof(bytes));
	const uint8_t *p;
	uint8_t v8;
	uint16_t v16;
	uint32_t v24, v32;
	uint64_t v64;

	(void)state;
	assert_int_equal(rd_u8(&r, &v8), 0);
	assert_int_equal(v8, 1);
	assert_int_equal(rd_le16(&r, &v16), 0);
	assert_int_equal(v16, 0x0302);
	assert_int_equal(rd_le24(&r, &v24), 0);
	assert_int_equal(v24, 0x060504);
	assert_int_equal(rd_le32(&r, &v32), 0);
	assert_int_equal(v32, 0x0a090807);
	assert_int_equal(rd_le64(&r, &v64), 0);
	assert_true(v64 == 0x1211100f0e0d0c0b);
	assert_int_equal(rd_take(&r, 2, &p), 0);
	assert_ptr_equal(p, bytes + 18);
	assert_int_equal(r.len, 0);
	assert_int_equal(rd_take(&r, 0, &p), 0);
}

/* Whatever is one byte too short fails and changes nothing. */
static void test_cursor_end(void **state)
{
	static const uint8_t bytes[8] = { 0 };
	const uint8_t *p = NULL;
	struct rd r;
	uint8_t v8 = 99;
	uint16_t v16 = 99;
	uint32_t v32 = 99;
	uint64_t v64 = 99;

	(void)state;
	r = rd_init(bytes, 0);
	assert_int_equal(rd_u8(&r, &v8), -EBADMSG);
	r = rd_init(bytes, 1);
	assert_int_equal(rd_le16(&r, &v16), -EBADMSG);
	r = rd_init(bytes, 2);
	assert_int_equal(rd_le24(&r, &v32), -EBADMSG);
	r = rd_init(bytes, 3);
	assert_int_equal(rd_le32(&r, &v32), -EBADMSG);
	r = rd_init(bytes, 7);
	assert_int_equal(rd_le64(&r, &v64), -EBADMSG);
	assert_int_equal(rd_take(&r, 8, &p), -EBADMSG);
	assert_int_equal(rd_take(&r, SIZE_MAX, &p), -EBADMSG);
	assert_int_equal(r.len, 7);
	assert_ptr_equal(r.p, bytes);
	assert_null(p);
	assert_true(v8 == 99 && v16 == 99 && v32 == 99 && v64 == 99);
	r = rd_init(NULL, 0);
	assert_int_equal(rd_take(&r, 0, &p), 0);
	assert_int_equal(rd_take(&r, 1, &p), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_grows), cmocka_unit_test(test_append_nothing),
		cmocka_unit_test(test_reserve),	     cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_integers),     cmocka_unit_test(test_printf),
		cmocka_unit_test(test_wipe),	     cmocka_unit_test(test_cursor),
		cmocka_unit_test(test_cursor_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
