/*
 * Uploads in parts, storage classes, thawing, locks, and what is different with Google.
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
#define MIB (1u << 20)

/* --- In parts ----------------------------------------------------------------------------------------------------- */

#define BEGUN "<InitiateMultipartUploadResult><UploadId>id/1</UploadId></InitiateMultipartUploadResult>"
#define LIST(first, second) "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" \
	"<Part><PartNumber>1</PartNumber><ETag>\"" first "\"</ETag></Part>" \
	"<Part><PartNumber>2</PartNumber><ETag>\"" second "\"</ETag></Part></CompleteMultipartUpload>"

/* A put of 6 MiB of zeros, to be committed. */
static struct store_put *begin(struct s3_rig *r)
{
	static const uint8_t zeros[MIB];
	struct store_put *p;

	assert_int_equal(store_put_begin(r->store, &p), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(store_put_append(p, zeros, sizeof(zeros)), 0);
	return p;
}

static void test_parts(void **state)
{
	static const char *const first[] = { "Content-Length: 5242880", NULL };
	static const char *const second[] = { "Content-Length: 1048576", NULL };
	static const char *const exclusive[] = { "If-None-Match: *", NULL };
	static const struct script_step steps[] = {
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "POST " KEY "x?uploads=", NULL, "", 200, NULL, BEGUN },
		{ "PUT " KEY "x?partNumber=1&uploadId=id%2F1", first, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ "PUT " KEY "x?partNumber=2&uploadId=id%2F1", second, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", exclusive, LIST("e1", "e2"), 200, NULL,
		    "<CompleteMultipartUploadResult/>" },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL "part-size=5M&", steps, COUNT(steps), NULL);
	assert_int_equal(store_put_commit(begin(&r), "x", STORE_EXCL), 0);
	s3_rig_close(&r);
}

/* What was uploaded is not uploaded again. */
static void test_parts_go_on(void **state)
{
	static const struct script_step steps[] = {
		{ "POST " KEY "x?uploads=", NULL, "", 503, NULL, S3_ERROR("SlowDown") },
		{ "POST " KEY "x?uploads=", NULL, "", 200, NULL, BEGUN },
		{ "PUT " KEY "x?partNumber=1&uploadId=id%2F1", NULL, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ "PUT " KEY "x?partNumber=2&uploadId=id%2F1", NULL, NULL, 500, NULL, S3_ERROR("InternalError") },
		{ "PUT " KEY "x?partNumber=2&uploadId=id%2F1", NULL, NULL, 200,
		    "ETag: \"00000000000000000000000000000000\"\r\n", NULL },
		{ "PUT " KEY "x?partNumber=2&uploadId=id%2F1", NULL, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		/* It fails under the status of a success. */
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 200, NULL, S3_ERROR("InternalError") },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 200, NULL,
		    "<CompleteMultipartUploadResult/>" },
	};
	static const uint64_t sent[] = { 0, 5 * MIB, 5 * MIB, 10 * MIB };
	struct store_put *p;
	struct s3_rig r;

	s3_rig_open(&r, state, URL "part-size=5M&", steps, COUNT(steps), NULL);
	p = begin(&r);
	for (size_t i = 0; i < COUNT(sent); i++) {
		assert_int_equal(store_put_commit(p, "x", 0), -EAGAIN);
		assert_int_equal(p->sent, sent[i]);
	}
	assert_int_equal(store_put_commit(p, "x", 0), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	s3_rig_close(&r);
}

/* A success that does not say so is none: it is completed once more, and then may turn out to have been one. */
static void test_parts_unclear(void **state)
{
	static char whole[6 * MIB + 1];
	static const struct script_step steps[] = {
		{ NULL, NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ NULL, NULL, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 200, NULL, NULL },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 200, NULL, " \n " },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 200, NULL, "<Error><Code>InternalErr" },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 200, NULL, "<html>Welcome</html>" },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, LIST("e1", "e2"), 404, NULL, S3_ERROR("NoSuchUpload") },
		{ "HEAD " KEY "x", NULL, NULL, 200, NULL, whole },
	};
	struct store_put *p;
	char cause[240];
	struct s3_rig r;

	s3_rig_open(&r, state, URL "part-size=5M&", steps, COUNT(steps), NULL);
	p = begin(&r);
	memset(whole, 'x', 6 * MIB);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(store_put_commit(p, "x", 0), -EAGAIN);
		store_last_trouble(r.store, cause, sizeof(cause));
		assert_string_equal(cause, "put x: the answer does not say that it is complete");
	}
	assert_int_equal(store_put_commit(p, "x", 0), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	s3_rig_close(&r);
}

