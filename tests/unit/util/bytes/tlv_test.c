/*
 * Tagged fields.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/bytes/tlv.h"

static void test_round_trip(void **state)
{
	struct buf b = BUF_INIT;
	uint16_t last = 0;
	uint8_t three[3];
	char *text = NULL;
	uint32_t v32;
	uint64_t v64;
	struct tlv t;
	struct rd r;

	(void)state;
	assert_int_equal(tlv_put_u32(&b, 1, 0xfffefdfc), 0);
	assert_int_equal(tlv_put_u64(&b, 2, UINT64_MAX - 1), 0);
	assert_int_equal(tlv_put(&b, 2, "abc", 3), 0);
	assert_int_equal(tlv_put(&b, TLV_OPTIONAL, NULL, 0), 0);
	assert_int_equal(b.len, 4 * 6 + 4 + 8 + 3);
	assert_memory_equal(b.data, "\x01\x00\x04\x00\x00\x00\xfc\xfd\xfe\xff", 10);

	r = rd_init(b.data, b.len);
	assert_int_equal(tlv_next(&r, &last, &t), 1);
	assert_int_equal(t.tag, 1);
	assert_int_equal(tlv_u32(&t, &v32), 0);
	assert_true(v32 == 0xfffefdfc);
	assert_int_equal(tlv_u64(&t, &v64), -EBADMSG);
	assert_int_equal(tlv_unknown(&t), -EPROTONOSUPPORT);

	assert_int_equal(tlv_next(&r, &last, &t), 1);
	assert_int_equal(t.tag, 2);
	assert_int_equal(tlv_u64(&t, &v64), 0);
	assert_true(v64 == UINT64_MAX - 1);
	assert_int_equal(tlv_u32(&t, &v32), -EBADMSG);

	assert_int_equal(tlv_next(&r, &last, &t), 1);
	assert_int_equal(t.tag, 2);
	assert_int_equal(tlv_bytes(&t, three, 2), -EBADMSG);
	assert_int_equal(tlv_bytes(&t, three, 3), 0);
	assert_memory_equal(three, "abc", 3);
	assert_int_equal(tlv_string(&t, 3, &text), 0);
	assert_string_equal(text, "abc");

	assert_int_equal(tlv_next(&r, &last, &t), 1);
	assert_int_equal(last, TLV_OPTIONAL);
	assert_int_equal(t.len, 0);
	assert_int_equal(tlv_unknown(&t), 0);
	assert_int_equal(tlv_string(&t, 0, &text), 0);
	assert_string_equal(text, "");

	assert_int_equal(tlv_next(&r, &last, &t), 0);
	assert_int_equal(tlv_next(&r, &last, &t), 0);
	free(text);
	buf_free(&b);
}

static void test_string_refuses(void **state)
{
	char *text = strdup("kept");
	struct tlv t = { .tag = 1, .len = 4, .value = (const uint8_t *)"ab\0c" };

	(void)state;
	assert_int_equal(tlv_string(&t, 10, &text), -EBADMSG);
	t.len = 2;
	assert_int_equal(tlv_string(&t, 1, &text), -EBADMSG);
	assert_string_equal(text, "kept");
	assert_int_equal(tlv_string(&t, 2, &text), 0);
	assert_string_equal(text, "ab");
	free(text);
}

/* Every prefix of a sequence is either whole fields or an error, and an error moves nothing. */
static void test_cut_off(void **state)
{
	struct buf b = BUF_INIT;
	struct rd r, before;
	struct tlv t;
	uint16_t last;
	size_t len;
	int rc;

	(void)state;
	assert_int_equal(tlv_put(&b, 3, "hello", 5), 0);
	assert_int_equal(tlv_put(&b, 4, "x", 1), 0);
	for (len = 0; len < b.len; len++) {
		/* Of a copy of its own, so that a read behind its end is seen. */
		uint8_t *copy = malloc(len > 0 ? len : 1);

		memcpy(copy, b.data, len);
		r = rd_init(copy, len);
		last = 0;
		do {
			before = r;
			rc = tlv_next(&r, &last, &t);
		} while (rc == 1);
		assert_int_equal(rc, len == 0 || len == 11 ? 0 : -EBADMSG);
		assert_memory_equal(&r, &before, sizeof(r));
		assert_int_equal(last, len < 11 ? 0 : 3);
		free(copy);
	}
	buf_free(&b);
}

static void test_length_lies(void **state)
{
	static const uint8_t field[] = { 1, 0, 0xff, 0xff, 0xff, 0xff, 'a', 'b' };
	struct rd r = rd_init(field, sizeof(field));
	uint16_t last = 0;
	struct tlv t;

	(void)state;
	assert_int_equal(tlv_next(&r, &last, &t), -EBADMSG);
}

static void test_order(void **state)
{
	struct buf b = BUF_INIT;
	uint16_t last = 0;
	struct tlv t;
	struct rd r;

	(void)state;
	assert_int_equal(tlv_put(&b, 5, "", 0), 0);
	assert_int_equal(tlv_put(&b, 5, "", 0), 0);
	assert_int_equal(tlv_put(&b, 4, "", 0), 0);
	r = rd_init(b.data, b.len);
	assert_int_equal(tlv_next(&r, &last, &t), 1);
	assert_int_equal(tlv_next(&r, &last, &t), 1);
	assert_int_equal(tlv_next(&r, &last, &t), -EBADMSG);
	assert_int_equal(last, 5);
	buf_free(&b);
}

static void test_too_long(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(tlv_put(&b, 1, "", (size_t)UINT32_MAX + 1), -ENOMEM);
	assert_int_equal(tlv_put(&b, 1, "", SIZE_MAX), -ENOMEM);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_string_refuses),
		cmocka_unit_test(test_cut_off),	    cmocka_unit_test(test_length_lies),
		cmocka_unit_test(test_order),	    cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
