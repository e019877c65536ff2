/*
 * varve help, varve version
 */
#include <string.h>

#include "tools/commands/commands.h"
#include "tools/cli/help.h"
#include "tools/print/json.h"

const struct cli_option help_options[] = {
	{ "list", 0, NULL, "print all commands and options, one a line" },
	{ NULL, 0, NULL, NULL },
};

static int take(void *arg, const char *option, const char *value)
{
	(void)option;
	(void)value;
	*(bool *)arg = true;
	return 0;
}

int cmd_help(struct cli *c, int argc, char **argv)
{
	const struct command *cmd;
	bool list = false;
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &list, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (list) {
		help_list(stdout);
	} else if (n == 0) {
		help_overview(stdout);
	} else {
		cmd = command_find(args[0]);
		if (cmd == NULL)
			return cli_usage(c, "no such command: %s", args[0]);
		help_command(cmd, stdout);
	}
	return EXIT_OK;
}

int cmd_version(struct cli *c, int argc, char **argv)
{
	json_value *o;

	for (int i = 1; i < argc; i++)
		c->json = c->json || strcmp(argv[i], "--json") == 0;
	if (c->json) {
		o = json_new_object();
		json_set_text(o, "version", VARVE_VERSION);
		json_set_u64(o, "format", FORMAT_VERSION);
		json_print(o);
	} else {
		printf("varve %s (repository format %d)\n", VARVE_VERSION, FORMAT_VERSION);
	}
	return EXIT_OK;
}
