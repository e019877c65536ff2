/*
 * The last requests of a mount.
 */
#ifndef VARVE_FS_LAST_H
#define VARVE_FS_LAST_H

#include "fs/kernel/fuse.h"

/**
 * last_requests(session, fn, arg):
 * The loop of ${session} has ended.  Call ${fn}, in a thread of its own, and answer requests until it has returned:
 * what it ends may be telling the kernel something about a file or directory, and that waits for whoever has asked
 * about the same.  If there is no thread to be had, ${fn} is called and nothing is answered.
 */
void last_requests(struct fuse_session *session, void (*fn)(void *arg), void *arg);

#endif
