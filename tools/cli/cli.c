/*
 * The frame of the command line.
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
#include "tools/cli/help.h"

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

/* --- Options ------------------------------------------------------------------------------------------------------ */

enum { OPT_BASE = 256, OPTIONS_MAX = 64 };

/* Nobody waits at a prompt for a backup at night: a network that is gone for a minute is not its end. */
#define COMMAND_PATIENCE_MS 300000

const struct cli_option common_options[] = {
	{ "repo", 'r', "URL", "the repository (else $VARVE_REPOSITORY, else the configuration file's)" },
	{ "password-file", 'p', "FILE", "read the passphrase from FILE" },
	{ "key-file", 0, "FILE", "unlock with FILE (together with a passphrase: both are needed)" },
	{ "replica", 0, "URL", "a copy to read from where the repository fails; several are asked in order" },
	{ "cache-dir", 0, "DIR", "place of the local index (else $VARVE_CACHE_DIR)" },
	{ "cache-size", 0, "SIZE", "remote stores: keep at most SIZE of what was fetched (4G, or less)" },
	{ "offline", 0, NULL, "remote stores: do not ask, work with what is cached" },
	{ "ca-file", 0, "FILE", "remote stores: trust the authorities in FILE instead of the system's" },
	{ "limit-upload", 0, "SIZE", "remote stores: send at most SIZE bytes a second" },
	{ "limit-download", 0, "SIZE", "remote stores: fetch at most SIZE bytes a second" },
	{ "deadline", 0, "SECONDS", "remote stores: how long to try without progress (300)" },
	{ "json", 0, NULL, "print JSON" },
	{ "quiet", 'q', NULL, "no progress, no warnings" },
	{ "verbose", 'v', NULL, "say more" },
	{ "utc", 0, NULL, "times in UTC" },
	{ "help", 'h', NULL, "this text" },
	{ NULL, 0, NULL, NULL },
};

/* Both tables as getopt_long() wants them. */
struct getopt_tables {
	struct option longs[OPTIONS_MAX];
	const struct cli_option *defs[OPTIONS_MAX];
	char shorts[2 * OPTIONS_MAX + 4];
	int n;
};

static void add_options(struct getopt_tables *t, const struct cli_option *o)
{
	for (; o != NULL && o->name != NULL && t->n < OPTIONS_MAX - 1; o++, t->n++) {
		char letter[3] = { o->letter, o->value != NULL ? ':' : '\0', '\0' };
		bool optional = o->value != NULL && o->value[0] == '[';
		int has_value = o->value == NULL ? no_argument : optional ? optional_argument : required_argument;

		t->defs[t->n] = o;
		t->longs[t->n] = (struct option){ o->name, has_value, NULL, OPT_BASE + t->n };
		if (o->letter != 0)
			strcat(t->shorts, letter);
	}
}

static const struct cli_option *find_option(const struct getopt_tables *t, int c)
{
	if (c >= OPT_BASE)
		return t->defs[c - OPT_BASE];
	for (int i = 0; i < t->n; i++) {
		if (t->defs[i]->letter == c)
			return t->defs[i];
	}
	return NULL;
}

static bool is_common(const struct cli_option *o)
{
	return o >= common_options && o < common_options + sizeof(common_options) / sizeof(common_options[0]);
}

static void take_common(struct cli *c, const char *name, const char *value)
{
	if (strcmp(name, "repo") == 0)
		c->access.repo_url = value;
	else if (strcmp(name, "password-file") == 0)
		c->access.password_file = value;
	else if (strcmp(name, "key-file") == 0)
		c->access.key_file = value;
	else if (strcmp(name, "cache-dir") == 0)
		c->access.cache_dir = value;
	else if (strcmp(name, "cache-size") == 0)
		c->access.cache_size = value;
	else if (strcmp(name, "ca-file") == 0)
		c->access.ca_file = value;
	else if (strcmp(name, "limit-upload") == 0)
		c->access.limit_upload = value;
	else if (strcmp(name, "limit-download") == 0)
		c->access.limit_download = value;
	else if (strcmp(name, "deadline") == 0)
		c->access.deadline = value;
	else if (strcmp(name, "offline") == 0)
		c->offline = true;
	else if (strcmp(name, "json") == 0)
		c->json = true;
	else if (strcmp(name, "quiet") == 0)
		c->quiet = true;
	else if (strcmp(name, "verbose") == 0)
		c->verbose = true;
	else if (strcmp(name, "utc") == 0)
		c->utc = true;
}

static const struct command *this_command(const struct cli *c)
{
	const struct command *cmd = commands;

	while (cmd->name != NULL && strcmp(cmd->name, c->command) != 0)
		cmd++;
	return cmd;
}

/* What getopt_long() could not make sense of, in our words. */
static int bad_option(const struct cli *c, const struct getopt_tables *t, int what, char **argv)
{
	const struct cli_option *o = optopt != 0 ? find_option(t, optopt) : NULL;

	if (what == ':' && o != NULL)
		return cli_usage(c, "--%s needs a value (%s)", o->name, o->value);
	if (optopt > 0 && optopt < OPT_BASE)
		return cli_usage(c, "unknown option -%c", optopt);
	if (o != NULL)
		return cli_usage(c, "--%s takes no value", o->name);
	return cli_usage(c, "unknown or ambiguous option %s", argv[optind - 1]);
}

int cli_parse(struct cli *c, int argc, char **argv, cli_take_fn *take, void *arg, int *nargs, char ***args)
{
	const struct command *cmd = this_command(c);
	struct getopt_tables t = { .n = 0 };
	const struct cli_option *o;
	int ch, rc = 0;

	strcpy(t.shorts, ":");
	add_options(&t, cmd->options);
	add_options(&t, common_options);
	optind = 0;
	opterr = 0;
	while (rc == 0 && (ch = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		o = ch == '?' || ch == ':' ? NULL : find_option(&t, ch);
		if (o == NULL)
			return bad_option(c, &t, ch, argv);
		if (!is_common(o)) {
			rc = take(arg, o->name, optarg);
		} else if (strcmp(o->name, "help") == 0) {
			help_command(cmd, stdout);
			return -1;
		} else if (strcmp(o->name, "replica") == 0) {
			rc = access_add_replicas(&c->access, optarg, "") == 0 ? 0 : EXIT_USAGE;
		} else {
			take_common(c, o->name, optarg);
		}
	}
	*nargs = argc - optind;
	*args = argv + optind;
	c->log.max = c->verbose ? LOG_LEVEL_DEBUG : c->quiet ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
	return rc;
}

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
