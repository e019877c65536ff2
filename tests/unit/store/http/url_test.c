/*
 * URLs of stores.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/http/url.h"
#include "tests/lib/scratch.h"

/* Equal texts, or both NULL. */
static void expect_text(const char *url, const char *part, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0))
		fail_msg("%s: %s is %s", url, part, got != NULL ? got : "absent");
}

static void test_parts(void **state)
{
	static const struct {
		const char *text, *scheme, *user, *password, *host;
		unsigned port;
		const char *path, *query, *shown;
	} cases[] = {
		{ "s3://bucket", "s3", NULL, NULL, "bucket", 0, "", NULL, "s3://bucket" },
		{ "s3://my_bucket.eu/a/b/?region=x&endpoint=http%3A//h:1", "s3", NULL, NULL, "my_bucket.eu", 0, "/a/b",
		  "region=x&endpoint=http%3A//h:1", "s3://my_bucket.eu/a/b" },
		{ "S3://Bucket/", "s3", NULL, NULL, "Bucket", 0, "", NULL, "s3://Bucket" },
		{ "webdav+https://ann:geh%3Aeim@h.example:8443/p%20q//", "webdav+https", "ann", "geh:eim", "h.example",
		  8443, "/p q", NULL, "webdav+https://ann@h.example:8443/p%20q" },
		{ "sftp://a%40b@h/~/x/../y", "sftp", "a@b", NULL, "h", 0, "/~/x/../y", NULL,
		  "sftp://a%40b@h/~/x/../y" },
		{ "https://[::1]:1/%C3%A4", "https", NULL, NULL, "[::1]", 1, "/\xc3\xa4", NULL,
		  "https://[::1]:1/%C3%A4" },
		{ "s3://12345678/p", "s3", NULL, NULL, "12345678", 0, "/p", NULL, "s3://12345678/p" },
		{ "https://u:p@127.0.0.1:80", "https", "u", "p", "127.0.0.1", 80, "", NULL, "https://u@127.0.0.1:80" },
		{ "azure://c/p?sig=geheim", "azure", NULL, NULL, "c", 0, "/p", "sig=geheim", "azure://c/p" },
	};
	struct scratch *s = *state;
	struct url u;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (url_parse(cases[i].text, &s->log, &u) != 0)
			fail_msg("%s: %s", cases[i].text, s->messages);
		expect_text(cases[i].text, "scheme", u.scheme, cases[i].scheme);
		expect_text(cases[i].text, "user", u.user, cases[i].user);
		expect_text(cases[i].text, "password", u.password, cases[i].password);
		expect_text(cases[i].text, "host", u.host, cases[i].host);
		assert_int_equal(u.port, cases[i].port);
		expect_text(cases[i].text, "path", u.path, cases[i].path);
		expect_text(cases[i].text, "query", u.query, cases[i].query);
		expect_text(cases[i].text, "shown", u.shown, cases[i].shown);
		url_free(&u);
	}
	assert_int_equal(s->nmessages, 0);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"s3://", "s3:///path", "https://h:geheim/", "https://u:geheim@/p", "https://u:geheim@h/a b",
		"https://u:geheim@h/%00", "https://u:geheim@h/%0a", "https://u:geheim@h:99999/",
		"https://u:geheim@h\n/",
	};
	struct scratch *s = *state;
	struct url u;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scratch_log_clear(s);
		if (url_parse(bad[i], &s->log, &u) != -EINVAL)
			fail_msg("%s", bad[i]);
		assert_int_equal(s->nmessages, 1);
		assert_true(scratch_logged(s, "://...: not a valid URL: "));
		assert_false(scratch_logged(s, "geheim"));
		assert_null(u.host);
		url_free(&u);
	}
}

static void expect_option(const struct url *u, const char *name, const char *want)
{
	char *value = NULL;

	assert_int_equal(url_option(u, name, &value), 0);
	expect_text(u->query, name, value, want);
	free(value);
}

static void test_options(void **state)
{
	static const char *const names[] = { "region", "endpoint", "empty", "flag", NULL };
	static const char *const fewer[] = { "region", NULL };
	struct scratch *s = *state;
	struct url u;

	assert_int_equal(url_parse("s3://b?region=eu%2D1&&endpoint=http://h/&empty=&flag&regional=x", &s->log, &u), 0);
	expect_option(&u, "region", "eu-1");
	expect_option(&u, "endpoint", "http://h/");
	expect_option(&u, "empty", "");
	expect_option(&u, "flag", "");
	expect_option(&u, "reg", NULL);
	expect_option(&u, "absent", NULL);
	assert_int_equal(url_options_known(&u, names, &s->log), -EINVAL);
	assert_true(scratch_logged(s, "s3://b: there is no option \"regional\" in such URLs"));
	url_free(&u);

	assert_int_equal(url_parse("s3://b?region=x", &s->log, &u), 0);
	assert_int_equal(url_options_known(&u, fewer, &s->log), 0);
	url_free(&u);
	assert_int_equal(url_parse("s3://b", &s->log, &u), 0);
	assert_int_equal(url_options_known(&u, fewer, &s->log), 0);
	expect_option(&u, "region", NULL);
	url_free(&u);
}

static void test_hosts(void **state)
{
	static const struct { const char *host; bool here; } cases[] = {
		{ "localhost", true }, { "LocalHost", true }, { "127.0.0.1", true },
		{ "127.1.2.3", true }, { "[::1]", true },
		{ "", false }, { "localhosts", false }, { "127.", false }, { "127.0.0.1.example.org", false },
		{ "128.0.0.1", false }, { "[::2]", false }, { "1127.0.0.1", false }, { "local", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (url_host_is_here(cases[i].host, strlen(cases[i].host)) != cases[i].here)
			fail_msg("%s", cases[i].host);
	assert_true(url_host_is_here("localhost:80", 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),
		cmocka_unit_test_setup_teardown(test_parts, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_refused, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_options, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
