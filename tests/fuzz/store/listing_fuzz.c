/*
 * listing_html(), listing_json() and sftp_parse_line() over arbitrary bytes: the names that they tell are such as a
 * store has, and who ends it is heeded.  The first byte says which.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/parse/listing.h"
#include "repo/store/sftp/sftp_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > LISTING_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != len)
		abort();
}

static int check_entry(void *arg, const struct listing_entry *e)
{
	check_name(e->name);
	++*(unsigned *)arg;
	return 0;
}

static int stop(void *arg, const struct listing_entry *e)
{
	(void)e;
	return --*(unsigned *)arg == 0 ? 1 : 0;
}

static int parse(bool json, const char *text, size_t len, listing_fn *fn, void *arg)
{
	return json ? listing_json(text, len, fn, arg) : listing_html(text, len, "/p/q/", fn, arg);
}

/* Each line that a listing could have, in place as the store does. */
static void parse_lines(const char *text, size_t len)
{
	char *copy = malloc(len + 1), *line, *rest = copy;
	struct sftp_entry e;

	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (!sftp_is_line(line) || !sftp_parse_line(line, &e))
			continue;
		check_name(e.name);
		if (e.directory && e.sized)
			abort();
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	unsigned n = 0, stops;
	bool json;
	int rc;

	if (size == 0)
		return 0;
	size--;
	json = data[0] == 'j';
	if (data[0] == 'l') {
		parse_lines(text, size);
		return 0;
	}
	rc = parse(json, text, size, check_entry, &n);
	if (rc != 0 && !(json && rc == -EBADMSG) && rc != -ENOMEM)
		abort();
	/* In the midst of it. */
	stops = n / 2 + 1;
	if (rc == 0 && n > 0 && parse(json, text, size, stop, &stops) != 1)
		abort();
	return 0;
}
