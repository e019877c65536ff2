/*
 * Uploads in parts: begin, the parts one after the other, complete.
 *
 * What was uploaded is kept across failures that may go away, so that a broken connection costs a part and not the
 * object.  Parts of a program that died stay with the server until its lifecycle rule removes them (docs/stores.md).
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/store/s3/s3_impl.h"

#define PARTS_MAX 10000 /* S3's limit */
#define LOCK_SLACK 3600 /* seconds: uploads take their time */
#define ANSWER_MAX (64u * 1024)

/* Forget the upload, not that there is an object to be sent. */
static void forget(struct s3_multipart *m)
{
	free(m->name);
	buf_free(&m->id);
	free(m->parts);
	*m = (struct s3_multipart){ 0 };
}

static int out_of_memory(struct store_s3 *s, const char *name)
{
	log_error(s->base.log, "%s/%s: put: out of memory", s->base.url, name);
	return -ENOMEM;
}

/* "uploadId=..." with what comes before it in the query; with a NUL. */
static int put_query(const struct s3_multipart *m, uint64_t part, struct buf *out)
{
	int rc = 0;

	if (part > 0)
		rc = buf_printf(out, "partNumber=%" PRIu64 "&", part);
	if (rc == 0)
		rc = buf_printf(out, "uploadId=%s", (const char *)m->id.data);
	return rc == 0 ? buf_append(out, "", 1) : rc;
}

static int begin_upload(struct store_s3 *s, const char *name, struct http_reply *r, struct buf *id)
{
	static const struct http_body nothing = { .data = "" };
	struct s3_headers headers = { 0 };
	struct buf body = BUF_INIT;
	struct s3_request q = { .operation = "put", .method = "POST", .name = name, .query = "uploads=",
		.headers = &headers, .body = &nothing, .append = &body, .max = ANSWER_MAX };
	int rc;

	s3_object_headers(s, name, &headers);
	if (s->config.checksum && !s->config.google)
		s3_header(s, &headers, "checksum-algorithm", "SHA256");
	rc = s3_perform(s, &q, r);
	if (rc == 0)
		rc = s3_upload_id_parse(body.data, body.len, id);
	if (rc == -EBADMSG || rc == -EMSGSIZE) {
		log_error(s->base.log, "%s/%s: put: the server's answer has no upload id", s->base.url, name);
		rc = -EIO;
	}
	buf_free(&body);
	return rc;
}

static int begin(struct store_s3 *s, struct s3_multipart *m, const char *name, uint64_t len)
{
	uint64_t least = (len + PARTS_MAX - 1) / PARTS_MAX;
	struct http_reply r = { 0 };
	struct buf id = BUF_INIT;
	int rc;

	rc = begin_upload(s, name, &r, &id);
	http_reply_free(&r);
	if (rc != 0)
		goto out;
	m->part_size = s->config.part_size > least ? s->config.part_size : least;
	m->nparts = (len + m->part_size - 1) / m->part_size;
	m->parts = calloc(m->nparts, sizeof(*m->parts));
	m->name = strdup(name);
	rc = m->parts != NULL && m->name != NULL ? http_escape(&m->id, (const char *)id.data, "") : -ENOMEM;
	if (rc == 0)
		rc = buf_append(&m->id, "", 1);
	if (rc != 0) {
		forget(m);
		rc = out_of_memory(s, name);
	}
out:
	buf_free(&id);
	return rc;
}

/* Remember what the server says of a part: completing the upload repeats it. */
static int take_part(struct store_s3 *s, struct s3_multipart *m, const struct http_reply *r)
{
	struct s3_part *part = &m->parts[m->done];

	if (!http_header(r, "ETag", part->etag, sizeof(part->etag)) || part->etag[strcspn(part->etag, "<>&")] != '\0') {
		log_error(s->base.log, "%s/%s: put: the server's answer has no ETag", s->base.url, m->name);
		return -EIO;
	}
	if (!http_header(r, "x-amz-checksum-sha256", part->sha256, sizeof(part->sha256)) ||
	    part->sha256[strcspn(part->sha256, "<>&")] != '\0')
		part->sha256[0] = '\0';
	m->done++;
	return 0;
}

