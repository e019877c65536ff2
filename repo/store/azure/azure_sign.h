/*
 * Azure's Shared Key: what is signed of a request, and how (Microsoft's "Authorize with Shared Key", the form of
 * version 2015-02-21 and later for blobs).
 */
#ifndef VARVE_STORE_AZURE_SIGN_H
#define VARVE_STORE_AZURE_SIGN_H

#include "repo/util/bytes/buf.h"

/* A header, its name in lower case, or a parameter of the query, not encoded.  Borrowed. */
struct azure_field {
	const char *name, *value;
};

#define AZURE_FIELDS_MAX 12 /* headers or parameters of a request */

/* What is signed.  All borrowed. */
struct azure_message {
	const char *method;
	const char *account;
	const char *path; /* as it is in the URL: percent-encoded, with its "/" */
	uint64_t length;  /* of the body */
	const struct azure_field *headers;
	size_t nheaders;
	const struct azure_field *params;
	size_t nparams;
};

/* Append the string to sign.  Return 0; -ENOMEM; -EINVAL for more than AZURE_FIELDS_MAX headers or parameters. */
int azure_string_to_sign(const struct azure_message *m, struct buf *out);

/**
 * azure_authorize(m, key, keylen, out):
 * Append "authorization: SharedKey ACCOUNT:SIGNATURE" and a NUL.  ${key} is decoded.  Errors as above.
 */
int azure_authorize(const struct azure_message *m, const void *key, size_t keylen, struct buf *out);

#define AZURE_DATE_SIZE 32

/* "Fri, 26 Jun 2015 23:39:12 GMT": ${seconds} since 1970 as x-ms-date wants them, in any locale. */
void azure_date(int64_t seconds, char out[AZURE_DATE_SIZE]);

#endif
