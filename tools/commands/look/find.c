/*
 * varve find
 */
#include <stdlib.h>
#include <string.h>

#include "repo/query/walk.h"
#include "repo/util/text/match.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/entry_print.h"

const char find_details[] =
    "Looks in all snapshots, or in those that the options say.  A pattern without a slash matches names,\n"
    "one with a slash in front whole paths, \"**\" any number of directories.";

const struct cli_option find_options[] = {
	{ "snapshot", 's', "SNAP", "only in this snapshot" },
	{ "long", 'l', NULL, "mode, owner, size and time as well" },
	{ "null", '0', NULL, "names as they are, each line ended by a NUL" },
	{ "host", 'H', "NAME", "only in snapshots of this host" },
	{ "tag", 't', "TAG", "only in snapshots with this tag" },
	{ "path", 0, "PATH", "only in snapshots with this source path" },
	{ NULL, 0, NULL, NULL },
};

struct find_args {
	struct cli *cli;
	struct snapshot_filter filter;
	const char *snapshot;
	bool details;
	struct match_list *patterns;
	struct repo *repo;
	struct catalog *catalog;
};

static int take(void *arg, const char *option, const char *value)
{
	struct find_args *a = arg;

	if (cli_take_filter(&a->filter, option, value))
		return 0;
	if (strcmp(option, "snapshot") == 0)
		a->snapshot = value;
	else if (strcmp(option, "null") == 0)
		a->cli->null = true;
	else
		a->details = true;
	return 0;
}

static void print(const struct find_args *a, const struct id *id, const struct walk_item *item)
{
	char hex[ID_HEX_SIZE];
	json_value *o;

	id_hex(id, hex);
	if (a->cli->json) {
		o = entry_json(item->entry, item->path, item->path_len, a->cli->utc);
		json_set_id(o, "snapshot", id);
		json_print(o);
		return;
	}
	printf("%.8s ", hex);
	if (a->details) {
		entry_print_long(a->cli, item->entry, item->path, item->path_len);
	} else {
		cli_print_name(a->cli, item->path, item->path_len);
		cli_end_name(a->cli);
	}
}

/* Does the path match?  Patterns want it with a leading slash. */
static bool matches(const struct find_args *a, const struct walk_item *item, struct buf *path)
{
	buf_clear(path);
	if (buf_u8(path, '/') != 0 || buf_append(path, item->path, item->path_len + 1) != 0)
		return false;
	return match_path(a->patterns, (const char *)path->data, item->entry->type == ENTRY_DIR);
}

static int search(const struct find_args *a, const struct id *id, const struct manifest *m, int *status)
{
	struct buf path = BUF_INIT;
	struct walk_item item;
	struct tree_walk *w;
	int rc;

	catalog_enter(a->repo->index, m);
	rc = tree_walk_begin(a->repo->tree, &m->root, &w);
	if (rc != 0)
		return rc;
	while ((rc = tree_walk_next(w, &item)) == 1) {
		if (item.event == WALK_DAMAGED) {
			cli_error(a->cli, "%s: %s", item.path, ERR(item.err));
			*status = cli_worse(*status, item.err);
		}
		if (item.event == WALK_ENTRY && item.depth > 0 && matches(a, &item, &path))
			print(a, id, &item);
	}
	tree_walk_end(w);
	buf_free(&path);
	return rc;
}

static int search_one(struct find_args *a)
{
	struct manifest m;
	struct id id;
	int rc, status = EXIT_OK;

	rc = cli_snapshot(a->cli, a->repo, a->catalog, a->snapshot, &a->filter, &m, &id);
	if (rc != 0)
		return rc;
	rc = search(a, &id, &m, &status);
	manifest_destroy(&m);
	return rc == 0 ? status : cli_status(a->cli, rc);
}

static int search_all(struct find_args *a)
{
	struct manifest m;
	int rc = 0, status = EXIT_OK;

	for (size_t i = 0; i < catalog_count(a->catalog) && rc == 0; i++) {
		int match = catalog_matches(a->catalog, i, &a->filter);

		if (match == 0)
			continue;
		if (match > 0)
			match = catalog_manifest(a->catalog, i, &m);
		if (match < 0) {
			status = cli_worse(status, match);
			continue;
		}
		rc = search(a, &catalog_at(a->catalog, i)->id, &m, &status);
		manifest_destroy(&m);
	}
	return rc == 0 ? status : cli_status(a->cli, rc);
}

static int run(struct find_args *a, int n, char **args)
{
	int rc;

	for (int i = 0; i < n; i++) {
		if (match_add(a->patterns, args[i]) != 0)
			return cli_usage(a->cli, "%s: not a valid pattern", args[i]);
	}
	rc = cli_open_catalog(a->cli, &a->repo, &a->catalog);
	if (rc != 0)
		return rc;
	rc = a->snapshot != NULL ? search_one(a) : search_all(a);
	catalog_free(a->catalog);
	repo_close(a->repo);
	return rc;
}

int cmd_find(struct cli *c, int argc, char **argv)
{
	struct find_args a = { .cli = c };
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n == 0)
		return cli_usage(c, "a pattern is needed");
	if (c->null && c->json)
		return cli_usage(c, "--null is not for --json");
	a.patterns = match_new();
	rc = a.patterns != NULL ? run(&a, n, args) : EXIT_FAILED;
	match_free(a.patterns);
	return rc;
}
