/*
 * The S3 store against servers that answer by script: what it asks, and what it makes of the answers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/store/s3/s3_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define URL S3_RIG_URL
#define KEY S3_RIG_KEY

/* Hashes of nothing and of "abc". */
#define SHA256_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA256_ABC_BASE64 "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
#define MD5_ABC "900150983cd24fb0d6963f7d28e17f72"

static void test_get(void **state)
{
	static const char *const headers[] = { "Range: bytes=3-5", "x-amz-content-sha256: " SHA256_NOTHING, NULL };
	static const char *const none[] = { "Range:", NULL };
	static const struct script_step steps[] = {
		{ "GET " KEY "packs/ab/abcd", headers, "", 206, "Content-Range: bytes 3-5/10\r\n", "def" },
		{ "GET " KEY "packs/ab/abcd", NULL, NULL, 206, "Content-Range: bytes 8-9/10\r\n", "ij" },
		{ "GET " KEY "packs/ab/abcd", NULL, NULL, 416, NULL, S3_ERROR("InvalidRange") },
		{ "GET " KEY "config", none, "", 200, NULL, "all of it" },
		{ "GET " KEY "config", none, "", 200, NULL, "all of it" },
		{ "HEAD " KEY "config", NULL, NULL, 200, NULL, "123456789" },
		{ "HEAD " KEY "config", NULL, NULL, 200, NULL, "123456789" },
	};
	struct buf all = BUF_INIT;
	uint64_t size = 0;
	struct s3_rig r;
	char out[8];

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_string_equal(store_url(r.store), "s3://bucket/pre%20fix");
	assert_int_equal(store_get(r.store, "packs/ab/abcd", 3, 3, out), 0);
	assert_memory_equal(out, "def", 3);
	assert_int_equal(store_get(r.store, "packs/ab/abcd", 8, 3, out), -EBADMSG);
	assert_int_equal(store_get(r.store, "packs/ab/abcd", 10, 3, out), -EBADMSG);
	assert_int_equal(r.scratch->nmessages, 2);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), 0);
	assert_int_equal(all.len, 9);
	assert_int_equal(store_get_all(r.store, "config", 8, &all), -EBADMSG);
	assert_int_equal(all.len, 9);
	assert_true(scratch_logged(r.scratch, "more than the 8 bytes"));
	assert_int_equal(store_stat(r.store, "config", &size), 0);
	assert_int_equal(size, 9);
	assert_int_equal(store_get(r.store, "config", 10, 0, out), -EBADMSG);
	buf_free(&all);
	s3_rig_close(&r);
}

static void test_put(void **state)
{
	static const char *const plain[] = { "x-amz-content-sha256: " SHA256_ABC, "Content-Length: 3",
		"x-amz-checksum-sha256: " SHA256_ABC_BASE64, "If-None-Match:", "x-amz-storage-class:",
		"x-amz-object-lock-mode:", NULL };
	static const char *const exclusive[] = { "If-None-Match: *", NULL };
	static const struct script_step steps[] = {
		{ "PUT " KEY "trees/ab/abcd", plain, "abc", 200, "ETag: \"" MD5_ABC "\"\r\n", NULL },
		{ "PUT " KEY "x", NULL, "", 200, NULL, NULL },
		/* Three ways to be there already. */
		{ "HEAD " KEY "config", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "config", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "PUT " KEY "config", exclusive, "abc", 200, NULL, NULL },
		{ "HEAD " KEY "config", NULL, NULL, 200, NULL, NULL },
		{ "HEAD " KEY "config", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "config", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "PUT " KEY "config", exclusive, "abc", 412, NULL, S3_ERROR("PreconditionFailed") },
		{ "DELETE " KEY "config", NULL, "", 204, NULL, NULL },
		/* Gone already, as some servers have it. */
		{ "DELETE " KEY "config", NULL, "", 404, NULL, S3_ERROR("NoSuchKey") },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_put(r.store, "trees/ab/abcd", "abc", 3, 0), 0);
	assert_int_equal(store_put(r.store, "x", "", 0, 0), 0);
	assert_int_equal(store_put(r.store, "config", "abc", 3, STORE_EXCL), 0);
	assert_int_equal(store_put(r.store, "config", "abc", 3, STORE_EXCL), -EEXIST);
	assert_int_equal(store_put(r.store, "config", "abc", 3, STORE_EXCL), -EEXIST);
	assert_int_equal(store_delete(r.store, "config"), 0);
	assert_int_equal(store_delete(r.store, "config"), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	s3_rig_close(&r);
}

/* What the server says of the stored bytes. */
static void test_verify(void **state)
{
	static const struct script_step steps[] = {
		{ NULL, NULL, "abc", 200, "x-amz-checksum-sha256: " SHA256_ABC_BASE64 "\r\nETag: \"x\"\r\n", NULL },
		{ NULL, NULL, "abc", 200, "x-amz-checksum-sha256: AAAA\r\nETag: \"" MD5_ABC "\"\r\n", NULL },
		{ NULL, NULL, "abc", 200, "ETag: \"" MD5_ABC "\"\r\n", NULL },
		{ NULL, NULL, "abc", 200, "ETag: \"000150983cd24fb0d6963f7d28e17f72\"\r\n", NULL },
		/* No MD5. */
		{ NULL, NULL, "abc", 200, "ETag: \"000150983cd24fb0d6963f7d28e17f72-2\"\r\n", NULL },
		{ NULL, NULL, "abc", 200, "ETag: \"000150983cd24fb0d6963f7d28e17f72\"\r\n"
		    "x-amz-server-side-encryption: aws:kms\r\n", NULL },
		{ NULL, NULL, "abc", 200, "ETag: \"000150983cd24fb0d6963f7d28e17f72\"\r\n"
		    "x-amz-server-side-encryption-customer-algorithm: AES256\r\n", NULL },
		{ NULL, NULL, "abc", 200, "ETag: \"" MD5_ABC "\"\r\nx-amz-server-side-encryption: AES256\r\n", NULL },
	};
	static const int want[COUNT(steps)] = { 0, -EAGAIN, 0, -EAGAIN, 0, 0, 0, 0 };
	char cause[240];
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	for (size_t i = 0; i < COUNT(steps); i++)
		assert_int_equal(store_put(r.store, "x", "abc", 3, 0), want[i]);
	store_last_trouble(r.store, cause, sizeof(cause));
	assert_string_equal(cause, "put x: the server's checksum is not that of what was sent");
	s3_rig_close(&r);
}

static void test_checksum_none(void **state)
{
	static const char *const headers[] = { "x-amz-content-sha256: " SHA256_ABC, "x-amz-checksum-sha256:", NULL };
	static const struct script_step steps[] = {
		{ "PUT " KEY "x", headers, "abc", 200, "ETag: \"000150983cd24fb0d6963f7d28e17f72\"\r\n", NULL },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL "checksum=none&", steps, COUNT(steps), NULL);
	assert_int_equal(store_put(r.store, "x", "abc", 3, 0), 0);
	s3_rig_close(&r);
}

/* --- Listings ----------------------------------------------------------------------------------------------------- */

static int add_name(void *arg, const char *name, uint64_t size)
{
	return buf_printf(arg, "%s=%llu ", name, (unsigned long long)size);
}

static int stop_at_once(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)name;
	(void)size;
	return 7;
}

