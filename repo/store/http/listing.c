/*
 * Listings as web servers make them.  See listing.h.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "repo/store/http/listing.h"

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

struct json {
	const char *at, *end;
};

static char next(struct json *j)
{
	while (j->at < j->end && isspace((unsigned char)*j->at))
		j->at++;
	return j->at < j->end ? *j->at : '\0';
}

static bool take(struct json *j, char c)
{
	if (next(j) != c)
		return false;
	j->at++;
	return true;
}

/* A string, as it is written; one with escapes is no name of ours, nor of a member that counts. */
static bool take_string(struct json *j, const char **out, size_t *len)
{
	if (!take(j, '"'))
		return false;
	for (*out = j->at; j->at < j->end && *j->at != '"'; j->at++) {
		if (*j->at == '\\')
			j->at++;
	}
	if (j->at >= j->end)
		return false;
	*len = (size_t)(j->at - *out);
	j->at++;
	return true;
}

/* A string, a number, or a word. */
static bool take_value(struct json *j, const char **out, size_t *len)
{
	if (next(j) == '"')
		return take_string(j, out, len);
	for (*out = j->at; j->at < j->end && (isalnum((unsigned char)*j->at) || strchr("+-.", *j->at) != NULL); j->at++)
		;
	*len = (size_t)(j->at - *out);
	return *len > 0;
}

static uint64_t number(const char *text, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return LISTING_NO_SIZE;
	}
	return len > 0 ? n : LISTING_NO_SIZE;
}

static bool is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* One object, from behind its "{".  ${*valid} tells whether it is an entry that a store has. */
static bool take_object(struct json *j, struct listing_entry *e, bool *valid)
{
	const char *name, *value;
	size_t name_len, len;

	*valid = false;
	if (take(j, '}'))
		return true;
	do {
		if (!take_string(j, &name, &name_len) || !take(j, ':') || !take_value(j, &value, &len))
			return false;
		if (is(name, name_len, "name"))
			*valid = set_name(e, value, len);
		else if ((is(name, name_len, "type") && is(value, len, "directory")) ||
			 (is(name, name_len, "is_dir") && is(value, len, "true")))
			e->directory = true;
		else if (is(name, name_len, "size"))
			e->size = number(value, len);
	} while (take(j, ','));
	return take(j, '}');
}

int listing_json(const char *text, size_t len, listing_fn *fn, void *arg)
{
	struct json j = { text, text + len };
	bool valid;
	int rc = 0;

	if (!take(&j, '['))
		return -EBADMSG;
	if (take(&j, ']'))
		return 0;
	do {
		struct listing_entry e = { .size = LISTING_NO_SIZE };

		if (!take(&j, '{') || !take_object(&j, &e, &valid))
			return -EBADMSG;
		if (valid)
			rc = fn(arg, &e);
	} while (rc == 0 && take(&j, ','));
	return rc == 0 && !take(&j, ']') ? -EBADMSG : rc;
}
