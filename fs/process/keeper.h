/*
 * Keeper: a process that does what a confined daemon may not do any more at its end, to unmount.  It knows no secret,
 * is told the mountpoint once, before the daemon is confined, and can be asked for nothing else.  If the daemon dies,
 * it ends as well and leaves the mountpoint as it is: an error, not an empty directory.
 *
 * Until the last of a dying daemon's threads has gone, it answers what the kernel asks with an error.  For one of them
 * may be in the midst of giving the kernel pages (push.h), which cannot be interrupted, and wait there for a page that
 * somebody has asked for: if nobody answered him, both would wait for ever, and so would all who sync.
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

/**
 * keeper_remember(k, mountpoint, device):
 * Where it is mounted, and a descriptor of the connection to the kernel, which the keeper gets one of its own of, and
 * reads from only when the daemon has died.  It is to be non-blocking.  Return 0; -ENAMETOOLONG; -EIO if the keeper is
 * gone.
 */
int keeper_remember(const struct keeper *k, const char *mountpoint, int device);

/* Unmount, now or when the last user has gone, and wait for that.  Return 0; -EIO. */
int keeper_unmount(const struct keeper *k);

/* It ends.  Does nothing if there is none. */
void keeper_stop(struct keeper *k);

#endif
