/*
 * varve restore
 */
#include <errno.h>
#include <string.h>

#include "repo/restore/restore.h"
#include "repo/restore/thaw.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"
#include "tools/cli/located.h"
#include "tools/print/progress.h"

const char restore_details[] =
    "The contents of the snapshot, or of the directory PATH, go into DIR, which is made if it is not\n"
    "there; a single file goes into DIR under its own name.  Can be run again to continue.  Exit status\n"
    "5: something in the repository is damaged.";

const struct cli_option restore_options[] = {
	{ "target", 'T', "DIR", "where to restore to" },
	{ "include", 'i', "PATTERN", "only what matches (and what is below it); may be given several times" },
	{ "exclude", 'e', "PATTERN", "not what matches; may be given several times" },
	{ "overwrite", 0, "WHEN", "always, if-changed (default; by size and time) or never" },
	{ "sparse", 0, NULL, "make holes of zeros as well" },
	{ "verify", 0, NULL, "read back and compare what was restored" },
	{ "thaw", 0, "[=DAYS]", "ask for what is in an archive class, readable for DAYS (7), and wait for it" },
	{ "dry-run", 'n', NULL, "write nothing, say what would be" },
	{ "threads", 0, "N", "worker threads (as the machine has processors)" },
	{ "host", 'H', "NAME", "SNAP is one of this host" },
	{ "tag", 't', "TAG", "SNAP has this tag" },
	{ "path", 0, "PATH", "SNAP has this source path" },
	{ NULL, 0, NULL, NULL },
};

struct restore_args {
	struct cli *cli;
	struct restore_options o;
	struct snapshot_filter filter;
	struct match_list *include, *exclude;
	const char *target;
	const struct repo *repo; /* open */
	unsigned thaw_days; /* 0: not asked for */
	struct restore_progress progress;
};

static int take_overwrite(struct restore_args *a, const char *value)
{
	if (strcmp(value, "always") == 0)
		a->o.overwrite = RESTORE_ALWAYS;
	else if (strcmp(value, "if-changed") == 0)
		a->o.overwrite = RESTORE_IF_CHANGED;
	else if (strcmp(value, "never") == 0)
		a->o.overwrite = RESTORE_NEVER;
	else
		return cli_usage(a->cli, "--overwrite %s: not always, if-changed or never", value);
	return 0;
}

static int take_threads(struct restore_args *a, const char *value)
{
	uint64_t n;

	if (size_parse(value, &n) != 0 || n == 0 || n > 256)
		return cli_usage(a->cli, "--threads %s: not a number from 1 to 256", value);
	a->o.threads = (unsigned)n;
	return 0;
}

static int take_thaw(struct restore_args *a, const char *value)
{
	uint64_t n = THAW_DAYS_DEFAULT;

	if (value != NULL && (size_parse(value, &n) != 0 || n == 0 || n > 365))
		return cli_usage(a->cli, "--thaw=%s: not a number of days from 1 to 365", value);
	a->thaw_days = (unsigned)n;
	return 0;
}

static int take(void *arg, const char *option, const char *value)
{
	struct restore_args *a = arg;
	int rc = 0;

	if (cli_take_filter(&a->filter, option, value))
		return 0;
	if (strcmp(option, "target") == 0)
		a->target = value;
	else if (strcmp(option, "include") == 0)
		rc = match_add(a->include, value);
	else if (strcmp(option, "exclude") == 0)
		rc = match_add(a->exclude, value);
	else if (strcmp(option, "overwrite") == 0)
		return take_overwrite(a, value);
	else if (strcmp(option, "sparse") == 0)
		a->o.sparse = true;
	else if (strcmp(option, "verify") == 0)
		a->o.verify = true;
	else if (strcmp(option, "dry-run") == 0)
		a->o.dry_run = true;
	else if (strcmp(option, "threads") == 0)
		return take_threads(a, value);
	else if (strcmp(option, "thaw") == 0)
		return take_thaw(a, value);
	return rc == 0 ? 0 : cli_usage(a->cli, "--%s %s: not a valid pattern", option, value);
}

static void report_item(void *arg, const char *path, int err, const char *what)
{
	struct restore_args *a = arg;

	(void)err;
	cli_error(a->cli, "%s: %s", path, what);
}

static void report_entry(void *arg, const char *path)
{
	(void)arg;
	puts(path);
}

/* The target is the last thing that is needed of the rest of the machine. */
static int confine_restore(void *arg, int target_fd)
{
	const struct restore_args *a = arg;

	return cli_confine(a->cli, a->repo, target_fd);
}

static void fill_progress(void *arg, struct progress_state *s)
{
	const struct restore_progress *p = arg;

	s->items = p->entries;
	s->bytes = p->bytes;
	s->total_items = p->total_entries;
	s->errors = p->errors;
}

