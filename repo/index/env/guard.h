/*
 * Guard: who uses the files of an environment, and whether the data file is known to be as it was written.
 *
 * Locks are on the data file itself, so that they go with what they protect if it is removed or replaced, and are of
 * the open file description (F_OFD_SETLK), so that they end with the process and not when another descriptor is closed:
 *
 *   open    held while the environment is opened or closed: one at a time
 *   use     shared by all who have it open; exclusive: nobody else has
 *   load    held while runs are loaded: one loader at a time
 *   process one for each process id: LMDB must not be opened twice in one process
 *
 * The file "state" beside it has two records, each with a hash over it:
 *
 *   stamp   "Clean" goes with inode, size and times of the data file: while these are the same, it need not be checked.
 *           Before the first write of a process the stamp is made "dirty" and synced; the last one to close the
 *           environment syncs the data file and makes it "clean" again.  So a data file that was written to by a
 *           process that was killed, garbled, or put in place of another has no valid stamp and is checked at the next
 *           opening, as is one that a power cut has hit.  "Condemned": LMDB found it broken in use; it is to be made
 *           anew.
 *   pair    the inodes of data file and LMDB's lock file, by the first to open them: who joins finds the same two, or
 *           keeps away from them
 */
#ifndef VARVE_INDEX_GUARD_H
#define VARVE_INDEX_GUARD_H

#include <stdbool.h>

enum guard_stamp { GUARD_DIRTY, GUARD_CLEAN, GUARD_CONDEMNED };

struct guard {
	int data;  /* descriptors; -1: none */
	int state;
};

#define GUARD_INIT { -1, -1 }

/**
 * guard_open(g, dir):
 * Open both files (made if missing) and take the lock "open", waiting for it, and the one of this process.  Return 0;
 * -EBUSY if this process has the environment open already; another negative errno: ${g} is to be closed then too.
 */
int guard_open(struct guard *g, const char *dir);

/* End it with all its locks.  Does nothing to GUARD_INIT. */
void guard_close(struct guard *g);

/* Take the lock "open" again, waiting for it; give it back. */
int guard_enter(struct guard *g);
int guard_leave(struct guard *g);

/* Take the lock "use" exclusively if nobody else has it: 1, 0 if somebody has, or an error.  Take or make it shared. */
int guard_alone(struct guard *g);
int guard_share(struct guard *g);

/* Take the lock "load", waiting for it, or -EAGAIN if somebody has it; give it back. */
int guard_lock_load(struct guard *g);
int guard_try_load(struct guard *g);
int guard_unlock_load(struct guard *g);

/* The stamp: GUARD_DIRTY also if there is none or the data file does not match. */
enum guard_stamp guard_read_stamp(const struct guard *g);

/* Write it.  GUARD_DIRTY is on the disk when this returns.  Return 0 or a negative errno. */
int guard_write_stamp(struct guard *g, enum guard_stamp stamp);

/**
 * guard_exchange(g, from, dir):
 * Move the data file of directory ${from} to the place of the one that is guarded, with the locks "open" and "use" held
 * on both, so that who waits for either finds the new one when it is let in.  The stamp is dirty before and after.
 * Return 0, or a negative errno with the old one in place.
 */
int guard_exchange(struct guard *g, const char *from, const char *dir);

/* Record the pair, with the lock file that is in ${dir} now: 0 or a negative errno.  Has ${dir} the recorded ones? */
int guard_write_pair(struct guard *g, const char *dir);
bool guard_check_pair(const struct guard *g, const char *dir);

#endif
