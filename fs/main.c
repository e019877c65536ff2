/*
 * varvefs: mount a repository.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/kernel/last.h"
#include "fs/kernel/ops.h"
#include "fs/kernel/refresh.h"
#include "fs/mountpoint.h"
#include "fs/options.h"
#include "fs/process/daemon.h"
#include "fs/process/sandbox.h"
#include "repo/access/access.h"
#include "repo/util/process/argv.h"
#include "repo/util/process/harden.h"
#include "repo/util/process/stdfds.h"

enum { EXIT_USAGE = 2, EXIT_DAMAGED = 5, EXIT_NO_REPOSITORY = 10, EXIT_WRONG_KEY = 12 };

#define THREADS 16u     /* that answer requests */
#define THREADS_FAR 64u /* if the store is a remote one */
#define FILE_WINDOW (4u * 1024 * 1024) /* bytes to be ahead of whoever reads a file from front to end */

/* Everything that the process has open. */
struct mount {
	struct fs_options options;
	struct log log;
	struct daemon daemon;
	struct fs_sandbox sandbox;
	struct access access;
	struct store_options store; /* as the repository was opened */
	char *cache_dir;
	struct repo *repo;
	struct ops ops;
	struct fuse_session *session;
	struct refresher *refresher;
	bool has_handlers; /* of signals */
	atomic_int ended;  /* nobody waits for a store any more */
};

/* To stderr while there is one; a daemon's messages go to the system log. */
static void write_log(void *arg, enum log_level level, const char *message)
{
	const struct mount *m = arg;

	if (m->options.foreground || m->daemon.ready_fd >= 0)
		fprintf(stderr, "varvefs: %s\n", message);
	else
		syslog(level == LOG_LEVEL_ERROR ? LOG_ERR : level == LOG_LEVEL_WARNING ? LOG_WARNING : LOG_INFO, "%s",
		    message);
}

static int exit_status(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case -ENOENT:
	case -ENOTDIR:
		return EXIT_NO_REPOSITORY;
	case -EBADMSG:
		return EXIT_DAMAGED;
	case -EKEYREJECTED:
		return EXIT_WRONG_KEY;
	default:
		return 1;
	}
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static int open_repo(struct mount *m)
{
	const struct fs_options *o = &m->options;
	struct repo_options ro = {
		.credentials = access_credentials,
		.arg = &m->access,
		.segment_cache_bytes = (size_t)o->cache_mem,
		.offline = o->offline,
		.log = &m->log,
	};
	int rc;

	m->access = (struct access){
		.password_file = o->password_file,
		.key_file = o->key_file,
		.cache_dir = o->cache_dir,
		.repo_url = o->url,
		.ca_file = o->ca_file,
		.limit_download = o->limit_download,
		.deadline = o->deadline,
		.log = &m->log,
	};
	rc = access_store_options(&m->access, STORE_DEADLINE_DEFAULT_MS, &ro.store);
	if (rc == 0 && o->replicas != NULL)
		rc = access_add_replicas(&m->access, o->replicas, "\n");
	if (rc == 0)
		rc = access_store_replicas(&m->access, &ro.store);
	if (rc == 0)
		rc = access_cache_bytes(&m->access, &ro.cache_bytes);
	if (rc != 0)
		return rc;
	if (o->cache_disk != 0)
		ro.cache_bytes = o->cache_disk;
	m->cache_dir = access_cache_dir(&m->access);
	ro.cache_dir = m->cache_dir;
	ro.store.cancel = &m->ended;
	m->store = ro.store;
	rc = repo_open(&ro, &m->repo);
	access_destroy(&m->access);
	access_forget_password();
	return rc;
}

