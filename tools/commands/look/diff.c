/*
 * varve diff
 */
#include <errno.h>
#include <string.h>

#include "repo/query/diff.h"
#include "tools/commands/commands.h"
#include "tools/print/entry_print.h"

const char diff_details[] =
    "One line a difference: \"+\" added, \"-\" removed, \"M\" contents, \"U\" attributes only, \"T\"\n"
    "type.  Exit status 0, whether there are any or not.";

const struct cli_option diff_options[] = {
	{ "contents-only", 0, NULL, "leave out differences in attributes only" },
	{ "host", 'H', "NAME", "both are of this host" },
	{ "tag", 't', "TAG", "both have this tag" },
	{ "path", 0, "PATH", "both have this source path" },
	{ NULL, 0, NULL, NULL },
};

struct diff_args {
	struct cli *cli;
	struct snapshot_filter filter;
	bool contents_only;
	uint64_t added, removed, changed;
};

static int take(void *arg, const char *option, const char *value)
{
	struct diff_args *a = arg;

	if (!cli_take_filter(&a->filter, option, value))
		a->contents_only = true;
	return 0;
}

static char letter(unsigned change)
{
	if (change & DIFF_ADDED)
		return '+';
	if (change & DIFF_REMOVED)
		return '-';
	if (change & DIFF_TYPE)
		return 'T';
	return change & DIFF_CONTENT ? 'M' : 'U';
}

static int print(void *arg, unsigned change, const char *path, const struct tree_entry *x, const struct tree_entry *y)
{
	struct diff_args *a = arg;
	char text[2] = { letter(change), '\0' };
	json_value *o;

	if (change == DIFF_META && a->contents_only)
		return 0;
	a->added += change == DIFF_ADDED;
	a->removed += change == DIFF_REMOVED;
	a->changed += change != DIFF_ADDED && change != DIFF_REMOVED;
	if (a->cli->json) {
		o = entry_json(y != NULL ? y : x, path, strlen(path), a->cli->utc);
		json_set_text(o, "change", text);
		json_set_bool(o, "content", (change & (DIFF_CONTENT | DIFF_TYPE)) != 0);
		json_set_bool(o, "attributes", (change & DIFF_META) != 0);
		json_print(o);
	} else {
		printf("%s ", text);
		cli_print_name(a->cli, path, strlen(path));
		putchar('\n');
	}
	return a->cli->cancel != 0 ? -EINTR : 0;
}

static int compare(struct diff_args *a, char **args, struct repo *r, const struct catalog *cat)
{
	struct manifest x, y;
	int rc;

	rc = cli_snapshot(a->cli, r, cat, args[0], &a->filter, &x, NULL);
	if (rc != 0)
		return rc;
	rc = cli_snapshot(a->cli, r, cat, args[1], &a->filter, &y, NULL);
	if (rc == 0) {
		rc = diff_trees(r->tree, &x.root, &y.root, print, a);
		rc = rc == -EBADMSG ? EXIT_DAMAGED : cli_status(a->cli, rc);
		manifest_destroy(&y);
	}
	manifest_destroy(&x);
	return rc;
}

int cmd_diff(struct cli *c, int argc, char **argv)
{
	struct diff_args a = { .cli = c };
	struct catalog *cat;
	struct repo *r;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n != 2)
		return cli_usage(c, "two snapshots are needed");
	cli_catch_signals(c);
	rc = cli_open_catalog(c, &r, &cat);
	if (rc != 0)
		return rc;
	rc = compare(&a, args, r, cat);
	if (rc == EXIT_OK && !c->json && !c->quiet)
		fprintf(stderr, "%llu added, %llu removed, %llu changed\n", (unsigned long long)a.added,
		    (unsigned long long)a.removed, (unsigned long long)a.changed);
	catalog_free(cat);
	repo_close(r);
	return rc;
}
