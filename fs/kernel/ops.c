/*
 * FUSE low-level operations.
 *
 * The round trip to the daemon is what costs (docs/design.md), so: open and opendir are answered with ENOSYS once,
 * after which the kernel opens without asking; directories are always read with attributes; whatever is inside a
 * snapshot is cached by the kernel without end, names that are not there included.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/kernel/deny.h"
#include "fs/kernel/ops.h"
#include "repo/util/text/when.h"

#define FOREVER 1e9       /* seconds; the kernel takes no more than fits its clock */
#define COUNTERS_XATTR "user.varve.requests"
#define COUNTERS_SLACK 64

/* The kernel's number 1 is the root of the mount, whichever node that is. */
static uint64_t node_of(const struct ops *o, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? vfs_root(o->vfs) : ino;
}

static fuse_ino_t ino_of(const struct ops *o, uint64_t node)
{
	return node == vfs_root(o->vfs) ? FUSE_ROOT_ID : node;
}

static double timeout_of(const struct ops *o, enum vfs_cache cache)
{
	switch (cache) {
	case VFS_CACHE_ALWAYS:
		return FOREVER;
	case VFS_CACHE_WATCHED:
		return o->opts->refresh_s;
	default:
		return 0;
	}
}

static void fill_entry(const struct ops *o, const struct vfs_attr *a, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof(*e));
	e->ino = a->node == 0 ? 0 : ino_of(o, a->node);
	e->generation = 1;
	e->attr = a->st;
	e->attr_timeout = timeout_of(o, a->cache);
	e->entry_timeout = e->attr_timeout;
}

/* --- Names and attributes ----------------------------------------------------------------------------------------- */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ops *o = ops_begin(req, OP_LOOKUP);
	struct fuse_entry_param e;
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	struct vfs_attr a;
	int rc;

	rc = vfs_lookup(o->vfs, node_of(o, parent), name, &a);
	if (!waiting_end(&o->waiting, s))
		return;
	if (rc == 0) {
		fill_entry(o, &a, &e);
		fuse_reply_entry(req, &e);
	} else if (rc == -ENOENT && a.cache == VFS_CACHE_ALWAYS) {
		memset(&e, 0, sizeof(e));
		e.entry_timeout = FOREVER;
		fuse_reply_entry(req, &e);
	} else {
		fuse_reply_err(req, -rc);
	}
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	(void)ino;
	(void)nlookup;
	ops_begin(req, OP_FORGET);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	ops_begin(req, OP_FORGET);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ops *o = ops_begin(req, OP_GETATTR);
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	struct vfs_attr a;
	int rc;

	(void)fi;
	rc = vfs_getattr(o->vfs, node_of(o, ino), &a);
	if (!waiting_end(&o->waiting, s))
		return;
	if (rc == 0)
		fuse_reply_attr(req, &a.st, timeout_of(o, a.cache));
	else
		fuse_reply_err(req, -rc);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct ops *o = ops_begin(req, OP_READLINK);
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	char target[ENTRY_TARGET_MAX + 1];
	int rc;

	rc = vfs_readlink(o->vfs, node_of(o, ino), target, sizeof(target));
	if (!waiting_end(&o->waiting, s))
		return;
	if (rc == 0)
		fuse_reply_readlink(req, target);
	else
		fuse_reply_err(req, -rc);
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static void audit(struct ops *o, fuse_req_t req, fuse_ino_t ino)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	char path[4096], when[WHEN_SIZE], line[5000];
	int n;

	n = snprintf(line, sizeof(line), "%s uid=%u gid=%u pid=%d open %s\n",
	    when_format(when_now_ns(), WHEN_RFC3339, o->opts->utc, when), ctx->uid, ctx->gid, (int)ctx->pid,
	    vfs_path(o->vfs, node_of(o, ino), path, sizeof(path)));
	if (write(o->audit_fd, line, (size_t)n) != n)
		log_warn(o->log, "%s: %s", o->opts->audit, strerror(errno));
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ops *o = ops_begin(req, OP_OPEN);

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	if (o->audit_fd < 0) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	audit(o, req, ino);
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	ops_begin(req, OP_OPEN);
	fuse_reply_err(req, ENOSYS);
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct ops *o = ops_begin(req, OP_READ);
	uint64_t node = node_of(o, ino);
	struct waiting_slot *s;
	uint8_t *buf;
	ssize_t n;

	(void)fi;
	buf = size <= OPS_READ_MAX ? malloc(size) : NULL;
	if (buf == NULL) {
		fuse_reply_err(req, size <= OPS_READ_MAX ? ENOMEM : EINVAL);
		return;
	}
	pusher_read_begins(o->pusher, node, (uint64_t)off, (uint32_t)size);
	s = waiting_begin(&o->waiting, req);
	n = vfs_read(o->vfs, node, (uint64_t)off, size, buf);
	if (!waiting_end(&o->waiting, s))
		goto out;
	if (n >= 0)
		fuse_reply_buf(req, (const char *)buf, (size_t)n);
	else
		fuse_reply_err(req, (int)-n);
out:
	pusher_read_ends(o->pusher, node);
	free(buf);
}

/* The buffer of one directory reply. */
struct dirbuf {
	struct ops *o;
	char *data;
	size_t len, size;
	bool plus;
};