static int open_audit(struct mount *m)
{
	m->ops.audit_fd = -1;
	if (m->options.audit == NULL)
		return 0;
	m->ops.audit_fd = open(m->options.audit, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (m->ops.audit_fd >= 0)
		return 0;
	log_error(&m->log, "%s: %s", m->options.audit, strerror(errno));
	return -EIO;
}

/* Options for mount(2), as libfuse wants them. */
static int mount_args(const struct mount *m, struct buf *out)
{
	const struct fs_options *o = &m->options;
	int rc;

	rc = buf_printf(out, "ro,subtype=varvefs,max_read=%u,fsname=", OPS_READ_MAX);
	for (const char *p = store_url(m->repo->store); rc == 0 && *p != '\0'; p++) {
		if (*p == ',' || *p == '\\')
			rc = buf_u8(out, '\\');
		if (rc == 0)
			rc = buf_u8(out, (uint8_t)*p);
	}
	if (rc == 0 && o->allow_other)
		rc = buf_printf(out, ",allow_other,default_permissions");
	if (rc == 0 && o->kernel.len > 0)
		rc = buf_printf(out, ",%s", (const char *)o->kernel.data);
	return rc == 0 ? buf_u8(out, 0) : rc;
}

static int open_session(struct mount *m)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct buf options = BUF_INIT;
	int rc;

	rc = mount_args(m, &options);
	if (rc == 0 && (fuse_opt_add_arg(&args, "varvefs") != 0 || fuse_opt_add_arg(&args, "-o") != 0 ||
	    fuse_opt_add_arg(&args, (const char *)options.data) != 0 ||
	    (m->options.debug && fuse_opt_add_arg(&args, "-d") != 0)))
		rc = -ENOMEM;
	if (rc == 0) {
		m->session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), &m->ops);
		rc = m->session != NULL ? 0 : -EINVAL;
	}
	/* Before there is a mount: a signal must not leave a dead one. */
	if (rc == 0) {
		m->has_handlers = fuse_set_signal_handlers(m->session) == 0;
		rc = m->has_handlers ? 0 : -EIO;
	}
	if (rc == 0 && fuse_session_mount(m->session, m->options.mountpoint) != 0) {
		log_error(&m->log, "%s: cannot mount", m->options.mountpoint);
		rc = -EIO;
	}
	fuse_opt_free_args(&args);
	buf_free(&options);
	return rc;
}

/* What is ahead within one file may take a twelfth of the memory for opened segments, as the default is. */
static int start_pusher(struct mount *m)
{
	struct pusher_options po = {
		.vfs = m->ops.vfs,
		.session = m->session,
		.mountpoint = m->options.mountpoint,
		.whole = !m->options.nopush,
		.file_window = FILE_WINDOW,
	};

	if (m->options.cache_mem != 0 && m->options.cache_mem / 12 < FILE_WINDOW)
		po.file_window = (uint32_t)(m->options.cache_mem / 12);
	return pusher_start(&po, &m->ops.pusher);
}

/* --- Running ------------------------------------------------------------------------------------------------------ */

/* What speaks to the kernel by itself. */
struct helpers {
	struct refresher *refresher;
	struct pusher *pusher;
};

static void stop_helpers(void *arg)
{
	struct helpers *h = arg;

	refresher_stop(h->refresher);
	pusher_stop(h->pusher);
}

static int serve(struct mount *m)
{
	struct fuse_loop_config *cfg = fuse_loop_cfg_create();
	struct helpers helpers;
	int rc;

	if (cfg == NULL)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(cfg, 1);
	/* Who waits for a network must not keep others from what is at hand. */
	fuse_loop_cfg_set_max_threads(cfg, m->ops.waiting.on ? THREADS_FAR : THREADS);
	fuse_loop_cfg_set_idle_threads(cfg, THREADS);
	rc = start_pusher(m);
	if (rc == 0)
		rc = refresher_start(&m->ops, m->session, &m->refresher);
	if (rc == 0) {
		daemon_ready(&m->daemon);
		rc = fuse_session_loop_mt(m->session, cfg);
		/* A signal that ends the loop is the proper way to end. */
		rc = rc > 0 ? 0 : rc;
	}
	atomic_store(&m->ended, 1);
	helpers = (struct helpers){ m->refresher, m->ops.pusher };
	m->ops.pusher = NULL;
	last_requests(m->session, stop_helpers, &helpers);
	fuse_loop_cfg_destroy(cfg);
	return rc;
}

/*
 * What one thread frees another wants: few arenas, and request buffers that are not mapped and unmapped each time.
 */
