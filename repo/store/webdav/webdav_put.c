/*
 * WebDAV: writing.  See store_webdav.h.
 *
 * What a put does at the server, in order; after -EAGAIN it goes on where it was:
 *
 *   PUT tmp/<random>     404, 409 (nginx: 500, old Apaches: 403): MKCOL tmp/, again
 *   MOVE to its name     404, 409 (Apache: 500): MKCOL what is above, again; still 404: it is gone (moved, its answer
 *                        lost), PUT
 *                        412: the name is taken
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/crypt.h"
#include "repo/store/http/spool.h"
#include "repo/store/webdav/webdav_impl.h"
#include "repo/util/bytes/id.h"

#define RANDOM_LEN 16
#define TMP_NAME_SIZE (sizeof(WEBDAV_TMP) + 2 * RANDOM_LEN)
#define LEFTOVER_AGE (24 * 3600) /* seconds */

struct webdav_put {
	struct store_put base;
	struct spool spool;
	char tmp[TMP_NAME_SIZE];
	bool uploaded; /* the whole of it is in ${tmp}, as far as we know */
	bool touched;  /* something may be in ${tmp}, and the server answers */
};

static struct webdav_put *put_of(struct store_put *p)
{
	return (struct webdav_put *)p;
}

int webdav_put_begin(struct store *s, struct store_put **out)
{
	struct webdav_put *p = calloc(1, sizeof(*p));
	uint8_t random[RANDOM_LEN];

	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	crypt_random(random, sizeof(random));
	memcpy(p->tmp, WEBDAV_TMP, sizeof(WEBDAV_TMP) - 1);
	hex_encode(random, sizeof(random), p->tmp + sizeof(WEBDAV_TMP) - 1);
	spool_init(&p->spool, webdav_of(s)->spool_dir);
	*out = &p->base;
	return 0;
}

int webdav_put_append(struct store_put *base, const void *data, size_t len)
{
	return spool_append(&put_of(base)->spool, data, len, base->store->log);
}

/* --- Collections -------------------------------------------------------------------------------------------------- */

static int found(void *arg, const struct webdav_resource *w)
{
	(void)arg;
	(void)w;
	return 0;
}

/* One that is there is not made again: rclone would, and fail what goes on in it. */
static int make_collection(struct store_webdav *d, const char *name)
{
	static const int accept[] = { 301, 405, 404, 409, 0 };
	struct http_request q = { .method = "MKCOL" };
	struct http_reply r = { 0 };
	int rc;

	rc = webdav_propfind(d, name, 0, found, NULL);
	if (rc != -ENOENT)
		return rc;
	rc = webdav_request(d, &q, name, accept, "make collection", name, &r);
	/* 301, 405: it is there by now. */
	if (rc == 0 && (r.status == 404 || r.status == 409)) {
		log_error(d->base.log, "%s/%s: make collection: the server answered %d: the collection above it is "
		    "missing", d->base.url, name, r.status);
		rc = -EIO;
	}
	http_reply_free(&r);
	return rc;
}

/* Make the collections above ${name}. */
static int make_parents(struct store_webdav *d, const char *name)
{
	char dir[STORE_NAME_MAX + 2];
	const char *slash;
	size_t len;
	int rc;

	/* All want the same ones at the beginning. */
	pthread_mutex_lock(&d->making);
	rc = store_may_make(&d->base, d->create, webdav_look);
	if (rc == 0 && d->create)
		rc = make_collection(d, "");
	for (slash = strchr(name, '/'); slash != NULL && rc == 0; slash = strchr(slash + 1, '/')) {
		len = (size_t)(slash - name) + 1;
		memcpy(dir, name, len);
		dir[len] = '\0';
		rc = make_collection(d, dir);
	}
	pthread_mutex_unlock(&d->making);
	return rc;
}

/* --- What others left --------------------------------------------------------------------------------------------- */

struct leftovers {
	const char *mine; /* without "tmp/" */
	int64_t now;      /* when it was made, by the server's clock */
	struct buf names; /* of all files, each with its NUL and then its time */
};

