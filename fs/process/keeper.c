/*
 * The keeper.  See keeper.h.
 *
 * Messages, over a pair of sockets that keep their bounds: the mountpoint, with the device's descriptor; then one byte
 * that asks to unmount, answered by one byte, 0 or 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/process/keeper.h"

#define REQUEST_MAX ((size_t)2 << 20) /* the kernel wants room for the largest that there may be */
#define QUIET_MS 1000                 /* where there are no pidfds (before Linux 5.3): nothing was asked for so long */

/* --- The keeper's side -------------------------------------------------------------------------------------------- */

/* Nothing of the daemon's stays open, or whoever waits for its end by that would wait for this one's too. */
static void let_go(int fd, bool messages)
{
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; null >= 0 && i <= (messages ? 1 : 2); i++)
		dup2(null, i);
	if (fd > 3)
		close_range(3, (unsigned)fd - 1, 0);
	close_range((unsigned)fd + 1, ~0u, 0);
	if (chdir("/") != 0)
		return;
}

/* Only root may unmount; others have a program with root's rights do it. */
static int unmount(const char *dir)
{
	pid_t child;
	int status;

	if (umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (geteuid() == 0)
		return -errno;
	child = fork();
	if (child == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-q", "-z", "--", dir, (char *)NULL);
		_exit(127);
	}
	if (child < 0)
		return -errno;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static ssize_t receive(int fd, void *p, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, p, size, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* A message with a descriptor, or -1 if there is none with it. */
static ssize_t receive_device(int fd, void *p, size_t size, int *device)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec v = { .iov_base = p, .iov_len = size };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	*device = -1;
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(device, CMSG_DATA(c), sizeof(*device));
	return n;
}

/* False if there is nobody who asks any more.  To requests that want no answer the kernel takes none. */
static bool refuse_one(int device, void *request)
{
	const struct fuse_in_header *in = request;
	struct fuse_out_header out = { .len = sizeof(out), .error = -ENOTCONN };
	ssize_t n = read(device, request, REQUEST_MAX);

	if (n < (ssize_t)sizeof(*in))
		return n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT);
	out.unique = in->unique;
	return write(device, &out, sizeof(out)) == sizeof(out) || errno != ENODEV;
}

/* Until the daemon has gone, and the connection with it when this process ends. */
static void refuse(int device, int daemon)
{
	struct pollfd p[2] = { { .fd = device, .events = POLLIN }, { .fd = daemon, .events = POLLIN } };
	void *request = malloc(REQUEST_MAX);
	int n = request != NULL ? 1 : 0;

	while (n > 0 && p[1].revents == 0 && (p[0].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) {
		n = poll(p, 2, daemon < 0 ? QUIET_MS : -1);
		if (n > 0 && (p[0].revents & POLLIN) != 0 && !refuse_one(device, request))
			n = 0;
	}
	free(request);
}

static void keep(int fd, int daemon)
{
	char dir[PATH_MAX];
	uint8_t byte;
	int device;
	ssize_t n = receive_device(fd, dir, sizeof(dir) - 1, &device);

	if (n <= 0)
		return;
	dir[n] = '\0';
	if (receive(fd, &byte, 1) == 1) {
		byte = unmount(dir) != 0;
		send(fd, &byte, 1, MSG_NOSIGNAL);
	} else if (device >= 0) {
		refuse(device, daemon);
	}
}

static void run(int fd, pid_t daemon, bool messages)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE };

	/* The daemon's signals, as a service manager or a terminal sends them to all, are not this one's end. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "varvefs-keeper");
	let_go(fd, messages);
	keep(fd, (int)syscall(SYS_pidfd_open, daemon, 0));
}

/* --- The daemon's side -------------------------------------------------------------------------------------------- */

int keeper_start(bool messages, struct keeper *out)
{
	pid_t child, self = getpid();
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	child = fork();
	if (child == 0) {
		run(fds[1], self, messages);
		_exit(0);
	}
	close(fds[1]);
	if (child < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	out->fd = fds[0];
	return 0;
}

static int tell(const struct keeper *k, const void *p, size_t len)
{
	ssize_t n;

	do {
		n = send(k->fd, p, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -EIO;
}

int keeper_remember(const struct keeper *k, const char *mountpoint, int device)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec v = { .iov_base = (void *)(uintptr_t)mountpoint, .iov_len = strlen(mountpoint) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t n;

	if (v.iov_len == 0 || v.iov_len >= PATH_MAX)
		return -ENAMETOOLONG;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &device, sizeof(device));
	do {
		n = sendmsg(k->fd, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)v.iov_len ? 0 : -EIO;
}

int keeper_unmount(const struct keeper *k)
{
	uint8_t byte = 0;

	if (tell(k, &byte, 1) != 0 || receive(k->fd, &byte, 1) != 1)
		return -EIO;
	return byte == 0 ? 0 : -EIO;
}

void keeper_stop(struct keeper *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}
