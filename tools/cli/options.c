/*
 * The frame of the command line: options.  See cli.h.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/cli.h"
#include "tools/cli/help.h"

enum { OPT_BASE = 256, OPTIONS_MAX = 64 };

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

const struct command *command_find(const char *name)
{
	const struct command *cmd = commands;

	while (cmd->name != NULL && strcmp(cmd->name, name) != 0)
		cmd++;
	return cmd->name != NULL ? cmd : NULL;
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
	const struct command *cmd = command_find(c->command);
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