static int note_leftover(void *arg, const struct webdav_resource *w)
{
	struct leftovers *l = arg;

	if (w->name[0] == '\0' || w->collection || w->modified == 0)
		return 0;
	if (strcmp(w->name, l->mine) == 0) {
		l->now = w->modified;
		return 0;
	}
	return buf_append(&l->names, &w->modified, sizeof(w->modified)) < 0 ||
	       buf_append(&l->names, w->name, strlen(w->name) + 1) < 0 ? -ENOMEM : 0;
}

/* Only what we could have made is removed. */
static bool is_ours(const char *name)
{
	return strlen(name) == 2 * RANDOM_LEN && name[strspn(name, "0123456789abcdef")] == '\0';
}

/* Remove what killed writers left a day before ${p}.  Failures don't matter; the next writer tries. */
static void tidy(struct store_webdav *d, const struct webdav_put *p)
{
	struct leftovers l = { .mine = p->tmp + strlen(WEBDAV_TMP) };
	char name[sizeof(WEBDAV_TMP) + STORE_NAME_MAX];
	const char *left;
	int64_t modified;

	if (atomic_exchange(&d->tidied, true))
		return;
	if (webdav_propfind(d, WEBDAV_TMP, 1, note_leftover, &l) == 0) {
		for (size_t at = 0; at < l.names.len; at += sizeof(modified) + strlen(left) + 1) {
			memcpy(&modified, l.names.data + at, sizeof(modified));
			left = (const char *)l.names.data + at + sizeof(modified);
			if (l.now - modified < LEFTOVER_AGE || !is_ours(left))
				continue;
			snprintf(name, sizeof(name), "%s%s", WEBDAV_TMP, left);
			if (webdav_remove(d, name, true) == 0)
				log_info(d->base.log, "%s/%s: removed, left by a writer that did not end well",
				    d->base.url, name);
		}
	}
	buf_free(&l.names);
}

/* --- Upload and move ---------------------------------------------------------------------------------------------- */

/* One PUT.  ${*status} is 404 or 409 if the collection is missing; 403 and 500 may mean that too. */
static int upload_once(struct store_webdav *d, struct webdav_put *p, const char *name, int *status)
{
	static const int accept[] = { 403, 404, 409, 0 };
	struct http_body body = spool_body(&p->spool);
	struct http_request q = { .method = "PUT", .body = &body };
	struct http_reply r = { 0 };
	int rc;

	rc = webdav_request(d, &q, p->tmp, accept, "put", name, &r);
	p->touched = r.status != 0;
	*status = r.status;
	http_reply_free(&r);
	return rc;
}

/* Is ${status} for want of the collection of ${name}?  Of 404 and 409 the server has said so. */
static bool lacks_collection(struct store_webdav *d, int status, const char *name)
{
	const char *slash = strrchr(name, '/');
	char dir[STORE_NAME_MAX + 2];
	size_t len = slash != NULL ? (size_t)(slash - name) + 1 : 0;

	if (status != 403 && status != 500)
		return status == 404 || status == 409;
	memcpy(dir, name, len);
	dir[len] = '\0';
	return len > 0 && webdav_propfind(d, dir, 0, found, NULL) == -ENOENT;
}

static int upload(struct store_webdav *d, struct webdav_put *p, const char *name)
{
	struct http_reply refused = { 0 };
	int rc;

	rc = upload_once(d, p, name, &refused.status);
	if ((rc == 0 || rc == -EAGAIN) && lacks_collection(d, refused.status, p->tmp)) {
		rc = make_parents(d, p->tmp);
		if (rc == 0)
			rc = upload_once(d, p, name, &refused.status);
	}
	if (rc == 0 && refused.status >= 300) {
		rc = http_failed(&d->base, 0, &refused, "put", name);
		if (rc == -ENOENT)
			log_error(d->base.log, "%s/%s: put: the server answered %d", d->base.url, name, refused.status);
		rc = rc == -ENOENT ? -EIO : rc;
	}
	p->uploaded = rc == 0;
	if (rc == 0)
		tidy(d, p);
	return rc;
}

