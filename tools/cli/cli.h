/*
 * The frame of the command line: commands, their options, exit statuses, messages, signals.
 *
 * A command is a struct with a table of options and a function; main.c has the list.  Options stand in tables so that
 * parsing, help, and the test that compares the program with its manual read the same thing.
 */
#ifndef VARVE_TOOLS_CLI_H
#define VARVE_TOOLS_CLI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "repo/access/access.h"
#include "repo/repo.h"
#include "repo/util/text/match.h"

/* Exit statuses; scripts rely on them. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3,        /* done, but some source items could not be read */
	EXIT_DAMAGED = 5,        /* damage found: check, restore */
	EXIT_NO_REPOSITORY = 10,
	EXIT_WRONG_KEY = 12,
};

/* One option of a command. */
struct cli_option {
	const char *name;  /* without "--" */
	char letter;       /* short form, or 0 */
	const char *value; /* what the value is called in the help; NULL: takes none; "[=...]": may have one */
	const char *help;  /* one line */
};

/* One invocation of the program. */
struct cli {
	const char *command;   /* name of the command that runs */
	struct access access;
	char *cache_dir;       /* owned */
	bool offline;          /* a remote store is not asked */
	bool trust;            /* the repository is believed as if it were seen for the first time */
	size_t segment_cache_bytes; /* for opened segments; 0: as much as a mount takes */
	bool json, quiet, verbose, utc;
	bool null;             /* names on stdout end with a NUL */
	struct log log;
	atomic_int cancel;     /* number of the signal that asked to end, or 0 */
	bool store_tuned;
	struct store_options store; /* what the repository was opened with */
};

/* What an option was given: called for each in order.  Return 0, or EXIT_USAGE after a message. */
typedef int cli_take_fn(void *arg, const char *option, const char *value);

struct command {
	const char *name;
	const char *synopsis;  /* "SNAP[:PATH]", for the usage line */
	const char *summary;   /* one line, for the list of commands */
	const char *details;   /* further text for its help; may be NULL */
	const struct cli_option *options; /* ends with a NULL name; NULL: none of its own */
	int (*run)(struct cli *c, int argc, char **argv); /* argv[0] is the command; returns the exit status */
};

/* All commands, ends with a NULL name. */
extern const struct command commands[];

/* The one of that name, or NULL. */
const struct command *command_find(const char *name);

/**
 * cli_parse(c, cmd, argc, argv, take, arg, nargs, args):
 * Parse the options of ${cmd} and the common ones, which may stand anywhere; "--" ends them.  ${take} gets the
 * command's own.  ${args} is set to the ${*nargs} words that remain (in ${argv}, reordered).  Return 0; EXIT_USAGE
 * after a message; -1 if --help was given and printed (the command then returns EXIT_OK).
 */
int cli_parse(struct cli *c, int argc, char **argv, cli_take_fn *take, void *arg, int *nargs, char ***args);

/* A usage error: "varve COMMAND: ..." and where to find help.  Returns EXIT_USAGE. */
int cli_usage(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A message "varve: ..." to stderr. */
void cli_error(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_warn(const struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Warn of each pattern of the list that has matched nothing; ${kind} says of what kind they are ("exclude"). */
void cli_warn_unused(const struct cli *c, const char *kind, const struct match_list *patterns);

/* Exit status for an error of the library (0 or a negative errno) that has been logged there. */
int cli_status(const struct cli *c, int rc);

/*
 * The exit status ${status} so far, made worse by an item that could not be had for ${rc}: damage is worst; a store
 * that cannot be reached is no damage.
 */
int cli_worse(int status, int rc);

/* Options for repo_open() and repo_init(); ${url} is checked to be there: 0 or EXIT_USAGE. */
int cli_repo_options(struct cli *c, struct repo_options *out);

/* Open the repository; an exit status (0: ${*out} is the caller's to close). */
int cli_open(struct cli *c, struct repo **out);

/*
 * Does the command that runs need nothing but the repository from then on, so that cli_open() confines it?
 */
bool cli_confined_from_start(const struct cli *c);

/**
 * cli_confine(c, r, target_fd):
 * Give up what a command that only reads ${r}, which cli_open() has opened, does not need (repo/confine.h).
 * ${target_fd}: a directory to restore to, or -1.  Return 0, also if it is switched off; a negative errno (logged).
 */
int cli_confine(const struct cli *c, const struct repo *r, int target_fd);

/* Open repository and catalog; an exit status. */
int cli_open_catalog(struct cli *c, struct repo **repo, struct catalog **catalog);

/* Options --host, --tag, --path that narrow which snapshots are meant: true if ${option} was one of them. */
bool cli_take_filter(struct snapshot_filter *f, const char *option, const char *value);

/* Resolve SNAP and read its manifest (the caller's to destroy): an exit status, with a message.  ${id} may be NULL. */
int cli_snapshot(struct cli *c, struct repo *r, const struct catalog *cat, const char *snap,
    const struct snapshot_filter *f, struct manifest *out, struct id *id);

/*
 * Print a path or name to stdout: quoted (quote_name()) on a terminal, else, and with ${c->null}, as it is.
 * cli_end_name() ends the line that it is on, with a NUL if ${c->null}.
 */
void cli_print_name(const struct cli *c, const char *name, size_t len);
void cli_end_name(const struct cli *c);

/* Print a text of the repository's in a table, where it must not begin a line of its own: quoted in any case. */
void cli_print_quoted(const char *text);

/* SIGINT and SIGTERM set ${c->cancel}, a second one ends at once; SIGUSR1 wants progress. */
void cli_catch_signals(struct cli *c);

#endif
