/*
 * varve repair
 */
#include <errno.h>
#include <string.h>

#include "repo/check/repair.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/commands/upkeep/check_impl.h"
#include "tools/print/json.h"

#define PATIENCE_MS 300000 /* with a store that is away, as long as other commands have */

const char repair_details[] =
    "Fetches what is damaged or missing from copies of the repository (--from, several are asked in order), each of\n"
    "which may be a store, or a directory of packs.  Then writes index runs for packs that none names, from the\n"
    "packs' tables; stores again what can still be read of damaged packs; and takes the rest out of the index, so\n"
    "that the next backup stores it again if the source still has it.  Damaged packs are kept in quarantine/.  With\n"
    "--read-data all packs are read to find damage; otherwise damage is what a check without it finds, what earlier\n"
    "checks found on this machine, and OBJECTs.  Exit status 5 if some damage stays.";

const struct cli_option repair_options[] = {
	{ "from", 0, "URL", "a copy, or a directory of packs, to fetch from" },
	{ "read-data", 0, NULL, "read all packs to find damage" },
	{ "dry-run", 'n', NULL, "only say what would be done" },
	{ "threads", 0, "N", "threads that read contents (as the machine has processors)" },
	{ NULL, 0, NULL, NULL },
};

struct repair_args {
	struct cli *cli;
	struct repair_options o;
	struct repair_result result;
	struct check_progress progress;
	const char *from[REPAIR_SOURCES_MAX];
	struct store *store[REPAIR_SOURCES_MAX];
};

static int take(void *arg, const char *option, const char *value)
{
	struct repair_args *a = arg;
	uint64_t n;

	if (strcmp(option, "from") == 0) {
		if (a->o.nfrom == REPAIR_SOURCES_MAX)
			return cli_usage(a->cli, "--from: more than %d copies", REPAIR_SOURCES_MAX);
		a->from[a->o.nfrom++] = value;
	} else if (strcmp(option, "read-data") == 0) {
		a->o.check.read_data = true;
	} else if (strcmp(option, "dry-run") == 0) {
		a->o.dry_run = true;
	} else if (strcmp(option, "threads") == 0) {
		if (size_parse(value, &n) != 0 || n == 0 || n > 256)
			return cli_usage(a->cli, "--threads %s: not a number from 1 to 256", value);
		a->o.check.threads = (unsigned)n;
	}
	return 0;
}

/* --- What is done ------------------------------------------------------------------------------------------------- */

static void print_json(const struct repair_event *e)
{
	static const char *const actions[] = {
		[REPAIR_FETCHED] = "fetched", [REPAIR_SALVAGED] = "salvaged", [REPAIR_LEFT] = "left",
	};
	json_value *o = json_new_object();

	json_set_text(o, "type", actions[e->action]);
	json_set_text(o, "object", e->object);
	if (e->from != NULL)
		json_set_text(o, "from", e->from);
	if (e->why != NULL)
		json_set_text(o, "why", e->why);
	if (e->action == REPAIR_SALVAGED) {
		json_set_u64(o, "objects_salvaged", e->objects);
		json_set_u64(o, "objects_lost", e->lost);
	}
	json_print(o);
}

static void print_event(void *arg, const struct repair_event *e)
{
	const struct repair_args *a = arg;
	const char *would = a->o.dry_run ? "would be " : "";

	if (a->cli->json)
		print_json(e);
	else if (e->action == REPAIR_FETCHED)
		printf("%s: %sfetched from %s\n", e->object, would, e->from);
	else if (e->action == REPAIR_SALVAGED)
		printf("%s: %staken out of the index, %llu objects of it %sstored again, %llu lost\n", e->object, would,
		    (unsigned long long)e->objects, would, (unsigned long long)e->lost);
	else
		printf("%s: stays damaged: %s\n", e->object, e->why);
	fflush(stdout);
}

static void print_json_summary(const struct repair_args *a)
{
	const struct repair_result *r = &a->result;
	json_value *o = json_new_object();

	json_set_text(o, "type", "summary");
	json_set_bool(o, "dry_run", a->o.dry_run);
	json_set_u64(o, "fetched", r->fetched);
	json_set_u64(o, "fetched_bytes", r->fetched_bytes);
	json_set_u64(o, "runs_written", r->runs);
	json_set_u64(o, "objects_entered", r->objects);
	json_set_u64(o, "runs_removed", r->runs_removed);
	json_set_u64(o, "unnamed_packs", r->unnamed);
	json_set_u64(o, "unreadable_packs", r->unreadable);
	json_set_u64(o, "packs_removed", r->packs_removed);
	json_set_u64(o, "objects_salvaged", r->salvaged);
	json_set_u64(o, "objects_lost", r->lost);
	json_set_u64(o, "left", r->left);
	json_print(o);
}

