/*
 * For tests: a web server on loopback whose answers the test writes itself, byte by byte, so that they can be as wrong
 * as it takes.
 */
#ifndef VARVE_TEST_WEB_H
#define VARVE_TEST_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/util/bytes/buf.h"

struct web;

/* What was asked; valid for the call. */
struct web_request {
	struct web *web;
	int fd;              /* where the answer goes */
	unsigned connection; /* the how-manieth of the server, from 1 */
	unsigned number;     /* the how-manieth request of the server, from 1 */
	char method[16];
	char target[1024];   /* path and query */
	char headers[8192];  /* lines */
	struct buf body;
};

/*
 * Answers one request: with web_answer(), web_print(), or web_write().  Returns whether the connection stays open.
 * Called by a thread of each connection.
 */
typedef bool web_fn(void *arg, const struct web_request *q);

/* Start one on a free port.  Failures are the running test's.  web_stop() ends all connections; NULL is let be. */
struct web *web_start(web_fn *fn, void *arg);
void web_stop(struct web *w);

/* "http://127.0.0.1:PORT" */
const char *web_url(const struct web *w);

/* How many connections and requests there have been. */
unsigned web_connections(struct web *w);
unsigned web_requests(struct web *w);

/* The value of a header of the request, or NULL; ${out} has room for 256 bytes. */
const char *web_header(const struct web_request *q, const char *name, char out[256]);

/* Write formatted text.  What the client does not want is dropped. */
void web_print(const struct web_request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void web_write(const struct web_request *q, const void *data, size_t len);

/* A whole answer: status line, ${headers} ("Name: value\r\n"...), Content-Length, body (none for HEAD). */
void web_answer(const struct web_request *q, int status, const char *headers, const void *body, size_t len);

/* Answer with (a range of) these bytes, as a good server does. */
void web_serve(const struct web_request *q, const void *data, size_t len);

/* Say nothing until the client goes away or the server is stopped. */
void web_stall(const struct web_request *q);

#endif
