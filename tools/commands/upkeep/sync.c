/*
 * varve sync
 */
#include <errno.h>
#include <string.h>

#include "repo/sync/sync.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"
#include "tools/print/progress.h"

#define PATIENCE_MS 300000 /* with a store that is away, as long as other commands have */

const char sync_details[] =
    "Copies what the store at URL lacks of the repository, verbatim: no key is needed, and what is copied is verified\n"
    "by its name.  An empty place becomes a copy; another repository is refused.  Can be interrupted at any time, and\n"
    "goes on where it was.  Objects that are damaged are named and not copied; then the exit status is 5.";

const struct cli_option sync_options[] = {
	{ "delete", 0, NULL, "delete from URL what the repository no longer has" },
	{ "dry-run", 'n', NULL, "only say what would be done" },
	{ "threads", 0, "N", "objects to copy at a time (4)" },
	{ NULL, 0, NULL, NULL },
};

struct sync_args {
	struct cli *cli;
	struct sync_options o;
	struct sync_progress progress;
};

static int take(void *arg, const char *option, const char *value)
{
	struct sync_args *a = arg;
	uint64_t n;

	if (strcmp(option, "delete") == 0) {
		a->o.remove = true;
	} else if (strcmp(option, "dry-run") == 0) {
		a->o.dry_run = true;
	} else if (strcmp(option, "threads") == 0) {
		if (size_parse(value, &n) != 0 || n == 0 || n > SYNC_THREADS_MAX)
			return cli_usage(a->cli, "--threads %s: not a number from 1 to %d", value, SYNC_THREADS_MAX);
		a->o.threads = (unsigned)n;
	}
	return 0;
}

static void print_damaged(void *arg, const char *name)
{
	const struct sync_args *a = arg;
	json_value *o;

	if (a->cli->json) {
		o = json_new_object();
		json_set_text(o, "type", "damaged");
		json_set_text(o, "object", name);
		json_print(o);
	} else {
		printf("%s: damaged, not copied\n", name);
	}
	fflush(stdout);
}

static void fill_progress(void *arg, struct progress_state *s)
{
	const struct sync_progress *p = arg;

	s->items = p->objects;
	s->bytes = p->bytes;
	s->total_items = p->total_objects;
	s->total_bytes = p->total_bytes;
	s->errors = p->damaged;
}

static void print_summary(const struct sync_args *a, const struct sync_result *r)
{
	const char *would = a->o.dry_run ? "would be " : "";
	char size[SIZE_TEXT_SIZE];
	json_value *o;

	if (a->cli->json) {
		o = json_new_object();
		json_set_text(o, "type", "summary");
		json_set_bool(o, "dry_run", a->o.dry_run);
		json_set_u64(o, "copied", r->copied);
		json_set_u64(o, "copied_bytes", r->copied_bytes);
		json_set_u64(o, "present", r->present);
		json_set_u64(o, "deleted", r->removed);
		json_set_u64(o, "deleted_bytes", r->removed_bytes);
		json_set_u64(o, "damaged", r->damaged);
		json_print(o);
	} else if (!a->cli->quiet) {
		printf("%llu objects, %s, %scopied, %llu were there\n", (unsigned long long)r->copied,
		    size_format(r->copied_bytes, size), would, (unsigned long long)r->present);
		if (a->o.remove)
			printf("%llu objects, %s, %sdeleted\n", (unsigned long long)r->removed,
			    size_format(r->removed_bytes, size), would);
		if (r->damaged > 0)
			printf("%llu objects are damaged and were not copied\n", (unsigned long long)r->damaged);
	}
}

/* Open both stores.  An exit status; what has been opened is in ${a->o} in any case. */
static int open_stores(struct sync_args *a, const char *url)
{
	struct store_options so = { .log = &a->cli->log, .cancel = &a->cli->cancel };
	int rc = access_store_options(&a->cli->access, PATIENCE_MS, &so);

	if (rc != 0)
		return EXIT_USAGE;
	if (so.url == NULL)
		return cli_usage(a->cli, "no repository given: --repo URL or $VARVE_REPOSITORY");
	if (a->cli->offline && (store_url_is_remote(so.url) || store_url_is_remote(url)))
		return cli_usage(a->cli, "--offline: both stores are asked for what they have");
	rc = store_open(&so, &a->o.from);
	if (rc == -ENOENT || rc == -ENOTDIR)
		return EXIT_NO_REPOSITORY;
	if (rc < 0)
		return cli_status(a->cli, rc);

	so.url = url;
	so.create = !a->o.dry_run;
	if (a->o.dry_run)
		so.log = NULL;
	rc = store_open(&so, &a->o.to);
	if (rc == -ENOENT && a->o.dry_run)
		return 0;
	if (rc < 0 && a->o.dry_run)
		cli_error(a->cli, "the copy: %s", ERR(rc));
	if (rc < 0)
		return cli_status(a->cli, rc);
	if (strcmp(store_url(a->o.from), store_url(a->o.to)) == 0)
		return cli_usage(a->cli, "%s: is the repository itself", store_url(a->o.to));
	return 0;
}

static int run_sync(struct sync_args *a)
{
	struct sync_result result;
	struct progress *progress;
	int rc;

	cli_catch_signals(a->cli);
	a->o.log = &a->cli->log;
	a->o.cancel = &a->cli->cancel;
	a->o.progress = &a->progress;
	a->o.damaged = print_damaged;
	a->o.arg = a;
	progress = progress_start(a->cli, "objects", fill_progress, &a->progress);
	rc = sync_run(&a->o, &result);
	progress_stop(progress);
	if (rc == -ENOENT)
		return EXIT_NO_REPOSITORY;
	print_summary(a, &result);
	if (rc != 0)
		return cli_status(a->cli, rc);
	return result.damaged > 0 ? EXIT_DAMAGED : result.kept ? EXIT_FAILED : EXIT_OK;
}

int cmd_sync(struct cli *c, int argc, char **argv)
{
	struct sync_args a = { .cli = c };
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n != 1)
		return cli_usage(c, "one URL is needed: where to copy to");
	rc = open_stores(&a, args[0]);
	if (rc == 0)
		rc = run_sync(&a);
	store_close(a.o.to);
	store_close(a.o.from);
	return rc;
}
