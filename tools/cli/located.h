/*
 * "SNAP[:PATH]" opened: repository, snapshot, and the entry at the path.
 */
#ifndef VARVE_TOOLS_LOCATED_H
#define VARVE_TOOLS_LOCATED_H

#include "tools/cli/cli.h"

struct located {
	struct repo *repo;
	struct catalog *catalog;
	struct manifest manifest;
	struct id id;
	struct tree_hit hit; /* the entry */
	char *snap;          /* SNAP as given */
	const char *path;    /* PATH as given, "" for none; borrowed from the argument */
};

/* Open all of it: an exit status, after a message if it is not 0. */
int located_open(struct cli *c, const char *spec, const struct snapshot_filter *f, struct located *out);
void located_close(struct located *l);

#endif
