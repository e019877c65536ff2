/*
 * Keeper: a process that does what a confined daemon may not do any more at its end, to unmount.  It knows no secret,
 * is told the mountpoint once, before the daemon is confined, and can be asked for nothing else.  If the daemon dies,
 * it ends as well and leaves the mountpoint as it is: an error, not an empty directory.
 */
#ifndef VARVE_FS_KEEPER_H
#define VARVE_FS_KEEPER_H

#include <stdbool.h>

struct keeper {
	int fd; /* -1: there is none */
};

/**
 * keeper_start(messages, out):
 * Fork it.  To be called before anything secret is known, and before there are threads.  ${messages}: stderr is to be
 * kept for those of fusermount3.  Return 0; a negative errno.
 */
int keeper_start(bool messages, struct keeper *out);

/* What is mounted, and where.  Return 0; -ENAMETOOLONG; -EIO if the keeper is gone. */
int keeper_remember(const struct keeper *k, const char *mountpoint);

/* Unmount, now or when the last user has gone, and wait for that.  Return 0; -EIO. */
int keeper_unmount(const struct keeper *k);

/* It ends.  Does nothing if there is none. */
void keeper_stop(struct keeper *k);

#endif
