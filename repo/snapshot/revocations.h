/*
 * The revocations of a repository, as far as they are known here: what is in the store, and what is kept of earlier
 * sessions.  Once known they stay known as long as the handle.
 *
 * Thread-safe.
 */
#ifndef VARVE_SNAPSHOT_REVOCATIONS_H
#define VARVE_SNAPSHOT_REVOCATIONS_H

#include "repo/crypt/keys/revocation.h"
#include "repo/index/index.h"

struct revocations;

struct revocations_options {
	struct store *store;                /* all borrowed until revocations_free() */
	struct index *index;
	const struct secrets *secrets;
	const struct seal_domain *metadata;
	const struct log *log;
};

#define REVOCATIONS_MAX 10000 /* objects in the store that are looked at */

/* None is known yet.  Return 0 or -ENOMEM. */
int revocations_new(const struct revocations_options *opts, struct revocations **out);
void revocations_free(struct revocations *v);

/**
 * revocations_refresh(v):
 * List the store, and learn those that are new.  One whose bytes are not those of its name, or that is of a newer
 * format, is logged (once) and counted by revocations_unreadable(): it may forbid what would be accepted.  What the
 * owner has not signed, or does not open, is no revocation; it is logged (once) and ignored.  Return 0; -ENOMEM; what
 * the store returned for the listing.
 */
int revocations_refresh(struct revocations *v);

/*
 * Ids of the good ones that the last refresh found in the store; copied to ${*ids} (malloc, the caller's).  0 or
 * -ENOMEM.
 */
int revocations_listed(struct revocations *v, struct id **ids, size_t *n);

/**
 * revocations_recall(v, id):
 * The store has not got it, but it was there once: learn it from what is kept on this machine.  Return 0; -ENOENT if
 * it is not kept.
 */
int revocations_recall(struct revocations *v, const struct id *id);

/* How many there are that could not be read. */
size_t revocations_unreadable(struct revocations *v);

/* Is a snapshot forbidden that was signed by ${key}?  Then ${*time_ns} is when the key was revoked; may be NULL. */
bool revocations_forbid(struct revocations *v, const struct sign_public *key, const struct id *snapshot,
    int64_t *time_ns);

/* Has ${key} been revoked?  Then ${*time_ns} is when, first. */
bool revocations_find(struct revocations *v, const struct sign_public *key, int64_t *time_ns);

#endif