static void print_summary(const struct repair_args *a)
{
	const struct repair_result *r = &a->result;
	const char *would = a->o.dry_run ? "would be " : "";
	char size[SIZE_TEXT_SIZE];

	if (a->cli->json) {
		print_json_summary(a);
		return;
	}
	if (a->cli->quiet)
		return;
	if (r->fetched > 0)
		printf("%llu objects, %s, %sfetched\n", (unsigned long long)r->fetched,
		    size_format(r->fetched_bytes, size), would);
	if (a->o.dry_run && r->unnamed > 0)
		printf("%llu packs would be entered in the index\n", (unsigned long long)r->unnamed);
	if (!a->o.dry_run)
		printf("%llu objects entered in %llu new index runs, %llu damaged runs removed\n",
		    (unsigned long long)r->objects, (unsigned long long)r->runs, (unsigned long long)r->runs_removed);
	if (r->unreadable > 0)
		printf("%llu packs have tables that cannot be read\n", (unsigned long long)r->unreadable);
	if (r->packs_removed > 0)
		printf("%llu packs %sgiven up: %llu objects %sstored again, %llu lost\n",
		    (unsigned long long)r->packs_removed, would, (unsigned long long)r->salvaged, would,
		    (unsigned long long)r->lost);
	if (r->lost > 0)
		puts("\"varve check\" tells the paths; a backup stores them again if the source still has them");
	if (r->left > 0)
		printf("%llu objects stay damaged\n", (unsigned long long)r->left);
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

/* The store at ${url}, or, NULL, of the repository. */
static int open_store(struct repair_args *a, const char *url, struct store **out)
{
	struct store_options so = { .log = &a->cli->log, .cancel = &a->cli->cancel };
	int rc;

	if (access_store_options(&a->cli->access, PATIENCE_MS, &so) != 0)
		return EXIT_USAGE;
	if (url != NULL)
		so.url = url;
	if (so.url == NULL)
		return cli_usage(a->cli, "no repository given: --repo URL or $VARVE_REPOSITORY");
	rc = store_open(&so, out);
	if (url == NULL && (rc == -ENOENT || rc == -ENOTDIR))
		return EXIT_NO_REPOSITORY;
	return cli_status(a->cli, rc);
}

static int open_copies(struct repair_args *a)
{
	int rc = 0;

	for (unsigned i = 0; i < a->o.nfrom && rc == 0; i++)
		rc = open_store(a, a->from[i], &a->store[i]);
	a->o.from = a->store;
	return rc;
}

/* What needs no key, and without which there may be nothing to open. */
static int repair_first(struct repair_args *a)
{
	struct store *store = NULL;
	uint64_t size;
	int rc = open_store(a, NULL, &store);

	for (unsigned i = 0; i < a->o.nfrom && rc == 0; i++)
		if (strcmp(store_url(store), store_url(a->store[i])) == 0)
			rc = cli_usage(a->cli, "--from %s: is the repository itself", store_url(store));
	if (rc == 0 && a->o.nfrom == 0 && store_stat(store, "config", &size) == -ENOENT) {
		cli_error(a->cli, "%s: not a varve repository (it has no config)", store_url(store));
		rc = EXIT_NO_REPOSITORY;
	}
	if (rc == 0)
		rc = cli_status(a->cli, repair_plain(store, &a->o, &a->result));
	store_close(store);
	return rc;
}

static int repair_rest(struct repair_args *a)
{
	struct progress *progress;
	struct repo_options ro;
	struct repo *r;
	int rc = cli_repo_options(a->cli, &ro);

	if (rc != 0)
		return rc;
	/* What is repaired is the store. */
	ro.uncached = true;
	rc = repo_open(&ro, &r);
	access_destroy(&a->cli->access);
	if (rc == -EBADMSG || (rc == -ENOENT && a->result.left > 0))
		return EXIT_DAMAGED;
	if (rc != 0)
		return rc == -ENOENT || rc == -ENOTDIR ? EXIT_NO_REPOSITORY : cli_status(a->cli, rc);
	a->o.check.cache_dir = a->cli->cache_dir;
	progress = progress_start(a->cli, "objects", check_tell_progress, &a->progress);
	rc = repair_run(r, &a->o, &a->result);
	progress_stop(progress);
	if (rc != 0 && rc != -EINTR)
		cli_error(a->cli, "the repair cannot go on: %s", ERR(rc));
	repo_close(r);
	return cli_status(a->cli, rc);
}

static int run_repair(struct repair_args *a)
{
	const struct repair_result *r = &a->result;
	int rc;

	cli_catch_signals(a->cli);
	rc = open_copies(a);
	if (rc == 0)
		rc = repair_first(a);
	if (rc == 0)
		rc = repair_rest(a);
	if (rc == 0)
		print_summary(a);
	for (unsigned i = 0; i < a->o.nfrom; i++)
		store_close(a->store[i]);
	return rc != 0 ? rc : r->left > 0 || r->lost > 0 || r->unreadable > 0 ? EXIT_DAMAGED : EXIT_OK;
}

static bool is_pack(const char *name)
{
	enum pack_kind kind;
	struct id id;

	return pack_name_parse(name, &kind, &id) == 0;
}

int cmd_repair(struct cli *c, int argc, char **argv)
{
	struct repair_args a = { .cli = c };
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	for (int i = 0; i < n; i++)
		if (!is_pack(args[i]))
			return cli_usage(c, "%s: not the name of a pack, as \"varve check\" tells it", args[i]);
	a.o.objects = (const char *const *)args;
	a.o.nobjects = (size_t)n;
	a.o.told = print_event;
	a.o.arg = &a;
	a.o.check.progress = &a.progress;
	a.o.check.cancel = &c->cancel;
	return run_repair(&a);
}
