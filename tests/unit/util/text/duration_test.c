/*
 * Durations as people write them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/text/when.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t s;
	} good[] = { { "0s", 0 }, { "90s", 90 }, { "30min", 1800 }, { "24h", 86400 }, { "007d", 604800 },
		{ "2w", 1209600 } };
	static const char *const bad[] = { "", "s", "7", "7m", "7days", "-1d", " 1d", "1d ", "1.5h", "36601d",
		"99999999999999999999s", "1h1s" };
	uint64_t s = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(duration_parse(bad[i], &s), -EINVAL);
	assert_int_equal(s, 5);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &s), 0);
		assert_int_equal(s, good[i].s);
	}
}

static void test_format(void **state)
{
	char out[DURATION_TEXT_SIZE];

	(void)state;
	assert_string_equal(duration_format(0, out), "0 s");
	assert_string_equal(duration_format(119, out), "119 s");
	assert_string_equal(duration_format(120, out), "2 min");
	assert_string_equal(duration_format(7199, out), "119 min");
	assert_string_equal(duration_format(7200, out), "2 h");
	assert_string_equal(duration_format(86400, out), "24 h");
	assert_string_equal(duration_format(10 * 604800, out), "70 d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
