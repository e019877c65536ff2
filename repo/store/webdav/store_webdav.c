/*
 * Store on a WebDAV server: opening, reading, listing, deleting.  See store_webdav.h; writing is in webdav_put.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/webdav/store_webdav.h"
#include "repo/store/webdav/webdav_impl.h"

#define ANSWER_MAX (1024u * 1024) /* bytes that are said of what was done */

/* 207: of several things that were to be done one was not.  Return as http_failed() for that one's status. */
static int judge_parts(struct store_webdav *d, const struct buf *body, const char *operation, const char *shown)
{
	struct http_reply part = { .status = webdav_part_failed(body) };

	if (part.status != 0 && part.status != 404 && part.status != 410)
		return http_failed(&d->base, 0, &part, operation, shown);
	log_error(d->base.log, "%s/%s: %s: the server answered 207, which is no success%s", d->base.url, shown,
	    operation, part.status != 0 ? ", and 404 of a part of it" : "");
	return -EIO;
}

static int judge(struct store_webdav *d, const struct http_reply *r, const struct buf *body, const char *operation,
    const char *shown)
{
	if (r->status == 200 || r->status == 201 || r->status == 204)
		return 0;
	if (r->status == 202)
		return store_transient(&d->base, 0, "%s %s: the server answered 202, it is not done yet", operation,
		    shown);
	if (r->status == 207)
		return judge_parts(d, body, operation, shown);
	log_error(d->base.log, "%s/%s: %s: the server answered %d, which is no success", d->base.url, shown, operation,
	    r->status);
	return -EIO;
}

int webdav_request(struct store_webdav *d, const struct http_request *q, const char *name, const int *accept,
    const char *operation, const char *shown, struct http_reply *r)
{
	struct http_request asked = *q;
	struct buf body = BUF_INIT;
	bool asks = q->append != NULL;
	int rc;

	if (!asks) {
		asked.append = &body;
		asked.max = ANSWER_MAX;
	}
	rc = site_perform(&d->site, &asked, name, r);
	if (rc == 0 && r->status < 300) {
		rc = asks ? 0 : judge(d, r, &body, operation, shown);
	} else {
		while (rc == 0 && *accept != 0 && r->status != *accept)
			accept++;
		if (rc < 0 || *accept == 0)
			rc = http_failed(&d->base, rc, r, operation, shown);
	}
	buf_free(&body);
	return rc;
}

int webdav_remove(struct store_webdav *d, const char *name, bool quiet)
{
	static const int accept[] = { 0 };
	struct http_request q = { .method = "DELETE" };
	struct http_reply r = { 0 };
	int rc;

	if (quiet) {
		rc = site_perform(&d->site, &q, name, &r);
		rc = rc == 0 && r.status >= 300 ? -EIO : rc;
	} else {
		rc = webdav_request(d, &q, name, accept, "delete", name, &r);
	}
	http_reply_free(&r);
	return rc;
}

int webdav_look(struct store *s, const char *name)
{
	uint64_t size;

	return site_stat(&webdav_of(s)->site, s, name, &size);
}

static int webdav_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	int rc = site_get(&webdav_of(s)->site, s, name, off, len, out);

	return rc == -ENOENT ? store_absent(s, "get", name, webdav_look) : rc;
}

static int webdav_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	int rc = site_get_all(&webdav_of(s)->site, s, name, max, out);

	return rc == -ENOENT ? store_absent(s, "get", name, webdav_look) : rc;
}

static int webdav_stat(struct store *s, const char *name, uint64_t *size)
{
	int rc = site_stat(&webdav_of(s)->site, s, name, size);

	return rc == -ENOENT ? store_absent(s, "stat", name, webdav_look) : rc;
}

static int webdav_delete(struct store *s, const char *name)
{
	int rc = webdav_remove(webdav_of(s), name, false);

	if (rc == -ENOENT)
		rc = store_absent(s, "delete", name, webdav_look);
	return rc == -ENOENT ? 0 : rc;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

/* A collection's members on their way to who lists. */
struct members {
	listing_fn *fn;
	void *arg;
};

static int on_member(void *arg, const struct webdav_resource *w)
{
	struct members *m = arg;
	struct listing_entry e = { .directory = w->collection, .size = w->size };
	size_t len = strlen(w->name);

	if (len == 0)
		return 0;
	memcpy(e.name, w->name, len + 1);
	return m->fn(m->arg, &e);
}

static int read_page(struct store *s, const char *dir, listing_fn *fn, void *arg)
{
	struct members m = { fn, arg };

	return webdav_propfind(webdav_of(s), dir, 1, on_member, &m);
}

/* A proxy says 404 of everything while its server restarts: that is no empty directory. */
static int page_of(struct store *s, const char *dir, listing_fn *fn, void *arg)
{
	int rc = read_page(s, dir, fn, arg);

	if (rc != -ENOENT)
		return rc;
	if (*dir == '\0')
		return atomic_load(&s->config) == STORE_CONFIG_SEEN ? store_invisible(s, "list", dir) : 0;
	rc = site_absent(s, read_page, dir);
	return rc == -EEXIST ? store_transient(s, 0, "list %s: not there, and there again", dir) : rc;
}

static int webdav_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return site_list(s, page_of, prefix, true, fn, arg);
}

static int webdav_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return site_list(s, page_of, prefix, false, fn, arg);
}

/* --- Figures ------------------------------------------------------------------------------------------------------ */

static int take_quota(void *arg, const struct webdav_resource *w)
{
	struct store_info *info = arg;

	if (w->quota_free == LISTING_NO_SIZE)
		return -ENOSYS;
	info->free_bytes = w->quota_free;
	if (w->quota_used == LISTING_NO_SIZE ||
	    __builtin_add_overflow(w->quota_free, w->quota_used, &info->total_bytes))
		info->total_bytes = 0;
	return 0;
}

static int webdav_info(struct store *s, struct store_info *out)
{
	struct store_info info = { 0 };
	int rc;

	rc = webdav_propfind(webdav_of(s), "", 0, take_quota, &info);
	if (rc == 0)
		*out = info;
	return rc;
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static void webdav_close(struct store *s)
{
	site_close(&webdav_of(s)->site);
	pthread_mutex_destroy(&webdav_of(s)->making);
	store_destroy(s);
	free(s);
}

static const struct store_ops webdav_ops = {
	.get = webdav_get,
	.get_all = webdav_get_all,
	.stat = webdav_stat,
	.list = webdav_list,
	.list_names = webdav_list_names,
	.del = webdav_delete,
	.info = webdav_info,
	.put_begin = webdav_put_begin,
	.put_append = webdav_put_append,
	.put_commit = webdav_put_commit,
	.put_abort = webdav_put_abort,
	.close = webdav_close,
};

int store_webdav_open(const struct store_options *opts, struct store **out)
{
	struct store_webdav *d = calloc(1, sizeof(*d));
	int rc = -ENOMEM;

	if (d == NULL)
		return rc;
	d->create = opts->create;
	d->spool_dir = opts->spool_dir;
	rc = site_open(opts, "webdav+", "VARVE_WEBDAV", &d->site);
	if (rc == 0) {
		rc = store_init(&d->base, &webdav_ops, opts->log, d->site.url.shown, NULL);
		if (rc < 0)
			site_close(&d->site);
	}
	if (rc < 0) {
		free(d);
		return rc;
	}
	pthread_mutex_init(&d->making, NULL);
	*out = &d->base;
	return rc;
}
