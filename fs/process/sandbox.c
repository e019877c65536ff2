/*
 * The sandbox of a mount.  See sandbox.h.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

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

	if (!wanted || !sandbox_wanted())
		return 0;
	rc = keeper_start(foreground, &s->keeper);
	if (rc != 0)
		log_error(log, "sandbox: the process that unmounts cannot be started: %s", strerror(-rc));
	s->on = rc == 0;
	return rc;
}

int fs_sandbox_enter(struct fs_sandbox *s, const struct repo *repo, const struct store_options *store,
    const char *mountpoint)
{
	struct confine_options co = { .repo = repo, .store = store, .places = places, .target_fd = -1 };
	int rc;

	if (!s->on)
		return 0;
	rc = keeper_remember(&s->keeper, mountpoint);
	if (rc != 0) {
		log_error(repo->log, "sandbox: the process that unmounts: %s", strerror(-rc));
		return rc;
	}
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
