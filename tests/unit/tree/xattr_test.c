/*
 * Unit tests of repo/tree/xattr.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/tree/xattr.h"

static int add(struct buf *b, const char *name, const void *value, uint32_t len)
{
	const struct xattr x = { name, (uint16_t)strlen(name), value, len };

	return xattr_encode(b, &x);
}

static void make_three(struct buf *b)
{
	static const uint8_t caps[20] = { 1, 0, 0, 2 };

	assert_int_equal(add(b, "security.capability", caps, sizeof(caps)), 0);
	assert_int_equal(add(b, "user.empty", NULL, 0), 0);
	assert_int_equal(add(b, "user.x", "y\0z", 3), 0);
}

static void test_round_trip(void **state)
{
	static const uint8_t expected[] = "\x0a\0\0\0\0\0user.empty\x06\0\x03\0\0\0user.xy\0z";
	struct buf b = BUF_INIT;
	struct xattr x;
	struct rd r;

	(void)state;
	make_three(&b);
	assert_int_equal(b.len, 6 + 19 + 20 + sizeof(expected) - 1);
	assert_memory_equal(b.data + 45, expected, sizeof(expected) - 1);
	assert_int_equal(xattr_check(b.data, b.len), 0);

	r = rd_init(b.data, b.len);
	assert_int_equal(xattr_next(&r, &x), 1);
	assert_int_equal(x.name_len, 19);
	assert_memory_equal(x.name, "security.capability", 19);
	assert_int_equal(x.value_len, 20);
	assert_int_equal(x.value[3], 2);
	assert_int_equal(xattr_next(&r, &x), 1);
	assert_int_equal(x.value_len, 0);
	assert_int_equal(xattr_next(&r, &x), 1);
	assert_memory_equal(x.value, "y\0z", 3);
	assert_int_equal(xattr_next(&r, &x), 0);
	buf_free(&b);
}

static void test_find(void **state)
{
	struct buf b = BUF_INIT;
	struct xattr x;

	(void)state;
	assert_int_equal(xattr_find(NULL, 0, "user.x", &x), -ENODATA);
	make_three(&b);
	assert_int_equal(xattr_find(b.data, b.len, "user.x", &x), 0);
	assert_int_equal(x.value_len, 3);
	assert_int_equal(xattr_find(b.data, b.len, "user.", &x), -ENODATA);
	assert_int_equal(xattr_find(b.data, b.len, "user.xx", &x), -ENODATA);
	assert_int_equal(xattr_find(b.data, b.len - 1, "user.xx", &x), -EBADMSG);
	buf_free(&b);
}

static void test_names(void **state)
{
	struct xattr x = { .name_len = 255 };
	struct buf b = BUF_INIT;
	char name[256];

	(void)state;
	memset(name, 'n', sizeof(name));
	x.name = name;
	assert_int_equal(xattr_encode(&b, &x), 0);
	assert_int_equal(xattr_check(b.data, b.len), 0);
	x.name_len = 256;
	assert_int_equal(xattr_encode(&b, &x), -EINVAL);
	x.name_len = 0;
	assert_int_equal(xattr_encode(&b, &x), -EINVAL);
	name[3] = '\0';
	x.name_len = 10;
	assert_int_equal(xattr_encode(&b, &x), -EINVAL);
	buf_free(&b);
}

static void test_order(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(xattr_check(NULL, 0), 0);
	assert_int_equal(add(&b, "user.b", "", 0), 0);
	assert_int_equal(add(&b, "user.a", "", 0), 0);
	assert_int_equal(xattr_check(b.data, b.len), -EBADMSG);
	buf_clear(&b);
	assert_int_equal(add(&b, "user.a", "", 0), 0);
	assert_int_equal(add(&b, "user.a", "", 0), 0);
	assert_int_equal(xattr_check(b.data, b.len), -EBADMSG);
	buf_free(&b);
}

/* Cut anywhere, it is malformed, but for between two. */
static void test_cut(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	make_three(&b);
	for (size_t len = 1; len < b.len; len++) {
		uint8_t *copy = malloc(len);
		bool whole = len == 45 || len == 61;

		assert_non_null(copy);
		memcpy(copy, b.data, len);
		assert_int_equal(xattr_check(copy, len), whole ? 0 : -EBADMSG);
		free(copy);
	}
	buf_free(&b);
}

static void test_hostile(void **state)
{
	static const uint8_t no_name[] = "\0\0\x01\0\0\0v";
	static const uint8_t nul_in_name[] = "\x02\0\0\0\0\0a\0";
	static const uint8_t long_value[] = "\x01\0\xff\xff\xff\xff" "a";

	(void)state;
	assert_int_equal(xattr_check(no_name, sizeof(no_name) - 1), -EBADMSG);
	assert_int_equal(xattr_check(nul_in_name, sizeof(nul_in_name) - 1), -EBADMSG);
	assert_int_equal(xattr_check(long_value, sizeof(long_value) - 1), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
