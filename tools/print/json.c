/*
 * JSON output, with jansson.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/bytes/buf.h"
#include "repo/util/bytes/id.h"
#include "repo/util/text/when.h"
#include "tools/print/json.h"

json_value *json_new_object(void)
{
	return json_object();
}

json_value *json_new_array(void)
{
	return json_array();
}

void json_set_value(json_value *o, const char *key, json_value *v)
{
	json_object_set_new(o, key, v);
}

/* Length of the valid UTF-8 sequence at ${s}, 0 if there is none (RFC 3629). */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t c;

	if (len == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n < len)
		return 0;
	c = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	return c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? len : 0;
}

/* A copy of ${s} with U+FFFD for what is no UTF-8; ${*clean} says whether there was nothing to replace. */
static int to_utf8(const char *s, size_t n, struct buf *out, bool *clean)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len;
	int rc = 0;

	*clean = true;
	for (size_t i = 0; i < n && rc == 0; i += len) {
		len = utf8_len(p + i, n - i);
		if (len > 0) {
			rc = buf_append(out, p + i, len);
		} else {
			*clean = false;
			len = 1;
			rc = buf_append(out, "\xef\xbf\xbd", 3);
		}
	}
	return rc;
}

void json_set_name(json_value *o, const char *key, const char *name, size_t len)
{
	struct buf text = BUF_INIT, other = BUF_INIT;
	bool clean = true;

	if (to_utf8(name, len, &text, &clean) != 0) {
		json_object_set_new(o, key, json_null());
		goto out;
	}
	json_object_set_new(o, key, json_stringn(text.data != NULL ? (const char *)text.data : "", text.len));
	if (!clean && buf_printf(&other, "%s_hex", key) == 0 && buf_reserve(&text, 2 * len + 1) == 0) {
		hex_encode((const uint8_t *)name, len, (char *)text.data + text.len);
		json_object_set_new(o, (const char *)other.data, json_string((const char *)text.data + text.len));
	}
out:
	buf_free(&text);
	buf_free(&other);
}

void json_set_text(json_value *o, const char *key, const char *value)
{
	if (value == NULL)
		json_object_set_new(o, key, json_null());
	else
		json_set_name(o, key, value, strlen(value));
}

void json_set_id(json_value *o, const char *key, const struct id *id)
{
	char hex[ID_HEX_SIZE];

	json_object_set_new(o, key, json_string(id_hex(id, hex)));
}

void json_set_u64(json_value *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

void json_set_i64(json_value *o, const char *key, int64_t v)
{
	json_object_set_new(o, key, json_integer(v));
}

void json_set_real(json_value *o, const char *key, double v)
{
	json_object_set_new(o, key, json_real(v));
}

void json_set_bool(json_value *o, const char *key, bool v)
{
	json_object_set_new(o, key, json_boolean(v));
}

void json_set_time(json_value *o, const char *key, int64_t ns, bool utc)
{
	char text[WHEN_SIZE];

	json_object_set_new(o, key, json_string(when_format(ns, WHEN_RFC3339, utc, text)));
}

void json_append(json_value *array, json_value *v)
{
	json_array_append_new(array, v);
}

void json_append_text(json_value *array, const char *value)
{
	struct buf text = BUF_INIT;
	bool clean;

	if (to_utf8(value, strlen(value), &text, &clean) == 0)
		json_array_append_new(array, json_stringn(text.data != NULL ? (const char *)text.data : "", text.len));
	buf_free(&text);
}

void json_set_texts(json_value *o, const char *key, char *const *list, uint32_t n)
{
	json_value *a = json_new_array();

	for (uint32_t i = 0; i < n; i++)
		json_append_text(a, list[i]);
	json_set_value(o, key, a);
}

bool json_print(json_value *v)
{
	bool ok;

	/* It is written in pieces, and progress has a thread of its own: a line must not begin within another. */
	flockfile(stdout);
	ok = json_dumpf(v, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0 && putchar('\n') != EOF;
	funlockfile(stdout);
	json_decref(v);
	return ok;
}
