/*
 * record: write down all that a program does to a directory, with the bytes, so that tests/long/soak/power.py can say
 * what a power cut would have left of it.
 *
 *   RECORD_DIR   the directory (absolute, without symbolic links)
 *   RECORD_LOG   the file that is appended to; several processes may append to one
 *
 * A record is a struct header (little-endian on what we run on), the path, and the second path or the data.  It stands
 * after all that had ended when it was written: operations are recorded when they have ended, syncs when they begin as
 * well, since what comes in the meantime is not promised to be part of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/preload/lib/inside.h"

enum event { CREATE = 1, WRITE, SYNC_BEGINS, SYNCED, RENAME, LINK, UNLINK, MKDIR };

struct header {
	uint32_t event, thread;
	uint64_t ino, off;
	uint32_t path_len, rest_len;
};
_Static_assert(sizeof(struct header) == 32, "soak/power.py reads it so");

static int out = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *dir = getenv("RECORD_DIR"), *name = getenv("RECORD_LOG");

	libc();
	if (dir == NULL || name == NULL)
		return;
	out = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (out < 0)
		abort();
	watch(dir);
}

/* One write to a file opened with O_APPEND: no other record comes between.  Half a log is worth nothing. */
static void put(struct header h, const char *path, const void *rest, size_t rest_len)
{
	struct iovec v[3] = {
		{ &h, sizeof(h) }, { (void *)(uintptr_t)path, strlen(path) }, { (void *)(uintptr_t)rest, rest_len },
	};
	int saved = errno;

	h.thread = (uint32_t)libc()->syscall(SYS_gettid);
	h.path_len = (uint32_t)v[1].iov_len;
	h.rest_len = (uint32_t)rest_len;
	if (writev(out, v, 3) != (ssize_t)(sizeof(h) + v[1].iov_len + rest_len))
		abort();
	errno = saved;
}

static uint64_t ino_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t n = libc()->write(fd, data, len);
	struct header h = { .event = WRITE };
	struct inside where;

	if (n > 0 && inside_fd(fd, &where)) {
		h.ino = ino_of(fd);
		h.off = (uint64_t)(lseek(fd, 0, SEEK_CUR) - n);
		put(h, where.path, data, (size_t)n);
	}
	return n;
}

int fsync(int fd)
{
	struct inside where;
	struct header h;
	int rc;

	if (!inside_fd(fd, &where))
		return libc()->fsync(fd);
	h = (struct header){ .event = SYNC_BEGINS, .ino = ino_of(fd) };
	put(h, where.path, "", 0);
	rc = libc()->fsync(fd);
	h.event = SYNCED;
	if (rc == 0)
		put(h, where.path, "", 0);
	return rc;
}

static void put_names(enum event event, int from_fd, const char *from, int to_fd, const char *to)
{
	struct inside a, b;

	if (inside_at(from_fd, from, &a) && inside_at(to_fd, to, &b))
		put((struct header){ .event = event }, a.path, b.path, strlen(b.path));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	int rc = libc()->renameat(from_fd, from, to_fd, to);

	if (rc == 0)
		put_names(RENAME, from_fd, from, to_fd, to);
	return rc;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	int rc = libc()->linkat(from_fd, from, to_fd, to, flags);

	if (rc == 0)
		put_names(LINK, from_fd, from, to_fd, to);
	return rc;
}

int unlinkat(int dirfd, const char *name, int flags)
{
	int rc = libc()->unlinkat(dirfd, name, flags);
	struct inside where;

	if (rc == 0 && inside_at(dirfd, name, &where))
		put((struct header){ .event = UNLINK }, where.path, "", 0);
	return rc;
}

int mkdirat(int dirfd, const char *name, mode_t mode)
{
	int rc = libc()->mkdirat(dirfd, name, mode);
	struct inside where;

	if (rc == 0 && inside_at(dirfd, name, &where))
		put((struct header){ .event = MKDIR }, where.path, "", 0);
	return rc;
}

/* By the name that the headers make of it where off_t has 64 bits; what makes no file goes another way. */
int openat(int dirfd, const char *name, int flags, ...)
{
	struct inside where;
	mode_t mode = 0;
	va_list args;
	int fd;

	va_start(args, flags);
	if ((flags & (O_CREAT | __O_TMPFILE)) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	fd = libc()->openat(dirfd, name, flags, mode);
	if (fd >= 0 && (flags & O_CREAT) != 0 && inside_at(dirfd, name, &where))
		put((struct header){ .event = CREATE, .ino = ino_of(fd) }, where.path, "", 0);
	return fd;
}

/* For renameat2, which is called by number. */
long syscall(long nr, ...)
{
	long a[6], rc;
	va_list args;

	va_start(args, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	rc = libc()->syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (nr == SYS_renameat2 && rc == 0)
		put_names(RENAME, (int)a[0], (const char *)a[1], (int)a[2], (const char *)a[3]);
	return rc;
}
