/*
 * xml_parse() over arbitrary bytes: what it says of elements keeps to its contract.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/parse/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_element(void *arg, const char *path, const char *text)
{
	unsigned depth = 0;

	for (const char *p = path; *p != '\0'; p++) {
		if (*p == ':')
			abort();
		depth += *p == '/';
	}
	if (path[0] != '/' || depth > XML_DEPTH_MAX || strlen(text) > XML_TEXT_MAX)
		abort();
	++*(unsigned *)arg;
	return 0;
}

static int stop(void *arg, const char *path, const char *text)
{
	(void)path;
	(void)text;
	return --*(unsigned *)arg == 0 ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned n = 0;
	int rc = xml_parse(data, size, check_element, &n);

	if (rc != 0 && rc != -EBADMSG && rc != -ENOMEM)
		abort();
	/* A document has at least its root. */
	if (rc == 0 && n == 0)
		abort();
	n = n / 2 + 1;
	if (rc == 0 && xml_parse(data, size, stop, &n) != 1)
		abort();
	return 0;
}
