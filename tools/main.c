/*
 * varve: the command line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/process/argv.h"
#include "repo/util/process/harden.h"
#include "repo/util/process/stdfds.h"
#include "tools/cli/cli.h"
#include "tools/commands/commands.h"
#include "tools/cli/config_file.h"
#include "tools/cli/help.h"

const struct command commands[] = {
	{ "init", "", "create a repository", init_details, init_options, cmd_init },
	{ "backup", "PATH...", "make a snapshot", backup_details, backup_options, cmd_backup },
	{ "snapshots", "", "list snapshots, oldest first", NULL, snapshots_options, cmd_snapshots },
	{ "ls", "SNAP[:PATH]", "list a directory of a snapshot", NULL, ls_options, cmd_ls },
	{ "find", "PATTERN", "find paths in snapshots", find_details, find_options, cmd_find },
	{ "dump", "SNAP:PATH", "write a file's bytes, or a directory as tar, to stdout", NULL, dump_options, cmd_dump },
	{ "diff", "SNAP SNAP", "what differs between two snapshots", diff_details, diff_options, cmd_diff },
	{ "stats", "[SNAP]", "sizes of the repository or of a snapshot", NULL, stats_options, cmd_stats },
	{ "restore", "SNAP[:PATH] --target DIR", "restore a snapshot or a part of it", restore_details, restore_options,
	    cmd_restore },
	{ "mount", "DIR", "mount the snapshots", mount_details, mount_options, cmd_mount },
	{ "unmount", "DIR", "end a mount", NULL, NULL, cmd_unmount },
	{ "check", "", "verify the repository", check_details, check_options, cmd_check },
	{ "repair", "[OBJECT...]", "make whole again what can be", repair_details, repair_options, cmd_repair },
	{ "forget", "[SNAP...]", "delete snapshots, by name or by a policy", forget_details, forget_options,
	    cmd_forget },
	{ "prune", "", "free what no snapshot needs", prune_details, prune_options, cmd_prune },
	{ "sync", "URL", "copy what another store of the repository lacks", sync_details, sync_options, cmd_sync },
	{ "key", "list|add|remove|passwd|public", "keyslots", key_details, key_options, cmd_key },
	{ "cache", "", "show or clear what is kept here, pin", cache_details, cache_options, cmd_cache },
	{ "version", "", "print the version", NULL, NULL, cmd_version },
	{ "help", "[COMMAND]", "this list, or the help of a command", NULL, help_options, cmd_help },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};

static void write_log(void *arg, enum log_level level, const char *text)
{
	const struct cli *c = arg;

	(void)level;
	cli_error(c, "%s", text);
}

/* Common options that stand before the command go behind it, where all are parsed together. */
static int command_index(int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		const struct cli_option *o = common_options;
		const char *word = argv[i], *name = word[1] == '-' ? word + 2 : NULL;

		for (; o->name != NULL; o++) {
			if (name != NULL ? strcmp(o->name, name) == 0 : o->letter == word[1])
				break;
		}
		/* "--repo URL" and "-r URL" take two words, "--repo=URL" and "-rURL" one. */
		i += 1 + (o->name != NULL && o->value != NULL && (name != NULL || word[2] == '\0'));
	}
	return i;
}

static void rotate(char **argv, int from)
{
	char *command = argv[from];

	memmove(argv + 2, argv + 1, (size_t)(from - 1) * sizeof(*argv));
	argv[1] = command;
}

/* A closed pipe is no failure of ours, but anything else that kept the results from being written is. */
static int finish_output(int status)
{
	int rc = stdfds_finish();

	if (rc == 0)
		return status;
	fprintf(stderr, "varve: stdout: write error: %s\n", strerror(-rc));
	return status == EXIT_OK ? EXIT_FAILED : status;
}

static int run_command(struct cli *c, const struct command *cmd, int argc, char **argv)
{
	struct config_file config = { 0 };
	int status;

	c->command = cmd->name;
	status = config_file_load(c, &config);
	if (status == 0)
		status = cmd->run(c, argc, argv);
	access_forget_replicas(&c->access);
	config_file_destroy(&config);
	access_destroy(&c->access);
	free(c->cache_dir);
	return status;
}

static int run(int argc, char **argv)
{
	struct cli c = { .command = "" };
	const struct command *cmd;
	int at = command_index(argc, argv);

	c.log = (struct log){ .write = write_log, .arg = &c, .max = LOG_LEVEL_INFO };
	c.access.log = &c.log;
	if (at >= argc) {
		bool wants_help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

		if (argc > 1 && strcmp(argv[1], "--version") == 0)
			return cmd_version(&c, argc, argv);
		help_overview(wants_help ? stdout : stderr);
		return wants_help ? EXIT_OK : EXIT_USAGE;
	}
	cmd = command_find(argv[at]);
	if (cmd == NULL) {
		fprintf(stderr, "varve: no such command: %s (see \"varve help\")\n", argv[at]);
		return EXIT_USAGE;
	}
	rotate(argv, at);
	return run_command(&c, cmd, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	char **args = argv_private(argc, argv);
	int status;

	stdfds_open();
	harden_process();
	if (args == NULL) {
		fprintf(stderr, "varve: %s\n", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	status = finish_output(run(argc, args));
	argv_free(args);
	return status;
}
