/*
 * Requests that would write: refused.  See deny.h.
 */
#include <errno.h>

#include "fs/kernel/deny.h"
#include "fs/kernel/ops.h"

void deny_name(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	(void)ino;
	(void)name;
	ops_begin(req, OP_OTHER);
	fuse_reply_err(req, EROFS);
}

void deny_mknod(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, dev_t rdev)
{
	(void)mode;
	(void)rdev;
	deny_name(req, ino, name);
}

void deny_mkdir(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode)
{
	(void)mode;
	deny_name(req, ino, name);
}

void deny_symlink(fuse_req_t req, const char *target, fuse_ino_t ino, const char *name)
{
	(void)target;
	deny_name(req, ino, name);
}

void deny_rename(fuse_req_t req, fuse_ino_t ino, const char *name, fuse_ino_t to, const char *to_name,
    unsigned flags)
{
	(void)to;
	(void)to_name;
	(void)flags;
	deny_name(req, ino, name);
}

void deny_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)parent;
	deny_name(req, ino, name);
}

void deny_create(fuse_req_t req, fuse_ino_t ino, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	(void)mode;
	(void)fi;
	deny_name(req, ino, name);
}

void deny_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int mask, struct fuse_file_info *fi)
{
	(void)st;
	(void)mask;
	(void)fi;
	deny_name(req, ino, NULL);
}

void deny_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	(void)data;
	(void)size;
	(void)off;
	(void)fi;
	deny_name(req, ino, NULL);
}

void deny_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	(void)value;
	(void)size;
	(void)flags;
	deny_name(req, ino, name);
}
