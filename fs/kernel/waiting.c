/*
 * Waiting.  See waiting.h.
 *
 * A request is libfuse's to free once it is replied to, so the table says to whom it belongs: whoever takes it out of
 * its slot replies, and the slot is its handler's until the end.  libfuse calls on_interrupt() from the thread that
 * reads the kernel's message, or at once from fuse_req_interrupt_func(), which goes on using the request: there it is
 * only marked.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/kernel/waiting.h"

void waiting_init(struct waiting *w)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
}

void waiting_destroy(struct waiting *w)
{
	if (w->watching) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->watcher, NULL);
	}
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
}

/* Is this thread to die?  A signal that ends a process shows as SIGKILL in all of its threads. */
static bool is_dying(pid_t tid)
{
	char path[40], line[128];
	unsigned long long pending = 0;
	bool dying = false;
	FILE *f;

	/* Of another namespace: nobody we know. */
	if (tid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	/* With hidepid others' processes have no file. */
	if (f == NULL)
		return errno == ENOENT && kill(tid, 0) < 0 && errno == ESRCH;
	while (!dying && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "SigPnd:", 7) != 0 && strncmp(line, "ShdPnd:", 7) != 0)
			continue;
		pending = strtoull(line + 7, NULL, 16);
		dying = (pending & (1ull << (SIGKILL - 1))) != 0;
	}
	fclose(f);
	return dying;
}

/* Called locked.  Its caller is to die: answer, unless waiting_begin() is at it, which will. */
static void abandon(struct waiting_slot *s)
{
	fuse_req_t req = s->req;

	s->abandoned = true;
	if (s->entering)
		return;
	s->req = NULL;
	fuse_reply_err(req, EINTR);
}

static void on_interrupt(fuse_req_t req, void *data)
{
	struct waiting *w = data;
	bool dying = is_dying(fuse_req_ctx(req)->pid);

	pthread_mutex_lock(&w->lock);
	for (struct waiting_slot *s = w->slot; s < w->slot + WAITING_MAX; s++) {
		if (s->req != req)
			continue;
		s->interrupted = true;
		if (dying)
			abandon(s);
		else
			pthread_cond_signal(&w->wake);
		break;
	}
	pthread_mutex_unlock(&w->lock);
}

/* Called locked.  Is there anybody left to look at? */
static bool look_again(struct waiting *w)
{
	bool any = false;

	for (struct waiting_slot *s = w->slot; s < w->slot + WAITING_MAX; s++) {
		if (s->req == NULL || !s->interrupted || s->entering)
			continue;
		if (is_dying(fuse_req_ctx(s->req)->pid))
			abandon(s);
		else
			any = true;
	}
	return any;
}

static void *watch(void *arg)
{
	struct waiting *w = arg;
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		if (!look_again(w)) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&w->wake, &w->lock, &until);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int waiting_start(struct waiting *w)
{
	int rc = pthread_create(&w->watcher, NULL, watch, w);

	w->on = w->watching = rc == 0;
	return -rc;
}

/* Called locked. */
static struct waiting_slot *take_slot(struct waiting *w, fuse_req_t req)
{
	for (struct waiting_slot *s = w->slot; s < w->slot + WAITING_MAX; s++) {
		if (!s->taken) {
			*s = (struct waiting_slot){ .req = req, .taken = true, .entering = true };
			return s;
		}
	}
	return NULL;
}

struct waiting_slot *waiting_begin(struct waiting *w, fuse_req_t req)
{
	struct waiting_slot *s;

	if (!w->on)
		return NULL;
	pthread_mutex_lock(&w->lock);
	s = take_slot(w, req);
	pthread_mutex_unlock(&w->lock);
	if (s == NULL)
		return NULL;
	fuse_req_interrupt_func(req, on_interrupt, w);

	pthread_mutex_lock(&w->lock);
	s->entering = false;
	if (s->abandoned) {
		s->req = NULL;
		fuse_reply_err(req, EINTR);
	}
	pthread_mutex_unlock(&w->lock);
	return s;
}

bool waiting_end(struct waiting *w, struct waiting_slot *s)
{
	bool abandoned;

	if (s == NULL)
		return true;
	pthread_mutex_lock(&w->lock);
	abandoned = s->abandoned;
	s->req = NULL;
	s->taken = false;
	pthread_mutex_unlock(&w->lock);
	return !abandoned;
}