/* The next part. */
static int put_part(struct store_s3 *s, struct s3_multipart *m, const struct spool *spool)
{
	uint64_t off = m->done * m->part_size;
	uint64_t len = spool->len - off < m->part_size ? spool->len - off : m->part_size;
	struct http_body body = spool_body(spool);
	struct s3_headers headers = { 0 };
	struct s3_request q = { .operation = "put", .method = "PUT", .name = m->name, .headers = &headers,
	    .body = &body };
	struct http_reply r = { 0 };
	struct buf query = BUF_INIT;
	struct s3_sum sum;
	int rc;

	/* The spool is a file by now: parts are longer than what stays in memory. */
	body.offset += off;
	body.len = len;
	rc = put_query(m, m->done + 1, &query);
	if (rc == 0)
		rc = s3_sum(s, m->name, spool, off, len, &sum);
	if (rc != 0)
		goto out;
	q.query = (const char *)query.data;
	q.sha256 = sum.hex;
	if (s->config.checksum && !s->config.google)
		s3_header(s, &headers, "checksum-sha256", sum.base64);
	rc = s3_perform(s, &q, &r);
	if (rc == 0)
		rc = s3_verify(s, m->name, spool, off, len, &sum, &r);
	if (rc == 0)
		rc = take_part(s, m, &r);
out:
	http_reply_free(&r);
	buf_free(&query);
	return rc;
}

