/*
 * Site: objects below one URL of a web server, a path each, with basic authentication if the URL or the environment has
 * credentials.  What the read-only store (store_static.h) and WebDAV (webdav/store_webdav.h) have in common.
 *
 * Thread-safe once open.
 */
#ifndef VARVE_STORE_SITE_H
#define VARVE_STORE_SITE_H

#include "repo/store/http/http.h"
#include "repo/store/parse/listing.h"
#include "repo/store/http/url.h"
#include "repo/store/store_impl.h"

#define SITE_LISTING_MAX (64u * 1024 * 1024) /* bytes of one directory's listing */

struct site {
	struct url url;
	struct http *http;
	char *base; /* "https://host:port/path", escaped, without user and without a "/" at its end */
	char *user, *password;
	struct http_auth auth;
};

/**
 * site_open(opts, prefix, variables, out):
 * Take ${opts->url} apart, "${prefix}https://..." or "${prefix}http://...", and get ready for transfers.  Plain http is
 * refused unless the host is this machine or the URL has "?insecure=yes".  User and password are the URL's, else those
 * of the environment's ${variables}_USER and ${variables}_PASSWORD.  Return 0; -EINVAL (logged), others as http_open().
 */
int site_open(const struct store_options *opts, const char *prefix, const char *variables, struct site *out);
void site_close(struct site *site);

/* Make the URL of ${name} ("" for the directory itself, at the end then a "/"): ${*out} is malloc'd.  0 or -ENOMEM. */
int site_url(const struct site *site, const char *name, char **out);

/**
 * site_perform(site, q, name, r):
 * http_perform() with the URL of ${name} and the site's credentials, which are set in ${q}.
 */
int site_perform(const struct site *site, struct http_request *q, const char *name, struct http_reply *r);

/* As the operations of store_impl.h, with -ENOENT as the server says it; ${s} is the store, for its messages. */
int site_get(const struct site *site, struct store *s, const char *name, uint64_t off, size_t len, void *out);
int site_get_all(const struct site *site, struct store *s, const char *name, size_t max, struct buf *out);
int site_stat(const struct site *site, struct store *s, const char *name, uint64_t *size);

/**
 * List the directory ${dir} ("" or ends at a "/"), one level: call ${fn} with ${fn_arg} for what is in it.  Return 0;
 * -ENOENT; what ${fn} returned; others as in store_impl.h.
 */
typedef int site_page_fn(struct store *s, const char *dir, listing_fn *fn, void *fn_arg);

/**
 * site_list(s, page, prefix, sizes, fn, arg):
 * A store's list operation, by way of listings of directories: each directory below ${prefix} is asked about once.  If
 * ${sizes} are wanted, and a listing has none, each object is asked for its.  As with every listing of ${page}, its
 * -ENOENT is not for the store's users: see site_absent().
 */
int site_list(struct store *s, site_page_fn *page, const char *prefix, bool sizes, store_list_fn *fn, void *arg);

/**
 * site_absent(s, page, dir):
 * The server has no listing of ${dir}, which is not "".  It is absent for certain only if the listing above does not
 * have it, or is itself absent, which leads up to the repository's own, where "config" must be.  Return 0 if so (or if
 * it is known that there is no repository); -EEXIST if a listing has it (not logged); -EAGAIN if the repository is not
 * visible; others as ${page}.
 */
int site_absent(struct store *s, site_page_fn *page, const char *dir);

#endif
