/*
 * System calls that a running mount may make (libseccomp, seccomp(2)).
 */
#ifndef VARVE_FS_SYSCALLS_H
#define VARVE_FS_SYSCALLS_H

#include <stdbool.h>

#include "repo/util/log.h"

/**
 * syscalls_limit(network, log):
 * From here on all threads can only make the calls that serving a mount takes; the others fail with ENOSYS.  Without
 * ${network} there are no sockets but local ones.  Does nothing in a build without libseccomp, and where the kernel has
 * no filters.  Return 0; -EIO (logged), and the process should end then.
 */
int syscalls_limit(bool network, const struct log *log);

#endif
