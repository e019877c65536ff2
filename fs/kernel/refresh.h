/*
 * The refresher: a thread that looks for new and forgotten snapshots and tells the kernel what has changed.
 */
#ifndef VARVE_FS_REFRESH_H
#define VARVE_FS_REFRESH_H

#include "fs/kernel/ops.h"

struct refresher;

/*
 * Start; ${ops} and ${session} are borrowed until refresher_stop().  SIGUSR1 must be blocked in the calling thread:
 * the refresher answers it by logging the counters.  Return 0 or a negative errno.
 */
int refresher_start(struct ops *ops, struct fuse_session *session, struct refresher **out);

/* Stop and wait for it.  Does nothing for NULL. */
void refresher_stop(struct refresher *r);

#endif
