/*
 * varve check
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check.h"
#include "repo/check/share/share.h"
#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/commands/upkeep/check_impl.h"

#define SCRUB_PATIENCE_MS 300000 /* with a store that is away, as long as other commands have */

const char check_details[] =
    "Config, keyslots, snapshots and their signatures, the index and all directories are verified, and that all\n"
    "contents are there; --read-data reads and verifies the contents as well: all of them, or N % of the packs,\n"
    "chosen at random, or the Nth of M parts, or, with rotate, what is next, so that in DAYS days (30) all has been\n"
    "read.  One that was interrupted is continued by the next of its kind.  --packs needs no key: it verifies that\n"
    "the bytes of all objects, or of a share of the packs, hash to their names.  Prints a line for each finding, and\n"
    "the snapshots and paths that it affects (the first 20; with --verbose all of them, in every snapshot).  Exit\n"
    "status 5 if there are any findings, 1 if something could not be had.";

const struct cli_option check_options[] = {
	{ "read-data", 0, "[=N%|N/M|rotate[:DAYS]]", "read and verify contents too: all of them, or a share" },
	{ "packs", 0, "[=N%|N/M|rotate[:DAYS]]", "without a key: do objects hash to their names?" },
	{ "verify-signatures", 0, NULL, "only snapshots and their signatures: say who has signed" },
	{ "restart", 0, NULL, "read packs from the beginning, do not continue" },
	{ "threads", 0, "N", "threads that read contents (as the machine has processors)" },
	{ NULL, 0, NULL, NULL },
};

/* "N%", "N/M" or "rotate[:DAYS]"; the whole of them for NULL. */
static int take_share(struct check_args *a, const char *option, const char *value)
{
	unsigned n = 0, m = 0;
	char unit = '\0', more;

	a->o.read_data = true;
	a->o.part = a->o.parts = a->o.percent = a->o.days = 0;
	if (value == NULL)
		return 0;
	if (strcmp(value, "rotate") == 0) {
		a->o.days = ROTATE_DAYS_DEFAULT;
		return 0;
	}
	if (sscanf(value, "rotate:%9u%c", &n, &more) == 1 && n >= 1 && n <= ROTATE_DAYS_MAX) {
		a->o.days = n;
		return 0;
	}
	if (value[0] >= '0' && value[0] <= '9') {
		if (sscanf(value, "%9u/%9u%c", &n, &m, &more) == 2 && n >= 1 && n <= m) {
			a->o.part = n;
			a->o.parts = m;
			return 0;
		}
		if (sscanf(value, "%9u%c%c", &n, &unit, &more) == 2 && unit == '%' && n >= 1 && n <= 100) {
			a->o.percent = n;
			return 0;
		}
	}
	return cli_usage(a->cli, "--%s=%s: neither a share from 1%% to 100%%, nor a part like 1/4, nor rotate:DAYS",
	    option, value);
}

