/*
 * For the parts of the Azure store only.
 */
#ifndef VARVE_STORE_AZURE_IMPL_H
#define VARVE_STORE_AZURE_IMPL_H

#include "repo/store/azure/azure_account.h"
#include "repo/store/azure/azure_sign.h"
#include "repo/store/http/http.h"
#include "repo/store/parse/xml.h"
#include "repo/store/store_impl.h"
#include "repo/util/told.h"

/* Blobs up to this length go in one request; longer ones in blocks, of which a broken one is sent again alone. */
#define AZURE_SINGLE_MAX ((uint64_t)64 * 1024 * 1024)

struct store_azure {
	struct store base;
	struct http *http;
	struct azure_account account;
	char *container;
	char *prefix;          /* "" or "a/b/" */
	const char *tier;      /* of data packs: "Cool"...; NULL: the account's.  Static */
	const char *rehydrate; /* "Standard", "High".  Static */
	const char *spool_dir; /* borrowed; may be NULL */
	struct told told;      /* which blobs cannot be read, for they are archived */
};

static inline struct store_azure *azure_of(struct store *s)
{
	return (struct store_azure *)s;
}

/* A request.  All borrowed; zero is none. */
struct azure_call {
	const char *method;
	const char *name; /* of the object; NULL: the container itself */
	struct azure_field params[5], headers[7];
	size_t nparams, nheaders;
	const struct http_body *body;
	void *into;
	struct buf *append;
	size_t max;
};

void azure_add_param(struct azure_call *c, const char *name, const char *value);
void azure_add_header(struct azure_call *c, const char *name, const char *value);

/* Sign and send it.  As http_perform(). */
int azure_perform(struct store_azure *a, const struct azure_call *c, struct http_reply *r);

#define AZURE_CODE_SIZE 64

/* The service's word for what went wrong, "" if the reply has none: x-ms-error-code, else the body's. */
void azure_error_code(const struct http_reply *r, char code[AZURE_CODE_SIZE]);

/* Did the service answer with this one? */
bool azure_answered(int rc, const struct http_reply *r, const char *code);

/**
 * azure_failed(a, rc, r, operation, name):
 * What the caller does not know better, as http_failed(): -EAGAIN for what may go away, -ENOENT for a missing blob,
 * else a logged error in words for people.
 */
int azure_failed(struct store_azure *a, int rc, const struct http_reply *r, const char *operation, const char *name);

/* A listing under way. */
struct azure_listing {
	const char *prefix; /* the store's: not in the names that ${fn} sees */
	store_list_fn *fn;
	void *arg;
	char name[1024 + 1]; /* of the blob that is being read: the longest that the service has */
	uint64_t size;
	char marker[XML_TEXT_MAX]; /* of the next page; "": there is none */
	unsigned nblobs;           /* in the page, whosever */
	bool ended, marked;        /* the page has come to its end, and has said what the next one is */
	int returned;              /* what ${fn} did */
};

/**
 * azure_read_page(l, xml, len):
 * Tell ${l->fn} of the blobs in a page of "List Blobs" that are the store's, and note the next page's marker.  Return
 * 0; -EBADMSG if it is no such page; -ENOMEM; what ${fn} returned (${l->returned} then).
 */
int azure_read_page(struct azure_listing *l, const void *xml, size_t len);

/* The operations that have files of their own. */
int azure_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
int azure_put_begin(struct store *s, struct store_put **out);
int azure_put_append(struct store_put *base, const void *data, size_t len);
int azure_put_commit(struct store_put *base, const char *name, unsigned flags);
void azure_put_abort(struct store_put *base);
int azure_stat(struct store *s, const char *name, uint64_t *size);

#endif
