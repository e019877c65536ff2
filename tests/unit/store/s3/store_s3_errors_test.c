/*
 * What the S3 store makes of refusals: what is asked a second time, and what is said of the rest.
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

#include "tests/unit/store/s3/s3_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define URL S3_RIG_URL
#define KEY S3_RIG_KEY

/* --- Second tries ------------------------------------------------------------------------------------------------- */

static void test_region(void **state)
{
	static const struct script_step steps[] = {
		{ "GET " KEY "config", NULL, NULL, 400, NULL,
		    "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-7</Region></Error>" },
		{ "GET " KEY "config", NULL, NULL, 200, NULL, "x" },
		{ "HEAD " KEY "config", NULL, NULL, 301, "x-amz-bucket-region: eu-west-8\r\n", NULL },
		{ "HEAD " KEY "config", NULL, NULL, 200, NULL, "12" },
		/* It makes no sense, and is not followed for ever. */
		{ "GET " KEY "config", NULL, NULL, 301, "x-amz-bucket-region: eu-west-9\r\n",
		    S3_ERROR("PermanentRedirect") },
		{ "GET " KEY "config", NULL, NULL, 301, "x-amz-bucket-region: eu-west-7\r\n",
		    S3_ERROR("PermanentRedirect") },
		{ "GET " KEY "config", NULL, NULL, 301, "x-amz-bucket-region: eu-west-6\r\n",
		    S3_ERROR("PermanentRedirect") },
		/* The same region: no reason to ask again. */
		{ "GET " KEY "config", NULL, NULL, 403, "x-amz-bucket-region: eu-west-6\r\n",
		    S3_ERROR("AccessDenied") },
	};
	struct buf all = BUF_INIT;
	uint64_t size = 0;
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), 0);
	assert_int_equal(store_stat(r.store, "config", &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -EIO);
	assert_true(scratch_logged(r.scratch, "the bucket is elsewhere"));
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -EACCES);
	buf_free(&all);
	s3_rig_close(&r);
}

/* It does not say which, or nothing that could be one. */
static void test_no_region(void **state)
{
	static const struct script_step steps[] = {
		{ "GET " KEY "config", NULL, NULL, 400, NULL,
		    "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-7</Region></Error>" },
		{ "GET " KEY "config", NULL, NULL, 400, NULL, S3_ERROR("AuthorizationHeaderMalformed") },
		{ "GET " KEY "config", NULL, NULL, 400, NULL,
		    "<Error><Code>AuthorizationHeaderMalformed</Code><Region>no/region</Region></Error>" },
	};
	struct buf all = BUF_INIT;
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -EIO);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -EIO);
	assert_true(scratch_logged(r.scratch, "the region is not the bucket's"));
	s3_rig_close(&r);
}

static void write_keys(const char *id)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/.aws/credentials", getenv("HOME"));
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "[default]\naws_access_key_id = AKID\naws_secret_access_key = geheim\naws_session_token = %s\n", id);
	assert_int_equal(fclose(f), 0);
}

static void write_new_keys(size_t step)
{
	if (step == 0)
		write_keys("new");
	else if (step == 3)
		write_keys("newer");
}

