/*
 * What the files that speak to libcurl share: curl.c (the thread), curl_setup.c (a request becomes curl's options),
 * curl_flow.c (its bytes, in and out), curl_end.c (its end becomes ours), curl_proxy.c (proxies).
 *
 * A struct transfer is the caller's, who waits.  Between its start and its end it belongs to the thread, which is the
 * only one to call curl, so that nothing in curl is shared between threads.
 */
#ifndef VARVE_STORE_CURL_IMPL_H
#define VARVE_STORE_CURL_IMPL_H

#include <curl/curl.h>
#include <pthread.h>

#include "repo/store/http/curl/sockets.h"
#include "repo/store/http/http.h"
#include "repo/store/http/rate.h"

#define HTTP_HEADERS_MAX (64 * 1024)
#define HTTP_ERROR_MAX (16 * 1024)
#define HTTP_DROPPED_MAX (16 * 1024 * 1024) /* bytes of a body that nobody wants */

struct transfer {
	struct http *http;
	const struct http_request *q;
	struct http_reply *r;
	const char *url; /* q's, or where it was redirected to */
	bool sftp;
	struct transfer *next; /* in the queue, or among the active */
	pthread_cond_t ended;
	bool done;
	int rc;         /* once done */
	char *redirect; /* where a 3xx points to (malloc); NULL: nowhere */

	CURL *easy;
	struct curl_slist *headers, *commands;
	char range[48], error[CURL_ERROR_SIZE];
	int64_t moved_ms;     /* when a byte moved last */
	curl_off_t moved;     /* bytes, as curl counts them, when that was looked at last */
	int64_t begun_ms;     /* when curl was given it */
	bool connecting;      /* a connection is being made for it: handshakes */
	int fd;               /* the socket, while connecting and of an upload by sftp; -1: of no interest */
	uint64_t arrived;     /* bytes that had gone there, and come, when that was last taken for a move */
	struct rate *held_by; /* what has paused it; NULL: it runs */
	uint64_t sent;        /* bytes of the body that curl has been given */

	bool judged;   /* the four below are known */
	uint64_t skip; /* bytes of the body that are before the wanted ones */
	uint64_t take; /* bytes that are wanted then, at most */
	bool exact;    /* ${take} bytes must come, and no more */
	bool stops;    /* the body may go on after those, unread */
	bool enough;   /* it does */
	int failed;    /* a callback has ended it: a negative errno, told in r->cause */
};

struct http {
	const struct log *log;
	const atomic_int *cancel;
	const char *ca_file;
	long patience_ms; /* how long nothing may move */
	CURLM *multi;
	CURLSH *share; /* TLS sessions, which would else end with their request */

	pthread_mutex_t lock; /* of the five below */
	pthread_t thread;
	bool started, closing;
	struct transfer *queue, **queue_end;

	/* The thread's alone. */
	struct transfer *active;
	unsigned nactive, nsftp;
	struct rate up, down;
	struct sockets sockets;
	int64_t looked_ms; /* when it looked last for those that have stalled */
};

/* Make ${t->easy} from the request.  Return 0; -EINVAL, -ENOMEM.  transfer_clean() frees what there is. */
int transfer_setup(struct transfer *t);
void transfer_clean(struct transfer *t);

/* Curl's callbacks; ${arg} is the struct transfer. */
size_t transfer_on_header(char *line, size_t size, size_t n, void *arg);
size_t transfer_on_body(char *data, size_t size, size_t n, void *arg);
size_t transfer_read_body(char *out, size_t size, size_t n, void *arg);
int transfer_seek_body(void *arg, curl_off_t off, int origin);

/* Find out what of the body is wanted, from the reply's status and headers.  Return 0 or a negative errno (told). */
int transfer_judge(struct transfer *t);

/* What http_perform() is to return, now that curl has ended with ${code}. */
int transfer_result(struct transfer *t, CURLcode code);

/**
 * transfer_direct(t):
 * Must it go by no proxy?  So it is with what says so, and with plain http to this machine: that is trusted with
 * passwords as nobody can listen on the way, so that there must be none.
 */
bool transfer_direct(const struct transfer *t);

/**
 * transfer_proxy_failed(t, code, text):
 * Curl has ended with ${code} and ${text}.  Return 0 if that is not for the proxy; else what http_perform() is to
 * return, and the cause is noted without curl's words, which quote the proxy's URL.
 */
int transfer_proxy_failed(struct transfer *t, CURLcode code, const char *text);

/* Note the cause of a failure in the reply, made fit for a line of a log. */
void transfer_cause(struct transfer *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * url_may_follow(from, to):
 * May a request to ${from} be redirected to ${to}?  Only on the same host, not from https to http, and to no other port
 * unless from http to https.
 */
bool url_may_follow(const char *from, const char *to);

#endif
