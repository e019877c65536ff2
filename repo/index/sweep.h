/*
 * Index runs without packs that are about to be deleted.
 *
 * A run that leaves something out does not "replace" another in the sense of run.h, which promises that all is in it:
 * who has loaded the old one would keep places in packs that are gone.  It is put like any run, and then the old one is
 * deleted; who has loaded that sees it vanish, and loads anew.
 */
#ifndef VARVE_INDEX_SWEEP_H
#define VARVE_INDEX_SWEEP_H

#include "repo/index/index.h"
#include "repo/util/bytes/numset.h"

/* What is to be left out.  All borrowed for the call; packs by the numbers of index_pack(). */
struct index_sweep {
	const struct numset *dead;    /* packs that will be deleted when this has returned 0 */
	const struct numset *avoided; /* packs that are missing, or to go soon: no copy in one counts.  NULL: none */
	int (*is_live)(void *arg, const struct id *id); /* does a snapshot need it?  1, 0, or an error, which ends it */
	void *arg;
	int (*may_go_on)(void *arg);  /* asked before runs are put or deleted: 0, or why not; may be NULL */
	const struct numset *spared;  /* doomed packs that stay: a copy counts if there is no better.  NULL: none */
};

struct index_swept {
	uint64_t runs_deleted, runs_written;
	uint64_t records_dropped; /* places in dead packs */
	uint64_t bytes_written;
};

/**
 * index_sweep_runs(x, how, out):
 * Make sure that no run names a dead pack, and delete the runs that others replace.  In this order: everything is read
 * and every object of a dead pack that has no other copy that counts is asked for with ${how->is_live} (in order of
 * id); runs are put with all that the concerned ones name but the places in dead packs; the concerned runs are seen to
 * be still there; they are deleted; and index/ is listed again for runs that have come meanwhile, for which it begins
 * anew.  So at each moment every object that is left has a place in some run; who is killed at any moment leaves at
 * worst some records twice, and the next call does the rest.  It may be called with nothing dead, to tidy up.
 *
 * A live object loses no place but those in dead packs; it keeps its first copy that counts (records.h), one that is
 * not in a spared pack if there is one, and may lose further ones.  The local index is not changed: index_refresh()
 * sees to that.
 *
 * Return 0: no run in the store names a dead pack.  -EBUSY (logged) if a live object would be lost: nothing was changed
 * by this round.  -EAGAIN if others changed the runs at the same time, again and again: the dead packs must not be
 * deleted.  What ${how->is_live} or ${how->may_go_on} returned; -EACCES if this role cannot
 * seal or the store does not let us delete (logged by the store); otherwise as index_records_open().  ${*out} is set in
 * any case.
 */
int index_sweep_runs(struct index *x, const struct index_sweep *how, struct index_swept *out);

#endif
