/*
 * Pushing: what a reader will want next (ahead.h) is loaded by threads of its own, and files are put into the kernel's
 * page cache before they are asked for (FUSE_NOTIFY_STORE): no request, no round trip.
 *
 * Bounded: a few batches of a MiB, a ring of tasks; what does not fit is forgotten, and read when it is wanted.  What
 * cannot be loaded is not pushed.  What is pushed is what a read would have given.
 *
 * Thread-safe.  All functions do nothing for a NULL pusher.
 */
#ifndef VARVE_FS_PUSH_H
#define VARVE_FS_PUSH_H

#include "fs/kernel/fuse.h"
#include "fs/vfs/vfs.h"

struct pusher;

struct pusher_options {
	struct vfs *vfs;              /* all borrowed until pusher_stop() */
	struct fuse_session *session; /* mounted */
	const char *mountpoint;
	uint32_t file_window;         /* bytes to be ahead within one file */
	bool whole;                   /* push whole files; else only prefetch within files */
};

struct pusher_counters {
	uint64_t files, bytes; /* pushed */
	uint64_t prefetched;   /* parts of files, of a MiB at most */
};

/* Start its threads.  0, -ENOMEM or another negative errno. */
int pusher_start(const struct pusher_options *opts, struct pusher **out);

/* Stop them; no request is at work any more. */
void pusher_stop(struct pusher *p);

/*
 * Around the answer to each read: nothing is pushed for a file that is being read, as the kernel holds its pages until
 * then (fuse_lowlevel_notify_store(3)).
 */
void pusher_read_begins(struct pusher *p, uint64_t node, uint64_t off, uint32_t len);
void pusher_read_ends(struct pusher *p, uint64_t node);

/* A directory is listed from its beginning. */
void pusher_listed(struct pusher *p, uint64_t node);

void pusher_counters(struct pusher *p, struct pusher_counters *out);

#endif
