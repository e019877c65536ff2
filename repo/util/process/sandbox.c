/*
 * The sandbox.  See sandbox.h.
 *
 * Landlock confines the calling thread and those that it makes, and before Linux 7.0 there is no way to confine those
 * that are there.  So each is sent a signal and confines itself in the handler, as setuid(2) is done by the C library
 * for all threads.  Each gets a domain of its own with the same rules.
 *
 * The kernel's interface is said here, as the headers of a system may be older than its kernel: include/uapi/linux/
 * landlock.h of Linux 6.18, which only adds to it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "repo/util/process/sandbox.h"

#define NR_CREATE_RULESET 444
#define NR_ADD_RULE 445
#define NR_RESTRICT_SELF 446
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,

	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	FS_NODES = FS_MAKE_CHAR | FS_MAKE_BLOCK,
};

#define NET_TCP 3u /* bind and connect */

#define THREADS_MAX 1024  /* that can be confined */
#define PATIENCE_S 10     /* for one thread to react */

struct sandbox {
	const struct log *log;
	uint64_t fs; /* what is refused unless allowed */
	int ruleset; /* -1: the kernel has no Landlock */
};

/* What the signal's handler works with: it has no other way to be told. */
static struct {
	atomic_int ruleset;
	atomic_int failed; /* errno */
	sem_t done;
} entering;

bool sandbox_wanted(void)
{
	const char *env = getenv("VARVE_NO_SANDBOX");

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
	return false;
#endif
#endif
	return env == NULL || *env == '\0' || strcmp(env, "0") == 0;
}

/* --- Rules -------------------------------------------------------------------------------------------------------- */

/* What a kernel of this version of the interface can refuse. */
static struct ruleset_attr can_refuse(long version, bool network)
{
	struct ruleset_attr a = { .fs = FS_REFER - 1 };

	if (version >= 2)
		a.fs |= FS_REFER;
	if (version >= 3)
		a.fs |= FS_TRUNCATE;
	if (version >= 4 && !network)
		a.net = NET_TCP;
	if (version >= 5)
		a.fs |= FS_IOCTL_DEV;
	return a;
}

int sandbox_new(bool network, const struct log *log, struct sandbox **out)
{
	struct sandbox *s = calloc(1, sizeof(*s));
	long version = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset_attr a;

	if (s == NULL)
		return -ENOMEM;
	s->log = log;
	s->ruleset = -1;
	if (version > 0) {
		a = can_refuse(version, network);
		s->fs = a.fs;
		s->ruleset = (int)syscall(NR_CREATE_RULESET, &a, sizeof(a), 0);
		if (s->ruleset < 0) {
			log_error(log, "sandbox: cannot be made: %s", strerror(errno));
			free(s);
			return -EIO;
		}
	}
	*out = s;
	return 0;
}

void sandbox_free(struct sandbox *s)
{
	if (s != NULL && s->ruleset >= 0)
		close(s->ruleset);
	free(s);
}

static uint64_t rights_of(enum sandbox_use use)
{
	switch (use) {
	case SANDBOX_READ:
		return FS_READ_FILE | FS_READ_DIR;
	case SANDBOX_DEVICE:
		return FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV;
	case SANDBOX_CHANGE:
		return (FS_IOCTL_DEV - 1) & ~(uint64_t)(FS_EXECUTE | FS_NODES);
	case SANDBOX_RESTORE:
		return (FS_IOCTL_DEV - 1) & ~(uint64_t)FS_EXECUTE;
	}
	return 0;
}

int sandbox_allow_fd(struct sandbox *s, int fd, enum sandbox_use use)
{
	struct path_beneath rule = { .allowed = rights_of(use) & s->fs, .parent_fd = fd };
	struct stat st;

	if (s->ruleset < 0)
		return 0;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	if (syscall(NR_ADD_RULE, s->ruleset, RULE_PATH_BENEATH, &rule, 0) == 0)
		return 0;
	log_error(s->log, "sandbox: a rule cannot be added: %s", strerror(errno));
	return -EIO;
}

int sandbox_allow(struct sandbox *s, const char *path, enum sandbox_use use)
{
	int fd, rc;

	if (s->ruleset < 0 || path == NULL || *path == '\0')
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	rc = sandbox_allow_fd(s, fd, use);
	close(fd);
	return rc;
}

/* --- Entering ----------------------------------------------------------------------------------------------------- */

/* The calling thread's part.  Only system calls: it may be within a signal's handler. */
static int confine_this(int ruleset)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return errno;
	if (ruleset >= 0 && syscall(NR_RESTRICT_SELF, ruleset, 0) != 0)
		return errno;
	return 0;
}

static void on_signal(int sig)
{
	int saved = errno, err = confine_this(atomic_load(&entering.ruleset));

	(void)sig;
	if (err != 0)
		atomic_store(&entering.failed, err);
	sem_post(&entering.done);
	errno = saved;
}

/* Have another thread confine itself; 0 as well if it has ended. */
static int tell_thread(pid_t tid)
{
	struct timespec until;
	int rc;

	if (syscall(SYS_tgkill, getpid(), tid, SANDBOX_SIGNAL) != 0)
		return errno == ESRCH ? 0 : -errno;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	do {
		rc = sem_timedwait(&entering.done, &until);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 ? -atomic_load(&entering.failed) : -errno;
}

/* Those that were told. */
struct told {
	pid_t tid[THREADS_MAX];
	size_t n;
};

static bool was_told(const struct told *t, pid_t tid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->tid[i] == tid)
			return true;
	return false;
}

/* All that are there now and were not told yet.  Return how many, or a negative errno. */
static int tell_others(struct told *t)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *e;
	int n = 0, rc = 0;

	if (d == NULL)
		return -errno;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid <= 0 || was_told(t, tid))
			continue;
		if (t->n == THREADS_MAX) {
			rc = -E2BIG;
			break;
		}
		rc = tell_thread(tid);
		t->tid[t->n++] = tid;
		n++;
	}
	closedir(d);
	return rc < 0 ? rc : n;
}

/* Those that are made meanwhile by one that was not told yet show at the next look. */
static int confine_threads(void)
{
	struct told *t = calloc(1, sizeof(*t));
	int n;

	if (t == NULL)
		return -ENOMEM;
	t->tid[t->n++] = (pid_t)syscall(SYS_gettid);
	do {
		n = tell_others(t);
	} while (n > 0);
	free(t);
	return n;
}

int sandbox_enter(struct sandbox *s)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;
	int rc;

	sigfillset(&sa.sa_mask);
	atomic_store(&entering.ruleset, s->ruleset);
	atomic_store(&entering.failed, 0);
	if (sem_init(&entering.done, 0, 0) != 0 || sigaction(SANDBOX_SIGNAL, &sa, &before) != 0) {
		rc = -errno;
		goto out;
	}
	rc = confine_threads();
	/* A thread that has not reacted may still do so. */
	if (rc == 0) {
		sigaction(SANDBOX_SIGNAL, &before, NULL);
		sem_destroy(&entering.done);
		rc = -confine_this(s->ruleset);
	}
out:
	if (rc != 0)
		log_error(s->log, "sandbox: %s", rc == -ETIMEDOUT ? "a thread does not react" : strerror(-rc));
	return rc;
}
