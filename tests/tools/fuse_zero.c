/*
 * fuse_zero: a filesystem that does no work.  "fuse_zero SIZE DIR" mounts at DIR one file, "big", of SIZE bytes, whose
 * reads are answered from one buffer of noise, and stays in the foreground until it is unmounted.
 *
 * Session, capabilities, timeouts and read-ahead are those of varvefs (fs/main.c, fs/kernel/ops.c), and so is the way
 * in which a read is answered.  So what can be read through this is the most that can be read through varvefs on the
 * same machine (tests/bench/cases_load.py).
 *
 * Exit status: 0; 2 failed or wrong usage.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/kernel/fuse.h"
#include "fs/kernel/push/readahead.h"
#include "tests/tools/lib/tool.h"

#define NAME "big"
#define FILE_INO 2
#define FOREVER 1e9         /* seconds */
#define READ_MAX (1u << 20) /* bytes of one read request */
#define THREADS 16

struct zero {
	uint64_t size;
	const char *mountpoint;
	atomic_flag raised; /* the read-ahead */
	uint8_t noise[READ_MAX];
};

static bool fill_stat(const struct zero *z, fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){ .st_ino = ino, .st_mode = S_IFDIR | 0555, .st_nlink = 2 };
	if (ino == FILE_INO)
		*st = (struct stat){ .st_ino = ino, .st_mode = S_IFREG | 0444, .st_nlink = 1, .st_size = (off_t)z->size,
			.st_blocks = (blkcnt_t)(z->size / 512), .st_blksize = 4096 };
	return ino == FUSE_ROOT_ID || ino == FILE_INO;
}

static struct fuse_entry_param entry_of(const struct zero *z, fuse_ino_t ino)
{
	struct fuse_entry_param e = { .ino = ino, .generation = 1, .attr_timeout = FOREVER, .entry_timeout = FOREVER };

	fill_stat(z, ino, &e.attr);
	return e;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = entry_of(fuse_req_userdata(req), FILE_INO);

	if (parent == FUSE_ROOT_ID && strcmp(name, NAME) == 0)
		fuse_reply_entry(req, &e);
	else
		fuse_reply_err(req, ENOENT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (fill_stat(fuse_req_userdata(req), ino, &st))
		fuse_reply_attr(req, &st, FOREVER);
	else
		fuse_reply_err(req, ENOENT);
}

/* After this the kernel opens without asking. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fuse_entry_param e = entry_of(fuse_req_userdata(req), FILE_INO);
	char entry[256];
	size_t len = 0;

	(void)fi;
	if (ino != FUSE_ROOT_ID) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	if (off == 0)
		len = fuse_add_direntry_plus(req, entry, sizeof(entry), NAME, &e, 1);
	fuse_reply_buf(req, entry, len <= size ? len : 0);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct zero *z = fuse_req_userdata(req);
	uint64_t left = (uint64_t)off < z->size ? z->size - (uint64_t)off : 0;

	(void)ino;
	(void)fi;
	if (!atomic_flag_test_and_set(&z->raised))
		readahead_raise(z->mountpoint, READ_AHEAD_KIB);
	if (size > READ_MAX)
		size = READ_MAX;
	if (size > left)
		size = (size_t)left;
	fuse_reply_buf(req, (const char *)z->noise, size);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned wanted = FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ |
	    FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_NO_OPENDIR_SUPPORT |
	    FUSE_CAP_NO_OPEN_SUPPORT;

	(void)userdata;
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA);
	conn->want |= wanted & conn->capable;
}

static const struct fuse_lowlevel_ops zero_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.opendir = op_open,
	.read = op_read,
	.readdirplus = op_readdirplus,
};

static void serve(struct zero *z)
{
	char *words[] = { (char[]){ "fuse_zero" }, (char[]){ "-o" }, (char[]){ "ro,fsname=zero,subtype=zero" } };
	struct fuse_args args = FUSE_ARGS_INIT(3, words);
	struct fuse_session *session = fuse_session_new(&args, &zero_ops, sizeof(zero_ops), z);
	struct fuse_loop_config *cfg = fuse_loop_cfg_create();

	if (session == NULL || cfg == NULL || fuse_set_signal_handlers(session) != 0)
		die("no session");
	if (fuse_session_mount(session, z->mountpoint) != 0)
		die("%s: cannot mount", z->mountpoint);
	fuse_loop_cfg_set_clone_fd(cfg, 1);
	fuse_loop_cfg_set_max_threads(cfg, THREADS);
	fuse_loop_cfg_set_idle_threads(cfg, THREADS);
	if (fuse_session_loop_mt(session, cfg) < 0)
		die("%s: the loop has failed", z->mountpoint);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	fuse_loop_cfg_destroy(cfg);
	fuse_opt_free_args(&args);
}

int main(int argc, char **argv)
{
	struct zero *z = xmalloc(sizeof(*z));
	struct rng rng;

	if (argc != 3)
		die("usage: fuse_zero SIZE DIR");
	z->size = parse_size("SIZE", argv[1]);
	z->mountpoint = argv[2];
	atomic_flag_clear(&z->raised);
	rng_init(&rng, z->size);
	rng_fill(&rng, z->noise, sizeof(z->noise));
	serve(z);
	free(z);
	return 0;
}
