/*
 * More descriptors of one connection to the kernel.
 */
#ifndef VARVE_FS_DEVICE_H
#define VARVE_FS_DEVICE_H

/**
 * device_clone(session_fd, flags):
 * A new descriptor of the connection of ${session_fd}, with flags of open(2) of its own besides O_RDWR and O_CLOEXEC.
 * What was read from one of them is ended when that one is closed for the last time; the connection, when all are.
 * Return it, to be closed by the caller; a negative errno.  Source: FUSE_DEV_IOC_CLONE in <linux/fuse.h>, Linux 4.2.
 */
int device_clone(int session_fd, int flags);

#endif
