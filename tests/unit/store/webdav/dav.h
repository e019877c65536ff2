/*
 * For tests: a WebDAV server (web.h) that keeps its files in a directory, strict where servers differ: parents must
 * exist, nothing is replaced unasked, and "Depth: infinity" is refused.  It lists directories to browsers if it is told
 * to.
 */
#ifndef VARVE_TEST_DAV_H
#define VARVE_TEST_DAV_H

#include "tests/lib/web.h"

enum dav_index { DAV_INDEX_NONE, DAV_INDEX_HTML, DAV_INDEX_JSON };

struct dav {
	const char *root;     /* the directory; borrowed */
	enum dav_index index; /* what GET of a directory answers */
	int no_parent;        /* what it answers to PUT and MOVE where there is no collection; 0: 409 */
	bool quota;           /* has the properties of RFC 4331: 1000 free, 234 used */
	const char *password; /* "user:password" that must be given, in base64; NULL: none */
	/* Asked before each request: answers it itself and returns true, with ${*more} as web_fn's value; or NULL. */
	bool (*before)(void *arg, const struct web_request *q, bool *more);
	/* The same after it was done, instead of the answer. */
	bool (*after)(void *arg, const struct web_request *q, bool *more);
	void *arg;
};

/* A web_fn; ${arg} is the struct dav. */
bool dav_answer(void *arg, const struct web_request *q);

#endif
