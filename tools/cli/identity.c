/*
 * Who and where this process is.
 */
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/cli/identity.h"

char *identity_host(char *out, size_t size)
{
	if (gethostname(out, size) != 0)
		snprintf(out, size, "localhost");
	out[size - 1] = '\0';
	return out;
}

char *identity_user(char *out, size_t size)
{
	const struct passwd *p = getpwuid(geteuid());

	if (p != NULL)
		snprintf(out, size, "%s", p->pw_name);
	else
		snprintf(out, size, "%u", geteuid());
	return out;
}

char *identity_user_at_host(char *out, size_t size)
{
	char user[128], host[128];

	snprintf(out, size, "%s@%s", identity_user(user, sizeof(user)), identity_host(host, sizeof(host)));
	return out;
}
