/*
 * The last requests.  See last.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/kernel/last.h"

/* What is to be called, and where its end is seen. */
struct ending {
	void (*fn)(void *arg);
	void *arg;
	int done; /* closed then */
};

static void *run(void *arg)
{
	struct ending *e = arg;

	e->fn(e->arg);
	close(e->done);
	return NULL;
}

/* Whoever asks may be killed, and then there is nothing to be read after all. */
static void answer_one(struct fuse_session *session, struct fuse_buf *buf)
{
	/* Else the library would drop what it has read. */
	fuse_session_reset(session);
	if (fuse_session_receive_buf(session, buf) > 0)
		fuse_session_process_buf(session, buf);
}

static void answer(struct fuse_session *session, int ended)
{
	struct pollfd p[2] = { { .fd = ended }, { .fd = fuse_session_fd(session), .events = POLLIN } };
	struct fuse_buf buf = { .mem = NULL };
	int flags = fcntl(p[1].fd, F_GETFL);

	if (flags < 0 || fcntl(p[1].fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	while (p[0].revents == 0) {
		if (poll(p, 2, -1) < 0) {
			if (errno != EINTR)
				break;
			continue;
		}
		if ((p[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
			p[1].fd = -1; /* unmounted: nobody asks any more */
		else if ((p[1].revents & POLLIN) != 0)
			answer_one(session, &buf);
	}
	free(buf.mem);
}

void last_requests(struct fuse_session *session, void (*fn)(void *arg), void *arg)
{
	struct ending e = { .fn = fn, .arg = arg };
	pthread_t thread;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		fn(arg);
		return;
	}
	e.done = fds[1];
	if (pthread_create(&thread, NULL, run, &e) == 0) {
		answer(session, fds[0]);
		pthread_join(thread, NULL);
	} else {
		fn(arg);
		close(fds[1]);
	}
	close(fds[0]);
}