#define CONTENTS(key, size) "<Contents><Key>" key "</Key><Size>" size "</Size></Contents>"

static void test_list(void **state)
{
	static const struct script_step steps[] = {
		{ "GET /bucket?encoding-type=url&list-type=2&prefix=pre%20fix%2Fpacks%2F", NULL, NULL, 200, NULL,
		    "<ListBucketResult><EncodingType>url</EncodingType>" CONTENTS("pre+fix%2Fpacks%2Fab%2Fa1", "1")
		    CONTENTS("pre+fix%2Fpacks%2FAB%2Fa2", "2") CONTENTS("pre+fix%2Fpacks%2F",
		    "0") CONTENTS("packs%2Fa", "3")
		    CONTENTS("pre+fix%2Ftrees%2Fa", "4") "<IsTruncated>true</IsTruncated>"
		    "<NextContinuationToken>a/b=</NextContinuationToken></ListBucketResult>" },
		{ "GET /bucket?continuation-token=a%2Fb%3D&encoding-type=url&list-type=2&prefix=pre%20fix%2Fpacks%2F",
		    NULL,
		    NULL, 200, NULL, "<ListBucketResult>" CONTENTS("pre fix/packs/ab/a5", "5") "<IsTruncated>false"
		    "</IsTruncated></ListBucketResult>" },
		{ "GET /bucket?encoding-type=url&list-type=2&prefix=pre%20fix%2F", NULL, NULL, 200, NULL,
		    "<ListBucketResult>" CONTENTS("pre fix/a", "1") CONTENTS("pre fix/b", "1") "</ListBucketResult>" },
		{ NULL, NULL, NULL, 200, NULL, "<ListBucketResult/>" },
		{ NULL, NULL, NULL, 200, NULL, "<html>Welcome</html>" },
		{ NULL, NULL, NULL, 404, NULL, S3_ERROR("NoSuchBucket") },
	};
	struct buf names = BUF_INIT;
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_list(r.store, "packs/", add_name, &names), 0);
	assert_string_equal((char *)names.data, "packs/ab/a1=1 packs/ab/a5=5 ");
	assert_int_equal(store_list(r.store, "", stop_at_once, NULL), 7);
	assert_int_equal(store_list(r.store, "", stop_at_once, NULL), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_list(r.store, "", stop_at_once, NULL), -EIO);
	assert_true(scratch_logged(r.scratch, "list: the server's answer is no listing"));
	assert_int_equal(store_list(r.store, "", stop_at_once, NULL), -EIO);
	assert_true(scratch_logged(r.scratch, "the bucket \"bucket\" does not exist"));
	buf_free(&names);
	s3_rig_close(&r);
}

#define WITH_AWS(f) cmocka_unit_test_setup_teardown(f, aws_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AWS(test_get),
		WITH_AWS(test_put),
		WITH_AWS(test_verify),
		WITH_AWS(test_checksum_none),
		WITH_AWS(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
