/*
 * What S3 answers: errors, listings, upload ids; and the JSON of metadata services.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/parse/json.h"
#include "repo/store/s3/wire/s3_answer.h"

#define NS "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void test_errors(void **state)
{
	static const char error[] = "<?xml version=\"1.0\"?>\n<Error><Code>InvalidObjectState</Code><Message>The "
	    "operation is not valid</Message><StorageClass>GLACIER</StorageClass><Region>eu-west-1</Region></Error>";
	static const char *const none[] = { "", "<html><Code>x</Code></html>", "<Error><Code>x", "not found",
		"<Error><Other><Code>x</Code></Other></Error>" };
	struct s3_error e;

	(void)state;
	assert_int_equal(s3_error_parse(error, sizeof(error) - 1, &e), 0);
	assert_string_equal(e.code, "InvalidObjectState");
	assert_string_equal(e.message, "The operation is not valid");
	assert_string_equal(e.class, "GLACIER");
	assert_string_equal(e.region, "eu-west-1");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(s3_error_parse(none[i], strlen(none[i]), &e), 0);
		assert_string_equal(e.code, "");
	}
}

/* Longer than what there is room for. */
static void test_long_error(void **state)
{
	struct s3_error e;
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_printf(&b, "<Error><Message>%01000d</Message><Code>%0200d</Code></Error>", 0, 0), 0);
	assert_int_equal(s3_error_parse(b.data, b.len, &e), 0);
	assert_int_equal(strlen(e.code), sizeof(e.code) - 1);
	assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
	buf_free(&b);
}

static int parse(const char *xml, struct s3_page *p)
{
	*p = (struct s3_page){ 0 };
	return s3_page_parse(xml, strlen(xml), p);
}

static void expect_entry(struct s3_page *p, size_t *at, const char *want_key, uint64_t want_size)
{
	uint64_t size = 0;
	char *key;

	assert_true(s3_page_next(p, at, &key, &size));
	assert_string_equal(key, want_key);
	assert_int_equal(size, want_size);
}

static void test_pages(void **state)
{
	struct s3_page p;
	uint64_t size;
	size_t at = 0;
	char *key;

	(void)state;
	assert_int_equal(parse("<ListBucketResult " NS "><Prefix>a</Prefix><IsTruncated>true</IsTruncated>"
	    "<Contents><Key>a%2Fb+c%25%zz%4</Key><Size>12</Size></Contents>"
	    "<Contents><Size>18446744073709551615</Size><ETag>x</ETag><Key>plain</Key></Contents>"
	    "<EncodingType>url</EncodingType><NextContinuationToken>to/ken=</NextContinuationToken>"
	    "<CommonPrefixes><Prefix>q</Prefix></CommonPrefixes></ListBucketResult>", &p), 0);
	assert_string_equal((char *)p.next.data, "to/ken=");
	expect_entry(&p, &at, "a/b c%%zz%4", 12);
	expect_entry(&p, &at, "plain", UINT64_MAX);
	assert_false(s3_page_next(&p, &at, &key, &size));
	s3_page_free(&p);

	at = 0;
	assert_int_equal(parse("<ListBucketResult><Contents><Key>a%2F+b</Key><Size>0</Size></Contents>"
	    "<IsTruncated>false</IsTruncated><NextContinuationToken>old</NextContinuationToken></ListBucketResult>",
	    &p),
	    0);
	assert_int_equal(p.next.len, 0);
	expect_entry(&p, &at, "a%2F+b", 0);
	s3_page_free(&p);

	assert_int_equal(parse("<ListBucketResult/>", &p), 0);
	assert_int_equal(p.entries.len, 0);
	s3_page_free(&p);
}

static void test_bad_pages(void **state)
{
	static const char *const cases[] = {
		"", "<Error/>", "<html><ListBucketResult/></html>", "<ListBucketResult>",
		/* More to come, and not said where. */
		"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Key>b</Key><Size>1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size></Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>1x</Size></Contents></ListBucketResult>",
		("<ListBucketResult><Contents><Key>a</Key><Size>18446744073709551616</Size></Contents>"
		    "</ListBucketResult>"),
	};
	struct s3_page p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(cases[i], &p) != -EBADMSG)
			fail_msg("%s", cases[i]);
		s3_page_free(&p);
	}
}

