/*
 * Patience with a store that may go away: when to ask again, when to give up, and when not to ask at all.
 *
 * One operation is tried again after random pauses that grow (full jitter), not before the server wants to be asked,
 * until it has made no progress for the deadline.  If by then nobody else had an answer from the store either, the
 * store counts as down: operations fail at once, but for one every few seconds that is let through to probe, until one
 * is answered.  Each of these changes is told once, and so is, well before, that somebody waits.
 *
 * Why jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 *
 * Thread-safe; an effort belongs to one thread.
 */
#ifndef VARVE_STORE_PATIENCE_H
#define VARVE_STORE_PATIENCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct patience {
	int64_t deadline_ms, first_ms, cap_ms, probe_ms, slow_ms; /* all follow from the first */
	const atomic_int *cancel;
	pthread_mutex_t lock;
	_Atomic uint64_t answers;
	atomic_bool down;
	atomic_bool told_slow; /* that it is being waited for, since the last answer */
	bool probing;         /* an operation has been let through and is not back */
	bool told;            /* that it is still unreachable */
	int64_t next_probe_ms; /* on store_now_ms()'s clock, as all times here */
};

/* One operation. */
struct effort {
	int64_t begun_ms;
	uint64_t answers;   /* to anybody before that */
	int64_t since_ms;   /* the last progress */
	int64_t attempt_ms; /* when the attempt under way began */
	unsigned tries;     /* that have failed */
	unsigned renewals;  /* how often progress has moved ${since_ms} */
	bool probe;
};

/* What to do, and what to tell. */
enum patience_advice {
	PATIENCE_ASK,      /* (again) */
	PATIENCE_CANCELED,
	PATIENCE_REFUSED,  /* the store counts as down */
	PATIENCE_REFUSED_FIRST, /* likewise; tell that it still does */
	PATIENCE_GIVE_UP,  /* tell why */
};

/* ${deadline_ms} must not be 0; ${cancel} (may be NULL) is borrowed. */
void patience_init(struct patience *p, unsigned deadline_ms, const atomic_int *cancel);
void patience_destroy(struct patience *p);

/* Begin an operation: ASK, CANCELED, REFUSED or REFUSED_FIRST. */
enum patience_advice patience_begin(struct patience *p, struct effort *e);

/**
 * patience_again(p, e, not_before_ms, progress):
 * An attempt has failed for a cause that may go away; ${progress}: it came further than the one before.  Pause, at
 * least until ${not_before_ms} unless that is past the deadline.  Return ASK, CANCELED, REFUSED (the store counts as
 * down meanwhile, as somebody else has told) or GIVE_UP.
 */
enum patience_advice patience_again(struct patience *p, struct effort *e, int64_t not_before_ms, bool progress);

/* Has this operation failed for so long that it is to be told that it goes on?  True once, until there is an answer. */
bool patience_slow(struct patience *p, const struct effort *e);

/* The store has answered, with whatever it was.  Return true if that is to be told, for its silence has been. */
bool patience_answered(struct patience *p, struct effort *e);

/* The operation ends without an answer: it was cancelled, or is not tried again. */
void patience_abandon(struct patience *p, struct effort *e);

#endif
