/*
 * Going to the background.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "fs/process/daemon.h"

/* The parent: nothing is left to do but to wait. */
static void wait_for(pid_t child, int fd)
{
	uint8_t byte;
	ssize_t n;
	int status;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int daemon_start(struct daemon *d)
{
	pid_t starter = getpid(), child;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	child = fork();
	if (child < 0) {
		int err = errno;

		close(fds[0]);
		close(fds[1]);
		return -err;
	}
	if (child > 0) {
		close(fds[1]);
		wait_for(child, fds[0]);
	}
	close(fds[0]);
	/* Who ends the one that waits wants no mount, now or once the store answers. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != starter)
		_exit(1);
	d->ready_fd = fds[1];
	return 0;
}

static void leave_terminal(void)
{
	int null;

	setsid();
	if (chdir("/") != 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

void daemon_ready(struct daemon *d)
{
	const uint8_t byte = 1;

#ifdef HAVE_SYSTEMD
	sd_notify(0, "READY=1");
#endif
	if (d->ready_fd < 0)
		return;
	leave_terminal();
	prctl(PR_SET_PDEATHSIG, 0);
	/* Nobody there to be told: ended at the last moment. */
	if (write(d->ready_fd, &byte, 1) < 0)
		raise(SIGTERM);
	close(d->ready_fd);
	d->ready_fd = -1;
}
