/*
 * JSON as servers answer with it (metadata services, listings), by jansson.
 */
#ifndef VARVE_STORE_JSON_H
#define VARVE_STORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * http_json_string(text, len, name, out, size):
 * Copy the string that the member ${name} of the object ${text} has, with a NUL, to ${out} (undefined on failure).
 * Return 0; -ENOENT if there is none, or it is not a string without NULs; -EBADMSG if the text is no JSON object;
 * -EMSGSIZE if ${size} does not hold it.
 */
int http_json_string(const char *text, size_t len, const char *name, char *out, size_t size);

/* An object of an array, during http_json_each(). */
struct http_json;

/* Called for each object.  Non-zero ends the parse and is returned. */
typedef int http_json_fn(void *arg, const struct http_json *object);

/**
 * http_json_each(text, len, fn, arg):
 * Call ${fn} for each element of the array ${text}.  Return 0; -EBADMSG if it is no array of objects; what ${fn}
 * returned.
 */
int http_json_each(const char *text, size_t len, http_json_fn *fn, void *arg);

/* A member of an object: the string it has, or NULL; is it true; the number it has, which is an integer not below 0. */
const char *http_json_text(const struct http_json *object, const char *name);
bool http_json_true(const struct http_json *object, const char *name);
bool http_json_number(const struct http_json *object, const char *name, uint64_t *out);

#endif