/* One MOVE to ${name}.  ${*status} is 404 or 409 (or 403, 500) if something is missing, 412 if the name is taken. */
static int move_once(struct store_webdav *d, struct webdav_put *p, const char *name, bool overwrite, int *status)
{
	static const int accept[] = { 403, 404, 409, 412, 0 };
	const char *headers[] = { NULL, overwrite ? "Overwrite: T" : "Overwrite: F", NULL };
	struct http_request q = { .method = "MOVE", .headers = headers };
	struct http_reply r = { 0 };
	char *destination = NULL;
	int rc;

	if (asprintf(&destination, "Destination: %s/%s", d->site.base, name) < 0)
		return -ENOMEM;
	headers[0] = destination;
	rc = webdav_request(d, &q, p->tmp, accept, "put", name, &r);
	*status = r.status;
	if (rc == 0 && r.status < 300)
		p->uploaded = p->touched = false;
	http_reply_free(&r);
	free(destination);
	return rc;
}

static int move(struct store_webdav *d, struct webdav_put *p, const char *name, bool overwrite, int *status)
{
	int rc;

	rc = move_once(d, p, name, overwrite, status);
	if ((rc == 0 || rc == -EAGAIN) && lacks_collection(d, *status, name))
		rc = make_parents(d, name);
	else if (rc < 0 || *status != 403)
		return rc;
	/* 403: somebody else may just have made it. */
	return rc == 0 ? move_once(d, p, name, overwrite, status) : rc;
}

/*
 * The name is taken, by the same object.  It stays if it is whole; to replace it would take it away for a moment from
 * those who read it, at most servers.
 */
static int put_again(struct store_webdav *d, struct webdav_put *p, const char *name, int *status)
{
	uint64_t size;
	int rc;

	rc = site_stat(&d->site, &d->base, name, &size);
	if (rc == 0 && size == p->base.len) {
		*status = 204;
		return 0;
	}
	return rc == 0 || rc == -ENOENT ? move(d, p, name, true, status) : rc;
}

/* Bring it to its name.  Return 0; -EEXIST; -ENOENT if what was uploaded is gone; others. */
static int publish(struct store_webdav *d, struct webdav_put *p, const char *name, unsigned flags)
{
	int status, rc;

	rc = move(d, p, name, (flags & STORE_REPLACE) != 0, &status);
	if (rc == 0 && status == 412 && (flags & STORE_EXCL) != 0)
		return -EEXIST;
	if (rc == 0 && status == 412)
		rc = put_again(d, p, name, &status);
	if (rc < 0 || status < 300)
		return rc;
	if (status == 404) {
		p->uploaded = false;
		return -ENOENT;
	}
	/* Who could upload may move: rclone says so when several are at work in one directory. */
	if (status == 403)
		return store_transient(&d->base, 0, "put %s: the server answered 403 to MOVE", name);
	log_error(d->base.log, "%s/%s: put: the server answered %d to MOVE", d->base.url, name, status);
	return -EIO;
}

int webdav_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct store_webdav *d = webdav_of(base->store);
	struct webdav_put *p = put_of(base);
	int rc = -ENOENT;

	for (int tries = 0; rc == -ENOENT && tries < 2; tries++) {
		rc = p->uploaded ? 0 : upload(d, p, name);
		if (rc == 0)
			rc = publish(d, p, name, flags);
	}
	if (rc == -EAGAIN)
		return rc;
	if (rc == -ENOENT) {
		log_error(d->base.log, "%s/%s: put: what was uploaded is gone before it could be moved", d->base.url,
		    name);
		rc = -EIO;
	}
	webdav_put_abort(base);
	return rc;
}

void webdav_put_abort(struct store_put *base)
{
	struct webdav_put *p = put_of(base);

	if (p->touched)
		webdav_remove(webdav_of(base->store), p->tmp, true);
	spool_free(&p->spool);
	free(p);
}
