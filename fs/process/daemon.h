/*
 * Going to the background, and saying when the mount is usable.
 */
#ifndef VARVE_FS_DAEMON_H
#define VARVE_FS_DAEMON_H

#include <stdatomic.h>

/* What ties a daemon to the process that waits for it. */
struct daemon {
	atomic_int ready_fd; /* -1: nobody waits; messages of any thread go where this says */
};

/**
 * daemon_start(d):
 * Fork.  The parent waits for daemon_ready() or for the child's end, and exits: with 0, or with the child's exit
 * status.  The child returns 0; it still has the terminal, for asking a passphrase.  Until daemon_ready() it gets
 * SIGTERM if the parent ends, however it does: prctl(2), PR_SET_PDEATHSIG.  Must be called by the main thread before
 * any thread or LMDB environment exists.  Return a negative errno if there can be no child.
 */
int daemon_start(struct daemon *d);

/*
 * The mount is usable: leave the terminal and let the parent go; tell systemd.  SIGTERM must be handled by then, as it
 * comes if the parent has gone without being told.  ${d->ready_fd} -1 (foreground): systemd only.
 */
void daemon_ready(struct daemon *d);

#endif
