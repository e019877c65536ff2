/*
 * Pushing.  See push.h.
 *
 *   requests --events--> loaders: ask ahead.c what follows --tasks--> loaders: read files into batches --> sender
 *
 * The sender alone notifies the kernel.  A notification waits for the page's lock, which a read in flight holds until
 * it is answered: nobody who answers reads may wait for the sender, and nobody does.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/kernel/push/ahead.h"
#include "fs/kernel/push/push.h"
#include "fs/kernel/push/readahead.h"
#include "fs/process/device.h"

#define EVENTS 64u
#define TASKS 4096u
#define LOADERS_MAX 4
#define BATCHES (LOADERS_MAX + 2)
#define BATCH_FILES 64
#define BATCH_FULL (64u * 1024)  /* bytes after which no other file is added: the first ones are wanted soon */
#define READERS 64                /* reads in flight that are kept in mind; there are fewer threads */
#define RETRIES 8                 /* a listing's reply may not have reached the kernel's cache yet */
#define RETRY_NS (250 * 1000)

struct event {
	uint64_t node, off;
	uint32_t len;
	bool listed;
};

struct batch {
	struct batch *next;
	unsigned n;
	struct {
		uint64_t node;
		uint32_t at, len; /* in ${data} */
	} file[BATCH_FILES];
	uint8_t data[AHEAD_FILE_MAX];
};

struct pusher {
	struct pusher_options o;
	struct ahead *ahead;
	pthread_mutex_t lock;
	pthread_cond_t work; /* for loaders */
	pthread_cond_t full; /* for the sender */
	struct event event[EVENTS];
	unsigned first_event, nevents;
	struct ahead_task task[TASKS];
	unsigned first_task, ntasks;
	struct batch *spare, *ready, **ready_end;
	uint64_t reading[READERS];
	unsigned nloaders;
	bool stop, has_sender, raised;
	pthread_t loader[LOADERS_MAX], sender;
	_Atomic uint64_t files, bytes, prefetched;
};

/* --- Events ------------------------------------------------------------------------------------------------------- */

/* Called locked. */
static void add_event(struct pusher *p, const struct event *e)
{
	if (p->nevents == EVENTS)
		return;
	p->event[(p->first_event + p->nevents++) % EVENTS] = *e;
	pthread_cond_signal(&p->work);
}

void pusher_read_begins(struct pusher *p, uint64_t node, uint64_t off, uint32_t len)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < READERS; i++) {
		if (p->reading[i] == 0) {
			p->reading[i] = node;
			break;
		}
	}
	add_event(p, &(struct event){ .node = node, .off = off, .len = len });
	pthread_mutex_unlock(&p->lock);
}

void pusher_read_ends(struct pusher *p, uint64_t node)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < READERS; i++) {
		if (p->reading[i] == node) {
			p->reading[i] = 0;
			break;
		}
	}
	pthread_mutex_unlock(&p->lock);
}

void pusher_listed(struct pusher *p, uint64_t node)
{
	/* Who lists only shall not wake anybody for each directory. */
	if (p == NULL || !ahead_follows(p->ahead))
		return;
	pthread_mutex_lock(&p->lock);
	add_event(p, &(struct event){ .node = node, .listed = true });
	pthread_mutex_unlock(&p->lock);
}

void pusher_counters(struct pusher *p, struct pusher_counters *out)
{
	*out = (struct pusher_counters){ 0 };
	if (p == NULL)
		return;
	out->files = p->files;
	out->bytes = p->bytes;
	out->prefetched = p->prefetched;
}

/* --- Loading ------------------------------------------------------------------------------------------------------ */

/* Called locked. */
static void add_tasks(struct pusher *p, const struct ahead_plan *plan)
{
	for (unsigned i = 0; i < plan->n && p->ntasks < TASKS; i++)
		p->task[(p->first_task + p->ntasks++) % TASKS] = plan->task[i];
	if (p->ntasks > 1)
		pthread_cond_broadcast(&p->work);
}

