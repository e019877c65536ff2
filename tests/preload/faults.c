/*
 * faults: a directory whose disk fails, or a process that dies, at a chosen operation on it.
 *
 *   FAULT_DIR    the directory (absolute, without symbolic links)
 *   FAULT_OPS    which operations count: words of "create write sync rename unlink mkdir open read", with "," between
 *   FAULT_NTH    the operation at which it happens, from 1; none for 0
 *   FAULT_LAST   for how many operations from there on (default 1; 0: all)
 *   FAULT_DO     EIO, ENOSPC: the operation fails so;  kill: the process is killed before it, killed: after it,
 *                half: after one half of a write (otherwise as killed)
 *   FAULT_COUNT  a file of 8 bytes, in which the operations are counted
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/preload/lib/inside.h"

enum act { ACT_NONE, ACT_FAIL, ACT_KILL, ACT_KILLED, ACT_HALF };

static struct {
	const char *ops;
	uint64_t nth, last;
	enum act act;
	int error;
	_Atomic uint64_t *count, own_count;
} plan;

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void plan_act(const char *what)
{
	static const struct {
		const char *name;
		enum act act;
		int error;
	} known[] = {
		{ "EIO", ACT_FAIL, EIO }, { "ENOSPC", ACT_FAIL, ENOSPC },
		{ "kill", ACT_KILL, 0 }, { "killed", ACT_KILLED, 0 }, { "half", ACT_HALF, 0 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (what != NULL && strcmp(what, known[i].name) == 0) {
			plan.act = known[i].act;
			plan.error = known[i].error;
		}
	}
}

__attribute__((constructor)) static void begin(void)
{
	const char *dir = getenv("FAULT_DIR"), *count = getenv("FAULT_COUNT");
	void *shared;
	int fd;

	plan.ops = getenv("FAULT_OPS");
	plan.nth = number("FAULT_NTH", 0);
	plan.last = number("FAULT_LAST", 1);
	plan.count = &plan.own_count;
	plan_act(getenv("FAULT_DO"));
	libc();
	if (dir == NULL || plan.ops == NULL)
		return;
	fd = count == NULL ? -1 : open(count, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, 8) == 0) {
		shared = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (shared != MAP_FAILED)
			plan.count = shared;
	}
	if (fd >= 0)
		close(fd);
	watch(dir);
}

/* Is ${op} one of the words of ${plan.ops}? */
static bool is_planned(const char *op)
{
	size_t len = strlen(op);
	const char *at;

	for (at = plan.ops; (at = strstr(at, op)) != NULL; at += len)
		if ((at == plan.ops || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
			return true;
	return false;
}

static void die_now(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* Count an operation; what is to happen at it?  Does not come back if the process is to die before it. */
static enum act meet(const char *op)
{
	uint64_t n;

	if (!is_planned(op))
		return ACT_NONE;
	n = atomic_fetch_add(plan.count, 1) + 1;
	if (plan.nth == 0 || n < plan.nth || (plan.last > 0 && n >= plan.nth + plan.last))
		return ACT_NONE;
	if (plan.act == ACT_KILL)
		die_now();
	return plan.act;
}

static enum act meet_fd(const char *op, int fd)
{
	struct inside where;

	return inside_fd(fd, &where) ? meet(op) : ACT_NONE;
}

static enum act meet_at(const char *op, int dirfd, const char *name)
{
	struct inside where;

	return inside_at(dirfd, name, &where) ? meet(op) : ACT_NONE;
}

/* Make the call and return its result, unless the operation fails, or the process dies after it. */
#define AROUND(met_, call)                                                 \
	do {                                                               \
		enum act met = (met_);                                     \
		__typeof__(call) rc;                                       \
		if (met == ACT_FAIL) {                                     \
			errno = plan.error;                                \
			return -1;                                         \
		}                                                          \
		rc = (call);                                               \
		if (met == ACT_KILLED || met == ACT_HALF)                  \
			die_now();                                         \
		return rc;                                                 \
	} while (0)

ssize_t write(int fd, const void *data, size_t len)
{
	enum act act = meet_fd("write", fd);

	if (act == ACT_HALF) {
		(void)!libc()->write(fd, data, len / 2);
		die_now();
	}
	AROUND(act, libc()->write(fd, data, len));
}

ssize_t read(int fd, void *out, size_t len)
{
	AROUND(meet_fd("read", fd), libc()->read(fd, out, len));
}

static ssize_t faulty_pread(int fd, void *out, size_t len, off_t off)
{
	AROUND(meet_fd("read", fd), libc()->pread(fd, out, len, off));
}

int fsync(int fd)
{
	AROUND(meet_fd("sync", fd), libc()->fsync(fd));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	AROUND(meet_at("rename", to_fd, to), libc()->renameat(from_fd, from, to_fd, to));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	AROUND(meet_at("rename", to_fd, to), libc()->linkat(from_fd, from, to_fd, to, flags));
}

int unlinkat(int dirfd, const char *name, int flags)
{
	AROUND(meet_at("unlink", dirfd, name), libc()->unlinkat(dirfd, name, flags));
}

int mkdirat(int dirfd, const char *name, mode_t mode)
{
	AROUND(meet_at("mkdir", dirfd, name), libc()->mkdirat(dirfd, name, mode));
}

static int faulty_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	const char *op = (flags & O_CREAT) != 0 ? "create" : "open";

	AROUND(meet_at(op, dirfd, name), libc()->openat(dirfd, name, flags, mode));
}

/* The names that the headers make of them, by the size of off_t and by _FORTIFY_SOURCE. */
ssize_t __pread64_chk(int fd, void *out, size_t len, off_t off, size_t room);
int __openat64_2(int dirfd, const char *name, int flags);

ssize_t pread(int fd, void *out, size_t len, off_t off)
{
	return faulty_pread(fd, out, len, off);
}

ssize_t __pread64_chk(int fd, void *out, size_t len, off_t off, size_t room)
{
	if (len > room)
		abort();
	return faulty_pread(fd, out, len, off);
}

int openat(int dirfd, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if ((flags & (O_CREAT | __O_TMPFILE)) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	return faulty_openat(dirfd, name, flags, mode);
}

int __openat64_2(int dirfd, const char *name, int flags)
{
	return faulty_openat(dirfd, name, flags, 0);
}

/* For renameat2, which is called by number. */
long syscall(long nr, ...)
{
	enum act act = ACT_NONE;
	long a[6];
	va_list args;

	va_start(args, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (nr == SYS_renameat2)
		act = meet_at("rename", (int)a[2], (const char *)a[3]);
	AROUND(act, libc()->syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}
