/*
 * Read-ahead of the mount.  See readahead.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/kernel/push/readahead.h"

void readahead_raise(const char *mountpoint, unsigned kib)
{
	char path[128], value[16];
	struct statx st;
	int fd, n;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &st) != 0)
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", st.stx_dev_major, st.stx_dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = snprintf(value, sizeof(value), "%u\n", kib);
	if (write(fd, value, (size_t)n) != n) {
		/* It stays as it was. */
	}
	close(fd);
}
