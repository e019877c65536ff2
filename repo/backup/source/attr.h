/*
 * Attributes of source entries: opening without following, statx, xattrs, symlink targets.
 */
#ifndef VARVE_BACKUP_ATTR_H
#define VARVE_BACKUP_ATTR_H

#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"

/**
 * attr_open(dirfd, name, flags, noatime):
 * Open ${name} for reading: ${flags} besides O_RDONLY, O_NOFOLLOW, O_CLOEXEC, O_NOCTTY, O_NONBLOCK; with ${noatime}
 * its access time stays where the system permits.  Return a descriptor or a negative errno.
 */
int attr_open(int dirfd, const char *name, int flags, bool noatime);

/* All that statx() knows of ${name} (${flags}: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW).  Return 0 or a negative errno. */
int attr_stat(int dirfd, const char *name, int flags, struct statx *out);

/* Source device as st_dev has it. */
dev_t attr_dev(const struct statx *st);

/* Fill in what statx() says; name, owner names, target, xattrs and contents are left alone. */
void attr_fill(const struct statx *st, struct tree_entry *e);

/* Are these the same contents and attributes: type, mode, owner, links, size, mtime, ctime, inode? */
bool attr_same(const struct statx *st, const struct tree_entry *e);

/* Has what is read changed between the two: size, mtime or ctime? */
bool attr_touched(const struct statx *a, const struct statx *b);

/**
 * attr_settle(st):
 * Wait until a change from now on would give ${st} another ctime: the clock of timestamps ticks every few
 * milliseconds, and what changes twice in one tick would look unchanged for ever.  Return whether it waited: then
 * ${st} may be old.
 */
bool attr_settle(const struct statx *st);

/* Room for the names and one value; owned by one thread.  All zero is empty; free with attr_scratch_free(). */
struct attr_scratch {
	char *list;
	uint8_t *value;
	const char **names;
};

void attr_scratch_free(struct attr_scratch *a);

/**
 * attr_xattrs(fd, dirfd, name, a, out):
 * Append the encoded xattrs (tree/xattr.h) of the open file ${fd}; or, if that is negative, of ${name} in ${dirfd}
 * without following it, through /proc (-ENOSYS if that is not there).  All that are listed but those that only their
 * filesystem can make: "ceph.", "lustre.", "afs.". Return 0 (nothing appended if there are none, or the filesystem
 * has none); -E2BIG (nothing appended) if they are more than ENTRY_XATTRS_MAX; a negative errno of what could not be
 * read, with those appended that could.
 */
int attr_xattrs(int fd, int dirfd, const char *name, struct attr_scratch *a, struct buf *out);

#endif
