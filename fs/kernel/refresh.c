/*
 * The refresher.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/kernel/refresh.h"

struct refresher {
	struct ops *ops;
	struct fuse_session *session;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
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

/* Wait for the next round; false when it is time to stop. */
static bool wait_round(struct refresher *r)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)r->ops->opts->refresh_s;
	pthread_mutex_lock(&r->lock);
	while (!r->stop && pthread_cond_timedwait(&r->wake, &r->lock, &until) != ETIMEDOUT)
		;
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return !stop;
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
	pthread_condattr_t attr;
	int rc;

	if (r == NULL)
		return -ENOMEM;
	r->ops = ops;
	r->session = session;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
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
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
