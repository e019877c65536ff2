/*
 * Read-only store of a static web server.  See store_static.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/web/site.h"
#include "repo/store/web/store_static.h"

struct store_static {
	struct store base;
	struct site site;
	atomic_bool lists; /* the server has been seen to list directories */
};

static struct store_static *static_of(struct store *s)
{
	return (struct store_static *)s;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static int look(struct store *s, const char *name)
{
	uint64_t size;

	return site_stat(&static_of(s)->site, s, name, &size);
}

static int static_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	int rc = site_get(&static_of(s)->site, s, name, off, len, out);

	return rc == -ENOENT ? store_absent(s, "get", name, look) : rc;
}

static int static_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	int rc = site_get_all(&static_of(s)->site, s, name, max, out);

	return rc == -ENOENT ? store_absent(s, "get", name, look) : rc;
}

static int static_stat(struct store *s, const char *name, uint64_t *size)
{
	int rc = site_stat(&static_of(s)->site, s, name, size);

	return rc == -ENOENT ? store_absent(s, "stat", name, look) : rc;
}

static int static_info(struct store *s, struct store_info *out)
{
	(void)s;
	(void)out;
	return -ENOSYS;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

static int lists_nothing(struct store *s, const char *dir)
{
	log_error(s->log, "%s/%s: list: the server makes no listings of directories, which a repository needs "
	    "(nginx: \"autoindex on\"; Apache: \"Options +Indexes\")", s->url, dir);
	return -EIO;
}

/* Fetch the listing of ${dir}.  Return 0; -ENOENT, not logged; others as in store_impl.h. */
static int get_page(struct store *s, const char *dir, struct buf *page, bool *json)
{
	static const char *const headers[] = { "Accept: application/json, text/html;q=0.9", NULL };
	struct http_request q = { .method = "GET", .headers = headers, .append = page, .max = SITE_LISTING_MAX };
	struct http_reply r = { 0 };
	char type[64] = "";
	int rc;

	rc = site_perform(&static_of(s)->site, &q, dir, &r);
	if (rc == 0 && r.status == 403)
		rc = lists_nothing(s, dir);
	else if (rc < 0 || r.status != 200)
		rc = http_failed(s, rc, &r, "list", dir);
	if (rc == 0)
		http_header(&r, "Content-Type", type, sizeof(type));
	*json = strncmp(type, "application/json", strlen("application/json")) == 0;
	http_reply_free(&r);
	return rc;
}

/* Call ${fn} for all that the listing of ${dir} has.  Return as get_page(), or what ${fn} returned. */
static int read_page(struct store *s, const char *dir, listing_fn *fn, void *arg)
{
	struct store_static *st = static_of(s);
	struct buf page = BUF_INIT, path = BUF_INIT;
	bool json;
	int rc;

	rc = get_page(s, dir, &page, &json);
	if (rc < 0)
		goto out;
	/* Where links may point to, as the path of an URL. */
	rc = http_escape(&path, st->site.url.path, "/");
	if (rc == 0)
		rc = buf_printf(&path, "/%s", dir);
	if (rc < 0)
		goto out;
	if (page.len == 0)
		goto out;
	if (!json)
		rc = listing_html((const char *)page.data, page.len, (const char *)path.data, fn, arg);
	else
		rc = listing_json((const char *)page.data, page.len, fn, arg);
	if (json && rc == -EBADMSG) {
		log_error(s->log, "%s/%s: list: the server's JSON is no listing", s->url, dir);
		rc = -EIO;
	}
out:
	buf_free(&page);
	buf_free(&path);
	return rc;
}

static int find_config(void *arg, const struct listing_entry *e)
{
	bool *found = arg;

	*found = *found || strcmp(e->name, STORE_CONFIG) == 0;
	return 0;
}

/* Does the listing of the repository's own directory have what must be there? */
static int check_lists(struct store *s)
{
	bool config = false;
	int rc;

	if (atomic_load(&static_of(s)->lists))
		return 0;
	rc = read_page(s, "", find_config, &config);
	if (rc == -ENOENT || (rc == 0 && !config)) {
		/* What was seen before, and is not now, would be missing in the best of listings. */
		rc = atomic_load(&s->config) == STORE_CONFIG_SEEN ? look(s, STORE_CONFIG) : 0;
		if (rc == -ENOENT)
			return store_invisible(s, "list", "");
		return rc == 0 ? lists_nothing(s, "") : rc;
	}
	if (rc == 0)
		atomic_store(&static_of(s)->lists, true);
	return rc;
}

static int page_of(struct store *s, const char *dir, listing_fn *fn, void *arg)
{
	int rc = read_page(s, dir, fn, arg);

	if (rc != -ENOENT)
		return rc;
	rc = *dir != '\0' ? site_absent(s, read_page, dir) : store_invisible(s, "list", dir);
	return rc == -EEXIST ? lists_nothing(s, dir) : rc;
}

static int list(struct store *s, const char *prefix, bool sizes, store_list_fn *fn, void *arg)
{
	int rc = check_lists(s);

	return rc == 0 ? site_list(s, page_of, prefix, sizes, fn, arg) : rc;
}

static int static_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, true, fn, arg);
}

static int static_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, false, fn, arg);
}

/* --- What cannot be done ------------------------------------------------------------------------------------------ */

static int read_only(struct store *s, const char *what)
{
	log_error(s->log, "%s: %s: a store at an https:// URL is read-only (webdav+https:// is not)", s->url, what);
	return -EROFS;
}

static int static_delete(struct store *s, const char *name)
{
	(void)name;
	return read_only(s, "delete");
}

static int static_put_begin(struct store *s, struct store_put **out)
{
	(void)out;
	return read_only(s, "put");
}

static void static_close(struct store *s)
{
	site_close(&static_of(s)->site);
	store_destroy(s);
	free(s);
}

/* There is never a put to be gone on with. */
static const struct store_ops static_ops = {
	.get = static_get,
	.get_all = static_get_all,
	.stat = static_stat,
	.list = static_list,
	.list_names = static_list_names,
	.del = static_delete,
	.info = static_info,
	.put_begin = static_put_begin,
	.close = static_close,
};

int store_static_open(const struct store_options *opts, struct store **out)
{
	struct store_static *st = calloc(1, sizeof(*st));
	int rc = -ENOMEM;

	if (st == NULL)
		return rc;
	rc = site_open(opts, "", "VARVE_HTTP", &st->site);
	if (rc == 0) {
		rc = store_init(&st->base, &static_ops, opts->log, st->site.url.shown, NULL);
		if (rc < 0)
			site_close(&st->site);
	}
	if (rc < 0)
		free(st);
	else
		*out = &st->base;
	return rc;
}
