/*
 * Transfers: requests over HTTP, HTTPS and SFTP, many at a time, by libcurl.  One multi handle and one thread of its
 * own; connections are kept and reused, HTTP/2 is used where it is offered.
 *
 * It moves bytes and knows nothing of stores, retries, or what a status means.  Proxies as curl users expect
 * ($https_proxy, $no_proxy...) unless a request is ${direct}, or by plain http to this machine; nothing else of curl's
 * configuration is read.  TLS is verified always.  Credentials, and URLs of proxies, appear in no message.
 *
 * Thread-safe: any number of threads may have a request each in flight.
 */
#ifndef VARVE_STORE_HTTP_H
#define VARVE_STORE_HTTP_H

#include "repo/store/store.h"

struct http;

/**
 * http_open(opts, out):
 * Get ready; the thread is started by the first request, so that until then the process may fork.  Heeded of ${opts}:
 * ${ca_file}, the rates (all requests of this handle share them), ${deadline_ms}, ${cancel}, ${log}; borrowed until
 * http_close().  A request that has not moved a byte for a third of the deadline is given up
 * (-ETIMEDOUT), so that there is time to try it again elsewhere.  Return 0; -EINVAL, -EACCES if ${ca_file} cannot be
 * read (logged); -ENOMEM.
 */
int http_open(const struct store_options *opts, struct http **out);

/* No request may be in flight.  Does nothing for NULL. */
void http_close(struct http *h);

enum http_auth_kind {
	HTTP_AUTH_NONE,
	HTTP_AUTH_BASIC, /* ${user}, ${password} */
	HTTP_AUTH_SIGV4, /* AWS Signature Version 4 (CURLOPT_AWS_SIGV4); http_perform() adds ${token}'s header */
	HTTP_AUTH_SSH,   /* sftp: ${user}; ${password}, or ${key_file}, or the agent */
};

/* All borrowed for the call. */
struct http_auth {
	enum http_auth_kind kind;
	const char *user, *password; /* SIGV4: access key, secret key */
	const char *token;           /* SIGV4: session token; NULL: none */
	const char *sigv4;           /* "aws:amz:REGION:s3" */
	const char *key_file;        /* SSH: private key; NULL: the agent's keys, then the usual files */
	const char *known_hosts;     /* SSH: must be given, for without it nothing would be verified */
};

/* Where a request's body comes from: memory, or a file that is read with pread(). */
struct http_body {
	const void *data;
	int fd;          /* if ${data} is NULL */
	uint64_t offset; /* in the file */
	uint64_t len;
};

/*
 * All borrowed for the call.  Methods of sftp: "GET", "PUT", "LIST" (as "ls -l" has it), "QUOTE" (commands alone), and
 * "HEAD", whose reply has the header Content-Length.  What is made there is for its owner only.
 */
struct http_request {
	const char *method;          /* "GET", "HEAD", "PUT", "PROPFIND"...; sftp: see above */
	const char *url;             /* without user and password; sftp: ends at a "/" for LIST and QUOTE */
	const char *const *headers;  /* "Name: value", then NULL; or NULL */
	const char *const *commands; /* sftp: quotes, then NULL; before the transfer, or after it for PUT; or NULL */
	const struct http_auth *auth;
	const struct http_body *body;
	bool direct;                 /* by no proxy, whatever the environment says */
	bool ranged;                 /* only bytes [${range_off}, ${range_off} + ${range_len}) */
	uint64_t range_off, range_len;
	void *into;                  /* GET: up to ${max} bytes go here, or */
	struct buf *append;          /* up to ${max} bytes are appended here; with neither, the body is dropped */
	size_t max;
};

/* What came back. */
struct http_reply {
	int status;         /* HTTP; sftp: 200, 404, 403, 409, 500 for what the server said */
	uint64_t received;  /* bytes of the body that are in ${into} or ${append} */
	struct buf headers; /* of the last response: lines, as they came; see http_header() */
	struct buf error;   /* the body of a reply with a status of 400 or more: its first 16 KiB */
	char cause[200];    /* if http_perform() failed: curl's words or ours, without secrets */
};

/**
 * http_perform(h, q, r):
 * Do it, wait for the end.  ${r} (all zero before) is to be freed with http_reply_free() in any case.  The body of a
 * reply with a status below 300 goes to ${q->into} or ${q->append} (unchanged on failure), any other to ${r->error}.
 * Redirections are followed for GET and HEAD within the same host only, and never from https to http; other replies
 * with a status of 300 to 399 are returned as they are.
 *
 * A range is checked: exactly what was asked for has come, or what the object has of it if it ends before
 * (${r->received} is smaller, or the status is 416).  From a server that knows of no ranges and sends everything
 * (status 200), what was asked for is taken and the rest is not waited for.
 *
 * Return 0 if a whole reply came, whatever its status; and, with ${r->cause}:
 *   -EHOSTUNREACH   no connection: name not found, refused, no route, proxy
 *   -ETIMEDOUT      nothing moved for too long
 *   -EPIPE          the connection broke, or the body is shorter than announced
 *   -EMSGSIZE       the body is longer than ${q->max}
 *   -EPERM          the peer is not who it should be (certificate, host key)
 *   -EPROTO         it does not speak the protocol, or sent another range than was asked for
 *   -EACCES         sftp: login denied; the proxy wants credentials, or refuses the server
 *   -EINVAL         malformed URL, a proxy's that is malformed or of an unknown kind, an empty range, sftp without
 *                   known_hosts or user
 *   -ECANCELED, -ENOMEM, -EIO (reading the body's file)
 */
int http_perform(struct http *h, const struct http_request *q, struct http_reply *r);
void http_reply_free(struct http_reply *r);

/* Copy the header ${name} (any case) to ${out}, without white space around its value; false if it is not there. */
bool http_header(const struct http_reply *r, const char *name, char *out, size_t size);

/* What Retry-After asks for (seconds or a date), in milliseconds, at most an hour; 0 if it is not there. */
unsigned http_retry_after(const struct http_reply *r);

/* A date as in "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), in seconds since 1970; -1 if it is none. */
int64_t http_date(const char *text);

/**
 * http_escape(out, text, keep):
 * Append ${text}, percent-encoded (upper case) but for letters, digits, "-._~" and the bytes of ${keep}.  Return 0 or
 * -ENOMEM.
 */
int http_escape(struct buf *out, const char *text, const char *keep);

/* Replace each %XX by the byte that it stands for, in place.  Return 0; -EINVAL for another use of "%", and for %00. */
int http_unescape(char *text);

/**
 * http_failed(s, rc, r, operation, name):
 * The agreed answer of stores to a request that has failed for no reason that the store knows better: -EAGAIN by
 * store_transient() for broken, stalled and refused connections and for the statuses 408, 425, 429, 500, 502, 503, 504
 * (with their Retry-After); else a logged error: -EACCES for 401 and 403, -ENOENT for 404 and 410 (not logged),
 * -ENOSPC for 507 and 413, -EACCES for -EPERM, -EIO for -EPROTO, -ECANCELED, -EIO.  ${rc} is what http_perform()
 * returned.
 */
int http_failed(struct store *s, int rc, const struct http_reply *r, const char *operation, const char *name);

#endif
