/*
 * Reading past the page cache.
 *
 * What lies on a disk and is read once, from front to end, need not go through the system's cache: the disk puts it
 * where it is wanted, which saves a copy that may cost a quarter of what compressing it does, and what others have in
 * the cache stays there.  What is in the cache already is taken from there.
 *
 * Only for file systems that say how (statx, STATX_DIOALIGN: ext4, XFS and others on block devices); any other file
 * is just read, and so is what direct I/O refuses.
 */
#ifndef VARVE_UTIL_DIRECT_H
#define VARVE_UTIL_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DIRECT_ALIGN 4096 /* bytes: of memory and of positions in the file, for all file systems that take part */

struct direct {
	int fd;
	bool possible;
	bool on; /* the descriptor is set to it */
};

/* Begin to read the file ${fd}, borrowed; nobody else may read by this descriptor until it is closed. */
void direct_init(struct direct *d, int fd);

/**
 * direct_read(d, to, len, room, off):
 * As pread() of ${len} bytes at ${off}.  ${to} has ${room} bytes, all of which may be overwritten.  The page cache is
 * passed by only if ${to} and ${off} are multiples of DIRECT_ALIGN, and so is ${len}, or ${room} lets it be rounded up.
 */
ssize_t direct_read(struct direct *d, void *to, size_t len, size_t room, uint64_t off);

#endif
