/*
 * "SNAP[:PATH]" opened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/located.h"

static int find_entry(struct cli *c, struct located *l)
{
	int rc;

	rc = tree_path(l->repo->tree, &l->manifest.root, l->path, strlen(l->path), &l->hit);
	if (rc == -ENOENT || rc == -ENOTDIR)
		cli_error(c, "%s: no such path in snapshot %s", l->path, l->snap);
	return rc == -EBADMSG ? EXIT_DAMAGED : cli_status(c, rc);
}

int located_open(struct cli *c, const char *spec, const struct snapshot_filter *f, struct located *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	if (catalog_split(spec, &out->snap, &out->path) != 0)
		return EXIT_FAILED;
	rc = cli_open_catalog(c, &out->repo, &out->catalog);
	if (rc != 0)
		goto no_repo;
	rc = cli_snapshot(c, out->repo, out->catalog, out->snap, f, &out->manifest, &out->id);
	if (rc != 0)
		goto no_snapshot;
	rc = find_entry(c, out);
	if (rc == 0)
		return 0;
	manifest_destroy(&out->manifest);
no_snapshot:
	catalog_free(out->catalog);
	repo_close(out->repo);
no_repo:
	free(out->snap);
	return rc;
}

void located_close(struct located *l)
{
	tree_hit_release(l->repo->tree, &l->hit);
	manifest_destroy(&l->manifest);
	catalog_free(l->catalog);
	repo_close(l->repo);
	free(l->snap);
}
