/*
 * The refresher.  It waits for SIGUSR1, which all other threads have blocked, for as long as a round takes: so the
 * signal is answered at once, and stopping is the same signal with ${stop} set.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/kernel/refresh.h"
#include "repo/util/text/when.h"

struct refresher {
	struct ops *ops;
	struct fuse_session *session;
	pthread_t thread;
	atomic_bool stop;
};

/* A name that is no more must not be answered from the kernel's cache; nor a listing that lacks a new one. */
static void tell_kernel(struct refresher *r, struct view *old, struct view *now)
{
	static const enum node_fixed listings[] = { NODE_ROOT, NODE_SNAPSHOTS, NODE_HOSTS, NODE_TAGS, NODE_IDS };

	for (size_t i = 0; i < view_count(old); i++) {
		const struct view_snapshot *s = view_at(old, i);

		if (view_by_slot(now, s->slot) == NULL)
			fuse_lowlevel_notify_inval_entry(r->session, NODE_SNAPSHOTS, s->name, strlen(s->name));
	}
	for (size_t i = 0; i < sizeof(listings) / sizeof(listings[0]); i++)
		fuse_lowlevel_notify_inval_inode(r->session, listings[i], 0, 0);
	for (size_t i = 0; i < view_ngroups(now, VIEW_HOSTS); i++)
		fuse_lowlevel_notify_inval_inode(r->session, node_virtual(NODE_HOST_DIR, (uint32_t)i), 0, 0);
	for (size_t i = 0; i < view_ngroups(now, VIEW_TAGS); i++)
		fuse_lowlevel_notify_inval_inode(r->session, node_virtual(NODE_TAG_DIR, (uint32_t)i), 0, 0);
	fuse_lowlevel_notify_inval_entry(r->session, FUSE_ROOT_ID, "latest", strlen("latest"));
	fuse_lowlevel_notify_inval_inode(r->session, NODE_LATEST, 0, 0);
}

static void refresh(struct refresher *r)
{
	struct view *old, *now;

	if (vfs_refresh(r->ops->vfs, &old, &now) != 1)
		return;
	/* With one snapshot as the root of the mount there are no names to tell about. */
	if (vfs_root(r->ops->vfs) == NODE_ROOT)
		tell_kernel(r, old, now);
	view_unref(old);
	view_unref(now);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

/* Wait for the next round, answering signals; false when it is time to stop. */
static bool wait_round(struct refresher *r)
{
	int64_t until = now_ns() + (int64_t)r->ops->opts->refresh_s * NS_PER_SEC, rest;
	struct timespec ts;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (!r->stop && (rest = until - now_ns()) > 0) {
		ts.tv_sec = rest / NS_PER_SEC;
		ts.tv_nsec = rest % NS_PER_SEC;
		if (sigtimedwait(&set, NULL, &ts) == SIGUSR1 && !r->stop)
			ops_log_counters(r->ops);
	}
	return !r->stop;
}

static void *run(void *arg)
{
	struct refresher *r = arg;

	while (wait_round(r))
		refresh(r);
	return NULL;
}

int refresher_start(struct ops *ops, struct fuse_session *session, struct refresher **out)
{
	struct refresher *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -ENOMEM;
	r->ops = ops;
	r->session = session;
	rc = pthread_create(&r->thread, NULL, run, r);
	if (rc != 0) {
		free(r);
		return -rc;
	}
	*out = r;
	return 0;
}

void refresher_stop(struct refresher *r)
{
	if (r == NULL)
		return;
	r->stop = true;
	pthread_kill(r->thread, SIGUSR1);
	pthread_join(r->thread, NULL);
	free(r);
}
