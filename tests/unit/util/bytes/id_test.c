/*
 * Ids and hexadecimal text.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/bytes/id.h"

#define HEX "00ff10a0123456789abcdef0000000000000000000000000000000000000007f"

static void test_round_trip(void **state)
{
	char text[ID_HEX_SIZE];
	struct id id;

	(void)state;
	assert_int_equal(id_parse(HEX, &id), 0);
	assert_int_equal(id.b[1], 0xff);
	assert_int_equal(id.b[3], 0xa0);
	assert_int_equal(id.b[31], 0x7f);
	assert_ptr_equal(id_hex(&id, text), text);
	assert_string_equal(text, HEX);
}

static void test_parse_refuses(void **state)
{
	char text[ID_HEX_SIZE + 1];
	struct id id;
	size_t i;

	(void)state;
	assert_int_equal(id_parse("", &id), -EINVAL);
	assert_int_equal(id_parse("0", &id), -EINVAL);
	assert_int_equal(id_parse("00f", &id), -EINVAL);
	assert_int_equal(id_parse(HEX "0", &id), -EINVAL);
	assert_int_equal(id_parse(HEX " ", &id), -EINVAL);
	for (i = 0; i < ID_HEX_SIZE - 1; i++) {
		strcpy(text, HEX);
		text[i] = '\0';
		assert_int_equal(id_parse(text, &id), -EINVAL);
		text[i] = 'A';
		assert_int_equal(id_parse(text, &id), -EINVAL);
		text[i] = 'g';
		assert_int_equal(id_parse(text, &id), -EINVAL);
		text[i] = '/';
		assert_int_equal(id_parse(text, &id), -EINVAL);
		text[i] = ':';
		assert_int_equal(id_parse(text, &id), -EINVAL);
	}
}

static void test_hex(void **state)
{
	uint8_t bytes[3] = { 0xde, 0xad, 0x01 };
	char text[7] = "zzzzzz";

	(void)state;
	hex_encode(bytes, 0, text);
	assert_string_equal(text, "");
	hex_encode(bytes, 3, text);
	assert_string_equal(text, "dead01");
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(hex_decode("dead01/rest", 3, bytes), 0);
	assert_memory_equal(bytes, "\xde\xad\x01", 3);
	assert_int_equal(hex_decode("dead0", 3, bytes), -EINVAL);
	assert_int_equal(hex_decode("", 0, bytes), 0);
}

static void test_compare(void **state)
{
	struct id a = { { 0 } }, b = { { 0 } };

	(void)state;
	assert_true(id_is_zero(&a));
	assert_true(id_equal(&a, &b));
	assert_int_equal(id_hash(&a), id_hash(&b));
	b.b[31] = 1;
	assert_false(id_is_zero(&b));
	assert_false(id_equal(&a, &b));
	assert_true(id_compare(&a, &b) < 0);
	a.b[0] = 0x80;
	assert_true(id_compare(&a, &b) > 0);
	assert_true(id_hash(&a) != id_hash(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
