/*
 * late: a filesystem's daemon whose pushes reach the kernel late, and its answers.
 *
 *   LATE_MS     how much later pushes are, in milliseconds
 *   LATE_WHEN   a file: when it is there, answers of more than 4 KiB are later by a minute
 *
 * So that what is requested meanwhile is certain to be under way, or to be waiting.
 */
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* In milliseconds, for what begins with this header. */
static long lateness(const struct fuse_out_header *h)
{
	const char *late = getenv("LATE_MS"), *when = getenv("LATE_WHEN");

	if (h->unique == 0)
		return late != NULL && h->error == FUSE_NOTIFY_STORE ? atol(late) : 0;
	return when != NULL && h->len > 4096 && access(when, F_OK) == 0 ? 60000 : 0;
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	long late = v->iov_len == sizeof(struct fuse_out_header) ? lateness(v->iov_base) : 0;
	struct timespec pause = { .tv_sec = late / 1000, .tv_nsec = late % 1000 * 1000000L };

	if (late != 0)
		nanosleep(&pause, NULL);
	return syscall(SYS_writev, fd, v, n);
}