static int add_entry(void *arg, const char *name, const struct vfs_attr *a, uint64_t next)
{
	struct dirbuf *d = arg;
	struct fuse_entry_param e;
	size_t n;

	if (d->plus) {
		fill_entry(d->o, a, &e);
		n = fuse_add_direntry_plus(NULL, d->data + d->len, d->size - d->len, name, &e, (off_t)next);
	} else {
		n = fuse_add_direntry(NULL, d->data + d->len, d->size - d->len, name, &a->st, (off_t)next);
	}
	if (n > d->size - d->len)
		return 1;
	d->len += n;
	return 0;
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct ops *o = ops_begin(req, plus ? OP_READDIRPLUS : OP_READDIR);
	struct dirbuf d = { .o = o, .size = size, .plus = plus };
	struct waiting_slot *s;
	int rc;

	d.data = malloc(size);
	if (d.data == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (off == 0)
		pusher_listed(o->pusher, node_of(o, ino));
	s = waiting_begin(&o->waiting, req);
	rc = vfs_readdir(o->vfs, node_of(o, ino), (uint64_t)off, add_entry, &d);
	if (!waiting_end(&o->waiting, s))
		goto out;
	/* What was gathered before an error is given; the next call meets the error again. */
	if (rc == 0 || d.len > 0)
		fuse_reply_buf(req, d.data, d.len);
	else
		fuse_reply_err(req, -rc);
out:
	free(d.data);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	read_directory(req, ino, size, off, true);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct ops *o = ops_begin(req, OP_LSEEK);
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	uint64_t found;
	int rc = -EINVAL;

	(void)fi;
	if ((whence == SEEK_DATA || whence == SEEK_HOLE) && off >= 0)
		rc = vfs_seek(o->vfs, node_of(o, ino), (uint64_t)off, whence == SEEK_DATA, &found);
	if (!waiting_end(&o->waiting, s))
		return;
	if (rc == 0)
		fuse_reply_lseek(req, (off_t)found);
	else
		fuse_reply_err(req, -rc);
}

/* --- Extended attributes ------------------------------------------------------------------------------------------ */

/* Reply with the size if ${size} is 0, with the bytes if they fit. */
static void reply_xattr(fuse_req_t req, int rc, const struct buf *value, size_t size)
{
	if (rc != 0)
		fuse_reply_err(req, -rc);
	else if (size == 0)
		fuse_reply_xattr(req, value->len);
	else if (value->len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, (const char *)value->data, value->len);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct ops *o = ops_begin(req, OP_XATTR);
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	struct buf value = BUF_INIT;
	int rc;

	if (ino == FUSE_ROOT_ID && strcmp(name, COUNTERS_XATTR) == 0) {
		rc = ops_print_counters(o, &value);
		/* A count may have a digit more when it is read. */
		if (size == 0)
			value.len += COUNTERS_SLACK;
	} else {
		rc = vfs_getxattr(o->vfs, node_of(o, ino), name, &value);
	}
	if (waiting_end(&o->waiting, s))
		reply_xattr(req, rc, &value, size);
	buf_free(&value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct ops *o = ops_begin(req, OP_XATTR);
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	struct buf names = BUF_INIT;
	int rc;

	rc = vfs_listxattr(o->vfs, node_of(o, ino), &names);
	if (waiting_end(&o->waiting, s))
		reply_xattr(req, rc, &names, size);
	buf_free(&names);
}

/* --- The rest ----------------------------------------------------------------------------------------------------- */

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct ops *o = ops_begin(req, OP_STATFS);
	struct waiting_slot *s = waiting_begin(&o->waiting, req);
	struct store_info info;
	struct statvfs st;

	(void)ino;
	memset(&st, 0, sizeof(st));
	st.f_bsize = st.f_frsize = 4096;
	st.f_namemax = ENTRY_NAME_MAX;
	st.f_flag = ST_RDONLY;
	if (store_info(o->repo->store, &info) == 0) {
		st.f_blocks = info.total_bytes / st.f_frsize;
		st.f_bfree = st.f_bavail = info.free_bytes / st.f_frsize;
	}
	if (!waiting_end(&o->waiting, s))
		return;
	fuse_reply_statfs(req, &st);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	const struct ops *o = userdata;
	const unsigned wanted = FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ |
	    FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_NO_OPENDIR_SUPPORT |
	    (o->audit_fd < 0 ? FUSE_CAP_NO_OPEN_SUPPORT : 0);

	/* Always with attributes: the kernel's own guess (AUTO) would stop asking for them. */
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA);
	conn->want |= wanted & conn->capable;
	conn->max_read = OPS_READ_MAX;
	if (o->waiting.on) {
		conn->max_background = OPS_AHEAD_FAR;
		conn->congestion_threshold = OPS_AHEAD_FAR / 4 * 3;
	}
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.opendir = op_opendir,
	.read = op_read,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.lseek = op_lseek,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.statfs = op_statfs,
	.mknod = deny_mknod,
	.mkdir = deny_mkdir,
	.unlink = deny_name,
	.rmdir = deny_name,
	.symlink = deny_symlink,
	.rename = deny_rename,
	.link = deny_link,
	.create = deny_create,
	.setattr = deny_setattr,
	.write = deny_write,
	.setxattr = deny_setxattr,
	.removexattr = deny_name,
};
