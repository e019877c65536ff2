/*
 * The sandbox of a mount: before it serves, the daemon gives up what serving does not take (repo/confine.h,
 * syscalls.h), and leaves unmounting to another process (keeper.h), which is there without a sandbox, too.
 */
#ifndef VARVE_FS_SANDBOX_H
#define VARVE_FS_SANDBOX_H

#include "fs/kernel/fuse.h"
#include "fs/process/keeper.h"
#include "repo/repo.h"

struct fs_sandbox {
	bool on;      /* wanted */
	bool entered; /* or at it */
	struct keeper keeper;
};

#define FS_SANDBOX_INIT { .keeper = { .fd = -1 } }

/**
 * fs_sandbox_prepare(s, wanted, foreground, log):
 * Start the keeper, while there are no threads and no secrets; and there will be a sandbox if it is ${wanted} and
 * nothing else speaks against it (sandbox_wanted()).  Return 0; a negative errno (logged).
 */
int fs_sandbox_prepare(struct fs_sandbox *s, bool wanted, bool foreground, const struct log *log);

/**
 * fs_sandbox_enter(s, repo, store, session, mountpoint):
 * Mounted, as ${session}: tell the keeper, and give everything up.  ${store}: what ${repo} was opened with.  Return 0
 * (also without a sandbox); a negative errno (logged), and the process should end then.
 */
int fs_sandbox_enter(struct fs_sandbox *s, const struct repo *repo, const struct store_options *store,
    struct fuse_session *session, const char *mountpoint);

/* At the end: unmount, unless that has been done from outside.  In a sandbox or not. */
void fs_sandbox_unmount(struct fs_sandbox *s, struct fuse_session *session, const char *mountpoint,
    const struct log *log);

#endif
