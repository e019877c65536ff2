/*
 * Unit tests of repo/util/process/argv.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/process/argv.h"

static void test_passwords(void **state)
{
	static const struct { const char *arg, *shown; } cases[] = {
		{ "webdav+https://me:secret@host/path", "webdav+https://me:******@host/path" },
		{ "--repo=sftp://me:a@b:c@host", "--repo=sftp://me:*****@host" },
		{ "https://me:@host?x=y", "https://me:@host?x=y" },
		{ "https://host/a:b@c", "https://host/a:b@c" },
		{ "https://me@host:80/", "https://me@host:80/" },
		{ "s3://bucket/x?endpoint=http://u:p@h", "s3://bucket/x?endpoint=http://u:p@h" },
		{ "me:secret@host", "me:secret@host" },
		{ "", "" },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	char *args[N + 1] = { NULL }, **copy;

	(void)state;
	for (int i = 0; i < N; i++)
		args[i] = strdup(cases[i].arg);
	copy = argv_private(N, args);
	assert_non_null(copy);
	for (int i = 0; i < N; i++) {
		assert_string_equal(copy[i], cases[i].arg);
		assert_string_equal(args[i], cases[i].shown);
		free(args[i]);
	}
	assert_null(copy[N]);
	argv_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