/* The server does not know the parts.  That may be because the answer to their completion was lost. */
static void test_parts_forgotten(void **state)
{
	static char whole[6 * MIB + 1];
	static const struct script_step steps[] = {
		{ NULL, NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ NULL, NULL, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, NULL, 404, NULL, S3_ERROR("NoSuchUpload") },
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "POST " KEY "x?uploads=", NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ NULL, NULL, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, NULL, 404, NULL, S3_ERROR("NoSuchUpload") },
		{ "HEAD " KEY "x", NULL, NULL, 200, NULL, "shorter" },
		{ "POST " KEY "x?uploads=", NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ NULL, NULL, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, NULL, 404, NULL, S3_ERROR("NoSuchUpload") },
		{ "HEAD " KEY "x", NULL, NULL, 200, NULL, whole },
	};
	struct store_put *p;
	struct s3_rig r;

	s3_rig_open(&r, state, URL "part-size=5M&", steps, COUNT(steps), NULL);
	p = begin(&r);
	memset(whole, 'x', 6 * MIB);
	assert_int_equal(store_put_commit(p, "x", 0), -EAGAIN);
	assert_int_equal(store_put_commit(p, "x", 0), -EAGAIN);
	assert_int_equal(store_put_commit(p, "x", 0), 0);
	s3_rig_close(&r);
}

/* What does not come to its end leaves no parts. */
static void test_parts_given_up(void **state)
{
	static const struct script_step steps[] = {
		{ NULL, NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 403, NULL, S3_ERROR("AccessDenied") },
		{ "DELETE " KEY "x?uploadId=id%2F1", NULL, NULL, 204, NULL, NULL },
		{ NULL, NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 503, NULL, S3_ERROR("SlowDown") },
		{ "DELETE " KEY "x?uploadId=id%2F1", NULL, NULL, 204, NULL, NULL },
		{ NULL, NULL, NULL, 200, NULL, "<InitiateMultipartUploadResult/>" },
	};
	struct store_put *p;
	struct s3_rig r;

	s3_rig_open(&r, state, URL "part-size=5M&", steps, COUNT(steps), NULL);
	assert_int_equal(store_put_commit(begin(&r), "x", 0), -EACCES);
	p = begin(&r);
	assert_int_equal(store_put_commit(p, "x", 0), -EAGAIN);
	store_put_abort(p);
	assert_int_equal(store_put_commit(begin(&r), "x", 0), -EIO);
	s3_rig_close(&r);
}

/* --- Classes and thawing ------------------------------------------------------------------------------------------ */

static void test_classes(void **state)
{
	static const char *const cold[] = { "x-amz-storage-class: GLACIER_IR", NULL };
	static const char *const hot[] = { "x-amz-storage-class: ONEZONE_IA", NULL };
	static const struct script_step steps[] = {
		{ "PUT " KEY "packs/ab/x", cold, NULL, 200, NULL, NULL },
		{ "PUT " KEY "trees/ab/x", hot, NULL, 200, NULL, NULL },
		{ "PUT " KEY "config", hot, NULL, 200, NULL, NULL },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL "storage-class=GLACIER_IR&storage-class-hot=ONEZONE_IA&", steps, COUNT(steps), NULL);
	assert_int_equal(store_put(r.store, "packs/ab/x", "x", 1, 0), 0);
	assert_int_equal(store_put(r.store, "trees/ab/x", "x", 1, 0), 0);
	assert_int_equal(store_put(r.store, "config", "x", 1, 0), 0);
	s3_rig_close(&r);
}

#define GLACIER "x-amz-storage-class: GLACIER\r\n"
#define RESTORE "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>3</Days>" \
	"<GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters></RestoreRequest>"