static void print_result(const struct restore_args *a, const struct restore_result *r)
{
	char size[SIZE_TEXT_SIZE];
	json_value *o;

	if (a->cli->json) {
		o = json_new_object();
		json_set_text(o, "type", "summary");
		json_set_bool(o, "dry_run", a->o.dry_run);
		json_set_u64(o, "files", r->files);
		json_set_u64(o, "dirs", r->dirs);
		json_set_u64(o, "others", r->others);
		json_set_u64(o, "bytes", r->bytes);
		json_set_u64(o, "skipped", r->skipped);
		json_set_u64(o, "errors", r->errors);
		json_set_u64(o, "damaged", r->damaged);
		json_print(o);
		return;
	}
	if (a->cli->quiet)
		return;
	printf("%llu files, %llu directories, %llu others, %s %s", (unsigned long long)r->files,
	    (unsigned long long)r->dirs, (unsigned long long)r->others, size_format(r->bytes, size),
	    a->o.dry_run ? "would be restored" : "restored");
	if (r->skipped > 0)
		printf("; %llu left as they were", (unsigned long long)r->skipped);
	putchar('\n');
}

/* What this user may not set is said once, not for each file. */
static void warn_of_limits(const struct restore_args *a, const struct restore_result *r)
{
	if (r->no_owner > 0 || r->no_xattr > 0 || r->no_device > 0)
		cli_warn(a->cli,
		    "not permitted to this user, and left out: owners of %llu, attributes of %llu, %llu device nodes",
		    (unsigned long long)r->no_owner, (unsigned long long)r->no_xattr,
		    (unsigned long long)r->no_device);
}

/* Has nothing come of patterns, but perhaps the target itself? */
static bool nothing_selected(const struct restore_args *a, const struct tree_entry *e, const struct restore_result *r)
{
	uint64_t n = r->files + r->dirs + r->others + r->skipped + r->errors + r->damaged;

	if (match_count(a->include) == 0 && match_count(a->exclude) == 0)
		return false;
	return n == 0 || (n == 1 && e->type == ENTRY_DIR && e->below > 0);
}

/* What was restored, what could not be, and the exit status for it. */
static int tell_result(const struct restore_args *a, const struct tree_entry *e, const struct restore_result *r)
{
	print_result(a, r);
	warn_of_limits(a, r);
	cli_warn_unused(a->cli, "include", a->include);
	cli_warn_unused(a->cli, "exclude", a->exclude);
	if (r->damaged > 0)
		return EXIT_DAMAGED;
	if (nothing_selected(a, e, r)) {
		cli_error(a->cli, "nothing restored: nothing in the snapshot is left by these patterns");
		return EXIT_FAILED;
	}
	return r->errors > 0 ? EXIT_FAILED : EXIT_OK;
}

static void tell_waiting(void *arg, uint64_t frozen, uint64_t packs)
{
	const struct restore_args *a = arg;

	if (frozen > 0 && !a->cli->quiet)
		fprintf(stderr, "varve: waiting for %llu of %llu packs to be thawed\n", (unsigned long long)frozen,
		    (unsigned long long)packs);
}

static int thaw(struct restore_args *a, const struct located *l)
{
	struct thaw_options o = {
		.include = a->o.include,
		.exclude = a->o.exclude,
		.days = a->thaw_days,
		.cancel = &a->cli->cancel,
		.waiting = tell_waiting,
		.arg = a,
	};

	/* A dry run asks for nothing that costs. */
	if (a->thaw_days == 0 || a->o.dry_run)
		return 0;
	return restore_thaw(l->repo, &l->manifest.root, l->path, &o);
}

static int restore(struct restore_args *a, const struct located *l, struct restore_result *result)
{
	struct progress *progress;
	int rc;

	rc = thaw(a, l);
	if (rc != 0)
		return rc;
	progress = progress_start(a->cli, "items", fill_progress, &a->progress);
	rc = restore_tree(l->repo, &l->manifest.root, l->path, a->target, &a->o, result);
	progress_stop(progress);
	return rc;
}

static int run(struct restore_args *a, const char *spec)
{
	struct restore_result result = { .errors = 0 };
	struct located l;
	int rc;

	rc = located_open(a->cli, spec, &a->filter, &l);
	if (rc != 0)
		return rc;
	a->repo = l.repo;
	cli_catch_signals(a->cli);
	rc = restore(a, &l, &result);
	if (rc == 0)
		rc = tell_result(a, &l.hit.entry, &result);
	else
		rc = rc == -EBADMSG ? EXIT_DAMAGED : cli_status(a->cli, rc);
	located_close(&l);
	return rc;
}

int cmd_restore(struct cli *c, int argc, char **argv)
{
	struct restore_args a = { .cli = c };
	char **args;
	int n, rc;

	a.include = match_new();
	a.exclude = match_new();
	rc = a.include != NULL && a.exclude != NULL ? cli_parse(c, argc, argv, take, &a, &n, &args) : EXIT_FAILED;
	if (rc == 0 && n != 1)
		rc = cli_usage(c, "one SNAP[:PATH] is needed");
	if (rc == 0 && a.target == NULL)
		rc = cli_usage(c, "--target DIR is needed");
	if (rc == 0) {
		a.o.include = match_count(a.include) > 0 ? a.include : NULL;
		a.o.exclude = match_count(a.exclude) > 0 ? a.exclude : NULL;
		a.o.progress = &a.progress;
		a.o.cancel = &c->cancel;
		a.o.report = report_item;
		a.o.opened = confine_restore;
		a.o.entry = (c->verbose || a.o.dry_run) && !c->json ? report_entry : NULL;
		a.o.arg = &a;
		rc = run(&a, args[0]);
	}
	match_free(a.include);
	match_free(a.exclude);
	return rc < 0 ? EXIT_OK : rc;
}
