/*
 * For the sources of this folder only: what a prune holds, and its steps, in this order:
 *
 *   doomed/     read, and the ages of its records judged   due.c
 *   what of it is damaged, and since when               damaged.c
 *   snapshots/  listed
 *   index/      loaded
 *   packs/, trees/  listed                                 packs.c
 *   mark        all that snapshots lead to                 mark.c
 *   tally       what of that is in which pack              tally.c
 *   sweep       what is due                                sweep.c
 *   repack      what packs keep that keep little           choose.c, repack.c
 *   doom        what is not needed                         doom.c
 *
 * Whatever a writer has published when it began is complete in what is read after.  It acts on what it has read for a
 * quarter of the repository's grace at most.
 */
#ifndef VARVE_RETENTION_PRUNE_IMPL_H
#define VARVE_RETENTION_PRUNE_IMPL_H

#include "repo/doomed/doomed.h"
#include "repo/retention/prune/live.h"
#include "repo/retention/prune/prune.h"

#define NO_PACK UINT32_MAX

enum pack_flags {
	PACK_BLOCKED = 1, /* a record names it */
	PACK_DUE = 2,     /* one that is due, and not spent */
	PACK_NAMED = 4,   /* an index run names it */
	PACK_GONE = 8,    /* and it is not in the store */
	PACK_NEEDED = 16, /* a writer at work has said that it needs it; of one that is gone: what is lost was in it */
	PACK_COPIED = 32, /* what it keeps has been repacked */
};

/* A pack that is in the store, or that runs name. */
struct prune_pack {
	struct id id;
	uint64_t live_bytes; /* of boxes of what it keeps */
	uint32_t size;
	uint32_t number;     /* the index's; NO_PACK: no run names it */
	uint32_t nlive;      /* objects that it keeps */
	uint8_t kind;        /* enum pack_kind */
	uint8_t flags;
};

/* What is to become of a record. */
enum due { NOT_DUE, DUE, SPENT /* waits beside the record that says so */ };

struct prune {
	struct repo *r;
	const struct prune_options *o;
	struct prune_result *out;
	struct doomed_place at;
	struct clock_reading start;
	struct doomed_set set;
	enum due *due;            /* of each record of the set */
	struct catalog *catalog;
	struct live_set *live;
	struct prune_pack *packs; /* those in the store, sorted by id; then those that are gone */
	size_t npacks, nstored, cap_packs;
	uint32_t *by_number;      /* index into packs by the index's number; NO_PACK: not known yet */
	uint32_t nnumbers;
	int failed;               /* what could not be done, and did not keep the rest from being done; 0: nothing */
};

static inline bool prune_cancelled(const struct prune *p)
{
	return p->o->cancel != NULL && *p->o->cancel != 0;
}

/* May it still act on what it has read? */
bool prune_in_time(const struct prune *p);

/* --- Steps: 0, or an error that prune_run() returns --------------------------------------------------------------- */

/* Judge which records are due. */
int prune_judge_ages(struct prune *p);

/* A record is gone: what this machine has noted of its age is of no use any more. */
void prune_forget_age(struct prune *p, const struct id *record);

/* Is all that is damaged in doomed/ to be given up now?  Else see to it that it will be: -EBADMSG (logged). */
int prune_judge_damaged(struct prune *p);

int prune_list_packs(struct prune *p);
int prune_mark(struct prune *p);
int prune_tally(struct prune *p);
int prune_sweep(struct prune *p);
int prune_repack(struct prune *p);
int prune_doom(struct prune *p);

/* The packs that are to be repacked, the worst first; the list is the caller's.  0 or -ENOMEM. */
int prune_choose(struct prune *p, struct prune_pack ***out, size_t *n);

/* What a pack would have left without what nobody needs. */
uint64_t prune_used_bytes(const struct prune_pack *pack);

/* The pack of the index's number: one that is in the store, or one of those that are gone.  0, -ENOMEM, -EIO. */
int prune_pack_at(struct prune *p, uint32_t number, struct prune_pack **out);

#endif
