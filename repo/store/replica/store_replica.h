/*
 * Replica: an ordered list of stores of the same repository, as one.  The first is the primary: puts, deletes and what
 * belongs to them go to it alone.  Reads go to the first that answers well.
 *
 * Falling over.  A store that cannot be reached or fails (-EAGAIN, -ETIMEDOUT, -EACCES; -EIO three times running) is
 * passed over from then on, but for one operation every few seconds (longer where failing takes long), until it answers
 * again.  An object that is missing, cut short or distrusted in one store is read from the next; for an object that
 * was distrusted the store stays passed over, as long as that is remembered (the last thousand or so).
 *
 * Archives.  An object that any store has readable needs no thawing; else the first that has it is asked to thaw it.
 * Retention is the primary's alone.
 *
 * Absence.  An object is absent only if every store says so: each may lag behind, or have lost it.  If one cannot be
 * asked it is an error, -EIO; or -EAGAIN if it has only just gone (for half of the deadline), so that the retries
 * around this store bridge a short failure.
 *
 * Listings are those of the first store that answers, with a warning if it is not the primary: the others may lag
 * behind.  A store that has only just gone is not replaced at once there, so that a short failure does not make the
 * newest snapshots vanish: -EAGAIN.  One that lists nothing may have lost its whole folder, so the next is asked: the
 * first listing that is not empty counts, with a warning.  It is empty if nobody who can be asked lists anything; who
 * is down is no error there, nor waited for.  Listings are not put together: one name in the primary's, and the
 * others' do not count, or what was deleted in the primary would come back from those who lag behind.  A listing that
 * breaks off is -EAGAIN too; what follows may repeat its names.
 *
 * Whether it is the same repository is found out before a store is used first: its object "config" must have the same
 * bytes as the others'.  One that has none, or another, is told and not used.  Whose config was distrusted is not used
 * as long as it is so, and what only the others say to be absent is an error: it may have that.
 *
 * Messages about one store come once in a minute at most.  Which store an object came from is remembered, for
 * store_distrust(), of the last few hundred.
 */
#ifndef VARVE_STORE_STORE_REPLICA_H
#define VARVE_STORE_STORE_REPLICA_H

#include "repo/store/store.h"

/**
 * store_replica_open(opts, members, n, out):
 * Make one of ${n} (2 to STORE_REPLICAS_MAX + 1) stores, the primary first, which it takes over on success.
 * ${members[0]} may be NULL: a primary that could not be opened.  Of ${opts}, ${deadline_ms} (0: the default) and
 * ${log} are heeded.  Answers -EAGAIN as bare stores do: put retries around it.  Return 0 or -ENOMEM (logged).
 */
int store_replica_open(const struct store_options *opts, struct store *const *members, unsigned n, struct store **out);

/* Opens the bare store of ${opts->url} (store_impl.h). */
typedef int store_replica_opener(const struct store_options *opts, struct store **out);

/**
 * store_replica_open_all(opts, open, out):
 * Open the stores of ${opts->url} and ${opts->replicas} with ${open} and make one of them.  Those that cannot be opened
 * are left out, with a warning, as long as one is left; but a malformed URL is an error, and so is a primary that was
 * to be created.  Return 0; what ${open} returned (logged); -ENOMEM.
 */
int store_replica_open_all(const struct store_options *opts, store_replica_opener *open, struct store **out);

#endif