static void take_event(struct pusher *p, struct ahead_plan *plan)
{
	struct event e = p->event[p->first_event];
	bool first = !p->raised;

	p->raised = true;
	p->first_event = (p->first_event + 1) % EVENTS;
	p->nevents--;
	pthread_mutex_unlock(&p->lock);
	if (first)
		readahead_raise(p->o.mountpoint, READ_AHEAD_KIB);
	if (e.listed)
		ahead_list(p->ahead, e.node, plan);
	else
		ahead_read(p->ahead, e.node, e.off, e.len, plan);
	pthread_mutex_lock(&p->lock);
	add_tasks(p, plan);
}

static struct ahead_task take_task(struct pusher *p)
{
	struct ahead_task t = p->task[p->first_task];

	p->first_task = (p->first_task + 1) % TASKS;
	p->ntasks--;
	return t;
}

static void prefetch(struct pusher *p)
{
	struct ahead_task t = take_task(p);

	pthread_mutex_unlock(&p->lock);
	vfs_prefetch(p->o.vfs, &(struct vfs_range){ t.node, t.off, t.len }, 1);
	p->prefetched++;
	pthread_mutex_lock(&p->lock);
}

/* Move whole files from the front of the ring to a batch, as far as they fit.  Called locked. */
static void choose_files(struct pusher *p, struct batch *b)
{
	uint32_t len = 0;

	b->n = 0;
	while (p->ntasks > 0 && b->n < BATCH_FILES && len < BATCH_FULL) {
		const struct ahead_task *t = &p->task[p->first_task];

		if (!t->whole || t->len > sizeof(b->data) - len)
			break;
		b->file[b->n].node = t->node;
		b->file[b->n].at = len;
		b->file[b->n++].len = t->len;
		len += t->len;
		take_task(p);
	}
}

static void load_batch(struct pusher *p, struct batch *b)
{
	struct vfs_range range[BATCH_FILES];
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (!ahead_passed(p->ahead, b->file[i].node))
			range[n++] = (struct vfs_range){ b->file[i].node, 0, b->file[i].len };
	}
	vfs_prefetch(p->o.vfs, range, n);
	for (unsigned i = 0; i < b->n; i++) {
		if (ahead_passed(p->ahead, b->file[i].node) ||
		    !vfs_read_unasked(p->o.vfs, b->file[i].node, b->file[i].len, b->data + b->file[i].at))
			b->file[i].len = 0;
	}
}

/* Called locked. */
static void fill_batch(struct pusher *p)
{
	struct batch *b = p->spare;

	p->spare = b->next;
	choose_files(p, b);
	pthread_mutex_unlock(&p->lock);
	load_batch(p, b);
	pthread_mutex_lock(&p->lock);
	b->next = NULL;
	*p->ready_end = b;
	p->ready_end = &b->next;
	pthread_cond_signal(&p->full);
}

static bool can_load(const struct pusher *p)
{
	return p->ntasks > 0 && (!p->task[p->first_task].whole || p->spare != NULL);
}

static void *run_loader(void *arg)
{
	struct pusher *p = arg;
	struct ahead_plan *plan = malloc(sizeof(*plan));

	pthread_mutex_lock(&p->lock);
	while (plan != NULL && !p->stop) {
		if (p->nevents > 0)
			take_event(p, plan);
		else if (!can_load(p))
			pthread_cond_wait(&p->work, &p->lock);
		else if (p->task[p->first_task].whole)
			fill_batch(p);
		else
			prefetch(p);
	}
	pthread_mutex_unlock(&p->lock);
	free(plan);
	return NULL;
}

/* --- Sending ------------------------------------------------------------------------------------------------------ */

static bool is_being_read(struct pusher *p, uint64_t node)
{
	bool found = false;

	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < READERS && !found; i++)
		found = p->reading[i] == node;
	pthread_mutex_unlock(&p->lock);
	return found;
}

/* The kernel knows only inodes that it has been told of by a listing: -ENOENT. */
static int send_file(struct pusher *p, uint64_t node, uint8_t *data, uint32_t len)
{
	struct fuse_bufvec v = FUSE_BUFVEC_INIT(len);

	if (is_being_read(p, node) || fuse_session_exited(p->o.session))
		return 0;
	v.buf[0].mem = data;
	return fuse_lowlevel_notify_store(p->o.session, node, 0, &v, FUSE_BUF_NO_SPLICE);
}

