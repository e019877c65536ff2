/*
 * The commands: their functions, options and further help.  Each stands in a file of its name.
 *
 *   look/    what shows snapshots and what is in them      upkeep/  what keeps a repository sound, small and at hand
 *   key/     keyslots                                      here: what makes, backs up, gives back; help
 */
#ifndef VARVE_TOOLS_COMMANDS_H
#define VARVE_TOOLS_COMMANDS_H

#include "tools/cli/cli.h"

#define COMMAND(name)                                         \
	int cmd_##name(struct cli *c, int argc, char **argv); \
	extern const struct cli_option name##_options[]

COMMAND(init);
COMMAND(backup);
COMMAND(snapshots);
COMMAND(ls);
COMMAND(find);
COMMAND(dump);
COMMAND(diff);
COMMAND(stats);
COMMAND(restore);
COMMAND(mount);
COMMAND(check);
COMMAND(forget);
COMMAND(prune);
COMMAND(repair);
COMMAND(sync);
COMMAND(key);
COMMAND(cache);
COMMAND(help);

int cmd_unmount(struct cli *c, int argc, char **argv);
int cmd_version(struct cli *c, int argc, char **argv);

extern const char init_details[], backup_details[], find_details[], diff_details[], restore_details[], mount_details[],
    check_details[], forget_details[], prune_details[], repair_details[], sync_details[], key_details[],
    cache_details[];

/* The prune that "forget --prune" has at its end.  An exit status. */
int prune_after_forget(struct cli *c, struct repo *r, bool dry_run);

#endif
