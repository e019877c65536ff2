/*
 * What the sources of "varve check" share: check.c runs it, check_tell.c tells how it goes and what came of it.
 */
#ifndef VARVE_TOOLS_CHECK_IMPL_H
#define VARVE_TOOLS_CHECK_IMPL_H

#include "repo/check/check.h"
#include "tools/cli/cli.h"
#include "tools/print/progress.h"

struct check_args {
	struct cli *cli;
	struct check_options o;
	struct check_progress progress;
	bool signatures;
	bool packs; /* without a key */
	bool data;
};

/* As check_options have them, with a struct check_args as ${arg}: print a finding, and who signed a snapshot. */
void check_tell_finding(void *arg, const struct check_finding *f);
void check_tell_signature(void *arg, const struct id *id, const struct manifest *m);

/* How far a check is, with its struct check_progress as ${arg}; repairs show that, too. */
void check_tell_progress(void *arg, struct progress_state *s);

/* Print what has been looked at, and how much is damaged. */
void check_tell_summary(const struct check_args *a, const struct check_result *r);

#endif
