/*
 * Commands that only read a repository confine themselves once it is open.
 */
#include <string.h>

#include "repo/confine.h"
#include "tools/cli/cli.h"

bool cli_confined_from_start(const struct cli *c)
{
	/* A restore waits until its target is open. */
	static const char *const names[] = { "snapshots", "ls", "find", "dump", "diff", "stats", "check" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(c->command, names[i]) == 0)
			return true;
	}
	return false;
}

int cli_confine(const struct cli *c, const struct repo *r, int target_fd)
{
	struct confine_options o = { .repo = r, .store = &c->store, .target_fd = target_fd };

	return sandbox_wanted() ? confine(&o) : 0;
}
