/*
 * md5.h: the vectors of RFC 1321, and that it does not matter in which pieces the bytes come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/bytes/id.h"
#include "repo/util/bytes/md5.h"

static void assert_sum(const void *data, size_t len, const char *hex)
{
	uint8_t want[MD5_LEN], got[MD5_LEN];
	struct md5 m;

	assert_int_equal(hex_decode(hex, sizeof(want), want), 0);
	md5_init(&m);
	md5_update(&m, data, len);
	md5_final(&m, got);
	assert_memory_equal(got, want, sizeof(want));
}

/* A.5 */
static void test_vectors(void **state)
{
	const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const char *digits = "12345678901234567890123456789012345678901234567890123456789012345678901234567890";

	(void)state;
	assert_sum("", 0, "d41d8cd98f00b204e9800998ecf8427e");
	assert_sum("a", 1, "0cc175b9c0f1b6a831c399e269772661");
	assert_sum("message digest", 14, "f96b697d7cb7938d525a2f31aaf161d0");
	assert_sum(letters, strlen(letters), "d174ab98d277d9f5a5611c2c9f419d9f");
	assert_sum(digits, strlen(digits), "57edf4a22be3c955ac49da2e2107b67a");
}

/* All lengths about two blocks, whole, and cut anywhere. */
static void test_pieces(void **state)
{
	uint8_t data[130], whole[MD5_LEN], cut[MD5_LEN];
	struct md5 m;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(data); len++) {
		md5_init(&m);
		md5_update(&m, data, len);
		md5_final(&m, whole);
		for (size_t at = 0; at <= len; at++) {
			md5_init(&m);
			md5_update(&m, data, at);
			md5_update(&m, data + at, len - at);
			md5_final(&m, cut);
			assert_memory_equal(cut, whole, MD5_LEN);
		}
	}
	/* As another implementation has it: md5sum. */
	assert_sum(data, sizeof(data), "abaea75d6d3add8c7898ab6e3b11e0aa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
