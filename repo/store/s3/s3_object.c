/*
 * Objects of S3: read, stated, deleted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/s3/s3_impl.h"

int s3_get(struct store *base, const char *name, uint64_t off, size_t len, void *out)
{
	struct s3_request q = { .operation = "get", .method = "GET", .name = name, .ranged = true, .range_off = off,
		.range_len = len, .into = out, .max = len, .accept = { 416 } };
	struct http_reply r = { 0 };
	int rc;

	rc = s3_perform(s3_of(base), &q, &r);
	if (rc == 0 && (r.status == 416 || r.received != len))
		rc = store_too_short(base, name, off, len);
	http_reply_free(&r);
	return rc;
}

int s3_get_all(struct store *base, const char *name, size_t max, struct buf *out)
{
	struct store_s3 *s = s3_of(base);
	struct s3_request q = { .operation = "get", .method = "GET", .name = name, .append = out, .max = max };
	struct http_reply r = { 0 };
	int rc;

	rc = s3_perform(s, &q, &r);
	if (rc == -EMSGSIZE)
		rc = store_too_long(base, name, max);
	http_reply_free(&r);
	return rc;
}

/*
 * Why a HEAD was refused, or what it is that is missing (the object, the bucket, or S3 itself), is in no body: a GET of
 * one byte that fails for the same reason tells it (s3_perform() acts upon it).  Return 0 if the HEAD is worth another,
 * or the error.
 */
static int ask_for_cause(struct store_s3 *s, const char *operation, const char *name)
{
	uint8_t byte;
	struct s3_request q = { .operation = operation, .method = "GET", .name = name, .ranged = true, .range_len = 1,
		.into = &byte, .max = 1, .accept = { 416 } };
	struct http_reply r = { 0 };
	int rc;

	rc = s3_perform(s, &q, &r);
	http_reply_free(&r);
	return rc;
}

int s3_head(struct store_s3 *s, const char *operation, const char *name, struct http_reply *r)
{
	struct s3_request q = { .operation = operation, .method = "HEAD", .name = name, .accept = { 400, 403, 404 } };
	int rc;

	rc = s3_perform(s, &q, r);
	if (rc != 0 || r->status < 300)
		return rc;
	rc = ask_for_cause(s, operation, name);
	if (rc == 0 && r->status != 404) {
		http_reply_free(r);
		*r = (struct http_reply){ 0 };
		q.accept[0] = q.accept[1] = 0;
		rc = s3_perform(s, &q, r);
	}
	if (rc == 0 && r->status == 404)
		rc = store_transient(&s->base, 0, "%s %s: it can be read, but is said to be missing", operation, name);
	return rc;
}

int s3_stat(struct store *base, const char *name, uint64_t *size)
{
	struct store_s3 *s = s3_of(base);
	struct http_reply r = { 0 };
	char text[32], *end;
	int rc;

	rc = s3_head(s, "stat", name, &r);
	if (rc == 0) {
		if (!http_header(&r, "Content-Length", text, sizeof(text)))
			text[0] = '\0';
		*size = strtoull(text, &end, 10);
		if (end == text || *end != '\0') {
			log_error(s->base.log, "%s/%s: stat: the server does not tell the size", s->base.url, name);
			rc = -EIO;
		}
	}
	http_reply_free(&r);
	return rc;
}

/* Where there are versions a delete hides: the room that it seems to free is paid for until a rule empties it. */
static void tell_of_versions(struct store_s3 *s, const struct http_reply *r)
{
	char marker[8];

	if (http_header(r, "x-amz-delete-marker", marker, sizeof(marker)) && strcmp(marker, "true") == 0 &&
	    !atomic_exchange(&s->told_versions, true))
		log_info(s->base.log, "%s: the bucket keeps versions: what is deleted takes up room until a rule of "
		    "the bucket removes it", s->base.url);
}

int s3_delete(struct store *base, const char *name)
{
	struct store_s3 *s = s3_of(base);
	struct s3_request q = { .operation = "delete", .method = "DELETE", .name = name };
	struct http_reply r = { 0 };
	int rc;

	rc = s3_perform(s, &q, &r);
	if (rc == 0)
		tell_of_versions(s, &r);
	http_reply_free(&r);
	/* AWS says 204 also if it was gone already; others, such as Google, that there is no such key. */
	return rc == -ENOENT ? 0 : rc;
}