static void tune_process(void)
{
	sigset_t usr1;

	/* The refresher's alone. */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	umask(077);
}

static void close_all(struct mount *m)
{
	if (m->session != NULL) {
		if (m->has_handlers)
			fuse_remove_signal_handlers(m->session);
		fs_sandbox_unmount(&m->sandbox, m->session, m->options.mountpoint, &m->log);
		fuse_session_destroy(m->session);
	}
	waiting_destroy(&m->ops.waiting);
	vfs_free(m->ops.vfs);
	if (m->ops.audit_fd >= 0)
		close(m->ops.audit_fd);
	repo_close(m->repo);
	access_forget_replicas(&m->access);
	free(m->cache_dir);
}

static int prepare(struct mount *m, char **mountpoint)
{
	int rc;

	if (!m->options.foreground) {
		rc = daemon_start(&m->daemon);
		if (rc != 0)
			return rc;
	}
	rc = fs_sandbox_prepare(&m->sandbox, !m->options.nosandbox, m->options.foreground, &m->log);
	if (rc == 0)
		rc = open_repo(m);
	if (rc != 0)
		return rc;
	/* Whatever it is, it is not "no repository". */
	rc = mountpoint_check(m->options.mountpoint, store_local_path(m->repo->store), &m->log);
	if (rc != 0)
		return -EBUSY;
	*mountpoint = realpath(m->options.mountpoint, NULL);
	if (*mountpoint == NULL)
		return -EBUSY;
	rc = open_audit(m);
	if (rc == 0)
		rc = vfs_new(m->repo, &m->options, &m->log, &m->ops.vfs);
	return rc == -ENOENT || rc == -ENOTDIR ? -EINVAL : rc;
}

static int run(struct mount *m)
{
	char *mountpoint = NULL;
	int rc;

	waiting_init(&m->ops.waiting);
	rc = prepare(m, &mountpoint);
	if (mountpoint != NULL) {
		free(m->options.mountpoint);
		m->options.mountpoint = mountpoint;
	}
	if (rc == 0) {
		m->ops.repo = m->repo;
		m->ops.opts = &m->options;
		m->ops.log = &m->log;
		if (store_local_path(m->repo->store) == NULL)
			rc = waiting_start(&m->ops.waiting);
	}
	if (rc == 0)
		rc = open_session(m);
	/* As mount(8) says of a device that cannot be written to. */
	if (rc == 0 && m->options.rw)
		log_warn(&m->log, "%s: snapshots cannot be written to, mounted read-only", m->options.mountpoint);
	if (rc == 0)
		rc = fs_sandbox_enter(&m->sandbox, m->repo, &m->store, m->session, m->options.mountpoint);
	if (rc == 0)
		rc = serve(m);
	close_all(m);
	return exit_status(rc);
}

int main(int argc, char **argv)
{
	struct mount m = { .daemon = { .ready_fd = -1 }, .ops = { .audit_fd = -1 },
		.sandbox = FS_SANDBOX_INIT };
	char **args = argv_private(argc, argv);
	char error[512];
	int status, rc;

	stdfds_open();
	harden_process();
	m.log = (struct log){ .write = write_log, .arg = &m, .max = LOG_LEVEL_INFO };
	if (args == NULL) {
		fprintf(stderr, "varvefs: %s\n", strerror(ENOMEM));
		status = 1;
	} else if (fs_options_parse(argc, args, &m.options, error, sizeof(error)) != 0) {
		fprintf(stderr, "varvefs: %s\n", error);
		status = EXIT_USAGE;
	} else if (m.options.help) {
		fputs(fs_usage, stdout);
		status = 0;
	} else if (m.options.version) {
		printf("varvefs %s (libfuse %s)\n", VARVE_VERSION, fuse_pkgversion());
		status = 0;
	} else {
		tune_process();
		openlog("varvefs", LOG_PID, LOG_DAEMON);
		status = run(&m);
	}
	fs_options_destroy(&m.options);
	argv_free(args);
	rc = stdfds_finish();
	if (rc == 0)
		return status;
	fprintf(stderr, "varvefs: stdout: write error: %s\n", strerror(-rc));
	return status == 0 ? 1 : status;
}
