/*
 * Attributes of source entries.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "repo/backup/source/attr.h"

#define TICK_NS 20000000LL /* longer than the longest tick of a kernel's clock (HZ=100) */

int attr_open(int dirfd, const char *name, int flags, bool noatime)
{
	int fd = -1;

	flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	if (noatime)
		fd = openat(dirfd, name, flags | O_NOATIME);
	if (fd < 0 && (!noatime || errno == EPERM))
		fd = openat(dirfd, name, flags);
	return fd < 0 ? -errno : fd;
}

int attr_stat(int dirfd, const char *name, int flags, struct statx *out)
{
	return statx(dirfd, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, out) < 0 ? -errno : 0;
}

dev_t attr_dev(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

void attr_fill(const struct statx *st, struct tree_entry *e)
{
	e->type = entry_type_of(st->stx_mode);
	e->mode = st->stx_mode & 07777;
	e->uid = st->stx_uid;
	e->gid = st->stx_gid;
	e->nlink = st->stx_nlink;
	e->rdev_major = e->rdev_minor = 0;
	if (e->type == ENTRY_CHR || e->type == ENTRY_BLK) {
		e->rdev_major = st->stx_rdev_major;
		e->rdev_minor = st->stx_rdev_minor;
	}
	e->mtime = st->stx_mtime.tv_sec;
	e->mtime_ns = st->stx_mtime.tv_nsec;
	e->ctime = st->stx_ctime.tv_sec;
	e->ctime_ns = st->stx_ctime.tv_nsec;
	e->flags &= (uint8_t)~ENTRY_HAS_BTIME;
	e->btime = 0;
	e->btime_ns = 0;
	if (st->stx_mask & STATX_BTIME) {
		e->flags |= ENTRY_HAS_BTIME;
		e->btime = st->stx_btime.tv_sec;
		e->btime_ns = st->stx_btime.tv_nsec;
	}
	e->size = st->stx_size;
	e->ino = st->stx_ino;
	e->dev = st->stx_nlink > 1 && e->type != ENTRY_DIR ? attr_dev(st) : 0;
}

bool attr_same(const struct statx *st, const struct tree_entry *e)
{
	return e->type == entry_type_of(st->stx_mode) && e->mode == (st->stx_mode & 07777) && e->ino == st->stx_ino &&
	       e->size == st->stx_size && e->mtime == st->stx_mtime.tv_sec && e->mtime_ns == st->stx_mtime.tv_nsec &&
	       e->ctime == st->stx_ctime.tv_sec && e->ctime_ns == st->stx_ctime.tv_nsec && e->uid == st->stx_uid &&
	       e->gid == st->stx_gid && e->nlink == st->stx_nlink;
}

bool attr_touched(const struct statx *a, const struct statx *b)
{
	return a->stx_size != b->stx_size || a->stx_mtime.tv_sec != b->stx_mtime.tv_sec ||
	       a->stx_mtime.tv_nsec != b->stx_mtime.tv_nsec || a->stx_ctime.tv_sec != b->stx_ctime.tv_sec ||
	       a->stx_ctime.tv_nsec != b->stx_ctime.tv_nsec;
}

bool attr_settle(const struct statx *st)
{
	struct timespec now, rest = { 0, 0 };
	int64_t age;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	age = (now.tv_sec - st->stx_ctime.tv_sec) * 1000000000LL + (now.tv_nsec - (int64_t)st->stx_ctime.tv_nsec);
	if (age < 0 || age >= TICK_NS)
		return false;
	rest.tv_nsec = (long)(TICK_NS - age);
	nanosleep(&rest, NULL);
	return true;
}