/* A listing is planned from before its reply has been taken in, so the first file may be early; others then are not. */
static void send_batch(struct pusher *p, struct batch *b, unsigned *patience)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };

	for (unsigned i = 0; i < b->n; i++) {
		int rc;

		if (b->file[i].len == 0 || ahead_passed(p->ahead, b->file[i].node))
			continue;
		rc = send_file(p, b->file[i].node, b->data + b->file[i].at, b->file[i].len);
		while (rc == -ENOENT && *patience > 0) {
			--*patience;
			nanosleep(&pause, NULL);
			rc = send_file(p, b->file[i].node, b->data + b->file[i].at, b->file[i].len);
		}
		if (rc == 0) {
			*patience = RETRIES;
			p->files++;
			p->bytes += b->file[i].len;
		}
	}
}

/*
 * Its own table of descriptors, with nothing but one of the connection in the place of the session's: were the process
 * killed while a notification waits for a page, this thread must not keep those of the others open, or the read that
 * holds the page would not be ended.  (If nobody had taken that up yet, the keeper does: fs/process/keeper.h.)
 */
static void unshare_descriptors(int keep)
{
	int own;

	if (unshare(CLONE_FILES) != 0)
		return;
	own = device_clone(keep, 0);
	if (own >= 0)
		dup3(own, keep, O_CLOEXEC);
	if (keep > 3)
		close_range(3, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0u, 0);
}

static void *run_sender(void *arg)
{
	struct pusher *p = arg;
	unsigned patience = RETRIES;
	bool unshared = false;
	struct batch *b;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		b = p->ready;
		if (b == NULL) {
			pthread_cond_wait(&p->full, &p->lock);
			continue;
		}
		/* Not before: a daemon has let go of its terminal by then, or of the pipe that somebody waits at. */
		if (!unshared)
			unshare_descriptors(fuse_session_fd(p->o.session));
		unshared = true;
		p->ready = b->next;
		if (p->ready == NULL)
			p->ready_end = &p->ready;
		pthread_mutex_unlock(&p->lock);
		send_batch(p, b, &patience);
		pthread_mutex_lock(&p->lock);
		b->next = p->spare;
		p->spare = b;
		pthread_cond_broadcast(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- Beginning and end -------------------------------------------------------------------------------------------- */

static void free_batches(struct batch *b)
{
	struct batch *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
}

static void pusher_free(struct pusher *p)
{
	free_batches(p->spare);
	free_batches(p->ready);
	ahead_free(p->ahead);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->full);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pusher_stop(struct pusher *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_cond_broadcast(&p->full);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nloaders; i++)
		pthread_join(p->loader[i], NULL);
	if (p->has_sender)
		pthread_join(p->sender, NULL);
	pusher_free(p);
}

static struct pusher *pusher_new(const struct pusher_options *opts)
{
	struct pusher *p = calloc(1, sizeof(*p));
	struct batch *b;

	if (p == NULL)
		return NULL;
	p->o = *opts;
	p->ready_end = &p->ready;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->full, NULL);
	p->ahead = ahead_new(opts->vfs, opts->file_window, opts->whole);
	for (unsigned i = 0; i < BATCHES && p->ahead != NULL && (b = malloc(sizeof(*b))) != NULL; i++) {
		b->next = p->spare;
		p->spare = b;
	}
	if (p->spare == NULL) {
		pusher_free(p);
		p = NULL;
	}
	return p;
}

/* Half of the processors, as the readers of the mount want some too. */
static unsigned wanted_loaders(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	return n < 1 ? 1 : n > LOADERS_MAX ? LOADERS_MAX : (unsigned)n;
}

int pusher_start(const struct pusher_options *opts, struct pusher **out)
{
	struct pusher *p = pusher_new(opts);
	unsigned loaders = wanted_loaders();
	int rc = p == NULL ? ENOMEM : 0;

	if (rc == 0)
		rc = pthread_create(&p->sender, NULL, run_sender, p);
	if (rc == 0)
		p->has_sender = true;
	while (rc == 0 && p->nloaders < loaders) {
		rc = pthread_create(&p->loader[p->nloaders], NULL, run_loader, p);
		if (rc == 0)
			p->nloaders++;
	}
	if (rc != 0 && p != NULL)
		pusher_stop(p);
	if (rc == 0)
		*out = p;
	return -rc;
}
