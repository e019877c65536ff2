/*
 * Objects below one URL of a web server.  See site.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/store/web/site.h"

/* --- Opening ------------------------------------------------------------------------------------------------------ */

/* May the URL's scheme be used?  Whoever listens on the way would see the password, and which objects are read. */
static int check_scheme(const struct url *u, const char *scheme, const struct log *log)
{
	static const char *const options[] = { "insecure", NULL };
	char *insecure = NULL;
	bool allowed;
	int rc;

	rc = url_options_known(u, options, log);
	if (rc == 0)
		rc = url_option(u, "insecure", &insecure);
	allowed = strcmp(scheme, "https") == 0 || url_host_is_here(u->host, strlen(u->host)) ||
		  (insecure != NULL && strcmp(insecure, "yes") == 0);
	free(insecure);
	if (rc != 0 || allowed)
		return rc;
	log_error(log, "%s: http is not encrypted: use https, or end the URL with ?insecure=yes", u->shown);
	return -EINVAL;
}

/* From the URL, or from the environment: where credentials are in neither, there are none. */
static int find_credentials(struct site *site, const char *variables)
{
	const char *user = site->url.user, *password = site->url.password;
	char name[64];

	snprintf(name, sizeof(name), "%s_USER", variables);
	if (user == NULL)
		user = getenv(name);
	snprintf(name, sizeof(name), "%s_PASSWORD", variables);
	if (password == NULL)
		password = getenv(name);
	if (user == NULL || *user == '\0')
		return 0;
	site->user = strdup(user);
	site->password = strdup(password != NULL ? password : "");
	if (site->user == NULL || site->password == NULL)
		return -ENOMEM;
	site->auth = (struct http_auth){ .kind = HTTP_AUTH_BASIC, .user = site->user, .password = site->password };
	return 0;
}

static int make_base(struct site *site, const char *scheme)
{
	struct buf b = BUF_INIT;
	int rc;

	rc = buf_printf(&b, "%s://", scheme);
	if (rc == 0)
		rc = buf_printf(&b, "%s", site->url.host);
	if (rc == 0 && site->url.port != 0)
		rc = buf_printf(&b, ":%u", site->url.port);
	if (rc == 0)
		rc = http_escape(&b, site->url.path, "/");
	if (rc == 0)
		rc = buf_u8(&b, 0);
	if (rc < 0) {
		buf_free(&b);
		return rc;
	}
	site->base = (char *)b.data;
	return 0;
}

int site_open(const struct store_options *opts, const char *prefix, const char *variables, struct site *out)
{
	const char *scheme;
	int rc;

	*out = (struct site){ 0 };
	rc = url_parse(opts->url, opts->log, &out->url);
	if (rc < 0)
		return rc;
	scheme = out->url.scheme + strlen(prefix);
	rc = check_scheme(&out->url, scheme, opts->log);
	if (rc == 0)
		rc = find_credentials(out, variables);
	if (rc == 0)
		rc = make_base(out, scheme);
	if (rc == 0)
		rc = http_open(opts, &out->http);
	if (rc < 0)
		site_close(out);
	return rc;
}

void site_close(struct site *site)
{
	http_close(site->http);
	url_free(&site->url);
	if (site->password != NULL)
		explicit_bzero(site->password, strlen(site->password));
	free(site->password);
	free(site->user);
	free(site->base);
	*site = (struct site){ 0 };
}

/* --- Requests ----------------------------------------------------------------------------------------------------- */

/* Valid names, and what is made of them here, need no escapes. */
int site_url(const struct site *site, const char *name, char **out)
{
	return asprintf(out, "%s/%s", site->base, name) >= 0 ? 0 : -ENOMEM;
}

int site_perform(const struct site *site, struct http_request *q, const char *name, struct http_reply *r)
{
	char *url = NULL;
	int rc;

	rc = site_url(site, name, &url);
	if (rc < 0) {
		snprintf(r->cause, sizeof(r->cause), "out of memory");
		return rc;
	}
	q->url = url;
	q->auth = &site->auth;
	rc = http_perform(site->http, q, r);
	q->url = NULL;
	free(url);
	return rc;
}

int site_get(const struct site *site, struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct http_request q = { .method = "GET", .ranged = true, .range_off = off, .range_len = len, .into = out,
		.max = len };
	struct http_reply r = { 0 };
	int rc;

	rc = site_perform(site, &q, name, &r);
	if (rc == 0 && (r.status == 206 || r.status == 200 || r.status == 416))
		rc = r.status != 416 && r.received == len ? 0 : store_too_short(s, name, off, len);
	else
		rc = http_failed(s, rc, &r, "get", name);
	http_reply_free(&r);
	return rc;
}

int site_get_all(const struct site *site, struct store *s, const char *name, size_t max, struct buf *out)
{
	struct http_request q = { .method = "GET", .append = out, .max = max };
	struct http_reply r = { 0 };
	int rc;

	rc = site_perform(site, &q, name, &r);
	if (rc == -EMSGSIZE)
		rc = store_too_long(s, name, max);
	else if (rc < 0 || r.status != 200)
		rc = http_failed(s, rc, &r, "get", name);
	http_reply_free(&r);
	return rc;
}

int site_stat(const struct site *site, struct store *s, const char *name, uint64_t *size)
{
	struct http_request q = { .method = "HEAD" };
	struct http_reply r = { 0 };
	char text[32] = "", *end;
	int rc;

	rc = site_perform(site, &q, name, &r);
	if (rc < 0 || r.status != 200) {
		rc = http_failed(s, rc, &r, "stat", name);
		goto out;
	}
	http_header(&r, "Content-Length", text, sizeof(text));
	*size = strtoull(text, &end, 10);
	if (end == text || *end != '\0') {
		log_error(s->log, "%s/%s: stat: the server does not tell the size", s->url, name);
		rc = -EIO;
	}
out:
	http_reply_free(&r);
	return rc;
}
