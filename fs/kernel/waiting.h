/*
 * Waiting: requests whose answer a remote store delays, and whose callers may be killed meanwhile.
 *
 * The kernel lets a process that waits for an answer end only when there is one.  So when the kernel says that a
 * waiting process has been interrupted, and it is to die, its request is answered at once (EINTR, which nobody sees),
 * and the handler that is still at it finds out at its end.  A process that handles its signal goes on waiting, as on a
 * disk.
 *
 * Not needed for local stores, which answer soon.  Thread-safe.
 */
#ifndef VARVE_FS_WAITING_H
#define VARVE_FS_WAITING_H

#include <pthread.h>
#include <stdbool.h>

#include "fs/kernel/fuse.h"

#define WAITING_MAX 128 /* requests that are kept in mind; there are fewer threads */

struct waiting {
	bool on; /* else all functions do nothing */
	bool watching, stop;
	pthread_t watcher;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* the watcher: somebody was interrupted, or it is to end */
	struct waiting_slot {
		fuse_req_t req; /* NULL: free, or answered */
		bool interrupted; /* by a signal that it may handle */
		bool taken;     /* until its handler's end */
		bool entering;  /* waiting_begin() is at it */
		bool abandoned; /* nobody waits any more */
	} slot[WAITING_MAX];
};

void waiting_init(struct waiting *w); /* not on */
void waiting_destroy(struct waiting *w);

/* Have it on, before the first request: starts a thread.  Return 0 or a negative errno. */
int waiting_start(struct waiting *w);

/* The handler of ${req} begins.  Returns what waiting_end() wants. */
struct waiting_slot *waiting_begin(struct waiting *w, fuse_req_t req);

/* It has its result.  False: the request has been answered, and must not be touched. */
bool waiting_end(struct waiting *w, struct waiting_slot *s);

#endif
