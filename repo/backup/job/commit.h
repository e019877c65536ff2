/*
 * Committer: takes finished jobs in order, hands their segments to the object writer, and builds the trees bottom-up.
 */
#ifndef VARVE_BACKUP_COMMIT_H
#define VARVE_BACKUP_COMMIT_H

#include "repo/backup/session.h"

struct commit;

/* NULL without memory.  ${s} is borrowed until commit_free(). */
struct commit *commit_new(struct session *s);
void commit_free(struct commit *c);

/* Take jobs until the queue ends.  Return 0, or what ended it.  The caller's thread is the committer. */
int commit_run(struct commit *c);

/* When all workers have ended: store what they left (queue_left()).  Return 0, or what the writer said. */
int commit_left(struct commit *c);

/**
 * commit_result(c, root, out):
 * After commit_run() returned 0: the root directory's entry (borrowed until commit_free()), and the counts of what is
 * stored.  Return 0, or -ENOENT if nothing of any source is.
 */
int commit_result(const struct commit *c, const struct tree_entry **root, struct backup_result *out);

#endif
