/*
 * Unit tests of repo/store/parse/listing.h: pages that servers write for people and programs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/parse/listing.h"
#include "repo/store/store_impl.h"

static int join(void *arg, const struct listing_entry *e)
{
	struct buf *out = arg;

	if (e->size != LISTING_NO_SIZE)
		return buf_printf(out, "%s%s=%llu ", e->name, e->directory ? "/" : "", (unsigned long long)e->size);
	return buf_printf(out, "%s%s ", e->name, e->directory ? "/" : "");
}

static void test_html(void **state)
{
	static const struct {
		const char *page, *names;
	} cases[] = {
		{ "<a href=\"ab\">x</a> <A HREF='cd/'> <a href=ef> <a\nhref = \"gh\">", "ab cd/ ef " },
		{ "<a href=\"./ab/\"><a href=\"/p/q/cd\"><a href=\"/p/other\"><a href=\"http://h/ab\">", "ab/ cd " },
		{ "<a href=\"../\"><a href=\"?C=N\"><a href=\"a/b\"><a href=\"A\"><a href=\"a.txt\"><a href=\"a%62\">",
		  "" },
		{ "<a xhref=\"ab\"><a href=\"\"><a href=\"/\"><a href=\"unterminated", "" },
		{ "href=\"ab\" =", "" },
		{ " href=ab", "ab " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].page);
		char *exact = malloc(len); /* no NUL behind it */
		struct buf out = BUF_INIT;

		assert_non_null(exact);
		memcpy(exact, cases[i].page, len);
		assert_int_equal(listing_html(exact, len, "/p/q/", join, &out), 0);
		assert_int_equal(buf_u8(&out, 0), 0);
		assert_string_equal((char *)out.data, cases[i].names);
		buf_free(&out);
		free(exact);
	}
}

static void test_json(void **state)
{
	static const struct {
		const char *page;
		int rc;
		const char *names;
	} cases[] = {
		{ "[]", 0, "" },
		{ " [ {\"name\":\"ab\",\"type\":\"file\",\"size\":12}, {\"type\":\"directory\",\"name\":\"cd\"} ]\n", 0,
		  "ab=12 cd/ " },
		{ "[{\"name\":\"cd/\",\"is_dir\":true,\"size\":4096},{\"name\":\"A\"},{}]", 0, "cd/=4096 " },
		{ "[{\"name\":\"a\\\"b\"},{\"name\":\"x\",\"size\":-1},{\"name\":\"y\",\"size\":1e3},"
		  "{\"name\":[]}]", 0, "x y " },
		{ "", -EBADMSG, "" }, { "{}", -EBADMSG, "" }, { "[", -EBADMSG, "" }, { "[{", -EBADMSG, "" },
		{ "[{\"name\":\"ab\"}", -EBADMSG, "" }, { "[{\"name\":\"ab", -EBADMSG, "" },
		{ "[{\"name\":\"ab\\", -EBADMSG, "" },
		{ "[{\"name\":\"y\",\"size\":99999999999999999999}]", -EBADMSG, "" },
		{ "[{\"name\"}]", -EBADMSG, "" }, { "[1]", -EBADMSG, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].page);
		char *exact = malloc(len + 1);
		struct buf out = BUF_INIT;

		assert_non_null(exact);
		memcpy(exact + 1, cases[i].page, len);
		if (listing_json(exact + 1, len, join, &out) != cases[i].rc)
			fail_msg("%s", cases[i].page);
		assert_int_equal(buf_u8(&out, 0), 0);
		assert_string_equal((char *)out.data, cases[i].names);
		buf_free(&out);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
