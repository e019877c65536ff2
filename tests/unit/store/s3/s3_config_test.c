/*
 * The settings of an S3 store: URL, environment, AWS' configuration file.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/aws/s3_profile.h"
#include "repo/store/s3/s3_config.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/s3/aws.h"

static void test_defaults(void **state)
{
	struct scratch *s = *state;
	struct s3_config c;

	assert_int_equal(s3_config_read("s3://bucket", &s->log, &c), 0);
	assert_string_equal(c.bucket, "bucket");
	assert_string_equal(c.prefix, "");
	assert_string_equal(c.region, "us-east-1");
	assert_null(c.endpoint);
	assert_null(c.profile);
	assert_null(c.class_packs);
	assert_null(c.class_hot);
	assert_null(c.lock);
	assert_false(c.google);
	assert_false(c.path_style);
	assert_true(c.checksum);
	assert_int_equal(c.part_size, 64 << 20);
	assert_string_equal(c.shown, "s3://bucket");
	s3_config_free(&c);
	assert_int_equal(s3_config_read("s3://buck.et/a%20b/c/", &s->log, &c), 0);
	assert_string_equal(c.prefix, "a b/c/");
	assert_true(c.path_style);
	s3_config_free(&c);
	assert_int_equal(s->nmessages, 0);
}

static void test_options(void **state)
{
	struct scratch *s = *state;
	struct s3_config c;

	assert_int_equal(s3_config_read("s3://b1_-x/p?endpoint=https://s3.example:9000/base//&region=eu-central-1&"
	    "style=host&profile=other&storage-class=GLACIER_IR&storage-class-hot=STANDARD&thaw-tier=Bulk&"
	    "lock=compliance&lock-days=30&checksum=none&part-size=5M", &s->log, &c), 0);
	assert_string_equal(c.bucket, "b1_-x");
	assert_string_equal(c.endpoint, "https://s3.example:9000/base");
	assert_string_equal(c.region, "eu-central-1");
	assert_false(c.path_style);
	assert_string_equal(c.profile, "other");
	assert_string_equal(c.class_packs, "GLACIER_IR");
	assert_string_equal(c.class_hot, "STANDARD");
	assert_string_equal(c.thaw_tier, "Bulk");
	assert_string_equal(c.lock, "COMPLIANCE");
	assert_int_equal(c.lock_days, 30);
	assert_false(c.checksum);
	assert_int_equal(c.part_size, 5 << 20);
	assert_string_equal(c.shown, "s3://b1_-x/p");
	s3_config_free(&c);
	assert_int_equal(s->nmessages, 0);
}

static void test_refused(void **state)
{
	static const char *const urls[] = {
		"s3://", "s3://user:geheim@bucket/x", "s3://bucket:80/x", "s3://b%20cket/x", "s3://-/x",
		"s3://b/a//b", "s3://b/./b", "s3://b/a/../b", "s3://b/a/..", "s3://b?nonsense=1", "s3://b?region=a/b",
		"s3://b?region=", "s3://b?endpoint=host", "s3://b?endpoint=ftp://h", "s3://b?endpoint=https://",
		"s3://b?endpoint=https:///x", "s3://b?endpoint=https://user:geheim@h", "s3://b?endpoint=https://h%3Fq",
		"s3://b?endpoint=https://h%20x", "s3://b?style=dns", "s3://b?storage-class=a%0Ab",
		    "s3://b?lock=compliance",
		"s3://b?lock-days=3", "s3://b?lock=on&lock-days=3", "s3://b?lock=governance&lock-days=0",
		"s3://b?lock=governance&lock-days=3x", "s3://b?lock=governance&lock-days=-3",
		"s3://b?lock=governance&lock-days=36501", "s3://b?checksum=md5", "s3://b?part-size=4M",
		"s3://b?part-size=6G", "s3://b?part-size=x", "gs://b?region=%00",
	};
	struct scratch *s = *state;
	struct s3_config c;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		scratch_log_clear(s);
		if (s3_config_read(urls[i], &s->log, &c) != -EINVAL)
			fail_msg("%s", urls[i]);
		if (s->nmessages != 1 || scratch_logged(s, "geheim"))
			fail_msg("%s: %s", urls[i], s->messages);
	}
}

/* Each is overruled by the next. */
static void test_order(void **state)
{
	struct scratch *s = *state;
	struct s3_config c;

	aws_file(s, "config", "[default]\nregion = file-1\nendpoint_url = https://file\n"
	    "[profile other]\nregion = other-1\n");
	assert_int_equal(s3_config_read("s3://b", &s->log, &c), 0);
	assert_string_equal(c.region, "file-1");
	assert_string_equal(c.endpoint, "https://file");
	assert_true(c.path_style);
	s3_config_free(&c);

	assert_int_equal(s3_config_read("s3://b?profile=other", &s->log, &c), 0);
	assert_string_equal(c.region, "other-1");
	assert_null(c.endpoint);
	s3_config_free(&c);

	setenv("AWS_DEFAULT_REGION", "default-1", 1);
	setenv("AWS_ENDPOINT_URL", "http://env", 1);
	setenv("AWS_PROFILE", "other", 1);
	assert_int_equal(s3_config_read("s3://b", &s->log, &c), 0);
	assert_string_equal(c.region, "default-1");
	assert_string_equal(c.endpoint, "http://env");
	s3_config_free(&c);

	setenv("AWS_REGION", "env-1", 1);
	setenv("AWS_ENDPOINT_URL_S3", "http://env-s3", 1);
	assert_int_equal(s3_config_read("s3://b", &s->log, &c), 0);
	assert_string_equal(c.region, "env-1");
	assert_string_equal(c.endpoint, "http://env-s3");
	s3_config_free(&c);

	assert_int_equal(s3_config_read("s3://b?region=url-1&endpoint=http://url", &s->log, &c), 0);
	assert_string_equal(c.region, "url-1");
	assert_string_equal(c.endpoint, "http://url");
	s3_config_free(&c);

	setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
	assert_int_equal(s3_config_read("s3://b", &s->log, &c), 0);
	assert_null(c.endpoint);
	s3_config_free(&c);
}

