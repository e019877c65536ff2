/*
 * Prune: free what no snapshot needs.
 *
 * In two phases, so that nobody has to be locked out: packs that hold nothing of any snapshot are *doomed*, and a later
 * prune, at least a grace after that, marks anew and *sweeps*: deletes those that are still not needed.  Packs that
 * hold little of use are copied as far as they do, and doomed.  Each call does all of it: it sweeps what is due, and
 * dooms what it finds.  docs/design.md ("No locks") has the protocol and why it is
 * safe with any number of writers, readers and other prunes, killed or suspended at any moment.
 *
 * Nothing is deleted or doomed unless all snapshots, all their directories and all index runs could be read.
 *
 * Memory: 5 bytes an object of the index, 43 to 86 a distinct page of directories and span lists, 64 to 128 a pack, and
 * what index/records.h says: 162 MB were measured at 10 million objects in 160,000 packs.
 */
#ifndef VARVE_RETENTION_PRUNE_H
#define VARVE_RETENTION_PRUNE_H

#include <stdatomic.h>

#include "repo/repo.h"
#include "repo/util/process/clock.h"

struct prune_progress {
	_Atomic uint64_t snapshots, total_snapshots; /* marked */
	_Atomic uint64_t trees;                      /* pages that were read */
	_Atomic uint64_t packs, total_packs;         /* deleted, of those that are due */
};

struct prune_options {
	uint32_t grace_s;          /* of what is doomed now; 0, or less than the repository's: the repository's */
	bool no_repack;            /* delete only packs that hold nothing that is needed */
	unsigned max_unused_percent; /* of what packs hold; above that, those that hold least are repacked */
	uint64_t max_repack_bytes; /* copied at most, about; 0: without limit */
	uint64_t max_seconds;      /* after which no other pack is repacked; 0: without limit */
	bool dry_run;
	struct prune_progress *progress; /* NULL: none */
	const struct clock *clock; /* NULL: the system's */
	const atomic_int *cancel;  /* NULL: none; non-zero: end with -EINTR */
};

struct prune_result {
	uint64_t snapshots;
	uint64_t objects, live_objects;        /* in the index; of them those that snapshots need */
	uint64_t lost_objects;                 /* that snapshots need, and that are nowhere */
	uint64_t packs, pack_bytes;            /* in the store, when it began */
	uint64_t live_bytes;                   /* of segments that snapshots need */
	uint64_t deleted_packs, deleted_bytes; /* swept; in a dry run, what would be, as below */
	uint64_t spared_packs;                 /* had been doomed, and turned out to be needed */
	uint64_t kept_packs;                   /* the store did not let us delete them */
	uint64_t doomed_packs, doomed_bytes;   /* now */
	uint64_t waiting_packs, waiting_bytes; /* were doomed before, and are not due yet */
	uint64_t waiting_s;                    /* until the first of them are; seconds, at most */
	uint64_t repacked_packs, copied_bytes; /* packs whose live part was copied, to be doomed; what that took */
	uint64_t verbatim_bytes;               /* of that, segments that were copied as they were */
	uint64_t sealed_packs;                 /* would be repacked, but this role cannot open them */
	uint64_t runs_written, runs_deleted;
	bool late;                             /* marking took so long that not everything due was swept */
};

/**
 * prune_run(r, opts, out):
 * Return 0; -ESTALE if another prune has doomed what this one has just repacked (logged); -EBADMSG, -EPROTONOSUPPORT
 * if something could not be read that must be (logged, with what that means), or, when all else has been done, a pack
 * that was to be repacked; -EACCES if this role cannot seal, or if the store did not let us delete anything (logged);
 * -EINTR; -ENOMEM; what the store returns.  ${out} is set in any case, as far as it came.
 */
int prune_run(struct repo *r, const struct prune_options *opts, struct prune_result *out);

#endif
