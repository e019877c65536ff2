/*
 * Watch: what keeps a writer from relying on packs that are about to be deleted.
 *
 * A writer reads doomed/ at its start, takes no object for known that lies in a blocked pack, and notes the packs that
 * it relies on, its own new ones among them.  Before it publishes anything that names packs (an index run, a manifest)
 * it sees that it does so within half of the repository's grace since it read doomed/.  If that is over it looks again:
 * all that it relies on must still be there and not be blocked.  Else it has to begin anew.  docs/design.md says why
 * that is enough.
 *
 * A writer that takes longer says from time to time which packs it needs, in a record of its own, so that a prune does
 * not doom them only because no snapshot refers to them yet.
 *
 * Thread-safe, but for open, map and close.
 */
#ifndef VARVE_DOOMED_WATCH_H
#define VARVE_DOOMED_WATCH_H

#include "repo/doomed/doomed.h"
#include "repo/index/index.h"

struct doom_watch;

struct doom_watch_options {
	struct doomed_place at;    /* borrowed, as all of these */
	struct index *index;
	uint32_t grace_s;          /* the repository's: config_grace_s() */
	const struct clock *clock; /* NULL: the system's */
};

/**
 * doom_watch_open(opts, out):
 * Read doomed/.  To be called before index_refresh(): a pack whose record has gone is in no run any more.  ${*out} is
 * the caller's (doom_watch_close()).  Return as doomed_load().
 */
int doom_watch_open(const struct doom_watch_options *opts, struct doom_watch **out);
void doom_watch_close(struct doom_watch *w);

/* After index_refresh(): find out which of the index's packs are blocked.  Return 0, -ENOMEM, -EIO. */
int doom_watch_map(struct doom_watch *w);

/* May the index's pack ${number} be relied on?  1, and it is noted; 0; -ENOMEM. */
int doom_watch_take(struct doom_watch *w, uint32_t number);

/* A pack of this writer's own is in the store.  Return 0 or -ENOMEM. */
int doom_watch_own(struct doom_watch *w, const struct pack_info *pack);

/**
 * doom_watch_tell(w):
 * To be called now and then, by one thread: say which packs are needed, if that was not done for long.  Return as
 * doom_watch_look(), which it calls then.
 */
int doom_watch_tell(struct doom_watch *w);

/* Take back what was said: the snapshot is there, or there will be none. */
void doom_watch_end(struct doom_watch *w);

/**
 * doom_watch_look(w):
 * May something be published that names packs which this writer relies on?  Return 0; -ESTALE (logged) if one of them
 * is blocked or gone, or if it has not looked for a whole grace: all must begin anew; as doomed_load(); what the store
 * returns.
 */
int doom_watch_look(struct doom_watch *w);

/* As that, but look again in any case unless it was published in time after all: for a put that took long. */
int doom_watch_look_back(struct doom_watch *w);

/* Has no pack been blocked that runs name? */
bool doom_watch_is_idle(struct doom_watch *w);

/* Was the pack blocked when it looked last?  Not beside doom_watch_look(). */
bool doom_watch_blocks(struct doom_watch *w, const struct id *pack);

/* Did it look so recently that what it saw may be acted upon? */
bool doom_watch_is_recent(struct doom_watch *w);

#endif