static int put_list_of_parts(const struct s3_multipart *m, struct buf *out)
{
	int rc = buf_printf(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");

	for (uint64_t i = 0; rc == 0 && i < m->nparts; i++) {
		rc = buf_printf(out, "<Part><PartNumber>%" PRIu64 "</PartNumber><ETag>%s</ETag>", i + 1,
		    m->parts[i].etag);
		if (rc == 0 && m->parts[i].sha256[0] != '\0')
			rc = buf_printf(out, "<ChecksumSHA256>%s</ChecksumSHA256>", m->parts[i].sha256);
		if (rc == 0)
			rc = buf_printf(out, "</Part>");
	}
	return rc == 0 ? buf_printf(out, "</CompleteMultipartUpload>") : rc;
}

/*
 * The server does not know the upload.  It does not if it has completed it and the answer was lost: then the object is
 * there, of the right length.  Else all begins anew.
 */
static int look_for_it(struct store_s3 *s, struct s3_multipart *m, uint64_t len)
{
	char name[STORE_NAME_MAX + 1];
	uint64_t size;
	int rc;

	snprintf(name, sizeof(name), "%s", m->name);
	forget(m);
	rc = s3_stat(&s->base, name, &size);
	if (rc == 0 && size == len)
		return 0;
	if (rc == 0 || rc == -ENOENT)
		rc = store_transient(&s->base, 0, "put %s: the server has forgotten the parts", name);
	return rc;
}

/*
 * A status of 200 comes before the end is known: what follows may be an error, or be cut off.  Only the result itself
 * says that the object is there; of a proxy's page or nothing at all the next commit completes once more.
 */
static int judge_success(struct store_s3 *s, const struct s3_multipart *m, const struct buf *answer)
{
	int rc = s3_completion_parse(answer->data, answer->len);

	if (rc == -EBADMSG)
		rc = store_transient(&s->base, 0, "put %s: the answer does not say that it is complete", m->name);
	return rc;
}

/* It may take minutes, and then be an error under the status 200. */
static int judge_completion(struct store_s3 *s, struct s3_multipart *m, const struct s3_request *q,
    const struct http_reply *r, const struct buf *answer, uint64_t len)
{
	const struct buf *body = r->status < 300 ? answer : &r->error;
	struct http_reply as = { .status = r->status < 300 ? 500 : r->status };
	struct s3_error e;
	int rc;

	rc = s3_error_parse(body->data, body->len, &e);
	if (rc != 0)
		return rc;
	if (strcmp(e.code, "NoSuchUpload") == 0)
		return look_for_it(s, m, len);
	if (r->status == 412)
		return -EEXIST;
	if (r->status < 300 && *e.code == '\0')
		return judge_success(s, m, answer);
	return s3_failed(s, q, &as, &e);
}

static int complete(struct store_s3 *s, struct s3_multipart *m, unsigned flags, uint64_t len)
{
	struct buf list = BUF_INIT, query = BUF_INIT, answer = BUF_INIT;
	struct s3_headers headers = { 0 };
	struct http_body body = { 0 };
	struct s3_request q = { .operation = "put", .method = "POST", .name = m->name, .headers = &headers,
	    .body = &body,
		.append = &answer, .max = ANSWER_MAX, .accept = { 404, 412 } };
	struct http_reply r = { 0 };
	struct s3_sum sum;
	int rc;

	rc = put_list_of_parts(m, &list);
	if (rc == 0)
		rc = put_query(m, 0, &query);
	if (rc != 0)
		goto out;
	s3_sum_bytes(list.data, list.len, &sum);
	body = (struct http_body){ .data = list.data, .len = list.len };
	q.sha256 = sum.hex;
	q.query = (const char *)query.data;
	if ((flags & STORE_EXCL) != 0 && s->config.google)
		s3_header(s, &headers, "if-generation-match", "0");
	else if ((flags & STORE_EXCL) != 0)
		s3_plain_header(&headers, "If-None-Match", "*");
	s3_plain_header(&headers, "Content-Type", "application/xml");
	rc = s3_perform(s, &q, &r);
	if (rc == 0)
		rc = judge_completion(s, m, &q, &r, &answer, len);
out:
	http_reply_free(&r);
	buf_free(&list);
	buf_free(&query);
	buf_free(&answer);
	return rc;
}

/* Some servers forget the lock that the upload began with (Ceph 16). */
static int lock_whole(struct store_s3 *s, const char *name)
{
	int64_t until = (int64_t)time(NULL) + (int64_t)s->config.lock_days * 86400 - LOCK_SLACK;
	int rc;

	if (!s3_is_locked(s, name))
		return 0;
	rc = s3_retain(&s->base, name, until);
	if (rc == -ENOENT)
		rc = store_transient(&s->base, 0, "put %s: what is complete is not there to be locked", name);
	return rc;
}

/* All parts, and the whole of them. */
static int upload(struct store_s3 *s, struct s3_multipart *m, const struct spool *spool, const char *name,
    unsigned flags)
{
	int rc = 0;

	if (m->name == NULL)
		rc = begin(s, m, name, spool->len);
	while (rc == 0 && m->done < m->nparts)
		rc = put_part(s, m, spool);
	if (rc == 0)
		rc = complete(s, m, flags, spool->len);
	return rc;
}

int s3_multipart_put(struct store_s3 *s, struct s3_multipart *m, const struct spool *spool, const char *name,
    unsigned flags)
{
	int rc;

	if (!m->completed) {
		rc = upload(s, m, spool, name, flags);
		if (rc != 0)
			return rc;
		/* What is complete has no parts that could be given up, and is not uploaded again to be locked. */
		forget(m);
		m->completed = true;
	}
	return lock_whole(s, name);
}

void s3_multipart_free(struct store_s3 *s, struct s3_multipart *m)
{
	struct s3_request q = { .operation = "put", .method = "DELETE", .name = m->name, .accept = { 404 } };
	struct http_reply r = { 0 };
	struct buf query = BUF_INIT;

	if (m->name != NULL && put_query(m, 0, &query) == 0) {
		q.query = (const char *)query.data;
		(void)s3_perform(s, &q, &r);
		http_reply_free(&r);
	}
	buf_free(&query);
	forget(m);
}
