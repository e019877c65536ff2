/*
 * Strings out of the small JSON objects (RFC 8259) in which metadata services answer.
 *
 * Not a library's work: what they answer is a secret, of which a library leaves copies in memory that it has freed.
 */
#ifndef VARVE_STORE_S3_JSON_H
#define VARVE_STORE_S3_JSON_H

#include <stddef.h>

/**
 * s3_json_string(text, len, name, out, size):
 * Copy the string that the member ${name} of the object ${text} has, decoded and with a NUL, to ${out} (undefined on
 * failure).  Members of objects in it are not looked at.  Return 0; -ENOENT if there is none, or it is not a string;
 * -EBADMSG if the text is malformed as far as it was read; -EMSGSIZE if ${size} does not hold it.
 */
int s3_json_string(const char *text, size_t len, const char *name, char *out, size_t size);

#endif
