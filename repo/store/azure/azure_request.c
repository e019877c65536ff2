/*
 * A request to the service: URL, headers, signature.  See azure_impl.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/crypt/crypt.h"
#include "repo/store/azure/azure_impl.h"

/* The first with the tier Cold; signatures leave out a length of 0 since 2015-02-21. */
#define VERSION "2021-12-02"

void azure_add_param(struct azure_call *c, const char *name, const char *value)
{
	if (c->nparams < sizeof(c->params) / sizeof(c->params[0]))
		c->params[c->nparams++] = (struct azure_field){ name, value };
}

void azure_add_header(struct azure_call *c, const char *name, const char *value)
{
	if (c->nheaders < sizeof(c->headers) / sizeof(c->headers[0]))
		c->headers[c->nheaders++] = (struct azure_field){ name, value };
}

/* "/devstoreaccount1/container/prefix/name", percent-encoded, and a NUL that is not counted. */
static int make_path(const struct store_azure *a, const struct azure_call *c, struct buf *out)
{
	int rc = buf_printf(out, "%s/", a->account.base);

	if (rc == 0)
		rc = http_escape(out, a->container, "");
	if (rc == 0 && c->name != NULL) {
		rc = buf_printf(out, "/");
		if (rc == 0)
			rc = http_escape(out, a->prefix, "/");
		if (rc == 0)
			rc = http_escape(out, c->name, "/");
	}
	return rc < 0 ? rc : buf_printf(out, "%s", "");
}

static int make_url(const struct store_azure *a, const struct azure_call *c, const char *path, struct buf *out)
{
	char separator = '?';
	int rc;

	rc = buf_printf(out, "%.*s%s", (int)(a->account.base - a->account.endpoint), a->account.endpoint, path);
	for (size_t i = 0; i < c->nparams && rc == 0; i++) {
		rc = buf_printf(out, "%c%s=", separator, c->params[i].name);
		if (rc == 0)
			rc = http_escape(out, c->params[i].value, "");
		separator = '&';
	}
	if (rc == 0 && a->account.sas != NULL)
		rc = buf_printf(out, "%c%s", separator, a->account.sas);
	return rc < 0 ? rc : buf_printf(out, "%s", "");
}

/* Lines, each with a NUL; ${fields} are those of the call and the two that all requests have. */
static int make_headers(const struct store_azure *a, const struct azure_call *c, const char *path, struct buf *out)
{
	struct azure_field fields[AZURE_FIELDS_MAX];
	struct azure_message m = { .method = c->method, .account = a->account.name, .path = path };
	char date[AZURE_DATE_SIZE];
	int rc = 0;

	azure_date(time(NULL), date);
	memcpy(fields, c->headers, sizeof(c->headers));
	m.nheaders = c->nheaders;
	fields[m.nheaders++] = (struct azure_field){ "x-ms-date", date };
	fields[m.nheaders++] = (struct azure_field){ "x-ms-version", VERSION };
	for (size_t i = 0; i < m.nheaders && rc == 0; i++) {
		rc = buf_printf(out, "%s: %s", fields[i].name, fields[i].value);
		if (rc == 0)
			rc = buf_u8(out, 0);
	}
	m.headers = fields;
	m.params = c->params;
	m.nparams = c->nparams;
	m.length = c->body != NULL ? c->body->len : 0;
	if (rc == 0 && a->account.sas == NULL)
		rc = azure_authorize(&m, a->account.key, a->account.keylen, out);
	return rc;
}

/* Point ${lines} at the lines in ${text}. */
static void point_at_lines(const struct buf *text, const char *lines[AZURE_FIELDS_MAX + 1])
{
	size_t n = 0;

	for (size_t at = 0; at < text->len && n < AZURE_FIELDS_MAX; n++) {
		lines[n] = (const char *)text->data + at;
		at += strlen(lines[n]) + 1;
	}
	lines[n] = NULL;
}

int azure_perform(struct store_azure *a, const struct azure_call *c, struct http_reply *r)
{
	struct buf path = BUF_INIT, url = BUF_INIT, headers = BUF_INIT;
	const char *lines[AZURE_FIELDS_MAX + 1];
	struct http_request q = { .method = c->method, .headers = lines, .body = c->body, .into = c->into,
		.append = c->append, .max = c->max };
	int rc;

	rc = make_path(a, c, &path);
	if (rc == 0)
		rc = make_url(a, c, (const char *)path.data, &url);
	if (rc == 0)
		rc = make_headers(a, c, (const char *)path.data, &headers);
	if (rc < 0)
		goto out;
	point_at_lines(&headers, lines);
	q.url = (const char *)url.data;
	rc = http_perform(a->http, &q, r);
out:
	buf_free(&path);
	buf_wipe(&url);
	buf_wipe(&headers);
	return rc;
}
