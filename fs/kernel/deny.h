/*
 * Handlers of requests that would write.  The kernel asks none of them of a mount that is read-only; one that somebody
 * has made writable again (mount -o remount,rw) still is not: EROFS.
 */
#ifndef VARVE_FS_DENY_H
#define VARVE_FS_DENY_H

#include "fs/kernel/fuse.h"

void deny_name(fuse_req_t req, fuse_ino_t ino, const char *name);
void deny_mknod(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, dev_t rdev);
void deny_mkdir(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode);
void deny_symlink(fuse_req_t req, const char *target, fuse_ino_t ino, const char *name);
void deny_rename(fuse_req_t req, fuse_ino_t ino, const char *name, fuse_ino_t to, const char *to_name,
    unsigned flags);
void deny_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void deny_create(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, struct fuse_file_info *fi);
void deny_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int mask, struct fuse_file_info *fi);
void deny_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
    struct fuse_file_info *fi);
void deny_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);

#endif
