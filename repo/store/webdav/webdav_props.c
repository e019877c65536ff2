/*
 * WebDAV: what PROPFIND tells.  See webdav_impl.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/parse/xml.h"
#include "repo/store/webdav/webdav_impl.h"

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop>"
#define XML_FOOT "</prop></propfind>"
#define RESPONSE "/multistatus/response"
#define PROP RESPONSE "/propstat/prop"

static const char ask_all[] = XML_HEAD "<resourcetype/><getcontentlength/><getlastmodified/>" XML_FOOT;
static const char ask_quota[] = XML_HEAD "<quota-available-bytes/><quota-used-bytes/>" XML_FOOT;

/* A multistatus that is being read. */
struct reading {
	struct store_webdav *d;
	const char *own; /* decoded path of what was asked about, without a "/" at its end */
	webdav_resource_fn *fn;
	void *arg;
	struct webdav_resource resource; /* as far as it is known */
	bool named;                      /* it is what was asked about, or directly in it */
	bool refused;                    /* the server says no more of it than a status */
	int status;                      /* that; 0: not understood */
	bool own_seen;
};

static void reset(struct reading *r)
{
	r->resource = (struct webdav_resource){
		.size = LISTING_NO_SIZE, .quota_free = LISTING_NO_SIZE, .quota_used = LISTING_NO_SIZE,
	};
	r->named = r->refused = false;
}

/* Properties that a server has not are there too, empty, under another status. */
static uint64_t number(const char *text, uint64_t otherwise)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 ? n : otherwise;
}

/* A path, or a URL of which only the path counts: a proxy may have changed the rest. */
static int take_href(struct reading *r, const char *href)
{
	const char *scheme_end = strstr(href, "://");
	size_t own_len = strlen(r->own), len;
	char *path;

	if (*href != '/' && scheme_end != NULL)
		href = strchr(scheme_end + 3, '/');
	path = href != NULL ? strdup(href) : strdup("/");
	if (path == NULL)
		return -ENOMEM;
	len = http_unescape(path) == 0 ? strlen(path) : 0;
	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
	if (len == own_len && strcmp(path, r->own) == 0) {
		r->named = r->own_seen = true;
	} else if (len > own_len + 1 && strncmp(path, r->own, own_len) == 0 && path[own_len] == '/' &&
		   strchr(path + own_len + 1, '/') == NULL && len - own_len - 1 <= STORE_NAME_MAX) {
		memcpy(r->resource.name, path + own_len + 1, len - own_len);
		r->named = true;
	}
	free(path);
	return 0;
}

/* Of "HTTP/1.1 403 Forbidden". */
static int status_of(const char *line)
{
	const char *blank = strchr(line, ' ');

	return blank != NULL ? (int)strtol(blank, NULL, 10) : 0;
}

static int on_part(void *arg, const char *path, const char *text)
{
	int *failed = arg, status;

	if (strcmp(path, RESPONSE "/status") != 0 && strcmp(path, RESPONSE "/propstat/status") != 0)
		return 0;
	status = status_of(text);
	if (*failed == 0 && status >= 300 && status <= 599)
		*failed = status;
	return 0;
}

int webdav_part_failed(const struct buf *body)
{
	int failed = 0;

	/* What has been read of a broken one is as good as any. */
	(void)xml_parse(body->data, body->len, on_part, &failed);
	return failed;
}

/* What the server tells nothing of is missing from the listing, unless it has just gone. */
static int refused(const struct reading *r)
{
	const struct webdav_resource *w = &r->resource;

	if (w->name[0] != '\0' && (r->status == 404 || r->status == 410))
		return 0;
	log_error(r->d->base.log, "%s%s/%s: list: the server answered %d for it, the listing is not whole",
	    r->d->base.url, r->own + strlen(r->d->site.url.path), w->name, r->status);
	return r->status == 401 || r->status == 403 ? -EACCES : -EIO;
}

static int on_element(void *arg, const char *path, const char *text)
{
	struct reading *r = arg;
	struct webdav_resource *w = &r->resource;
	int rc = 0;

	if (strcmp(path, RESPONSE) == 0) {
		if (r->named && r->refused)
			rc = refused(r);
		else if (r->named)
			rc = r->fn(r->arg, w);
		reset(r);
	} else if (strcmp(path, RESPONSE "/href") == 0) {
		rc = take_href(r, text);
	} else if (strcmp(path, RESPONSE "/status") == 0) {
		r->refused = strstr(text, " 2") == NULL;
		r->status = status_of(text);
	} else if (strcmp(path, PROP "/resourcetype/collection") == 0) {
		w->collection = true;
	} else if (strcmp(path, PROP "/getcontentlength") == 0) {
		w->size = number(text, w->size);
	} else if (strcmp(path, PROP "/getlastmodified") == 0) {
		w->modified = http_date(text) > 0 ? http_date(text) : w->modified;
	} else if (strcmp(path, PROP "/quota-available-bytes") == 0) {
		w->quota_free = number(text, w->quota_free);
	} else if (strcmp(path, PROP "/quota-used-bytes") == 0) {
		w->quota_used = number(text, w->quota_used);
	}
	return rc;
}

/* Decoded path of ${dir}, without a "/" at its end; malloc'd; NULL if there is no memory. */
static char *own_path(const struct store_webdav *d, const char *dir)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", d->site.url.path, dir) < 0)
		return NULL;
	path[strlen(path) - 1] = '\0';
	return path;
}

int webdav_read_multistatus(struct store_webdav *d, const char *dir, const struct buf *reply,
    webdav_resource_fn *fn, void *arg)
{
	struct reading r = { .d = d, .fn = fn, .arg = arg };
	char *own = own_path(d, dir);
	int rc;

	if (own == NULL)
		return -ENOMEM;
	r.own = own;
	reset(&r);
	rc = xml_parse(reply->data, reply->len, on_element, &r);
	if (rc == -EBADMSG) {
		log_error(d->base.log, "%s/%s: list: the server's XML is malformed", d->base.url, dir);
		rc = -EIO;
	} else if (rc == 0 && !r.own_seen) {
		log_error(d->base.log, "%s/%s: list: the server's answer is about other paths", d->base.url, dir);
		rc = -EIO;
	}
	free(own);
	return rc;
}

int webdav_propfind(struct store_webdav *d, const char *dir, int depth, webdav_resource_fn *fn, void *arg)
{
	static const char *const headers[2][3] = {
		{ "Depth: 0", "Content-Type: application/xml; charset=utf-8", NULL },
		{ "Depth: 1", "Content-Type: application/xml; charset=utf-8", NULL },
	};
	static const int accept[] = { 405, 501, 0 };
	const char *ask = depth == 0 ? ask_quota : ask_all;
	struct http_body body = { .data = ask, .len = strlen(ask) };
	struct buf reply = BUF_INIT;
	struct http_request q = { .method = "PROPFIND", .headers = headers[depth], .body = &body, .append = &reply,
		.max = SITE_LISTING_MAX };
	struct http_reply r = { 0 };
	int rc;

	rc = webdav_request(d, &q, dir, accept, "list", dir, &r);
	if (rc == 0 && r.status != 207) {
		log_error(d->base.log, "%s/%s: list: the server answered %d, it does not speak WebDAV here",
		    d->base.url, dir, r.status);
		rc = -EIO;
	}
	if (rc == 0)
		rc = webdav_read_multistatus(d, dir, &reply, fn, arg);
	http_reply_free(&r);
	buf_free(&reply);
	return rc;
}
