/*
 * How objects are kept: archives and thawing, locks and retention.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "repo/store/s3/s3_impl.h"

#define ANSWER_MAX (64u * 1024)

void s3_time(int64_t when, char out[S3_TIME_SIZE])
{
	time_t t = (time_t)when;
	struct tm tm = { 0 };

	gmtime_r(&t, &tm);
	if (strftime(out, S3_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		*out = '\0';
}

int64_t s3_time_parse(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL ? timegm(&tm) : 0;
}

/* A small document to a subresource of an object.  Return as s3_perform(). */
static int send_document(struct store_s3 *s, const struct s3_request *to, const char *document)
{
	const struct http_body body = { .data = document, .len = strlen(document) };
	struct s3_headers headers = { 0 };
	struct s3_request q = *to;
	struct http_reply r = { 0 };
	struct s3_sum sum;
	int rc;

	s3_sum_bytes(document, body.len, &sum);
	q.headers = &headers;
	q.body = &body;
	q.sha256 = sum.hex;
	s3_plain_header(&headers, "Content-Type", "application/xml");
	if (s->config.checksum && !s->config.google) {
		s3_header(s, &headers, "sdk-checksum-algorithm", "SHA256");
		s3_header(s, &headers, "checksum-sha256", sum.base64);
	}
	rc = s3_perform(s, &q, &r);
	http_reply_free(&r);
	return rc;
}

/* Whether one byte of it can be read, for servers whose archive classes are archives by name only. */
static int try_to_read(struct store_s3 *s, const char *name, enum store_class *out)
{
	uint8_t byte;
	struct s3_request q = { .operation = "get", .method = "GET", .name = name, .ranged = true, .range_len = 1,
		.into = &byte, .max = 1, .accept = { 403, 416 } };
	struct http_reply r = { 0 };
	struct s3_error e = { 0 };
	int rc;

	rc = s3_perform(s, &q, &r);
	if (rc == 0 && r.status == 403) {
		rc = s3_error_parse(r.error.data, r.error.len, &e);
		*out = STORE_ARCHIVED;
		if (rc == 0 && strcmp(e.code, "InvalidObjectState") != 0)
			rc = s3_failed(s, &q, &r, &e);
	} else if (rc == 0) {
		*out = STORE_READABLE;
	}
	http_reply_free(&r);
	return rc;
}

int s3_thaw_state(struct store *base, const char *name, enum store_class *out)
{
	struct store_s3 *s = s3_of(base);
	struct http_reply r = { 0 };
	char class[40], restore[160];
	bool archive;
	int rc;

	rc = s3_head(s, "stat", name, &r);
	if (rc != 0)
		goto out;
	archive = (http_header(&r, "x-amz-storage-class", class, sizeof(class)) &&
		      (strcmp(class, "GLACIER") == 0 || strcmp(class, "DEEP_ARCHIVE") == 0)) ||
	    http_header(&r, "x-amz-archive-status", class, sizeof(class));
	/* x-amz-restore: ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT" */
	if (!archive)
		*out = STORE_READABLE;
	else if (!http_header(&r, "x-amz-restore", restore, sizeof(restore)))
		rc = try_to_read(s, name, out);
	else
		*out = strstr(restore, "ongoing-request=\"true\"") != NULL ? STORE_THAWING : STORE_READABLE;
out:
	http_reply_free(&r);
	return rc;
}

int s3_thaw(struct store *base, const char *name, unsigned days)
{
	struct store_s3 *s = s3_of(base);
	struct s3_request q = { .operation = "thaw", .method = "POST", .name = name, .query = "restore=",
		.accept = { 409 } }; /* somebody else has asked already */
	char document[320];
	enum store_class class;
	int rc;

	if (s->config.google)
		return -ENOTSUP;
	rc = s3_thaw_state(base, name, &class);
	if (rc != 0 || class == STORE_READABLE || class == STORE_THAWING)
		return rc;
	snprintf(document, sizeof(document),
	    "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Days>%u</Days>"
	    "<GlacierJobParameters><Tier>%s</Tier></GlacierJobParameters></RestoreRequest>",
	    days, s->config.thaw_tier != NULL ? s->config.thaw_tier : "Standard");
	return send_document(s, &q, document);
}

unsigned s3_retain_days(const struct store *base)
{
	const struct store_s3 *s = (const struct store_s3 *)base;

	return s->config.lock != NULL ? s->config.lock_days : 0;
}

/*
 * How it is retained already.  By the subresource and not by a HEAD, for which one must be allowed to read the object:
 * writers need not be.
 */
static int get_retention(struct store_s3 *s, const char *name, struct s3_retention *out)
{
	struct buf body = BUF_INIT;
	struct s3_request q = { .operation = "retain", .method = "GET", .name = name, .query = "retention=",
		.append = &body, .max = ANSWER_MAX, .accept = { 404 } };
	struct http_reply r = { 0 };
	struct s3_error e = { 0 };
	int rc;

	*out = (struct s3_retention){ 0 };
	rc = s3_perform(s, &q, &r);
	if (rc == 0 && r.status == 404)
		rc = s3_error_parse(r.error.data, r.error.len, &e);
	else if (rc == 0)
		rc = s3_retention_parse(body.data, body.len, out);
	/* AWS, Ceph. */
	if (rc == 0 && r.status == 404 && strcmp(e.code, "NoSuchObjectLockConfiguration") != 0 &&
	    strcmp(e.code, "ObjectLockConfigurationNotFoundError") != 0)
		rc = s3_failed(s, &q, &r, &e);
	if (rc == -EBADMSG || rc == -EMSGSIZE) {
		log_error(s->base.log, "%s/%s: retain: the server's answer is no retention", s->base.url, name);
		rc = -EIO;
	}
	http_reply_free(&r);
	buf_free(&body);
	return rc;
}

int s3_retain(struct store *base, const char *name, int64_t until)
{
	struct store_s3 *s = s3_of(base);
	struct s3_request q = { .operation = "retain", .method = "PUT", .name = name, .query = "retention=" };
	char document[256], date[S3_TIME_SIZE];
	struct s3_retention already;
	int rc;

	if (s->config.lock == NULL)
		return -ENOTSUP;
	rc = get_retention(s, name, &already);
	if (rc != 0 || s3_time_parse(already.until) >= until)
		return rc;
	s3_time(until, date);
	snprintf(document, sizeof(document),
	    "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>%s</Mode>"
	    "<RetainUntilDate>%s</RetainUntilDate></Retention>",
	    strcmp(already.mode, "COMPLIANCE") == 0 ? already.mode : s->config.lock, date);
	return send_document(s, &q, document);
}
