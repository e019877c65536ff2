/*
 * Listings, page by page.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
#include <errno.h>
#include <string.h>

#include "repo/store/parse/paging.h"
#include "repo/store/s3/s3_impl.h"

#define PAGE_BYTES_MAX (16u << 20) /* a thousand keys of a kilobyte, encoded */

/* The query for the page after ${token} (NULL: the first), with a NUL. */
static int put_query(const struct store_s3 *s, const char *prefix, const char *token, struct buf *out)
{
	int rc = 0;

	if (token != NULL) {
		rc = buf_printf(out, "continuation-token=");
		if (rc == 0)
			rc = http_escape(out, token, "");
		if (rc == 0)
			rc = buf_printf(out, "&");
	}
	if (rc == 0)
		rc = buf_printf(out, "encoding-type=url&list-type=2&prefix=");
	if (rc == 0)
		rc = http_escape(out, s->config.prefix, "");
	if (rc == 0)
		rc = http_escape(out, prefix, "");
	return rc == 0 ? buf_append(out, "", 1) : rc;
}

static int get_page(struct store_s3 *s, const char *prefix, const char *token, struct s3_page *out)
{
	struct s3_request q = { .operation = "list", .method = "GET", .shown = prefix, .max = PAGE_BYTES_MAX };
	struct http_reply r = { 0 };
	struct buf query = BUF_INIT, body = BUF_INIT;
	int rc;

	rc = put_query(s, prefix, token, &query);
	if (rc == 0) {
		q.query = (const char *)query.data;
		q.append = &body;
		rc = s3_perform(s, &q, &r);
	}
	if (rc == 0)
		rc = s3_page_parse(body.data, body.len, out);
	/* What has no objects has an empty listing: no server says of it that it is missing. */
	if (rc == -EBADMSG || rc == -EMSGSIZE || rc == -ENOENT) {
		log_error(s->base.log, "%s/%s: list: the server's answer is no listing", s->base.url, prefix);
		rc = -EIO;
	}
	http_reply_free(&r);
	buf_free(&query);
	buf_free(&body);
	return rc;
}

/* Names that are not ours are passed over. */
static int tell_page(const struct store_s3 *s, const char *prefix, struct s3_page *page, store_list_fn *fn, void *arg)
{
	size_t at = 0, len = strlen(s->config.prefix);
	uint64_t size;
	char *key;
	int rc = 0;

	while (rc == 0 && s3_page_next(page, &at, &key, &size)) {
		if (strncmp(key, s->config.prefix, len) != 0)
			continue;
		key += len;
		if (strncmp(key, prefix, strlen(prefix)) == 0 && store_name_valid(key))
			rc = fn(arg, key, size);
	}
	return rc;
}

/* The page is told; what comes next, if anything does, is not what came before. */
static int go_on(const struct store_s3 *s, const char *prefix, const struct s3_page *page, struct paging *paging)
{
	int rc = 0;

	if (page->next.len > 0)
		rc = paging_next(paging, (const char *)page->next.data, page->entries.len == 0);
	if (rc == -ELOOP) {
		log_error(s->base.log, "%s/%s: list: the server's pages have no end", s->base.url, prefix);
		rc = -EIO;
	}
	return rc;
}

int s3_list(struct store *base, const char *prefix, store_list_fn *fn, void *arg)
{
	struct store_s3 *s = s3_of(base);
	struct s3_page page = { 0 };
	struct paging paging = { 0 };
	struct buf token = BUF_INIT;
	int rc;

	do {
		rc = get_page(s, prefix, token.len > 0 ? (const char *)token.data : NULL, &page);
		if (rc == 0)
			rc = tell_page(s, prefix, &page, fn, arg);
		if (rc == 0)
			rc = go_on(s, prefix, &page, &paging);
		buf_free(&token);
		token = page.next;
		page.next = (struct buf)BUF_INIT;
		s3_page_free(&page);
		page = (struct s3_page){ 0 };
	} while (rc == 0 && token.len > 0);
	paging_free(&paging);
	buf_free(&token);
	return rc;
}
