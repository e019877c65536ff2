/*
 * The filter of system calls.  See syscalls.h.
 *
 * A list of what is allowed, by name: one that this library or machine does not know is left out.  What is refused
 * fails as on a kernel that does not have it (ENOSYS), for which the C library has other ways, as for clone3.
 */
#include "fs/process/syscalls.h"

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FUSE_DEV_CLONE 0x8004e500u /* FUSE_DEV_IOC_CLONE, linux/fuse.h */
#define PR_SET_VMA_NAME 0x53564d41u /* PR_SET_VMA, linux/prctl.h: the allocator names its memory */

static const char *const allowed[] = {
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mlock", "mlock2", "munlock", "msync",
	"mincore", "membarrier",
	/* threads, and waiting */
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address", "futex", "futex_time64", "sched_yield",
	"sched_getaffinity", "getcpu", "gettid", "getpid", "getppid", "exit", "exit_group", "restart_syscall",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait", "rt_sigpending",
	"rt_sigsuspend", "sigaltstack", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_gettime64",
	"clock_getres", "gettimeofday", "time", "times", "poll", "ppoll", "select", "_newselect", "pselect6",
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2", "pause",
	/* files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "open", "openat", "openat2",
	"close", "stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs",
	"fstatfs64",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "lseek", "_llseek",
	"ftruncate", "ftruncate64", "truncate", "fallocate", "fsync", "fdatasync", "fadvise64", "readahead",
	"sync_file_range", "flock", "fcntl", "fcntl64", "dup", "dup2", "dup3", "pipe", "pipe2", "close_range", "mkdir",
	"mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "utimensat",
	"getcwd", "chdir", "umask", "fchmod", "splice", "vmsplice", "tee", "sendfile", "copy_file_range",
	/* sockets, once there is one */
	"bind", "connect", "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg",
	"sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "send", "recv",
	/* the rest */
	"getrandom", "uname", "sysinfo", "getrlimit", "ugetrlimit", "getrusage", "getuid", "geteuid", "getgid",
	"getegid", "getuid32", "geteuid32", "getgid32", "getegid32", "getgroups", "getresuid", "getresgid",
	"capget", "setsid",
};

/* ${name} is allowed if its argument ${arg} is ${value}, in the bits of ${mask}. */
struct limited {
	const char *name;
	unsigned arg;
	scmp_datum_t mask, value;
};

#define ALL_BITS (~(scmp_datum_t)0)
#define INT_BITS 0xffffffffu

static int allow(scmp_filter_ctx f, const char *name, unsigned ncmp, const struct scmp_arg_cmp *cmp)
{
	int nr = seccomp_syscall_resolve_name(name);

	/* Negative numbers are those that other machines have. */
	return nr < 0 ? 0 : seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, ncmp, cmp);
}

static int allow_limited(scmp_filter_ctx f, const struct limited *l)
{
	struct scmp_arg_cmp cmp = SCMP_CMP64(l->arg, SCMP_CMP_MASKED_EQ, l->mask, l->value);

	return allow(f, l->name, 1, &cmp);
}

static int add_rules(scmp_filter_ctx f, bool network)
{
	const struct limited limited[] = {
		/* Threads, and no processes. */
		{ "clone", 0, CLONE_THREAD, CLONE_THREAD },
		{ "unshare", 0, ALL_BITS, CLONE_FILES },
		/* Signals to itself; to others the one that is none. */
		{ "tgkill", 0, INT_BITS, (scmp_datum_t)getpid() },
		{ "kill", 1, INT_BITS, 0 },
		{ "prctl", 0, INT_BITS, PR_SET_NAME },
		{ "prctl", 0, INT_BITS, PR_SET_PDEATHSIG },
		{ "prctl", 0, INT_BITS, PR_SET_VMA_NAME },
		{ "prlimit64", 2, ALL_BITS, 0 },
		{ "ioctl", 1, INT_BITS, FUSE_DEV_CLONE },
		{ "ioctl", 1, INT_BITS, TCGETS },
		{ "ioctl", 1, INT_BITS, FIONREAD },
		{ "ioctl", 1, INT_BITS, FIONBIO },
		{ "socket", 0, INT_BITS, AF_UNIX },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = allow(f, allowed[i], 0, NULL);
	for (size_t i = 0; rc == 0 && i < sizeof(limited) / sizeof(limited[0]); i++)
		rc = allow_limited(f, &limited[i]);
	if (rc == 0 && network)
		rc = allow(f, "socket", 0, NULL);
	if (rc == 0 && network)
		rc = allow(f, "socketpair", 0, NULL);
	return rc;
}

int syscalls_limit(bool network, const struct log *log)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc;

	if (f == NULL)
		return -EIO;
	rc = add_rules(f, network);
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	/* A kernel without filters. */
	if (rc == -ENOSYS || rc == -EINVAL || rc == -EOPNOTSUPP) {
		log_debug(log, "no filter of system calls: %s", strerror(-rc));
		return 0;
	}
	if (rc == 0)
		return 0;
	log_error(log, "filter of system calls: %s", strerror(-rc));
	return -EIO;
}

#else

int syscalls_limit(bool network, const struct log *log)
{
	(void)network;
	log_debug(log, "no filter of system calls: built without libseccomp");
	return 0;
}

#endif
