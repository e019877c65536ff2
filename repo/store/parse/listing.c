/*
 * Listings as web servers make them.  See listing.h.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "repo/store/parse/json.h"
#include "repo/store/parse/listing.h"

/* Take ${text} for the entry's name, a "/" at its end for a directory.  Return whether it is one that a store has. */
static bool set_name(struct listing_entry *e, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '/') {
		e->directory = true;
		len--;
	}
	if (len == 0 || len > LISTING_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9')))
			return false;
	}
	memcpy(e->name, text, len);
	e->name[len] = '\0';
	return true;
}

/* --- HTML --------------------------------------------------------------------------------------------------------- */

/* The value of an attribute, without its quotes.  Return its length. */
static size_t value_of(const char **at, const char *end)
{
	const char *close;

	while (*at < end && isspace((unsigned char)**at))
		(*at)++;
	if (*at < end && (**at == '"' || **at == '\'')) {
		close = memchr(*at + 1, **at, (size_t)(end - *at - 1));
		(*at)++;
		return close != NULL ? (size_t)(close - *at) : 0;
	}
	for (close = *at; close < end && !isspace((unsigned char)*close) && *close != '>'; close++)
		;
	return (size_t)(close - *at);
}

int listing_html(const char *text, size_t len, const char *path, listing_fn *fn, void *arg)
{
	const char *at = text, *end = text + len;
	size_t path_len = strlen(path), n;
	int rc = 0;

	while (rc == 0 && (at = memchr(at, '=', (size_t)(end - at))) != NULL) {
		struct listing_entry e = { .size = LISTING_NO_SIZE };
		bool link = at - text >= 5 && strncasecmp(at - 4, "href", 4) == 0 && isspace((unsigned char)at[-5]);

		at++;
		if (!link)
			continue;
		n = value_of(&at, end);
		if (n > path_len && memcmp(at, path, path_len) == 0) {
			at += path_len;
			n -= path_len;
		} else if (n > 2 && memcmp(at, "./", 2) == 0) {
			at += 2;
			n -= 2;
		}
		if (set_name(&e, at, n))
			rc = fn(arg, &e);
	}
	return rc;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

struct json_listing {
	listing_fn *fn;
	void *arg;
};

static int take_object(void *arg, const struct http_json *o)
{
	struct listing_entry e = { .size = LISTING_NO_SIZE };
	const struct json_listing *l = arg;
	const char *name = http_json_text(o, "name"), *type = http_json_text(o, "type");

	if (name == NULL || !set_name(&e, name, strlen(name)))
		return 0;
	if ((type != NULL && strcmp(type, "directory") == 0) || http_json_true(o, "is_dir"))
		e.directory = true;
	http_json_number(o, "size", &e.size);
	return l->fn(l->arg, &e);
}

int listing_json(const char *text, size_t len, listing_fn *fn, void *arg)
{
	return http_json_each(text, len, take_object, &(struct json_listing){ fn, arg });
}
