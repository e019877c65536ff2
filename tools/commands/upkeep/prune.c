/*
 * varve prune
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/retention/prune/prune.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/print/json.h"
#include "tools/print/progress.h"

#define MAX_UNUSED 5 /* percent, by default */

const char prune_details[] =
    "Frees what no snapshot needs, in two steps, so that backups and mounts can go on meanwhile: what is not needed\n"
    "is doomed, and a later prune, after the grace of the repository (24 h, or what \"varve init --grace\" said),\n"
    "deletes it, if it is still not needed.  Each call does both: run it regularly, for instance every night.  If a\n"
    "snapshot or a part of the index cannot be read, nothing is deleted.";

const struct cli_option prune_options[] = {
	{ "grace", 0, "D", "delete what is doomed now after that time (the repository's) and not earlier" },
	{ "max-unused", 0, "P%", "repack until at most that part of the packs is unused, or \"unlimited\" (5%)" },
	{ "max-repack", 0, "SIZE", "copy at most that much for it" },
	{ "max-time", 0, "D", "begin to copy no other pack after that time" },
	{ "dry-run", 'n', NULL, "only say what would be done" },
	{ NULL, 0, NULL, NULL },
};

struct prune_args {
	struct cli *cli;
	struct prune_options o;
	uint64_t grace_s;
	struct prune_progress progress;
};

/* "5%", "unlimited". */
static int take_unused(struct prune_args *a, const char *value)
{
	char *end;
	unsigned long percent;

	a->o.no_repack = strcmp(value, "unlimited") == 0;
	if (a->o.no_repack)
		return 0;
	percent = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || strcmp(end, "%") != 0 || percent > 100)
		return cli_usage(a->cli, "--max-unused %s: neither a percentage nor \"unlimited\"", value);
	a->o.max_unused_percent = (unsigned)percent;
	return 0;
}

static int take(void *arg, const char *option, const char *value)
{
	struct prune_args *a = arg;

	if (strcmp(option, "max-unused") == 0)
		return take_unused(a, value);
	if (strcmp(option, "dry-run") == 0) {
		a->o.dry_run = true;
	} else if (strcmp(option, "max-repack") == 0) {
		if (size_parse(value, &a->o.max_repack_bytes) != 0 || a->o.max_repack_bytes == 0)
			return cli_usage(a->cli, "--max-repack %s: not a size", value);
	} else if (strcmp(option, "max-time") == 0) {
		if (duration_parse(value, &a->o.max_seconds) != 0 || a->o.max_seconds == 0)
			return cli_usage(a->cli, "--max-time %s: not a duration", value);
	} else if (duration_parse(value, &a->grace_s) != 0 || a->grace_s > GRACE_MAX) {
		return cli_usage(a->cli, "--grace %s: not a duration up to 366d", value);
	}
	return 0;
}

static void fill_progress(void *arg, struct progress_state *s)
{
	const struct prune_progress *p = arg;

	if (p->total_packs > 0) {
		s->items = p->packs;
		s->total_items = p->total_packs;
	} else {
		s->items = p->snapshots;
		s->total_items = p->total_snapshots;
	}
}

static void print_json(const struct prune_args *a, const struct prune_result *r)
{
	json_value *o = json_new_object();

	json_set_text(o, "type", "summary");
	json_set_bool(o, "dry_run", a->o.dry_run);
	json_set_u64(o, "snapshots", r->snapshots);
	json_set_u64(o, "objects", r->objects);
	json_set_u64(o, "live_objects", r->live_objects);
	json_set_u64(o, "lost_objects", r->lost_objects);
	json_set_u64(o, "packs", r->packs);
	json_set_u64(o, "pack_bytes", r->pack_bytes);
	json_set_u64(o, "live_bytes", r->live_bytes);
	json_set_u64(o, "deleted_packs", r->deleted_packs);
	json_set_u64(o, "deleted_bytes", r->deleted_bytes);
	json_set_u64(o, "spared_packs", r->spared_packs);
	json_set_u64(o, "kept_packs", r->kept_packs);
	json_set_u64(o, "doomed_packs", r->doomed_packs);
	json_set_u64(o, "doomed_bytes", r->doomed_bytes);
	json_set_u64(o, "repacked_packs", r->repacked_packs);
	json_set_u64(o, "copied_bytes", r->copied_bytes);
	json_set_u64(o, "sealed_packs", r->sealed_packs);
	json_set_u64(o, "waiting_packs", r->waiting_packs);
	json_set_u64(o, "waiting_bytes", r->waiting_bytes);
	json_set_u64(o, "waiting_seconds", r->waiting_s);
	json_print(o);
}