static void test_states(void **state)
{
	static const struct script_step steps[] = {
		{ "HEAD " KEY "x", NULL, NULL, 200, NULL, NULL },
		{ "HEAD " KEY "x", NULL, NULL, 200, "x-amz-storage-class: GLACIER_IR\r\n", NULL },
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER, NULL },
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER, NULL },
		{ "GET " KEY "x", NULL, NULL, 206, "Content-Range: bytes 0-0/9\r\n", "x" },
		{ "HEAD " KEY "x", NULL, NULL, 200, "x-amz-storage-class: DEEP_ARCHIVE\r\n"
		    "x-amz-restore: ongoing-request=\"true\"\r\n", NULL },
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER
		    "x-amz-restore: ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2040 00:00:00 GMT\"\r\n",
		    NULL },
		{ "HEAD " KEY "x", NULL, NULL, 200, "x-amz-storage-class: INTELLIGENT_TIERING\r\n"
		    "x-amz-archive-status: ARCHIVE_ACCESS\r\n", NULL },
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
	};
	static const enum store_class want[] = { STORE_READABLE, STORE_READABLE, STORE_ARCHIVED, STORE_READABLE,
		STORE_THAWING, STORE_READABLE, STORE_ARCHIVED };
	enum store_class class;
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	for (size_t i = 0; i < COUNT(want); i++) {
		class = want[i] == STORE_READABLE ? STORE_ARCHIVED : STORE_READABLE;
		assert_int_equal(store_thaw_state(r.store, "x", &class), 0);
		assert_int_equal(class, want[i]);
	}
	assert_int_equal(r.scratch->nmessages, 0);
	s3_rig_close(&r);
}

static void test_thaw(void **state)
{
	static const struct script_step steps[] = {
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER, NULL },
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
		{ "POST " KEY "x?restore=", NULL, RESTORE, 202, NULL, NULL },
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER "x-amz-restore: ongoing-request=\"true\"\r\n", NULL },
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		/* Somebody else was faster. */
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER, NULL },
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("InvalidObjectState") },
		{ "POST " KEY "x?restore=", NULL, RESTORE, 409, NULL, S3_ERROR("RestoreAlreadyInProgress") },
		{ "HEAD " KEY "x", NULL, NULL, 200, GLACIER, NULL },
		{ "GET " KEY "x", NULL, NULL, 403, NULL, S3_ERROR("AccessDenied") },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL "thaw-tier=Bulk&", steps, COUNT(steps), NULL);
	assert_int_equal(store_thaw(r.store, "x", 3), 0);
	assert_int_equal(store_thaw(r.store, "x", 3), 0);
	assert_int_equal(store_thaw(r.store, "x", 3), -ENOENT);
	assert_int_equal(store_thaw(r.store, "x", 3), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_thaw(r.store, "x", 3), -EACCES);
	s3_rig_close(&r);
}

/* --- Locks -------------------------------------------------------------------------------------------------------- */

/* 2040-01-02T03:04:05Z */
#define UNTIL INT64_C(2209086245)
#define RETENTION(mode) "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>" mode "</Mode>" \
	"<RetainUntilDate>2040-01-02T03:04:05Z</RetainUntilDate></Retention>"
#define LOCKED(mode, until) "<Retention><Mode>" mode "</Mode><RetainUntilDate>" until "</RetainUntilDate></Retention>"
#define NOT_LOCKED S3_ERROR("NoSuchObjectLockConfiguration")