static void test_upload_id(void **state)
{
	static const char xml[] = "<InitiateMultipartUploadResult " NS "><Bucket>b</Bucket><UploadId>VXB/2~+="
	    "</UploadId></InitiateMultipartUploadResult>";
	static const char none[] = "<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>";
	struct buf id = BUF_INIT;

	(void)state;
	assert_int_equal(s3_upload_id_parse(xml, sizeof(xml) - 1, &id), 0);
	assert_string_equal((char *)id.data, "VXB/2~+=");
	buf_clear(&id);
	assert_int_equal(s3_upload_id_parse(none, sizeof(none) - 1, &id), -EBADMSG);
	assert_int_equal(s3_upload_id_parse("", 0, &id), -EBADMSG);
	buf_free(&id);
}

static void test_completion(void **state)
{
	/* The second as Ceph has it; servers send spaces while they are at work. */
	static const char *const whole[] = {
		"<CompleteMultipartUploadResult " NS "><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>",
		"<?xml version=\"1.0\"?>  \n <CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>",
	};
	static const char *const none[] = { "", "  \n ", "<Error><Code>InternalErr", "<html>Welcome</html>",
		"<Error><Code>InternalError</Code></Error>", "<CompleteMultipartUploadResult><ETag>x</ETag>",
		"<html><CompleteMultipartUploadResult/></html>" };

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		assert_int_equal(s3_completion_parse(whole[i], strlen(whole[i])), 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (s3_completion_parse(none[i], strlen(none[i])) != -EBADMSG)
			fail_msg("%s", none[i]);
}

static void test_retention(void **state)
{
	static const char xml[] = "<Retention " NS "><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z"
	    "</RetainUntilDate></Retention>";
	struct s3_retention r;

	(void)state;
	assert_int_equal(s3_retention_parse(xml, sizeof(xml) - 1, &r), 0);
	assert_string_equal(r.mode, "GOVERNANCE");
	assert_string_equal(r.until, "2030-01-01T00:00:00Z");
	assert_int_equal(s3_retention_parse("<Retention/>", 12, &r), -EBADMSG);
	assert_int_equal(s3_retention_parse("", 0, &r), -EBADMSG);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static int json(const char *text, const char *name, char *out, size_t size)
{
	return http_json_string(text, strlen(text), name, out, size);
}

static void test_json(void **state)
{
	static const char text[] = " {\n \"Code\" : \"Success\", \"n\": -1.5e3, \"deep\": {\"Token\": \"no\", \"a\": "
	    "[1, {\"}\": \"]\"}]}, \"t\": true,\"Token\":\"a\\/b\\\"\\\\\\n\\u0041\\u00e4=\", \"\": \"\", "
	    "\"Last\": \"z\"} ";
	char out[32];

	(void)state;
	assert_int_equal(json(text, "Code", out, sizeof(out)), 0);
	assert_string_equal(out, "Success");
	assert_int_equal(json(text, "Token", out, sizeof(out)), 0);
	assert_string_equal(out, "a/b\"\\\nA\xc3\xa4=");
	assert_int_equal(json(text, "Last", out, sizeof(out)), 0);
	assert_string_equal(out, "z");
	assert_int_equal(json(text, "", out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_int_equal(json(text, "n", out, sizeof(out)), -ENOENT);
	assert_int_equal(json(text, "deep", out, sizeof(out)), -ENOENT);
	assert_int_equal(json(text, "None", out, sizeof(out)), -ENOENT);
	assert_int_equal(json("{}", "None", out, sizeof(out)), -ENOENT);
	assert_int_equal(json(text, "Code", out, 8), 0);
	assert_int_equal(json(text, "Code", out, 7), -EMSGSIZE);
}

static void test_bad_json(void **state)
{
	static const char *const cases[] = {
		"", "[]", "\"x\"", "{", "{x", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1]", "{\"a\":[1}", "{\"a\" 1}",
		"{\"a\":1,}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\n\"}", "{\"a\":\"\\", "{\"x\":\"abc",
		"{\"x\":\"\\u00g0\"}", "{\"a\":1 \"x\":\"y\"",
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (json(cases[i], "x", out, sizeof(out)) != -EBADMSG)
			fail_msg("%s", cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_long_error),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_bad_pages),
		cmocka_unit_test(test_upload_id),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_retention),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_bad_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
