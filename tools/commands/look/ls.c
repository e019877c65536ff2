/*
 * varve ls
 */
#include <stdlib.h>
#include <string.h>

#include "repo/query/walk.h"
#include "tools/commands/commands.h"
#include "tools/print/entry_print.h"
#include "tools/cli/located.h"

const struct cli_option ls_options[] = {
	{ "long", 'l', NULL, "mode, owner, size and time as well" },
	{ "recursive", 'R', NULL, "everything below" },
	{ "null", '0', NULL, "names as they are, each line ended by a NUL" },
	{ "host", 'H', "NAME", "SNAP is one of this host" },
	{ "tag", 't', "TAG", "SNAP has this tag" },
	{ "path", 0, "PATH", "SNAP has this source path" },
	{ NULL, 0, NULL, NULL },
};

struct ls_args {
	struct cli *cli;
	struct snapshot_filter filter;
	bool details, recursive;
};

static int take(void *arg, const char *option, const char *value)
{
	struct ls_args *a = arg;

	if (cli_take_filter(&a->filter, option, value))
		return 0;
	if (strcmp(option, "long") == 0)
		a->details = true;
	else if (strcmp(option, "null") == 0)
		a->cli->null = true;
	else
		a->recursive = true;
	return 0;
}

static void print(const struct ls_args *a, const struct tree_entry *e, const char *path, size_t len)
{
	if (a->cli->json) {
		json_print(entry_json(e, path, len, a->cli->utc));
	} else if (a->details) {
		entry_print_long(a->cli, e, path, len);
	} else {
		cli_print_name(a->cli, path, len);
		cli_end_name(a->cli);
	}
}

static int list(struct ls_args *a, const struct located *l)
{
	const struct tree_entry *top = &l->hit.entry;
	struct tree_walk *w;
	struct walk_item item;
	int rc, status = EXIT_OK;

	if (top->type != ENTRY_DIR) {
		print(a, top, l->path, strlen(l->path));
		return EXIT_OK;
	}
	rc = tree_walk_begin(l->repo->tree, top, &w);
	if (rc != 0)
		return cli_status(a->cli, rc);
	while ((rc = tree_walk_next(w, &item)) == 1) {
		if (item.event == WALK_DAMAGED) {
			cli_error(a->cli, "%s: %s", item.path, ERR(item.err));
			status = cli_worse(status, item.err);
		}
		if (item.event != WALK_ENTRY || item.depth == 0)
			continue;
		print(a, item.entry, item.path, item.path_len);
		if (!a->recursive)
			tree_walk_skip(w);
	}
	tree_walk_end(w);
	return rc == 0 ? status : cli_status(a->cli, rc);
}

int cmd_ls(struct cli *c, int argc, char **argv)
{
	struct ls_args a = { .cli = c };
	struct located l;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n != 1)
		return cli_usage(c, "one SNAP[:PATH] is needed");
	if (c->null && c->json)
		return cli_usage(c, "--null is not for --json");
	rc = located_open(c, args[0], &a.filter, &l);
	if (rc != 0)
		return rc;
	rc = list(&a, &l);
	located_close(&l);
	return rc;
}