static void test_retain(void **state)
{
	static const struct script_step steps[] = {
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, NOT_LOCKED },
		{ "PUT " KEY "x?retention=", NULL, RETENTION("GOVERNANCE"), 200, NULL, NULL },
		{ "GET " KEY "x?retention=", NULL, NULL, 200, NULL, LOCKED("GOVERNANCE", "2040-01-02T03:04:04.000Z") },
		{ "PUT " KEY "x?retention=", NULL, RETENTION("GOVERNANCE"), 200, NULL, NULL },
		{ "GET " KEY "x?retention=", NULL, NULL, 200, NULL, LOCKED("COMPLIANCE", "2039-01-01T00:00:00Z") },
		{ "PUT " KEY "x?retention=", NULL, RETENTION("COMPLIANCE"), 200, NULL, NULL },
		{ "GET " KEY "x?retention=", NULL, NULL, 200, NULL, LOCKED("GOVERNANCE",
		    "2040-01-02T03:04:05.000000000Z") },
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, S3_ERROR("ObjectLockConfigurationNotFoundError") },
		{ "PUT " KEY "x?retention=", NULL, RETENTION("GOVERNANCE"), 200, NULL, NULL },
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "GET " KEY "x?retention=", NULL, NULL, 200, NULL, "<html/>" },
	};
	static const int want[] = { 0, 0, 0, 0, 0, -ENOENT };
	struct s3_rig r;

	s3_rig_open(&r, state, URL "lock=governance&lock-days=30&", steps, COUNT(steps), NULL);
	assert_int_equal(store_retain_days(r.store), 30);
	for (size_t i = 0; i < COUNT(want); i++)
		assert_int_equal(store_retain(r.store, "x", UNTIL), want[i]);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_retain(r.store, "x", UNTIL), -EIO);
	assert_true(scratch_logged(r.scratch, "the server's answer is no retention"));
	s3_rig_close(&r);
	s3_rig_open(&r, state, URL, NULL, 0, NULL);
	assert_int_equal(store_retain_days(r.store), 0);
	assert_int_equal(store_retain(r.store, "x", UNTIL), -ENOTSUP);
	s3_rig_close(&r);
}

/* With versions, as with every lock, a delete frees nothing yet: that is told once. */
static void test_versions(void **state)
{
	static const struct script_step steps[] = {
		{ "DELETE " KEY "x", NULL, NULL, 204, NULL, NULL },
		{ "DELETE " KEY "x", NULL, NULL, 204, "x-amz-delete-marker: true\r\nx-amz-version-id: a\r\n", NULL },
		{ "DELETE " KEY "y", NULL, NULL, 204, "x-amz-delete-marker: true\r\nx-amz-version-id: b\r\n", NULL },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL, steps, COUNT(steps), NULL);
	assert_int_equal(store_delete(r.store, "x"), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	assert_int_equal(store_delete(r.store, "x"), 0);
	assert_true(scratch_logged(r.scratch, "the bucket keeps versions"));
	assert_int_equal(store_delete(r.store, "y"), 0);
	assert_int_equal(r.scratch->nmessages, 1);
	s3_rig_close(&r);
}

/* In place of the system's: all this happens at 2040-01-02T03:04:05Z, less the ten days. */
time_t time(time_t *out)
{
	time_t now = UNTIL - 10 * 86400;

	if (out != NULL)
		*out = now;
	return now;
}

static void test_locked_puts(void **state)
{
	static const char *const locked[] = { "x-amz-object-lock-mode: COMPLIANCE",
		"x-amz-object-lock-retain-until-date: 2040-01-02T03:04:05Z", NULL };
	static const char *const not_locked[] = { "x-amz-object-lock-mode:", "x-amz-object-lock-retain-until-date:",
	    NULL };
	static const struct script_step steps[] = {
		{ "PUT " KEY "packs/ab/x", locked, NULL, 200, NULL, NULL },
		{ "PUT " KEY "config", locked, NULL, 200, NULL, NULL },
		{ "PUT " KEY "doomed/x", not_locked, NULL, 200, NULL, NULL },
		/* In parts, by a server that forgets it. */
		{ "POST " KEY "x?uploads=", locked, NULL, 200, NULL, BEGUN },
		{ NULL, not_locked, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ NULL, not_locked, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", not_locked, NULL, 200, NULL, "<CompleteMultipartUploadResult/>" },
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, NOT_LOCKED },
		{ "PUT " KEY "x?retention=", NULL, NULL, 200, NULL, NULL },
	};
	struct s3_rig r;

	s3_rig_open(&r, state, URL "lock=compliance&lock-days=10&part-size=5M&", steps, COUNT(steps), NULL);
	assert_int_equal(store_put(r.store, "packs/ab/x", "x", 1, 0), 0);
	assert_int_equal(store_put(r.store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r.store, "doomed/x", "x", 1, 0), 0);
	assert_int_equal(store_put_commit(begin(&r), "x", 0), 0);
	s3_rig_close(&r);
}

/* What is complete and could not be locked is locked by the next commit, and neither uploaded again nor looked for. */
static void test_locked_late(void **state)
{
	static const struct script_step steps[] = {
		{ "HEAD " KEY "x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "POST " KEY "x?uploads=", NULL, NULL, 200, NULL, BEGUN },
		{ NULL, NULL, NULL, 200, "ETag: \"e1\"\r\n", NULL },
		{ NULL, NULL, NULL, 200, "ETag: \"e2\"\r\n", NULL },
		{ "POST " KEY "x?uploadId=id%2F1", NULL, NULL, 200, NULL, "<CompleteMultipartUploadResult/>" },
		{ "GET " KEY "x?retention=", NULL, NULL, 503, NULL, S3_ERROR("SlowDown") },
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, NOT_LOCKED },
		{ "PUT " KEY "x?retention=", NULL, NULL, 500, NULL, S3_ERROR("InternalError") },
		{ "GET " KEY "x?retention=", NULL, NULL, 404, NULL, NOT_LOCKED },
		{ "PUT " KEY "x?retention=", NULL, NULL, 200, NULL, NULL },
	};
	struct store_put *p;
	struct s3_rig r;

	s3_rig_open(&r, state, URL "lock=compliance&lock-days=10&part-size=5M&", steps, COUNT(steps), NULL);
	p = begin(&r);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_put_commit(p, "x", STORE_EXCL), -EAGAIN);
		assert_int_equal(p->sent, 6 * MIB);
	}
	assert_int_equal(store_put_commit(p, "x", STORE_EXCL), 0);
	assert_int_equal(r.scratch->nmessages, 0);
	s3_rig_close(&r);
}

