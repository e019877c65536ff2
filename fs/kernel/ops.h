/*
 * FUSE low-level operations: the edge between the kernel's requests and the vfs.  Each handler decodes, calls one
 * function of vfs.h, and replies exactly once.
 */
#ifndef VARVE_FS_OPS_H
#define VARVE_FS_OPS_H

#include <stdatomic.h>

#include "fs/kernel/fuse.h"
#include "fs/kernel/push/push.h"
#include "fs/kernel/waiting.h"
#include "fs/vfs/vfs.h"

/* Requests by kind, for statistics on SIGUSR1 and tests. */
enum op_kind {
	OP_LOOKUP, OP_GETATTR, OP_READLINK, OP_OPEN, OP_READ, OP_READDIR, OP_READDIRPLUS, OP_XATTR, OP_STATFS, OP_LSEEK,
	OP_FORGET, OP_OTHER, OP_KINDS,
};

/*
 * Bytes of one read request; the kernel is told when mounting (max_read).  It takes a shorter answer than it has asked
 * for as the end of the file, and where pages have 64 KiB it would ask for 16 MiB at once.
 */
#define OPS_READ_MAX (1u << 20)

/*
 * Reads ahead under way, if the store is a remote one.  By default the kernel has 12 at a time, and all others wait,
 * also those for what is at hand.  Fewer than there are threads, so that names can be looked up meanwhile.
 */
#define OPS_AHEAD_FAR 48

/* What the handlers get as their userdata. */
struct ops {
	struct vfs *vfs;
	struct repo *repo;
	struct pusher *pusher; /* NULL: none */
	const struct fs_options *opts;
	const struct log *log;
	int audit_fd; /* -1: none */
	struct waiting waiting;
	_Atomic uint64_t count[OP_KINDS];
};

extern const struct fuse_lowlevel_ops fs_ops;

/* The userdata of a request, which is counted as one of ${kind}. */
static inline struct ops *ops_begin(fuse_req_t req, enum op_kind kind)
{
	struct ops *o = fuse_req_userdata(req);

	atomic_fetch_add_explicit(&o->count[kind], 1, memory_order_relaxed);
	return o;
}

/* Append what the daemon has been asked and what it asked of the store: one "name count" a line.  0 or -ENOMEM. */
int ops_print_counters(struct ops *o, struct buf *out);

/* Log the requests by kind and what the store was asked, a line each. */
void ops_log_counters(struct ops *o);

#endif
