/*
 * Is a directory fit to be mounted on?
 */
#ifndef VARVE_FS_MOUNTPOINT_H
#define VARVE_FS_MOUNTPOINT_H

#include "repo/util/log.h"

/**
 * mountpoint_check(dir, repository, log):
 * ${dir} must be an empty directory on which nothing is mounted, and must not be, hold or lie in ${repository} (an
 * absolute path, or NULL if the repository is not local).  Return 0; -ENOENT, -ENOTDIR, -ENOTEMPTY, -EBUSY (something
 * is mounted), -ENOTCONN (a mount whose daemon is gone), -ELOOP (overlap), -EACCES; logged.
 */
int mountpoint_check(const char *dir, const char *repository, const struct log *log);

#endif
