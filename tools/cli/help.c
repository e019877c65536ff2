/*
 * Texts of help.
 */
#include <string.h>

#include "tools/cli/help.h"

static void print_options(const struct cli_option *o, FILE *f)
{
	char left[80];

	for (; o != NULL && o->name != NULL; o++) {
		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
		    o->letter ? ", " : "  ", o->name, o->value && *o->value != '[' ? " " : "",
		    o->value ? o->value : "");
		fprintf(f, "  %-32s %s\n", left, o->help);
	}
}

void help_overview(FILE *f)
{
	fputs("usage: varve COMMAND [OPTION...] [ARGUMENT...]\n\n", f);
	for (const struct command *c = commands; c->name != NULL; c++)
		fprintf(f, "  %-10s %s\n", c->name, c->summary);
	fputs("\n\"varve help COMMAND\" tells more.\n", f);
}

void help_command(const struct command *cmd, FILE *f)
{
	fprintf(f, "usage: varve %s [OPTION...]%s%s\n\n%s\n", cmd->name, *cmd->synopsis ? " " : "", cmd->synopsis,
	    cmd->summary);
	if (cmd->details != NULL)
		fprintf(f, "\n%s\n", cmd->details);
	if (cmd->options != NULL && cmd->options->name != NULL) {
		fputs("\nOptions:\n", f);
		print_options(cmd->options, f);
	}
	fputs("\nCommon options:\n", f);
	print_options(common_options, f);
}

void help_list(FILE *f)
{
	for (const struct cli_option *o = common_options; o->name != NULL; o++)
		fprintf(f, "- --%s\n", o->name);
	for (const struct command *c = commands; c->name != NULL; c++) {
		fprintf(f, "%s\n", c->name);
		for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++)
			fprintf(f, "%s --%s\n", c->name, o->name);
	}
}
