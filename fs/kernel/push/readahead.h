/*
 * How far the kernel reads ahead in files of the mount.
 */
#ifndef VARVE_FS_READAHEAD_H
#define VARVE_FS_READAHEAD_H

#define READ_AHEAD_KIB 512 /* two segments of the usual size; a page fault in a mapped file reads as much around it */

/**
 * readahead_raise(mountpoint, kib):
 * Let the kernel read ${kib} KiB ahead; without that it is 128, whatever the daemon offers it in the FUSE handshake.
 * Only root may; without the right nothing changes.  To be called once requests are coming, as the handshake sets it
 * too.  Asks the mount for nothing.  (Documentation/ABI/testing/sysfs-class-bdi of the kernel)
 */
void readahead_raise(const char *mountpoint, unsigned kib);

#endif