static void test_expired_token(void **state)
{
	static const char *const old[] = { "x-amz-security-token: old", NULL };
	static const char *const new[] = { "x-amz-security-token: new", NULL };
	static const char *const newer[] = { "x-amz-security-token: newer", NULL };
	static const struct script_step steps[] = {
		{ "GET " KEY "config", old, NULL, 400, NULL, S3_ERROR("ExpiredToken") },
		{ "GET " KEY "config", new, NULL, 200, NULL, "x" },
		/* A HEAD has no body: a GET tells the cause. */
		{ "HEAD " KEY "config", new, NULL, 400, NULL, NULL },
		{ "GET " KEY "config", new, NULL, 400, NULL, S3_ERROR("ExpiredToken") },
		{ "GET " KEY "config", newer, NULL, 206, "Content-Range: bytes 0-0/2\r\n", "x" },
		{ "HEAD " KEY "config", newer, NULL, 200, NULL, "xy" },
		/* There are no newer ones. */
		{ "GET " KEY "config", newer, NULL, 400, NULL, S3_ERROR("ExpiredToken") },
		{ "GET " KEY "config", newer, NULL, 400, NULL, S3_ERROR("ExpiredToken") },
		{ "GET " KEY "config", newer, NULL, 400, NULL, S3_ERROR("ExpiredToken") },
	};
	struct buf all = BUF_INIT;
	uint64_t size = 0;
	struct s3_rig r;

	s3_rig_open(&r, state, URL "profile=default&", steps, COUNT(steps), write_new_keys);
	write_keys("old");
	assert_int_equal(store_get_all(r.store, "config", 9, &all), 0);
	assert_int_equal(store_stat(r.store, "config", &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -EACCES);
	assert_true(scratch_logged(r.scratch, "get: the credentials have expired"));
	buf_free(&all);
	s3_rig_close(&r);
}

static void test_no_credentials(void **state)
{
	struct buf all = BUF_INIT;
	struct s3_rig r;

	s3_rig_open(&r, state, "s3://bucket?profile=none&", NULL, 0, NULL);
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -EACCES);
	assert_int_equal(r.scratch->nmessages, 1);
	s3_rig_close(&r);
}

/* --- Errors ------------------------------------------------------------------------------------------------------- */

#define ERROR_WITH(code, more) "<Error><Code>" code "</Code>" more "</Error>"

/* ${message} in the log, or the cause of what may go away. */
static const struct {
	const char *method;
	int status;
	const char *headers, *answer;
	int rc;
	const char *message;
} errors[] = {
	{ "GET", 404, NULL, S3_ERROR("NoSuchKey"), -ENOENT, NULL },
	{ "GET", 404, NULL, S3_ERROR("NoSuchBucket"), -EIO, "get: the bucket \"bucket\" does not exist" },
	{ "PUT", 404, NULL, S3_ERROR("NoSuchBucket"), -EIO, "put: the bucket \"bucket\" does not exist" },
	{ "DELETE", 404, NULL, S3_ERROR("NoSuchBucket"), -EIO, "delete: the bucket \"bucket\" does not exist" },
	{ "GET", 404, NULL, "<html>nothing here</html>", -EIO, "answered 404, but not as S3 does" },
	{ "GET", 410, NULL, "<html>nothing here</html>", -EIO, "answered 410, but not as S3 does" },
	{ "PUT", 410, NULL, "", -EIO, "answered 410, but not as S3 does" },
	{ "GET", 403, NULL, S3_ERROR("AccessDenied"), -EACCES, "/x: get: no permission to read" },
	{ "PUT", 403, NULL, S3_ERROR("AccessDenied"), -EACCES, "/x: put: no permission to write" },
	{ "DELETE", 403, NULL, S3_ERROR("AccessDenied"), -EACCES, "/x: delete: no permission to delete" },
	{ "DELETE", 403, NULL, ERROR_WITH("AccessDenied", "<Message>Access Denied because object protected by object "
	    "lock.</Message>"), -EACCES, "/x: delete: it is locked (Object Lock) until its retention ends" },
	{ "GET", 403, NULL, S3_ERROR("SignatureDoesNotMatch"), -EACCES, "wrong credentials" },
	{ "GET", 403, NULL, S3_ERROR("InvalidAccessKeyId"), -EACCES, "wrong credentials" },
	{ "GET", 403, NULL, S3_ERROR("RequestTimeTooSkewed"), -EIO, "clock differs too much" },
	{ "GET", 403, NULL, ERROR_WITH("InvalidObjectState", "<StorageClass>DEEP_ARCHIVE</StorageClass>"), -EIO,
	    "/x: get: is in an archive class (DEEP_ARCHIVE) and must be restored first" },
	{ "GET", 403, NULL, S3_ERROR("InvalidObjectState"), -EIO, "is in an archive class and must be restored first" },
	{ "PUT", 403, NULL, S3_ERROR("QuotaExceeded"), -ENOSPC, "the quota is used up" },
	{ "PUT", 507, NULL, NULL, -ENOSPC, "507" },
	{ "PUT", 400, NULL, ERROR_WITH("InvalidArgument", "<Message>bad\nthing</Message>"), -EIO,
	    "put: the server answered 400, InvalidArgument: bad\\nthing" },
	{ "PUT", 400, NULL, S3_ERROR("BadDigest"), -EAGAIN, "put x: the server answered 400, BadDigest" },
	{ "PUT", 400, NULL, S3_ERROR("RequestTimeout"), -EAGAIN, "RequestTimeout" },
	{ "PUT", 409, NULL, S3_ERROR("ConditionalRequestConflict"), -EAGAIN, "ConditionalRequestConflict" },
	{ "GET", 503, "Retry-After: 7\r\n", S3_ERROR("SlowDown"), -EAGAIN, "get x: the server answered 503, SlowDown" },
	{ "GET", 500, NULL, S3_ERROR("InternalError"), -EAGAIN, "500, InternalError" },
	{ "GET", 500, NULL, S3_ERROR("SomethingNew"), -EAGAIN, "500, SomethingNew" },
	{ "GET", 502, NULL, "<html>", -EAGAIN, "502" },
	{ "GET", 400, NULL, "", -EIO, "400" },
	{ "GET", 200, NULL, "more than nine", -EBADMSG, "more than the 9 bytes" },
};

