/*
 * JSON of servers, with jansson.  See json.h.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "repo/store/parse/json.h"

int http_json_string(const char *text, size_t len, const char *name, char *out, size_t size)
{
	json_t *all = json_loadb(text, len, 0, NULL), *member;
	int rc = -ENOENT;

	if (!json_is_object(all)) {
		rc = -EBADMSG;
		goto out;
	}
	member = json_object_get(all, name);
	if (!json_is_string(member))
		goto out;
	rc = json_string_length(member) < size ? 0 : -EMSGSIZE;
	if (rc == 0)
		memcpy(out, json_string_value(member), json_string_length(member) + 1);
out:
	json_decref(all);
	return rc;
}

int http_json_each(const char *text, size_t len, http_json_fn *fn, void *arg)
{
	json_t *all = json_loadb(text, len, 0, NULL), *element;
	int rc = json_is_array(all) ? 0 : -EBADMSG;
	size_t i;

	json_array_foreach(all, i, element) {
		rc = json_is_object(element) ? fn(arg, (const struct http_json *)element) : -EBADMSG;
		if (rc != 0)
			break;
	}
	json_decref(all);
	return rc;
}

static json_t *member_of(const struct http_json *object, const char *name)
{
	return json_object_get((const json_t *)object, name);
}

const char *http_json_text(const struct http_json *object, const char *name)
{
	return json_string_value(member_of(object, name));
}

bool http_json_true(const struct http_json *object, const char *name)
{
	return json_is_true(member_of(object, name));
}

bool http_json_number(const struct http_json *object, const char *name, uint64_t *out)
{
	const json_t *n = member_of(object, name);

	if (!json_is_integer(n) || json_integer_value(n) < 0)
		return false;
	*out = (uint64_t)json_integer_value(n);
	return true;
}
