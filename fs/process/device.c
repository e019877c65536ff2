/*
 * Descriptors of a connection.  See device.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/process/device.h"

int device_clone(int session_fd, int flags)
{
	uint32_t of = (uint32_t)session_fd;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | flags);
	int rc;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FUSE_DEV_IOC_CLONE, &of) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}