static int take(void *arg, const char *option, const char *value)
{
	struct check_args *a = arg;
	uint64_t n;

	if (strcmp(option, "read-data") == 0 || strcmp(option, "packs") == 0) {
		*(option[0] == 'p' ? &a->packs : &a->data) = true;
		return take_share(a, option, value);
	}
	if (strcmp(option, "verify-signatures") == 0) {
		a->signatures = true;
	} else if (strcmp(option, "restart") == 0) {
		a->o.restart = true;
	} else if (strcmp(option, "threads") == 0) {
		if (size_parse(value, &n) != 0 || n == 0 || n > 256)
			return cli_usage(a->cli, "--threads %s: not a number from 1 to 256", value);
		a->o.threads = (unsigned)n;
	}
	return 0;
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

/* It does not open (which has been told): what can be said without a key? */
static int check_unopened(struct check_args *a, const struct store_options *so, int rc)
{
	struct check_result result = { .findings = 0 };
	struct check_options o = a->o;
	struct store *store = NULL;

	o.read_data = false;
	if (store_open(so, &store) == 0 && check_locked(store, &o, &result) == 0) {
		if (rc == -EBADMSG && result.findings == 0) {
			/* Well-formed, but not what belongs together. */
			check_tell_finding(a, &(struct check_finding){ .kind = CHECK_CONFIG, .object = "config",
			    .what = "does not go with the keyslots" });
			result.findings = 1;
		}
		if (result.findings > 0)
			check_tell_summary(a, &result);
	}
	store_close(store);
	if (result.findings > 0 || rc == -EBADMSG)
		return EXIT_DAMAGED;
	return rc == -ENOENT || rc == -ENOTDIR ? EXIT_NO_REPOSITORY : cli_status(a->cli, rc);
}

/* What is cached says nothing of the store. */
static int refuse_offline(const struct check_args *a, const char *url)
{
	if (!a->cli->offline || !store_url_is_remote(url))
		return 0;
	return cli_usage(a->cli, "--offline: a check reads the store, and cannot work without asking it");
}

static int open_to_check(struct check_args *a, struct repo **out)
{
	struct repo_options ro;
	int rc;

	rc = cli_repo_options(a->cli, &ro);
	if (rc == 0)
		rc = refuse_offline(a, ro.store.url);
	if (rc != 0)
		return rc;
	/* What is checked is the store. */
	ro.uncached = true;
	rc = repo_open(&ro, out);
	access_destroy(&a->cli->access);
	if (rc == -EBADMSG || rc == -EKEYREJECTED || rc == -ENOENT)
		return check_unopened(a, &ro.store, rc);
	return rc == -ENOTDIR ? EXIT_NO_REPOSITORY : cli_status(a->cli, rc);
}

/* What came of it: damage is said to be such only if some was found. */
static int conclude(const struct check_args *a, int rc, const struct check_result *r)
{
	if (rc == 0)
		check_tell_summary(a, r);
	else if (rc != -EINTR)
		cli_error(a->cli, "check cannot go on: %s", ERR(rc));
	if (r->findings > 0 && rc != -EINTR)
		return EXIT_DAMAGED;
	return rc != 0 ? cli_status(a->cli, rc) : r->unreachable > 0 ? EXIT_FAILED : EXIT_OK;
}

/* Without a key. */
static int scrub(struct check_args *a)
{
	struct store_options so = { .log = &a->cli->log, .cancel = &a->cli->cancel };
	struct check_result result;
	struct progress *progress;
	struct store *store;
	int rc;

	if (access_store_options(&a->cli->access, SCRUB_PATIENCE_MS, &so) != 0)
		return EXIT_USAGE;
	if (so.url == NULL)
		return cli_usage(a->cli, "no repository given: --repo URL or $VARVE_REPOSITORY");
	rc = refuse_offline(a, so.url);
	if (rc != 0)
		return rc;
	a->cli->cache_dir = access_cache_dir(&a->cli->access);
	a->o.cache_dir = a->cli->cache_dir;
	rc = store_open(&so, &store);
	if (rc != 0)
		return rc == -ENOENT || rc == -ENOTDIR ? EXIT_NO_REPOSITORY : cli_status(a->cli, rc);
	cli_catch_signals(a->cli);
	progress = progress_start(a->cli, "objects", check_tell_progress, &a->progress);
	rc = check_locked(store, &a->o, &result);
	progress_stop(progress);
	store_close(store);
	if (rc == -ENOENT) {
		cli_error(a->cli, "%s: not a varve repository (it has no config)", so.url);
		return EXIT_NO_REPOSITORY;
	}
	return conclude(a, rc, &result);
}

static int run_check(struct check_args *a)
{
	struct check_result result;
	struct progress *progress;
	struct repo *r;
	int rc;

	rc = open_to_check(a, &r);
	if (rc != 0)
		return rc;
	a->o.signatures_only = a->signatures && !a->data;
	a->o.cache_dir = a->cli->cache_dir;
	cli_catch_signals(a->cli);
	progress = progress_start(a->cli, "objects", check_tell_progress, &a->progress);
	rc = check_run(r, &a->o, &result);
	progress_stop(progress);
	rc = conclude(a, rc, &result);
	repo_close(r);
	return rc;
}

int cmd_check(struct cli *c, int argc, char **argv)
{
	struct check_args a = { .cli = c };
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 0)
		return cli_usage(c, "one argument too many: %s", args[0]);
	if (a.packs && (a.data || a.signatures))
		return cli_usage(c, "--packs goes with neither --read-data nor --verify-signatures, which need a key");
	a.o.progress = &a.progress;
	a.o.cancel = &c->cancel;
	a.o.found = check_tell_finding;
	a.o.snapshot = check_tell_signature;
	a.o.arg = &a;
	if (c->verbose) {
		a.o.paths = UINT64_MAX;
		a.o.every_snapshot = true;
	}
	return a.packs ? scrub(&a) : run_check(&a);
}