static void print_count(const char *what, uint64_t packs, uint64_t bytes, const char *after)
{
	char size[SIZE_TEXT_SIZE];

	printf("%s%llu packs, %s%s", what, (unsigned long long)packs, size_format(bytes, size), after);
}

static void print_text(const struct prune_args *a, const struct prune_result *r)
{
	const char *would = a->o.dry_run ? "would be " : "";
	char time[DURATION_TEXT_SIZE], size[SIZE_TEXT_SIZE];

	print_count("in the store: ", r->packs, r->pack_bytes, "");
	printf("; %llu snapshots need %s of that\n", (unsigned long long)r->snapshots,
	    size_format(r->live_bytes, size));
	printf("%s", would);
	print_count("deleted: ", r->deleted_packs, r->deleted_bytes, "\n");
	printf("%s", would);
	print_count("doomed: ", r->doomed_packs, r->doomed_bytes, "\n");
	if (r->repacked_packs > 0)
		printf("%srepacked: %llu of these, %s copied\n", would, (unsigned long long)r->repacked_packs,
		    size_format(r->copied_bytes, size));
	if (r->waiting_packs > 0) {
		print_count("doomed before: ", r->waiting_packs, r->waiting_bytes, "");
		if (r->waiting_s > 0)
			printf(", to be deleted in %s at the earliest", duration_format(r->waiting_s, time));
		putchar('\n');
	}
	if (r->spared_packs > 0)
		printf("spared: %llu packs that had been doomed and are needed again\n",
		    (unsigned long long)r->spared_packs);
}

/* What is worth knowing besides. */
static void tell(const struct prune_args *a, const struct prune_result *r)
{
	if (r->kept_packs > 0 && r->deleted_packs > 0)
		cli_warn(a->cli, "the store does not let us delete %llu of the packs yet; the next prune tries again",
		    (unsigned long long)r->kept_packs);
	if (r->sealed_packs > 0)
		cli_warn(a->cli, "%llu packs hold little of use, but this key cannot open them to copy that",
		    (unsigned long long)r->sealed_packs);
	if (r->late)
		cli_warn(a->cli, "this took longer than a quarter of the grace: the next prune deletes the rest");
}

static int run(struct prune_args *a, struct repo *r)
{
	struct prune_result result;
	struct progress *progress;
	int rc;

	cli_catch_signals(a->cli);
	a->o.grace_s = (uint32_t)a->grace_s;
	a->o.cancel = &a->cli->cancel;
	a->o.progress = &a->progress;
	progress = progress_start(a->cli, "snapshots", fill_progress, &a->progress);
	rc = prune_run(r, &a->o, &result);
	progress_stop(progress);
	if (rc == 0 || result.deleted_packs > 0) {
		if (a->cli->json)
			print_json(a, &result);
		else if (!a->cli->quiet)
			print_text(a, &result);
		tell(a, &result);
	}
	return rc == -EBADMSG ? EXIT_DAMAGED : cli_status(a->cli, rc);
}

int prune_after_forget(struct cli *c, struct repo *r, bool dry_run)
{
	struct prune_args a = { .cli = c, .o = { .dry_run = dry_run, .max_unused_percent = MAX_UNUSED } };

	return run(&a, r);
}

int cmd_prune(struct cli *c, int argc, char **argv)
{
	struct prune_args a = { .cli = c, .o = { .max_unused_percent = MAX_UNUSED } };
	struct repo *r;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 0)
		return cli_usage(c, "one argument too many: %s", args[0]);
	rc = cli_open(c, &r);
	if (rc != 0)
		return rc;
	if (a.grace_s > 0 && a.grace_s < config_grace_s(&r->config))
		rc = cli_usage(c, "--grace: the repository's is %u s, and can only be prolonged",
		    config_grace_s(&r->config));
	else
		rc = run(&a, r);
	repo_close(r);
	return rc;
}
