/*
 * Arguments that others can read.  See argv.h.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/util/process/argv.h"

/* The authority of a URL ends at the first "/", "?" or "#", its user at the last "@" in it (RFC 3986, 3.2). */
static void hide_password(char *arg)
{
	char *authority = strstr(arg, "://"), *at, *colon;
	size_t len;

	if (authority == NULL)
		return;
	authority += 3;
	len = strcspn(authority, "/?#");
	at = memrchr(authority, '@', len);
	colon = at != NULL ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
	if (colon != NULL)
		memset(colon + 1, '*', (size_t)(at - colon - 1));
}

char **argv_private(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof(*copy));

	for (int i = 0; copy != NULL && i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (copy[i] == NULL) {
			argv_free(copy);
			return NULL;
		}
	}
	for (int i = 0; copy != NULL && i < argc; i++)
		hide_password(argv[i]);
	return copy;
}

void argv_free(char **copy)
{
	for (char **p = copy; p != NULL && *p != NULL; p++)
		free(*p);
	free(copy);
}
