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
 * status.  The child returns 0; it still has the terminal, for asking a passphrase.  Must be called before any thread
 * or LMDB environment exists.  Return a negative errno if there can be no child.
 */
int daemon_start(struct daemon *d);

/*
 * The mount is usable: leave the terminal and let the parent go; tell systemd.  ${d->ready_fd} -1 (foreground):
 * systemd only.
 */
void daemon_ready(struct daemon *d);

#endif
