/*
 * What store_webdav.c, webdav_put.c and webdav_props.c share.
 */
#ifndef VARVE_STORE_WEBDAV_IMPL_H
#define VARVE_STORE_WEBDAV_IMPL_H

#include "repo/store/web/site.h"

#define WEBDAV_TMP "tmp/"

struct store_webdav {
	struct store base;
	struct site site;
	bool create;           /* the repository's own collection may be made */
	const char *spool_dir; /* borrowed from the options */
	pthread_mutex_t making; /* held by who makes collections */
	atomic_bool tidied;    /* tmp/ has been looked through for what killed writers left */
};

static inline struct store_webdav *webdav_of(struct store *s)
{
	return (struct store_webdav *)s;
}

/* What a PROPFIND has told of one resource. */
struct webdav_resource {
	char name[STORE_NAME_MAX + 1]; /* last component of its path; "" for the collection that was asked about */
	bool collection;
	uint64_t size;                 /* LISTING_NO_SIZE: not told */
	int64_t modified;              /* seconds since 1970; 0: not told */
	uint64_t quota_free, quota_used; /* LISTING_NO_SIZE: not told */
};

typedef int webdav_resource_fn(void *arg, const struct webdav_resource *resource);

/**
 * webdav_propfind(d, dir, depth, fn, arg):
 * Ask about ${dir} ("" or ends at a "/") itself (${depth} 0: its quota), or about it and what is in it (1), and call
 * ${fn} for each.  Return 0; -ENOENT (not logged); what ${fn} returned; others as in store_impl.h.
 */
int webdav_propfind(struct store_webdav *d, const char *dir, int depth, webdav_resource_fn *fn, void *arg);

/*
 * Read what came as an answer to that (for fuzzing too).  Return 0; what ${fn} returned; -EIO, -EACCES (logged);
 * -ENOMEM.
 */
int webdav_read_multistatus(struct store_webdav *d, const char *dir, const struct buf *reply, webdav_resource_fn *fn,
    void *arg);

/* The first status in a 207's ${body} that is no success; 0 if there is none, or it is not understood. */
int webdav_part_failed(const struct buf *body);

/**
 * webdav_request(d, q, name, accept, operation, shown, r):
 * Perform ${q} on ${name}.  Return 0 if the reply is a success or its status one of ${accept} (ends with 0); else as
 * http_failed() for ${operation} on the object ${shown}.  If ${q} wants the body each status below 300 is a success; if
 * not, ${q} changes something, and 200, 201 and 204 are, while 207 tells of a part that was not done (RFC 4918, 9.6.1,
 * 9.9.4; judged by the status of that), and 202 of what is yet to be done (-EAGAIN).  ${r} is the caller's to free in
 * any case.
 */
int webdav_request(struct store_webdav *d, const struct http_request *q, const char *name, const int *accept,
    const char *operation, const char *shown, struct http_reply *r);

/* A store_look_fn. */
int webdav_look(struct store *s, const char *name);

/* Remove ${name}.  Return 0; -ENOENT, not judged further; ${quiet}: failures are nobody's concern, and not told. */
int webdav_remove(struct store_webdav *d, const char *name, bool quiet);

int webdav_put_begin(struct store *s, struct store_put **out);
int webdav_put_append(struct store_put *p, const void *data, size_t len);
int webdav_put_commit(struct store_put *p, const char *name, unsigned flags);
void webdav_put_abort(struct store_put *p);

#endif
