/*
 * For the sources of repair only.
 *
 *   sources.c     copies to fetch from
 *   plain.c       config, keyslots, manifests
 *   packs.c       damaged packs: which they are, copies, and what becomes of the rest
 *   salvage.c     what can be read of them, into new ones
 *   quarantine.c  where they go
 */
#ifndef VARVE_CHECK_MEND_H
#define VARVE_CHECK_MEND_H

#include "repo/check/check_impl.h"
#include "repo/check/repair.h"
#include "repo/check/share/journal.h"

struct mend {
	const struct repair_options *o;
	struct repair_result *out;
	struct store *store;
	const struct log *log;
	bool unasked; /* some copy could not be asked */
};

static inline bool mend_cancelled(const struct mend *m)
{
	return m->o->check.cancel != NULL && *m->o->check.cancel != 0;
}

/* Tell what was done. */
void mend_tell(const struct mend *m, const struct repair_event *e);

/* Tell that an object stays damaged. */
void mend_leave(struct mend *m, const char *object, const char *why);

/**
 * mend_fetch(m, name, hash, len):
 * Put a copy whose hash begins with the ${len} bytes ${hash} in place of object ${name}.  Return 1 if one was found (in
 * a dry run it is not put), and told; 0 if nobody has a good one (${m->unasked}: as far as is known); -EINTR; -ENOMEM;
 * what the target store returns.
 */
int mend_fetch(struct mend *m, const char *name, const uint8_t *hash, size_t len);

/* A pack by its name.  As mend_fetch(). */
int mend_fetch_pack(struct mend *m, enum pack_kind kind, const struct id *id);

/**
 * mend_same_repository(m, own):
 * See that the copies are of this repository, whose config is ${own} (empty: damaged or missing).  Return 0; -EXDEV
 * (logged); -ENOMEM.
 */
int mend_same_repository(struct mend *m, const struct buf *own);

/* The first copy's config that is good, if it has an object in common with ${m->store}: its number, or -1. */
int mend_find_config(struct mend *m, struct buf *out);

#define QUARANTINE_NAME_SIZE 88

/* Where a pack goes.  Return ${out}. */
char *quarantine_name(enum pack_kind kind, const struct id *id, char out[QUARANTINE_NAME_SIZE]);

/* Copy what can be read of a pack there, unless it is there.  Return 0; -ENOENT; -ENOMEM; what the store returns. */
int quarantine_pack(struct store *store, enum pack_kind kind, const struct id *id);

/* All that are there. */
struct pack_names {
	struct journal_pack *pack;
	size_t n;
};
int pack_names_add(struct pack_names *l, enum pack_kind kind, const struct id *id); /* 0 or -ENOMEM */
int quarantine_list(struct store *store, struct pack_names *out); /* adds; 0, -ENOMEM, what the store returns */

/* A pack that is to be given up, and what can be had of it. */
struct salvage_pack {
	struct check_pack *pack;
	uint64_t salvaged, lost; /* objects */
};

/**
 * salvage(c, packs, n, dry_run):
 * Store all objects again that the index of the check places in these packs and that can still be read: in new packs,
 * which a new run names.  Counts them in ${packs}.  Return 0; -ESTALE if it took so long that a prune has doomed the
 * new ones (logged); -ENOMEM; what the store returns, or did not give.
 */
int salvage(struct check *c, struct salvage_pack *packs, size_t n, bool dry_run);

#endif
