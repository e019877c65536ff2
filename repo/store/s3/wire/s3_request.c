/*
 * Requests to S3: where they go, what is signed, and when they are sent a second time.  See s3_impl.h.
 *
 * libcurl signs the path and the query as they are given: both are percent-encoded here as Signature Version 4 wants
 * them, and the query's names are sorted by those who make it.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/store/s3/s3_impl.h"

static const char sha256_of_nothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void s3_plain_header(struct s3_headers *h, const char *name, const char *value)
{
	if (h->n < S3_HEADERS_MAX)
		snprintf(h->line[h->n++], sizeof(h->line[0]), "%s: %s", name, value);
}

void s3_header(const struct store_s3 *s, struct s3_headers *h, const char *name, const char *value)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "x-%s-%s", s->config.google ? "goog" : "amz", name);
	s3_plain_header(h, whole, value);
}

/* "https://host/bucket" or "https://bucket.host". */
static int put_bucket(const struct store_s3 *s, const char *region, struct buf *out)
{
	const struct s3_config *c = &s->config;
	bool china = strncmp(region, "cn-", 3) == 0;
	const char *dot = c->path_style ? "" : ".", *bucket = c->path_style ? "" : c->bucket;
	const char *host;
	int rc;

	if (c->endpoint != NULL) {
		host = strstr(c->endpoint, "://") + 3;
		rc = buf_printf(out, "%.*s%s%s%s", (int)(host - c->endpoint), c->endpoint, bucket, dot, host);
	} else {
		rc = buf_printf(out, "https://%s%ss3.%s.amazonaws.com%s", bucket, dot, region, china ? ".cn" : "");
	}
	if (rc == 0 && c->path_style)
		rc = buf_printf(out, "/%s", c->bucket);
	return rc;
}

/* The URL of the request, with a NUL. */
static int put_url(const struct store_s3 *s, const char *region, const struct s3_request *q, struct buf *out)
{
	int rc;

	rc = put_bucket(s, region, out);
	if (rc == 0 && (q->name != NULL || !s->config.path_style))
		rc = buf_append(out, "/", 1);
	if (rc == 0 && q->name != NULL)
		rc = http_escape(out, s->config.prefix, "/");
	if (rc == 0 && q->name != NULL)
		rc = http_escape(out, q->name, "/");
	if (rc == 0 && q->query != NULL)
		rc = buf_printf(out, "?%s", q->query);
	return rc == 0 ? buf_append(out, "", 1) : rc;
}

/* Once. */
static int send_request(struct store_s3 *s, const struct s3_request *q, const char *region, const struct s3_keys *keys,
    struct http_reply *r)
{
	const char *lines[S3_HEADERS_MAX + 2], *sha256 = q->sha256 != NULL ? q->sha256 : sha256_of_nothing;
	char sigv4[S3_REGION_SIZE + 32], hash[100];
	struct http_auth auth = { HTTP_AUTH_SIGV4, keys->id, keys->secret, keys->token, sigv4, NULL, NULL };
	struct http_request h = { .method = q->method, .headers = lines, .auth = &auth, .body = q->body,
		.ranged = q->ranged, .range_off = q->range_off, .range_len = q->range_len, .into = q->into,
		.append = q->append, .max = q->max };
	struct buf url = BUF_INIT;
	unsigned n = 0;
	int rc;

	snprintf(sigv4, sizeof(sigv4), s->config.google ? "goog:goog:%s:storage" : "aws:amz:%s:s3", region);
	snprintf(hash, sizeof(hash), "x-%s-content-sha256: %s", s->config.google ? "goog" : "amz", sha256);
	lines[n++] = hash;
	for (unsigned i = 0; q->headers != NULL && i < q->headers->n; i++)
		lines[n++] = q->headers->line[i];
	lines[n] = NULL;
	rc = put_url(s, region, q, &url);
	if (rc == 0) {
		h.url = (const char *)url.data;
		rc = http_perform(s->http, &h, r);
	}
	buf_free(&url);
	return rc;
}

static bool is_accepted(const struct s3_request *q, int status)
{
	for (size_t i = 0; i < sizeof(q->accept) / sizeof(q->accept[0]); i++)
		if (status == q->accept[i])
			return true;
	return status < 300;
}

/* Does the answer say that the bucket is in another region?  Then go there from now on. */
static bool moved(struct store_s3 *s, const char *asked, const struct http_reply *r, const struct s3_error *e)
{
	char region[S3_REGION_SIZE] = "";

	if (r->status != 301 && r->status != 307 && r->status != 400 && r->status != 403)
		return false;
	if (!http_header(r, "x-amz-bucket-region", region, sizeof(region)))
		snprintf(region, sizeof(region), "%s", e->region);
	if (*region == '\0' || strcmp(region, asked) == 0 ||
	    region[strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] != '\0')
		return false;
	pthread_mutex_lock(&s->lock);
	memcpy(s->region, region, sizeof(region));
	pthread_mutex_unlock(&s->lock);
	log_debug(s->base.log, "%s: the bucket is in the region %s", s->base.url, region);
	return true;
}

static bool has_expired(const struct s3_error *e)
{
	return strcmp(e->code, "ExpiredToken") == 0 || strcmp(e->code, "TokenRefreshRequired") == 0 ||
	    strcmp(e->code, "ExpiredTokenException") == 0;
}

/* Once, with the keys and the region of the moment.  ${*again}: it is worth another. */
static int attempt(struct store_s3 *s, struct s3_request *q, struct http_reply *r, struct s3_error *e, bool *again)
{
	char region[S3_REGION_SIZE], cause[S3_CAUSE_SIZE];
	struct s3_keys *keys = NULL;
	int rc;

	*again = false;
	rc = s3_credentials_get(s->credentials, &keys, cause);
	if (rc == -EAGAIN)
		return store_transient(&s->base, 0, "%s %s: no credentials: %s", q->operation, q->shown, cause);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	memcpy(region, s->region, sizeof(region));
	pthread_mutex_unlock(&s->lock);
	rc = send_request(s, q, region, keys, r);
	if (rc != 0) {
		rc = rc == -EMSGSIZE ? rc : http_failed(&s->base, rc, r, q->operation, q->shown);
		goto out;
	}
	if (is_accepted(q, r->status))
		goto out;
	rc = s3_error_parse(r->error.data, r->error.len, e);
	if (rc != 0)
		goto out;
	*again = moved(s, region, r, e);
	if (has_expired(e)) {
		s3_credentials_expired(s->credentials, keys);
		*again = true;
	}
out:
	s3_credentials_put(s->credentials, keys);
	return rc;
}

int s3_perform(struct store_s3 *s, struct s3_request *q, struct http_reply *r)
{
	struct s3_error e = { 0 };
	bool again;
	int rc;

	if (q->shown == NULL)
		q->shown = q->name != NULL ? q->name : "";
	rc = attempt(s, q, r, &e, &again);
	/* Another region and then old credentials: two more. */
	for (int i = 0; i < 2 && rc == 0 && again; i++) {
		http_reply_free(r);
		*r = (struct http_reply){ 0 };
		rc = attempt(s, q, r, &e, &again);
	}
	if (rc == 0 && !is_accepted(q, r->status))
		rc = s3_failed(s, q, r, &e);
	return rc;
}