/* --- Google ------------------------------------------------------------------------------------------------------- */

static void test_google(void **state)
{
	static const char *const put[] = { "x-goog-storage-class: ARCHIVE", "x-goog-if-generation-match: 0",
		"x-goog-content-sha256: 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
		"x-goog-object-lock-mode: GOVERNANCE", "x-goog-object-lock-retain-until-date: 2040-01-02T03:04:05Z",
		"If-None-Match:", "x-amz-content-sha256:", "x-amz-date:", "x-amz-checksum-sha256:", NULL };
	static const struct script_step steps[] = {
		{ "HEAD " KEY "packs/x", NULL, NULL, 404, NULL, NULL },
		{ "GET " KEY "packs/x", NULL, NULL, 404, NULL, S3_ERROR("NoSuchKey") },
		{ "PUT " KEY "packs/x", put, "x", 200,
		    "x-goog-hash: md5=nQ==\r\nETag: \"9dd4e461268c8034f5c8564e155c67a6\"\r\n",
		    NULL },
		{ "GET " KEY "packs/x", NULL, NULL, 200, NULL, "x" },
	};
	struct buf all = BUF_INIT;
	struct s3_rig r;

	s3_rig_open(&r, state, "gs://bucket/pre%20fix?storage-class=ARCHIVE&lock=governance&lock-days=10&", steps,
	    COUNT(steps), NULL);
	assert_int_equal(store_put(r.store, "packs/x", "x", 1, STORE_EXCL), 0);
	assert_int_equal(store_get_all(r.store, "packs/x", 9, &all), 0);
	assert_int_equal(store_thaw(r.store, "packs/x", 3), -ENOTSUP);
	buf_free(&all);
	s3_rig_close(&r);
}

#define WITH_AWS(f) cmocka_unit_test_setup_teardown(f, aws_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AWS(test_parts),
		WITH_AWS(test_parts_go_on),
		WITH_AWS(test_parts_unclear),
		WITH_AWS(test_parts_forgotten),
		WITH_AWS(test_parts_given_up),
		WITH_AWS(test_classes),
		WITH_AWS(test_states),
		WITH_AWS(test_thaw),
		WITH_AWS(test_retain),
		WITH_AWS(test_versions),
		WITH_AWS(test_locked_puts),
		WITH_AWS(test_locked_late),
		WITH_AWS(test_google),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
