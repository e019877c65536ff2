/*
 * Strings out of JSON objects.  See s3_json.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "repo/store/s3/s3_json.h"

/* What is still to be read. */
struct cursor {
	const char *p, *end;
};

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

/* Step over ${ch}, and white space before it. */
static bool take(struct cursor *c, char ch)
{
	skip_space(c);
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

/* Four hexadecimal digits; only ASCII is expected in what we read. */
static int take_code_unit(struct cursor *c, char *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned value = 0;
	const char *d;

	for (int i = 0; i < 4; i++) {
		if (c->p == c->end)
			return -EBADMSG;
		d = *c->p != '\0' ? strchr(digits, *c->p >= 'A' && *c->p <= 'F' ? *c->p | 0x20 : *c->p) : NULL;
		if (d == NULL)
			return -EBADMSG;
		value = value << 4 | (unsigned)(d - digits);
		c->p++;
	}
	*out = value > 0 && value < 0x80 ? (char)value : '?';
	return 0;
}

/* One character of a string, decoded. */
static int take_character(struct cursor *c, char *out)
{
	static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *e;

	*out = *c->p++;
	if ((unsigned char)*out < 0x20)
		return -EBADMSG;
	if (*out != '\\')
		return 0;
	if (c->p == c->end)
		return -EBADMSG;
	if (*c->p == 'u') {
		c->p++;
		return take_code_unit(c, out);
	}
	e = *c->p != '\0' ? strchr(escapes, *c->p) : NULL;
	if (e == NULL)
		return -EBADMSG;
	*out = meanings[e - escapes];
	c->p++;
	return 0;
}

/* A string, with a NUL behind it.  All of it is read even if ${size} does not hold it: -EMSGSIZE then. */
static int take_string(struct cursor *c, char *out, size_t size)
{
	size_t len = 0;
	char ch;
	int rc;

	if (!take(c, '"'))
		return -EBADMSG;
	while (c->p < c->end && *c->p != '"') {
		rc = take_character(c, &ch);
		if (rc != 0)
			return rc;
		if (len < size)
			out[len] = ch;
		len++;
	}
	if (!take(c, '"'))
		return -EBADMSG;
	if (len >= size)
		return -EMSGSIZE;
	out[len] = '\0';
	return 0;
}

/* Step over a value of any kind, up to the "," or "}" behind it. */
static int skip_value(struct cursor *c)
{
	char none[1];
	size_t depth = 0;
	int rc;

	for (skip_space(c); c->p < c->end; skip_space(c)) {
		if (*c->p == '"') {
			rc = take_string(c, none, 0);
			if (rc != -EMSGSIZE)
				return rc;
			continue;
		}
		if (depth == 0 && (*c->p == ',' || *c->p == '}'))
			return 0;
		if (*c->p == '{' || *c->p == '[')
			depth++;
		else if ((*c->p == '}' || *c->p == ']') && depth-- == 0)
			return -EBADMSG;
		c->p++;
	}
	return -EBADMSG;
}

int s3_json_string(const char *text, size_t len, const char *name, char *out, size_t size)
{
	struct cursor c = { text, text + len };
	char key[64];
	bool found;
	int rc;

	if (!take(&c, '{'))
		return -EBADMSG;
	if (take(&c, '}'))
		return -ENOENT;
	do {
		rc = take_string(&c, key, sizeof(key));
		if (rc != 0 && rc != -EMSGSIZE)
			return rc;
		found = rc == 0 && strcmp(key, name) == 0;
		if (!take(&c, ':'))
			return -EBADMSG;
		skip_space(&c);
		if (found)
			return c.p < c.end && *c.p == '"' ? take_string(&c, out, size) : -ENOENT;
		rc = skip_value(&c);
		if (rc != 0)
			return rc;
	} while (take(&c, ','));
	return take(&c, '}') ? -ENOENT : -EBADMSG;
}