/* What is set for AWS is of no concern to Google. */
static void test_google(void **state)
{
	struct scratch *s = *state;
	struct s3_config c;

	setenv("AWS_REGION", "env-1", 1);
	setenv("AWS_ENDPOINT_URL", "http://env", 1);
	assert_int_equal(s3_config_read("GS://bucket/p", &s->log, &c), 0);
	assert_true(c.google);
	assert_string_equal(c.region, "auto");
	assert_string_equal(c.endpoint, "https://storage.googleapis.com");
	assert_true(c.path_style);
	s3_config_free(&c);
}

static char *value(const struct s3_profile *p, enum s3_file file, const char *key)
{
	static struct buf out;

	buf_clear(&out);
	assert_int_equal(s3_profile_value(p, file, key, &out), 0);
	return out.len > 0 ? (char *)out.data : NULL;
}

static void test_profile_syntax(void **state)
{
	struct scratch *s = *state;
	struct s3_profile p;
	char text[2048], token[1000];

	memset(token, 'T', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	snprintf(text, sizeof(text), "# comment\n; another\n\nkey = before\r\n [ default ] \r\n  key=one # not this\n"
	    "  KEY2\t=  a=b;c#d  \n  key3 =\n  nested =\n    key4 = no\n  key4 = yes\n[else]\nkey5 = no\n"
	    "[default]\ntoken = %s\n"
	    "key5 = last", token);
	aws_file(s, "credentials", text);
	aws_file(s, "config",
	    "[profile default]\na = 1\n[default]\nb = 2\n[else]\nc = 3\n[profile else]\nc = 4\n[broken\nx = 1\n");
	assert_int_equal(s3_profile_open(NULL, &s->log, &p), 0);
	assert_string_equal(p.name, "default");
	assert_string_equal(value(&p, S3_FILE_CREDENTIALS, "key"), "one");
	assert_string_equal(value(&p, S3_FILE_CREDENTIALS, "key2"), "a=b;c#d");
	assert_null(value(&p, S3_FILE_CREDENTIALS, "key3"));
	assert_string_equal(value(&p, S3_FILE_CREDENTIALS, "key4"), "yes");
	assert_string_equal(value(&p, S3_FILE_CREDENTIALS, "key5"), "last");
	assert_string_equal(value(&p, S3_FILE_CREDENTIALS, "token"), token);
	assert_string_equal(value(&p, S3_FILE_CONFIG, "a"), "1");
	assert_string_equal(value(&p, S3_FILE_CONFIG, "b"), "2");
	s3_profile_close(&p);
	assert_int_equal(s3_profile_open("else", &s->log, &p), 0);
	assert_string_equal(value(&p, S3_FILE_CONFIG, "c"), "4");
	assert_null(value(&p, S3_FILE_CONFIG, "x"));
	s3_profile_close(&p);
	assert_int_equal(s->nmessages, 0);
}

/* Not there: nothing in it.  Not readable: a warning. */
static void test_profile_files(void **state)
{
	struct scratch *s = *state;
	char path[SCRATCH_PATH_SIZE];
	struct s3_profile p;

	assert_int_equal(s3_profile_open(NULL, &s->log, &p), 0);
	assert_null(value(&p, S3_FILE_CONFIG, "a"));
	s3_profile_close(&p);
	assert_int_equal(s->nmessages, 0);
	setenv("AWS_CONFIG_FILE", scratch_path(s, "", path), 1);
	assert_int_equal(s3_profile_open(NULL, &s->log, &p), 0);
	s3_profile_close(&p);
	assert_int_equal(s->nmessages, 1);
	assert_true(scratch_logged(s, "read:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, aws_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_options, aws_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_refused, aws_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_order, aws_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_google, aws_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_profile_syntax, aws_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_profile_files, aws_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
