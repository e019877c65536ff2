/*
 * The frame of the command line: messages, exit statuses, the repository, signals.  Options: options.c.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/util/text/when.h"
#include "tools/cli/cli.h"

/* --- Messages ----------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 0))) static void message(const char *fmt, va_list ap)
{
	char text[4096];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "varve: %s\n", text);
}

void cli_error(const struct cli *c, const char *fmt, ...)
{
	va_list ap;

	(void)c;
	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void cli_warn(const struct cli *c, const char *fmt, ...)
{
	va_list ap;

	if (c->quiet)
		return;
	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

int cli_usage(const struct cli *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "varve %s: %s (see \"varve help %s\")\n", c->command, text, c->command);
	return EXIT_USAGE;
}

void cli_warn_unused(const struct cli *c, const char *kind, const struct match_list *patterns)
{
	const char *pattern;
	char quoted[1024];
	size_t i = 0;

	while ((pattern = match_unused(patterns, &i)) != NULL)
		cli_warn(c, "%s pattern matched nothing: %s", kind,
		    quote_name(pattern, (unsigned)strlen(pattern), quoted, sizeof(quoted)));
}

/* Exit status when a signal has ended the work. */
static int signal_status(const struct cli *c)
{
	return c->cancel != 0 ? 128 + c->cancel : EXIT_FAILED;
}

int cli_status(const struct cli *c, int rc)
{
	switch (rc) {
	case 0:
		return EXIT_OK;
	case -EINTR:
	case -ECANCELED:
		return signal_status(c);
	case -EKEYREJECTED:
		return EXIT_WRONG_KEY;
	default:
		return EXIT_FAILED;
	}
}

int cli_worse(int status, int rc)
{
	if (status == EXIT_DAMAGED || rc == 0)
		return status;
	switch (rc) {
	case -EIO:
	case -ETIMEDOUT:
	case -ENETDOWN:
	case -EHOSTUNREACH:
	case -ECANCELED:
	case -ENOMEM:
	case -EACCES:
		return EXIT_FAILED;
	default:
		return EXIT_DAMAGED;
	}
}

/* Nobody waits at a prompt for a backup at night: a network that is gone for a minute is not its end. */
#define COMMAND_PATIENCE_MS 300000

/* --- Repository --------------------------------------------------------------------------------------------------- */

/* Does this command only read?  Those that write or verify are about the repository itself, not its replicas. */
static bool only_reads(const struct cli *c)
{
	static const char *const readers[] = { "snapshots", "ls", "find", "dump", "diff", "stats", "restore" };

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		if (strcmp(c->command, readers[i]) == 0)
			return true;
	}
	return false;
}

/* Does it decide by what is there what it puts or removes? */
static bool writes(const struct cli *c)
{
	static const char *const writers[] = { "backup", "key", "repair", "forget", "prune" };

	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		if (strcmp(c->command, writers[i]) == 0)
			return true;
	}
	return false;
}

int cli_repo_options(struct cli *c, struct repo_options *out)
{
	struct store_options store = { .cancel = &c->cancel };
	uint64_t cache_bytes;

	if (access_store_options(&c->access, COMMAND_PATIENCE_MS, &store) != 0)
		return EXIT_USAGE;
	if (store.url == NULL)
		return cli_usage(c, "no repository given: --repo URL or $VARVE_REPOSITORY");
	if (only_reads(c) && access_store_replicas(&c->access, &store) != 0)
		return EXIT_USAGE;
	if (access_cache_bytes(&c->access, &cache_bytes) != 0)
		return EXIT_USAGE;
	if (c->cache_dir == NULL)
		c->cache_dir = access_cache_dir(&c->access);
	*out = (struct repo_options){
		.store = store,
		.cache_dir = c->cache_dir,
		.cache_bytes = cache_bytes,
		.offline = c->offline,
		.exact = writes(c),
		.trust = c->trust,
		.credentials = access_credentials,
		.arg = &c->access,
		.segment_cache_bytes = c->segment_cache_bytes,
		.log = &c->log,
	};
	return 0;
}

int cli_open(struct cli *c, struct repo **out)
{
	struct repo_options ro;
	int rc;

	rc = cli_repo_options(c, &ro);
	if (rc != 0)
		return rc;
	c->store = ro.store;
	rc = repo_open(&ro, out);
	access_destroy(&c->access);
	/* A new keyslot's may come from there too. */
	if (strcmp(c->command, "key") != 0)
		access_forget_password();
	if (rc == 0 && cli_confined_from_start(c)) {
		rc = cli_confine(c, *out, -1);
		if (rc != 0) {
			repo_close(*out);
			return EXIT_FAILED;
		}
	}
	if (rc == -ENOENT || rc == -ENOTDIR)
		return EXIT_NO_REPOSITORY;
	return rc == -EBADMSG ? EXIT_DAMAGED : cli_status(c, rc);
}

int cli_open_catalog(struct cli *c, struct repo **repo, struct catalog **catalog)
{
	int rc;

	rc = cli_open(c, repo);
	if (rc != 0)
		return rc;
	rc = repo_catalog(*repo, catalog);
	if (rc == 0)
		return 0;
	repo_close(*repo);
	return cli_status(c, rc);
}

bool cli_take_filter(struct snapshot_filter *f, const char *option, const char *value)
{
	if (strcmp(option, "host") == 0)
		f->host = value;
	else if (strcmp(option, "tag") == 0)
		f->tag = value;
	else if (strcmp(option, "path") == 0)
		f->path = value;
	else
		return false;
	return true;
}

int cli_snapshot(struct cli *c, struct repo *r, const struct catalog *cat, const char *snap,
    const struct snapshot_filter *f, struct manifest *out, struct id *id)
{
	size_t i;
	int rc;

	rc = catalog_resolve(cat, snap, f, c->utc, &i);
	if (rc == -ENOENT)
		cli_error(c, "%s: no such snapshot", snap);
	else if (rc == -ENOTUNIQ)
		cli_error(c, "%s: several snapshots' ids begin so", snap);
	else if (rc == -EINVAL)
		return cli_usage(c, "%s: neither a snapshot's id, nor \"latest\", nor a time", snap);
	else if (rc == -ERANGE)
		return cli_usage(c, "%s: " WHEN_RANGE_TEXT, snap);
	if (rc == 0)
		rc = catalog_manifest(cat, i, out);
	if (rc == 0)
		catalog_enter(r->index, out);
	if (rc == 0 && id != NULL)
		*id = catalog_at(cat, i)->id;
	return rc == -EBADMSG ? EXIT_DAMAGED : cli_status(c, rc);
}

void cli_print_name(const struct cli *c, const char *name, size_t len)
{
	char quoted[8192];

	if (!c->null && isatty(STDOUT_FILENO))
		fputs(quote_name(name, (unsigned)len, quoted, sizeof(quoted)), stdout);
	else
		fwrite(name, 1, len, stdout);
}

void cli_end_name(const struct cli *c)
{
	putchar(c->null ? '\0' : '\n');
}

void cli_print_quoted(const char *text)
{
	char quoted[8192];

	fputs(quote_name(text, (unsigned)strlen(text), quoted, sizeof(quoted)), stdout);
}

/* --- Signals ------------------------------------------------------------------------------------------------------ */

/* The one that the handler can reach. */
static struct cli *signalled;

static void on_signal(int sig)
{
	if (signalled->cancel != 0)
		_exit(128 + sig);
	signalled->cancel = sig;
}

void cli_catch_signals(struct cli *c)
{
	struct sigaction sa = { .sa_handler = on_signal };

	signalled = c;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}
