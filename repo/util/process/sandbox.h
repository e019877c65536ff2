/*
 * A sandbox: what the process may still reach of the file system and the network, enforced by the kernel (Landlock,
 * landlock(7); since Linux 5.13).  With it come "no new privileges" (prctl(2)), no execution of programs, no mounting
 * and unmounting, and no access to other processes' memory.  What is open stays open.
 *
 * Of older kernels less is asked: rights that they do not know stay allowed, and where there is no Landlock at all only
 * "no new privileges" is left.
 */
#ifndef VARVE_UTIL_SANDBOX_H
#define VARVE_UTIL_SANDBOX_H

#include <signal.h>
#include <stdbool.h>

#include "repo/util/log.h"

struct sandbox;

/* How threads are told; none may block it (harden_block_signals()). */
#define SANDBOX_SIGNAL SIGRTMIN

/* What is allowed with a file, or with a directory and all below it. */
enum sandbox_use {
	SANDBOX_READ,    /* read files, list directories */
	SANDBOX_DEVICE,  /* read, write, ioctl(2) what is there */
	SANDBOX_CHANGE,  /* read, write, make, rename and remove files, directories, symlinks, sockets, FIFOs */
	SANDBOX_RESTORE, /* the same, and make device nodes */
};

/**
 * sandbox_wanted():
 * False if the environment says VARVE_NO_SANDBOX (with anything but "" and "0"), and in builds with sanitizers, whose
 * runtime starts programs and looks at memory.
 */
bool sandbox_wanted(void);

/**
 * sandbox_new(network, log, out):
 * Begin one that allows nothing; with ${network}, it says nothing about the network, else there is no TCP (since Linux
 * 6.7).  ${log} is borrowed.  Return 0 with ${*out} to be freed by sandbox_free(); -ENOMEM; -EIO (logged).
 */
int sandbox_new(bool network, const struct log *log, struct sandbox **out);
void sandbox_free(struct sandbox *s); /* does nothing for NULL */

/**
 * sandbox_allow(s, path, use):
 * Allow this of ${path}, and of what it points to if it is a symlink; what is put in its place later is something
 * else.  A path that is not there, or that is NULL, or that this user cannot reach, is no error and allows nothing.
 * Return 0; -EIO (logged).
 */
int sandbox_allow(struct sandbox *s, const char *path, enum sandbox_use use);

/* The same of what ${fd} has open. */
int sandbox_allow_fd(struct sandbox *s, int fd, enum sandbox_use use);

/**
 * sandbox_enter(s):
 * From here on all threads of the process can do only what was allowed, and so those that are made later.  There is no
 * way back.  One call at a time in a process; SANDBOX_SIGNAL is taken for its duration.  Return 0; a negative errno
 * (logged) if some thread could not be confined, and the process should end then.
 */
int sandbox_enter(struct sandbox *s);

#endif
