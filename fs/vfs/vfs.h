/*
 * What the mount shows: nodes, attributes, names.  Knows nothing of FUSE requests; ops.c is the edge to the kernel.
 *
 * All functions return 0 or a negative errno that the kernel may see: -ENOENT only where a verified tree or the list
 * of snapshots says so, -EIO for missing or damaged data and a failing store (logged with snapshot and path), -ESTALE
 * for a node of a snapshot that is no more.  Thread-safe.
 */
#ifndef VARVE_FS_VFS_H
#define VARVE_FS_VFS_H

#include <sys/stat.h>

#include "fs/options.h"
#include "fs/vfs/node.h"
#include "fs/vfs/view/view.h"
#include "repo/repo.h"

struct vfs;

/*
 * Make it over an opened repository (borrowed until vfs_free()), with the list of snapshots loaded.  0 or an error,
 * logged.
 */
int vfs_new(struct repo *repo, const struct fs_options *opts, const struct log *log, struct vfs **out);
void vfs_free(struct vfs *v);

/* The view as it is now; the caller's to unref. */
struct view *vfs_view(struct vfs *v);

/**
 * vfs_refresh(v, old, now):
 * Look for new and forgotten snapshots.  Return 1 with both views (the caller's to unref) if the list has changed; 0
 * if not; an error of the store.
 */
int vfs_refresh(struct vfs *v, struct view **old, struct view **now);

/* How the kernel may cache what a lookup or getattr returned. */
enum vfs_cache {
	VFS_CACHE_NEVER, /* virtual: may change, and a negative answer is not kept */
	VFS_CACHE_WATCHED, /* virtual: changes are told to the kernel (notify) */
	VFS_CACHE_ALWAYS, /* inside a snapshot: immutable */
};

struct vfs_attr {
	uint64_t node;
	struct stat st;
	enum vfs_cache cache;
};

/* The mount's root as a node of its own: NODE_ROOT, or what --snapshot names. */
uint64_t vfs_root(const struct vfs *v);

/* Attributes of a node. */
int vfs_getattr(struct vfs *v, uint64_t node, struct vfs_attr *out);

/*
 * Child ${name} of ${parent}; "." is the node itself, ".." its directory.  On -ENOENT ${out->cache} says whether
 * that may be kept.  -ENOTDIR; others as above.
 */
int vfs_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_attr *out);

/**
 * vfs_readdir(v, node, off, fn, arg):
 * Give the entries after the one with cookie ${off} (0: from the beginning, with "." and "..") to ${fn} until it
 * returns non-zero (the buffer is full) or the end.  ${next} is the cookie that resumes behind the entry.  "." and
 * ".." have only st_ino and the type.
 */
typedef int vfs_entry_fn(void *arg, const char *name, const struct vfs_attr *attr, uint64_t next);
int vfs_readdir(struct vfs *v, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg);

/* Target of a symlink, ${size} bytes with the NUL.  -EINVAL if it is none. */
int vfs_readlink(struct vfs *v, uint64_t node, char *out, size_t size);

/*
 * Bytes [${off}, ${off} + ${len}) of a regular file.  Return the number of bytes, or -EISDIR, -EINVAL, others as
 * above.
 */
ssize_t vfs_read(struct vfs *v, uint64_t node, uint64_t off, size_t len, uint8_t *out);

/* The first ${len} bytes of a file that nobody has asked for: no error is logged.  Have all been read? */
bool vfs_read_unasked(struct vfs *v, uint64_t node, uint32_t len, uint8_t *out);

/* Bytes of a file. */
struct vfs_range {
	uint64_t node, off;
	uint32_t len;
};

/* Make reads of these bytes that come soon quick ones.  What cannot be read is left to them. */
void vfs_prefetch(struct vfs *v, const struct vfs_range *ranges, unsigned n);

/* The directory of a node inside a snapshot, its root excepted.  Return 0, errors as above. */
int vfs_parent(struct vfs *v, uint64_t node, uint64_t *out);

/* The cookie for vfs_readdir() that goes on behind ${node}, no directory, in the directory ${dir}. */
uint64_t vfs_cookie_behind(uint64_t dir, uint64_t node);

/*
 * SEEK_DATA (${data}) or SEEK_HOLE from ${off}: the offset to ${*out}, -ENXIO past the end of the file (or of its
 * data).
 */
int vfs_seek(struct vfs *v, uint64_t node, uint64_t off, bool data, uint64_t *out);

/**
 * vfs_getxattr(v, node, name, out), vfs_listxattr(v, node, out):
 * The value, or the names (each with a NUL), appended to ${out}.  user.varve.* are answered by name and not listed.
 * -ENODATA.
 */
int vfs_getxattr(struct vfs *v, uint64_t node, const char *name, struct buf *out);
int vfs_listxattr(struct vfs *v, uint64_t node, struct buf *out);

/* Path of a node below the mount, for messages and the audit log: quoted, cut to ${size}.  Return ${out}. */
char *vfs_path(struct vfs *v, uint64_t node, char *out, unsigned size);

#endif
