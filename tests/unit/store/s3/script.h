/*
 * For tests: a web server that expects requests in an order, and has an answer for each.
 */
#ifndef VARVE_TEST_SCRIPT_H
#define VARVE_TEST_SCRIPT_H

#include <stddef.h>

/* One request that is expected, and its answer.  NULL: anything; nothing. */
struct script_step {
	const char *request;     /* "GET /bucket/key?query" */
	const char *const *with; /* "Name: value" of its headers, then NULL; "Name:" is to be absent */
	const char *body;        /* of the request */
	int status;
	const char *headers;     /* "Name: value\r\n"... */
	const char *answer;
};

struct script;

/* Called before the how-manieth step (from 0) is answered, by a thread of the server. */
typedef void script_before_fn(size_t step);

/* Start it; ${steps} are borrowed.  ${before} may be NULL. */
struct script *script_start(const struct script_step *steps, size_t n, script_before_fn *before);

/* "http://127.0.0.1:PORT" */
const char *script_url(const struct script *s);

/* Stop it.  Fails the running test unless all that was expected came, and nothing else. */
void script_end(struct script *s);

#endif
