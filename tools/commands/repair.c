/*
 * varve repair
 */
#include <errno.h>

#include "repo/check/repair.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"

const char repair_details[] =
    "Writes index runs for packs that none names, from the packs' own tables, and removes index runs that are damaged\n"
    "and thereby no longer needed.  Nothing else is removed or changed.  Exit status 5 if some tables cannot be read.";

static void print_repair(const struct cli *c, const struct repair_result *r)
{
	json_value *o;

	if (c->json) {
		o = json_new_object();
		json_set_text(o, "type", "summary");
		json_set_u64(o, "runs_written", r->runs);
		json_set_u64(o, "objects_entered", r->objects);
		json_set_u64(o, "runs_removed", r->runs_removed);
		json_set_u64(o, "unreadable_packs", r->unreadable);
		json_print(o);
		return;
	}
	if (c->quiet)
		return;
	printf("%llu objects entered in %llu new index runs, %llu damaged runs removed\n",
	    (unsigned long long)r->objects, (unsigned long long)r->runs, (unsigned long long)r->runs_removed);
	if (r->unreadable > 0)
		printf("%llu packs have tables that cannot be read\n", (unsigned long long)r->unreadable);
}

static int take_nothing(void *arg, const char *option, const char *value)
{
	(void)arg;
	(void)option;
	(void)value;
	return 0;
}

int cmd_repair(struct cli *c, int argc, char **argv)
{
	struct repair_result result;
	struct repo *r;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take_nothing, NULL, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 0)
		return cli_usage(c, "one argument too many: %s", args[0]);
	rc = cli_open(c, &r);
	if (rc != 0)
		return rc;
	rc = repair_index(r, &result);
	if (rc == 0)
		print_repair(c, &result);
	else
		cli_error(c, "the index cannot be repaired: %s", ERR(rc));
	repo_close(r);
	return rc != 0 ? cli_status(c, rc) : result.unreadable > 0 ? EXIT_DAMAGED : EXIT_OK;
}
