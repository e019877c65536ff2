/*
 * JSON output: the one file that speaks to jansson.  Objects are built, printed on one line, and freed.
 *
 * Names that are not valid UTF-8 are printed with U+FFFD for the bytes in question, and beside them a member KEY_hex
 * that has all bytes in hexadecimal.  A failure to allocate makes the member null; printing says so with false.
 */
#ifndef VARVE_TOOLS_JSON_H
#define VARVE_TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id;

typedef struct json_t json_value; /* jansson's, by another name */

json_value *json_new_object(void);
json_value *json_new_array(void);

void json_set_text(json_value *o, const char *key, const char *value); /* NULL: null */
void json_set_name(json_value *o, const char *key, const char *name, size_t len);
void json_set_id(json_value *o, const char *key, const struct id *id);
void json_set_u64(json_value *o, const char *key, uint64_t v);
void json_set_i64(json_value *o, const char *key, int64_t v);
void json_set_real(json_value *o, const char *key, double v);
void json_set_bool(json_value *o, const char *key, bool v);
void json_set_time(json_value *o, const char *key, int64_t ns, bool utc); /* RFC 3339 with offset */
void json_set_value(json_value *o, const char *key, json_value *v);       /* takes over ${v} */
void json_append(json_value *array, json_value *v); /* takes over ${v} */
void json_set_texts(json_value *o, const char *key, char *const *list, uint32_t n);
void json_append_text(json_value *array, const char *value);

/* Print on one line to stdout and free.  False if stdout failed. */
bool json_print(json_value *v);

#endif
