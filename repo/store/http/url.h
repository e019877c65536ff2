/*
 * URLs of stores, taken apart (RFC 3986).
 */
#ifndef VARVE_STORE_URL_H
#define VARVE_STORE_URL_H

#include <stdbool.h>

#include "repo/util/bytes/buf.h"
#include "repo/util/log.h"

/* Owned strings, decoded (%XX); NULL if absent. */
struct url {
	char *scheme;   /* lower case; with its "webdav+" */
	char *user, *password;
	char *host;     /* or bucket, or container */
	unsigned port;  /* 0: not given */
	char *path;     /* "" or "/..." without a "/" at its end */
	char *query;    /* not decoded, without the "?" */
	char *shown;    /* the URL for messages: without password and query */
};

/**
 * url_parse(text, log, out):
 * Take a URL apart.  Return 0 with ${out} to be freed by url_free(); -EINVAL (logged without secrets); -ENOMEM.
 */
int url_parse(const char *text, const struct log *log, struct url *out);
void url_free(struct url *u); /* wipes the password */

/* Is it this machine, so that nobody can listen?  ${host} of ${len} bytes: "localhost", "127...", "[::1]". */
bool url_host_is_here(const char *host, size_t len);

/**
 * url_option(u, name, out):
 * The decoded value of ${name} in the query, "name=value&..." (malloc, the caller's); NULL if it is not there.  Return
 * 0 or -ENOMEM.
 */
int url_option(const struct url *u, const char *name, char **out);

/* Log and return -EINVAL if the query has a name that is not in ${names} (ends with NULL); else 0. */
int url_options_known(const struct url *u, const char *const *names, const struct log *log);

#endif