static int do_it(struct s3_rig *r, const char *method)
{
	struct buf all = BUF_INIT;
	int rc;

	if (strcmp(method, "PUT") == 0)
		return store_put(r->store, "x", "abc", 3, 0);
	if (strcmp(method, "DELETE") == 0)
		return store_delete(r->store, "x");
	rc = store_get_all(r->store, "x", 9, &all);
	buf_free(&all);
	return rc;
}

/* Is what was said ${want}: a message, or the cause of what may go away, or nothing? */
static bool said(struct s3_rig *r, int rc, const char *want)
{
	char cause[240];

	store_last_trouble(r->store, cause, sizeof(cause));
	if (want == NULL || rc == -EAGAIN)
		return r->scratch->nmessages == 0 && (want == NULL || strstr(cause, want) != NULL);
	return r->scratch->nmessages == 1 && scratch_logged(r->scratch, want);
}

static void test_errors(void **state)
{
	struct script_step step;
	char request[64];
	struct s3_rig r;
	int rc;

	for (size_t i = 0; i < COUNT(errors); i++) {
		scratch_log_clear(*state);
		snprintf(request, sizeof(request), "%s %sx", errors[i].method, KEY);
		step = (struct script_step){ .request = request, .status = errors[i].status,
		    .headers = errors[i].headers,
			.answer = errors[i].answer };
		s3_rig_open(&r, state, URL, &step, 1, NULL);
		rc = do_it(&r, errors[i].method);
		if (rc != errors[i].rc || !said(&r, rc, errors[i].message))
			fail_msg("%zu: %d, %s", i, rc, r.scratch->messages);
		s3_rig_close(&r);
	}
}

