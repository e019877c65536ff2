/*
 * What the preloaded libraries share: which calls concern the directory they watch, and the functions that they stand
 * before.
 *
 * They are loaded by LD_PRELOAD into a program that does not know of them, so they keep errno, allocate nothing in a
 * call, and use the next library's functions by these pointers only.
 */
#ifndef VARVE_TEST_PRELOAD_INSIDE_H
#define VARVE_TEST_PRELOAD_INSIDE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each library has its own of these, also when two are loaded. */
#pragma GCC visibility push(hidden)

struct libc {
	int (*openat)(int, const char *, int, ...);
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*pread)(int, void *, size_t, off_t);
	ssize_t (*write)(int, const void *, size_t);
	int (*fsync)(int);
	int (*renameat)(int, const char *, int, const char *);
	int (*linkat)(int, const char *, int, const char *, int);
	int (*unlinkat)(int, const char *, int);
	int (*mkdirat)(int, const char *, mode_t);
	long (*syscall)(long, ...);
};

/* The functions behind ours. */
const struct libc *libc(void);

/**
 * watch(dir):
 * Watch this directory, an absolute path without symbolic links, borrowed for good.
 */
void watch(const char *dir);

/* A path below the watched directory, relative to it; "" is that directory. */
struct inside {
	char path[PATH_MAX];
};

/* Is what ${fd} is open on, or what ${name} stands for below ${dirfd}, inside?  Fills ${out} if it is. */
bool inside_fd(int fd, struct inside *out);
bool inside_at(int dirfd, const char *name, struct inside *out);

#pragma GCC visibility pop

#endif
