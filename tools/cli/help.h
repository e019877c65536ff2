/*
 * Texts of help, made from the tables of commands and options.
 */
#ifndef VARVE_TOOLS_HELP_H
#define VARVE_TOOLS_HELP_H

#include "tools/cli/cli.h"

/* Options that every command takes; ends with a NULL name. */
extern const struct cli_option common_options[];

/* The list of commands. */
void help_overview(FILE *f);

/* One command with all its options. */
void help_command(const struct command *cmd, FILE *f);

/* "command", "command --option" a line, for the test of the manual. */
void help_list(FILE *f);

#endif
