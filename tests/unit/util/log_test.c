/*
 * Messages, words for errors, quoted names.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "repo/util/log.h"

struct capture {
	char text[8192];
	enum log_level level;
	int n;
};

static void capture_write(void *arg, enum log_level level, const char *message)
{
	struct capture *c = arg;

	snprintf(c->text, sizeof(c->text), "%s", message);
	c->level = level;
	c->n++;
	errno = EPERM; /* as a real one may */
}

static void test_levels(void **state)
{
	struct capture c = { .n = 0 };
	struct log log = { .write = capture_write, .arg = &c, .max = LOG_LEVEL_WARNING };

	(void)state;
	log_error(&log, "pack %s: %d", "ab", 3);
	assert_string_equal(c.text, "pack ab: 3");
	assert_int_equal(c.level, LOG_LEVEL_ERROR);
	log_warn(&log, "w");
	assert_int_equal(c.level, LOG_LEVEL_WARNING);
	assert_int_equal(c.n, 2);
	log_info(&log, "i");
	log_debug(&log, "d");
	assert_int_equal(c.n, 2);
	log.max = LOG_LEVEL_DEBUG;
	log_info(&log, "i");
	assert_int_equal(c.level, LOG_LEVEL_INFO);
	log_debug(&log, "d");
	assert_int_equal(c.level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.n, 4);
	log_error(NULL, "nobody listens");
}

static void test_errno(void **state)
{
	struct capture c = { .n = 0 };
	struct log log = { .write = capture_write, .arg = &c, .max = LOG_LEVEL_ERROR };

	(void)state;
	errno = ENOSPC;
	log_error(&log, "write: %m");
	assert_int_equal(errno, ENOSPC);
	assert_string_equal(c.text, "write: No space left on device");
	errno = EXDEV;
	log_error(&log, "%s", ERR(-EBADMSG));
	assert_int_equal(errno, EXDEV);
}

static void test_long_and_dirty(void **state)
{
	struct capture c = { .n = 0 };
	struct log log = { .write = capture_write, .arg = &c, .max = LOG_LEVEL_ERROR };
	char big[6000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_error(&log, "%s", big);
	assert_int_equal(strlen(c.text), 4095);
	log_error(&log, "a\nb\x1b[31mc\x7f");
	assert_string_equal(c.text, "a?b?[31mc?");
}

static void test_error_words(void **state)
{
	char text[96], tiny[4];

	(void)state;
	assert_string_equal(err_text(-EBADMSG, text, sizeof(text)), "damaged or tampered with");
	assert_string_equal(err_text(-EIO, text, sizeof(text)), "the store failed");
	assert_string_equal(err_text(-EPROTONOSUPPORT, text, sizeof(text)), "written by a newer version");
	assert_string_equal(err_text(-EKEYREJECTED, text, sizeof(text)), "wrong key or passphrase");
	assert_string_equal(err_text(-ENOENT, text, sizeof(text)), strerror(ENOENT));
	assert_string_equal(err_text(0, text, sizeof(text)), strerror(0));
	assert_non_null(strstr(err_text(-99999, text, sizeof(text)), "99999"));
	assert_string_equal(err_text(-EIO, tiny, sizeof(tiny)), "the");
	assert_string_equal(ERR(-ENOSPC), strerror(ENOSPC));
}

static void assert_quoted(const char *name, unsigned len, const char *expect)
{
	char out[256];

	assert_ptr_equal(quote_name(name, len, out, sizeof(out)), out);
	assert_string_equal(out, expect);
}

#define ASSERT_QUOTED(name, expect) assert_quoted(name, sizeof(name) - 1, expect)

static void test_quote(void **state)
{
	(void)state;
	ASSERT_QUOTED("", "");
	ASSERT_QUOTED("plain name.txt", "plain name.txt");
	ASSERT_QUOTED("a\nb\tc\\d", "a\\nb\\tc\\\\d");
	ASSERT_QUOTED("\x01\x1b\x7f\r", "\\x01\\x1b\\x7f\\x0d");
	ASSERT_QUOTED("a\0b", "a\\x00b");
	ASSERT_QUOTED("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void test_quote_invalid(void **state)
{
	(void)state;
	ASSERT_QUOTED("\xff", "\\xff");
	ASSERT_QUOTED("\x80z", "\\x80z");
	ASSERT_QUOTED("\xc3", "\\xc3");
	ASSERT_QUOTED("\xc3z", "\\xc3z");
	ASSERT_QUOTED("\xe2\x82", "\\xe2\\x82");
	ASSERT_QUOTED("\xc0\xaf", "\\xc0\\xaf");                     /* overlong */
	ASSERT_QUOTED("\xe0\x80\xaf", "\\xe0\\x80\\xaf");            /* overlong */
	ASSERT_QUOTED("\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf");   /* overlong */
	ASSERT_QUOTED("\xed\xa0\x80", "\\xed\\xa0\\x80");            /* surrogate */
	ASSERT_QUOTED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");   /* above U+10FFFF */
	ASSERT_QUOTED("\xf8\x88\x80\x80", "\\xf8\\x88\\x80\\x80");
	ASSERT_QUOTED("\xc2\x9b", "\\xc2\\x9b");                     /* C1 control */
	ASSERT_QUOTED("\xe2\x80\xae", "\\xe2\\x80\\xae");            /* right-to-left override */
}

static void test_quote_cut(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(quote_name("abcdefg", 7, out, 8), "abcdefg");
	assert_string_equal(quote_name("abcdefgh", 8, out, 8), "abcd...");
	assert_string_equal(quote_name("abc\n\n", 5, out, 8), "abc\\n\\n");
	assert_string_equal(quote_name("abc\n\nx", 6, out, 8), "abc...");
	assert_string_equal(quote_name("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 9, out, 8), "\xe2\x82\xac...");
	assert_string_equal(quote_name("abcdef", 6, out, 4), "...");
	assert_string_equal(quote_name("abcdef", 6, out, 3), "..");
	assert_string_equal(quote_name("abcdef", 6, out, 1), "");
	assert_string_equal(quote_name("", 0, out, 1), "");
	out[0] = 'k';
	quote_name("abc", 3, out, 0);
	assert_int_equal(out[0], 'k');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),	    cmocka_unit_test(test_errno),
		cmocka_unit_test(test_long_and_dirty), cmocka_unit_test(test_error_words),
		cmocka_unit_test(test_quote),	    cmocka_unit_test(test_quote_invalid),
		cmocka_unit_test(test_quote_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
