#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/preload/lib/inside.h"

static struct libc next;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *watched;
static size_t watched_len;

/* As POSIX has it: ISO C knows no pointers to functions in data pointers. */
static void find(const char *name, void *function)
{
	void *found = dlsym(RTLD_NEXT, name);

	memcpy(function, &found, sizeof(found));
}

static void find_all(void)
{
	find("openat64", &next.openat);
	find("read", &next.read);
	find("pread64", &next.pread);
	find("write", &next.write);
	find("fsync", &next.fsync);
	find("renameat", &next.renameat);
	find("linkat", &next.linkat);
	find("unlinkat", &next.unlinkat);
	find("mkdirat", &next.mkdirat);
	find("syscall", &next.syscall);
}

const struct libc *libc(void)
{
	pthread_once(&once, find_all);
	return &next;
}

void watch(const char *dir)
{
	watched = dir;
	watched_len = strlen(dir);
}

/* ${full} without the watched directory at its front. */
static bool strip(const char *full, struct inside *out)
{
	if (watched == NULL || strncmp(full, watched, watched_len) != 0)
		return false;
	full += watched_len;
	if (*full != '\0' && *full != '/')
		return false;
	while (*full == '/')
		full++;
	memmove(out->path, full, strlen(full) + 1);
	return true;
}

static bool link_of(int fd, char *out)
{
	char proc[64];
	int saved = errno;
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, out, PATH_MAX - 1);
	errno = saved;
	out[n < 0 ? 0 : n] = '\0';
	return n > 0;
}

bool inside_fd(int fd, struct inside *out)
{
	char full[PATH_MAX];

	return watched != NULL && link_of(fd, full) && strip(full, out);
}

bool inside_at(int dirfd, const char *name, struct inside *out)
{
	size_t len;

	if (watched == NULL)
		return false;
	if (name[0] == '/')
		return strlen(name) < PATH_MAX && strip(name, out);
	if (dirfd == AT_FDCWD || !inside_fd(dirfd, out))
		return false;
	len = strlen(out->path);
	if (len + strlen(name) + 2 > PATH_MAX)
		return false;
	if (len > 0 && strcmp(name, ".") != 0)
		out->path[len++] = '/';
	if (strcmp(name, ".") != 0)
		memcpy(out->path + len, name, strlen(name) + 1);
	return true;
}
