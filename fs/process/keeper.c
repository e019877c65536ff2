/*
 * The keeper.  See keeper.h.
 *
 * Messages, over a pair of sockets that keep their bounds: the mountpoint; then one byte that asks to unmount, answered
 * by one byte, 0 or 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/process/keeper.h"

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

static void keep(int fd)
{
	char dir[PATH_MAX];
	uint8_t byte;
	ssize_t n = receive(fd, dir, sizeof(dir) - 1);

	if (n <= 0)
		return;
	dir[n] = '\0';
	if (receive(fd, &byte, 1) != 1)
		return;
	byte = unmount(dir) != 0;
	send(fd, &byte, 1, MSG_NOSIGNAL);
}

static void run(int fd, bool messages)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE };

	/* The daemon's signals, as a service manager or a terminal sends them to all, are not this one's end. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "varvefs-keeper");
	let_go(fd, messages);
	keep(fd);
}

/* --- The daemon's side -------------------------------------------------------------------------------------------- */

int keeper_start(bool messages, struct keeper *out)
{
	int fds[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	child = fork();
	if (child == 0) {
		run(fds[1], messages);
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

int keeper_remember(const struct keeper *k, const char *mountpoint)
{
	size_t len = strlen(mountpoint);

	return len == 0 || len >= PATH_MAX ? -ENAMETOOLONG : tell(k, mountpoint, len);
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
