/*
 * Inside of the vfs: shared by vfs.c (dispatch), tree_node.c (inside snapshots), virtual_node.c (above them),
 * xattr.c.
 */
#ifndef VARVE_FS_VFS_IMPL_H
#define VARVE_FS_VFS_IMPL_H

#include <pthread.h>

#include "fs/vfs/snap.h"
#include "fs/vfs/vfs.h"
#include "repo/util/told.h"

struct vfs {
	struct repo *repo;
	const struct fs_options *opts;
	const struct log *log;
	struct view_groups *groups;
	struct view_options view_options;
	struct snap_cache *snaps;
	uint64_t root;           /* node */
	uint32_t uid, gid;       /* of virtual nodes */
	int64_t started_ns;
	pthread_mutex_t refresh_lock; /* one refresh at a time */
	pthread_mutex_t lock;    /* over ${view} */
	struct view *view;
	struct told told;        /* of which nodes an error has been logged */
};

/* A node inside a snapshot, held. */
struct tnode {
	struct snap *snap;
	struct tree_hit hit;
	uint64_t number;
};

/* Hold the node; tnode_put() gives it back.  0 or an error for the kernel. */
int tnode_get(struct vfs *v, uint64_t node, struct tnode *out);
void tnode_put(struct vfs *v, struct tnode *t);

/* Turn an error of the library into the kernel's, with a line in the log that says where. */
int tnode_error(struct vfs *v, uint64_t node, int rc, const char *what);

/* The functions of vfs.h for nodes inside snapshots (slot > 0) ... */
int tree_node_getattr(struct vfs *v, uint64_t node, struct vfs_attr *out);
int tree_node_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_attr *out);
int tree_node_readdir(struct vfs *v, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg);
int tree_node_parent(struct vfs *v, uint64_t node, uint64_t *out);
int tree_node_readlink(struct vfs *v, uint64_t node, char *out, size_t size);

/* ... and for virtual ones. */
int virtual_getattr(struct vfs *v, uint64_t node, struct vfs_attr *out);
int virtual_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_attr *out);
int virtual_readdir(struct vfs *v, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg);
uint64_t virtual_parent(uint64_t node);
int virtual_readlink(struct vfs *v, uint64_t node, char *out, size_t size);

/* Cookies of "." and ".."; others begin behind them. */
enum { COOKIE_DOT = 1, COOKIE_DOTDOT = 2, COOKIE_FIRST = 3 };

/* Give "." and "..", as far as they come after ${off}.  Non-zero: the buffer is full. */
int vfs_readdir_dots(uint64_t node, uint64_t parent, uint64_t off, vfs_entry_fn *fn, void *arg);

#endif
