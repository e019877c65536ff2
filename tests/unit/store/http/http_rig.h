/*
 * For tests of transfers: a server that answers as the path says.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_HTTP_RIG_H
#define VARVE_TEST_HTTP_RIG_H

#include <stdatomic.h>

#include "repo/store/http/http.h"
#include "repo/util/bytes/buf.h"
#include "tests/lib/scratch.h"
#include "tests/lib/web.h"

#define HTTP_RIG_DATA_LEN (300 * 1024)
#define HTTP_RIG_DEADLINE_MS 1500 /* a third of it is the least that a request is given */

struct http_rig {
	struct scratch *scratch;
	struct web *web;
	struct http *http;
	struct store_options options;
	atomic_int cancel;
	uint8_t data[HTTP_RIG_DATA_LEN];
	struct buf seen; /* by the server: bodies */
	char url[256];
	uint8_t into[HTTP_RIG_DATA_LEN];
};

/* As cmocka's setup and teardown, with *state a struct http_rig. */
int http_rig_setup(void **state);
int http_rig_teardown(void **state);

/* The URL of ${what} at the server; good until the next call. */
const char *http_rig_url(struct http_rig *r, const char *what);

/* The server: does what the path says. */
bool http_rig_answer(void *arg, const struct web_request *q);

/* A whole object, or a part of it into ${into}. */
int http_rig_get(struct http_rig *r, const char *what, struct buf *out, size_t max, struct http_reply *reply);
int http_rig_get_range(struct http_rig *r, const char *what, uint64_t off, uint64_t len, struct http_reply *reply);

#endif
