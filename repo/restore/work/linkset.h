/*
 * Files with several names: which entry of a group was restored first, so that the others become links to it.
 *
 * A group is what has the same source device and inode, and the same contents: an inode number that was used twice
 * while the backup ran makes no link of two files.  The feeder meets entries in order and says who is first; workers
 * say what came of it.  Who is later waits for the first, who is before him in the queue and thus at work or done.  If
 * the first came to nothing, the next one takes its place.
 *
 * A group is forgotten when all names that its link count promises are done.  What remains (names outside of what is
 * restored) is some 80 bytes a group; beyond a bound they lie in an unnamed file in the target, which the system can
 * write out, so that memory is bounded whatever the number of links.
 *
 * Thread-safe.
 */
#ifndef VARVE_RESTORE_LINKSET_H
#define VARVE_RESTORE_LINKSET_H

#include "repo/restore/work/batch.h"

struct linkset;

/* ${dirfd}: the target (-1: none; borrowed); ${max_bytes}: of memory.  NULL without memory. */
struct linkset *linkset_new(int dirfd, size_t max_bytes);
void linkset_free(struct linkset *l);

/* The feeder meets an entry.  Return its role, or -ENOMEM. */
int linkset_meet(struct linkset *l, const struct tree_entry *e, uint64_t number);

/**
 * linkset_claim(l, e, number, first):
 * What shall become of an entry that is LINK_LATER?  Waits until that is known.  Return true: a link to the entry with
 * number ${*first}, then linkset_linked(); or false: it is now the first itself, then linkset_settle().
 */
bool linkset_claim(struct linkset *l, const struct tree_entry *e, uint64_t number, uint64_t *first);

/* One who was not first is done. */
void linkset_linked(struct linkset *l, const struct tree_entry *e);

/* The first one is done; ${ok}: others may be linked to it. */
void linkset_settle(struct linkset *l, const struct tree_entry *e, bool ok);

/* The restore ends: nobody waits any more. */
void linkset_stop(struct linkset *l);

#endif