/* A HEAD says of a 404 no more than that: the object may be missing, the bucket, or S3. */
static void test_missing(void **state)
{
	static const struct script_step steps[] = {
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 206, "Content-Range: bytes 0-0/2\r\n", "x" },
		{ "HEAD " KEY "x", NULL, NULL, 403, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 416, NULL, S3_ERROR("InvalidRange") },
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchBucket") },
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, "<html>nothing here</html>" },
		/* Who opens a store finds no repository in a bucket that is not there; who makes one must know why. */
		{ "GET " KEY "config", NULL, NULL, 404, NULL, S3_ERROR("NoSuchBucket") },
		{ "HEAD " KEY "config", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "config", NULL, NULL, 404, NULL, S3_ERROR("NoSuchBucket") },
	};
	struct buf all = BUF_INIT;
	uint64_t size;
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_stat(r.store, "x", &size), -ENOENT);
	assert_int_equal(store_stat(r.store, "x", &size), -EAGAIN);
	assert_int_equal(store_stat(r.store, "x", &size), -EAGAIN);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_stat(r.store, "x", &size), -EIO);
	assert_true(scratch_logged(r.scratch, "stat: the bucket \"bucket\" does not exist"));
	assert_int_equal(store_stat(r.store, "x", &size), -EIO);
	assert_true(scratch_logged(r.scratch, "not as S3 does"));
	assert_int_equal(store_get_all(r.store, "config", 9, &all), -ENOENT);
	assert_int_equal(store_put(r.store, "config", "x", 1, STORE_EXCL), -EIO);
	assert_int_equal(r.scratch->nmessages, 4);
	buf_free(&all);
	s3_rig_close(&r);
}

static int count_name(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	++*(unsigned *)arg;
	return 0;
}

/* What holds nothing has an empty listing: who says that it is not there is not believed. */
static void test_list_missing(void **state)
{
	static const struct {
		int status;
		const char *answer, *message;
	} cases[] = {
		{ 410, "<html>gone</html>", "/keys/: list: the server answered 410, but not as S3 does" },
		{ 404, "<html>nothing here</html>", "/keys/: list: the server answered 404, but not as S3 does" },
		{ 404, S3_ERROR("NoSuchKey"), "/keys/: list: the server's answer is no listing" },
		{ 404, S3_ERROR("NoSuchBucket"), "list: the bucket \"bucket\" does not exist" },
	};
	struct script_step step = { 0 };
	unsigned n = 0;
	struct s3_rig r;

	for (size_t i = 0; i < COUNT(cases); i++) {
		scratch_log_clear(*state);
		step.status = cases[i].status;
		step.answer = cases[i].answer;
		s3_rig_open(&r, state, URL, &step, 1, NULL);
		assert_int_equal(store_list(r.store, "keys/", count_name, &n), -EIO);
		if (r.scratch->nmessages != 1 || !scratch_logged(r.scratch, cases[i].message))
			fail_msg("%zu: %s", i, r.scratch->messages);
		s3_rig_close(&r);
	}
	assert_int_equal(n, 0);
}

/* Each file that has something in an archived pack asks for it: one line is enough. */
static void test_archived_told_once(void **state)
{
	static const struct script_step steps[] = {
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
		{ "GET " KEY "y", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
	};
	struct buf all = BUF_INIT;
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_get_all(r.store, "x", 9, &all), -EIO);
	assert_int_equal(store_get_all(r.store, "x", 9, &all), -EIO);
	assert_int_equal(r.scratch->nmessages, 1);
	assert_int_equal(store_get_all(r.store, "y", 9, &all), -EIO);
	assert_int_equal(r.scratch->nmessages, 2);
	buf_free(&all);
	s3_rig_close(&r);
}

static void test_retry_after(void **state)
{
	static const struct script_step steps[] = { { NULL, NULL, NULL, 503, "Retry-After: 7\r\n",
	    S3_ERROR("SlowDown") } };
	struct buf all = BUF_INIT;
	int64_t wait_ms;
	char cause[240];
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_get_all(r.store, "x", 9, &all), -EAGAIN);
	wait_ms = store_last_trouble(r.store, cause, sizeof(cause)) - store_now_ms();
	assert_in_range(wait_ms, 5000, 7000);
	s3_rig_close(&r);
}

#define WITH_AWS(f) cmocka_unit_test_setup_teardown(f, aws_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AWS(test_region),
		WITH_AWS(test_no_region),
		WITH_AWS(test_expired_token),
		WITH_AWS(test_no_credentials),
		WITH_AWS(test_errors),
		WITH_AWS(test_missing),
		WITH_AWS(test_list_missing),
		WITH_AWS(test_archived_told_once),
		WITH_AWS(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
