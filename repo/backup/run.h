/*
 * One run of a backup, whatever its source: what sources.c and stream.c share.
 */
#ifndef VARVE_BACKUP_RUN_H
#define VARVE_BACKUP_RUN_H

#include "repo/backup/publish.h"
#include "repo/backup/session.h"

struct run {
	struct session s;
	int (*produce)(struct run *run); /* the producer's work, in a thread of its own */
	int (*finish)(void *arg);        /* asked before the snapshot is made; may be NULL */
	char **paths;                    /* of the manifest; owned, as are the strings */
	size_t npaths;
	struct publication pub;
	struct doom_watch *watch;
	struct manifest parent;
	bool parent_loaded;
	int64_t started_ns;
};

/*
 * Open what a backup needs; ${run->paths} decides about the parent.  run_end_session() in any case.  Return as
 * backup_paths().
 */
int run_begin_session(struct run *run, struct repo *r, const struct backup_options *opts);
void run_end_session(struct run *run);

/*
 * Do it, with ${run->produce} and ${run->finish}.  Return as backup_paths(); -ESTALE if there is no snapshot because of
 * a prune, and all must begin anew.
 */
int run_backup(struct run *run, struct backup_result *out);

#endif
