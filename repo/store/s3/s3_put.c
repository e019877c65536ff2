/*
 * Objects on their way to S3.  They wait in a spool until their name is known, and go in one request, or in parts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/store/s3/s3_impl.h"

struct s3_put {
	struct store_put base;
	struct spool spool;
	struct s3_multipart parts;
	struct s3_sum sum;     /* of the whole object, if it goes in one request */
	bool summed;
	bool absent;           /* STORE_EXCL: it was seen that the name is free */
};

static struct s3_put *put_of(struct store_put *p)
{
	return (struct s3_put *)p;
}

int s3_put_begin(struct store *base, struct store_put **out)
{
	struct store_s3 *s = s3_of(base);
	struct s3_put *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		log_error(s->base.log, "%s: put: out of memory", s->base.url);
		return -ENOMEM;
	}
	p->base.store = base;
	spool_init(&p->spool, s->spool_dir);
	*out = &p->base;
	return 0;
}

int s3_put_append(struct store_put *base, const void *data, size_t len)
{
	return spool_append(&put_of(base)->spool, data, len, base->store->log);
}

/* What is doomed says when it may go: nobody gains by keeping that. */
bool s3_is_locked(const struct store_s3 *s, const char *name)
{
	return s->config.lock != NULL && strncmp(name, "doomed/", 7) != 0;
}

void s3_object_headers(const struct store_s3 *s, const char *name, struct s3_headers *h)
{
	const struct s3_config *c = &s->config;
	const char *class = strncmp(name, "packs/", 6) == 0 ? c->class_packs : c->class_hot;
	char until[S3_TIME_SIZE];

	if (class != NULL)
		s3_header(s, h, "storage-class", class);
	if (s3_is_locked(s, name)) {
		s3_time((int64_t)time(NULL) + (int64_t)c->lock_days * 86400, until);
		s3_header(s, h, "object-lock-mode", c->lock);
		s3_header(s, h, "object-lock-retain-until-date", until);
	}
}

/* In one request. */
static int put_whole(struct store_s3 *s, struct s3_put *p, const char *name, unsigned flags)
{
	const struct http_body body = spool_body(&p->spool);
	struct s3_headers headers = { 0 };
	struct s3_request q = { .operation = "put", .method = "PUT", .name = name, .headers = &headers, .body = &body,
		.sha256 = p->sum.hex, .accept = { 412 } };
	struct http_reply r = { 0 };
	int rc = 0;

	if (!p->summed)
		rc = s3_sum(s, name, &p->spool, 0, p->spool.len, &p->sum);
	if (rc != 0)
		return rc;
	p->summed = true;
	s3_object_headers(s, name, &headers);
	if (s->config.checksum && !s->config.google)
		s3_header(s, &headers, "checksum-sha256", p->sum.base64);
	if ((flags & STORE_EXCL) != 0 && s->config.google)
		s3_header(s, &headers, "if-generation-match", "0");
	else if ((flags & STORE_EXCL) != 0)
		s3_plain_header(&headers, "If-None-Match", "*");
	rc = s3_perform(s, &q, &r);
	if (rc == 0 && r.status == 412)
		rc = -EEXIST;
	else if (rc == 0)
		rc = s3_verify(s, name, &p->spool, 0, p->spool.len, &p->sum, &r);
	http_reply_free(&r);
	return rc;
}

/* A server that does not know If-None-Match would replace the object: it is always looked first. */
static int see_absent(struct store_s3 *s, struct s3_put *p, const char *name)
{
	struct http_reply r = { 0 };
	int rc;

	if (p->absent)
		return 0;
	rc = s3_head(s, "put", name, &r);
	http_reply_free(&r);
	p->absent = rc == -ENOENT;
	if (rc == 0)
		return -EEXIST;
	return rc == -ENOENT ? 0 : rc;
}

int s3_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct store_s3 *s = s3_of(base->store);
	struct s3_put *p = put_of(base);
	int rc = 0;

	if ((flags & STORE_EXCL) != 0)
		rc = see_absent(s, p, name);
	if (rc == 0)
		rc = p->spool.len <= s->config.part_size ? put_whole(s, p, name, flags) :
		    s3_multipart_put(s, &p->parts, &p->spool, name, flags);
	if (rc == -EAGAIN) {
		base->sent = p->parts.completed ? p->spool.len : p->parts.done * p->parts.part_size;
		return rc;
	}
	s3_put_abort(base);
	return rc;
}

void s3_put_abort(struct store_put *base)
{
	struct s3_put *p = put_of(base);

	s3_multipart_free(s3_of(base->store), &p->parts);
	spool_free(&p->spool);
	free(p);
}
