/*
 * The sandbox of a mount.  See sandbox.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fs/process/device.h"
#include "fs/process/sandbox.h"
#include "fs/process/syscalls.h"
#include "repo/confine.h"

/* Each thread that serves opens the device for itself; root's mounts set their read-ahead. */
static const struct confine_place places[] = {
	{ "/dev/fuse", SANDBOX_DEVICE },
	{ "/sys/class/bdi", SANDBOX_READ },
	{ "/sys/devices/virtual/bdi", SANDBOX_DEVICE },
	{ NULL, SANDBOX_READ },
};

int fs_sandbox_prepare(struct fs_sandbox *s, bool wanted, bool foreground, const struct log *log)
{
	int rc;

	rc = keeper_start(foreground, &s->keeper);
	if (rc != 0)
		log_error(log, "the process that unmounts cannot be started: %s", strerror(-rc));
	s->on = rc == 0 && wanted && sandbox_wanted();
	return rc;
}

static int tell_keeper(const struct fs_sandbox *s, int session_fd, const char *mountpoint)
{
	int device = device_clone(session_fd, O_NONBLOCK);
	int rc = device < 0 ? device : keeper_remember(&s->keeper, mountpoint, device);

	if (device >= 0)
		close(device);
	return rc;
}

int fs_sandbox_enter(struct fs_sandbox *s, const struct repo *repo, const struct store_options *store,
    struct fuse_session *session, const char *mountpoint)
{
	struct confine_options co = { .repo = repo, .store = store, .places = places, .target_fd = -1 };
	int rc;

	rc = tell_keeper(s, fuse_session_fd(session), mountpoint);
	if (rc != 0) {
		log_error(repo->log, "the process that unmounts: %s", strerror(-rc));
		return rc;
	}
	if (!s->on)
		return 0;
	s->entered = true;
	rc = confine(&co);
	return rc == 0 ? syscalls_limit(!confine_is_local(store), repo->log) : rc;
}

/* Has the kernel ended the connection, because somebody has unmounted? */
static bool is_unmounted(struct fuse_session *session)
{
	struct pollfd p = { .fd = fuse_session_fd(session) };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

void fs_sandbox_unmount(struct fs_sandbox *s, struct fuse_session *session, const char *mountpoint,
    const struct log *log)
{
	if (!s->entered)
		fuse_session_unmount(session);
	else if (!is_unmounted(session) && keeper_unmount(&s->keeper) != 0)
		log_error(log, "%s: not unmounted", mountpoint);
	keeper_stop(&s->keeper);
}
