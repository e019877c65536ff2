/*
 * late: a filesystem's daemon whose pushes reach the kernel late.
 *
 *   LATE_MS   how much later, in milliseconds
 *
 * So that what is requested meanwhile is certain to be under way when they do.
 */
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

ssize_t writev(int fd, const struct iovec *v, int n)
{
	const struct fuse_out_header *h = v->iov_base;
	const char *late = getenv("LATE_MS");
	struct timespec pause = { 0 };

	if (late != NULL && v->iov_len == sizeof(*h) && h->unique == 0 && h->error == FUSE_NOTIFY_STORE) {
		pause.tv_sec = atoi(late) / 1000;
		pause.tv_nsec = atoi(late) % 1000 * 1000000L;
		nanosleep(&pause, NULL);
	}
	return syscall(SYS_writev, fd, v, n);
}
