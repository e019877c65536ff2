/*
 * Descriptors 0, 1 and 2.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "repo/util/process/stdfds.h"

void stdfds_open(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Is stdout a pipe without a reader? */
static bool reader_is_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

int stdfds_finish(void)
{
	bool failed = ferror(stdout) != 0;
	int rc = fflush(stdout) != 0 ? -errno : failed ? -EIO : 0;

	return rc == -EPIPE || (rc < 0 && reader_is_gone()) ? 0 : rc;
}
