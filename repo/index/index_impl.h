/*
 * For the sources of the index only.
 *
 *   index.c      open, look up, go through
 *   lookup/      what is found, and how
 *     resolve.c    what is not known: ask the store for it
 *     lazy_runs.c  runs that are not loaded, one object at a time
 *     learn.c      places that were learned without loading a run, or that turned out to be wrong
 *     order.c      which pack was stored after which
 *     local.c      slots and kept objects
 *   load/        from the runs of the store to an environment
 *     refresh.c    list, lock, load
 *     bring_up.c   which runs are to be loaded
 *     load.c       runs into an environment
 *     load_write.c what that shares with learning: transactions, packs, tables
 *     listing.c    which runs there are
 *     loaded.c     which runs are loaded
 *     replace.c    another environment, when one fails
 *   upkeep/      the runs of the store
 *     merge.c      many into one
 *     rebuild.c    new ones from the tables of packs
 *     records.c    all places of all objects
 *     sweep.c      without what is deleted
 *   run/         a run   env/  the tables on this machine   lmdb/  what they are in
 *
 * Locks, in the order in which they are taken: ${resolver.lock} (one thread asks for what is not known) or
 * ${resolver.doubt_lock}, ${loader} (one thread loads runs), env_lock_load() (one process does), ${lock} (shared while
 * ${env} is used, exclusive while it is replaced).
 */
#ifndef VARVE_INDEX_INDEX_IMPL_H
#define VARVE_INDEX_INDEX_IMPL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "repo/index/env/env.h"
#include "repo/index/index.h"
#include "repo/util/bytes/numset.h"
#include "repo/util/told.h"

/* A run that could not be loaded: it is tried again, but seldom, and what is wrong is said once. */
struct bad_run {
	struct id id;
	time_t again; /* monotonic clock */
};

/* A run that is not loaded, as the resolver sees it. */
struct lazy_run {
	struct id id;
	uint64_t size;
	struct run *run; /* NULL: not open */
	bool replaced;   /* by another, which says so */
	bool loaded;     /* what it said may have become wrong: asked when nothing else is left */
	bool bad;        /* it cannot be loaded, which has been said */
	time_t again;    /* it cannot be read: not tried before */
	uint64_t hit;    /* when it had what was looked for: the larger the later; 0: never */
};

#define HINTED_MAX 16
#define ORDER_MAX 8

/* What index_resolve() goes by. */
struct resolver {
	pthread_mutex_t lock;
	bool listed;
	time_t listed_at;     /* or tried */
	int listed_rc;        /* what that gave */
	uint64_t listing;     /* the hashes of the runs in it, together */
	bool sure;            /* the one after it gave the same: what is in neither is in no run */
	atomic_bool news;     /* somebody has learned of something that may be newer than the listing */
	struct lazy_run *run; /* in the order in which they are asked */
	size_t n;
	uint64_t hits;
	size_t memory;        /* of those that are open */
	uint64_t spent;       /* bytes that were read in place of loading the runs */
	atomic_bool everywhere; /* packs were missing: runs that are loaded are asked, too */
	bool second_best;     /* a run has what was looked for last, in a pack that was not there */
	pthread_mutex_t doubt_lock; /* one thread doubts a place at a time */
	struct told unlearned; /* objects whose places were wrong */
	struct told gone;      /* packs that were not there, for which the runs have been listed */
	struct told met;       /* packs in which an object was looked for */
	pthread_mutex_t hint_lock; /* of the rest */
	uint32_t hinted[HINTED_MAX]; /* packs whose tables may be worth reading, the last one last */
	unsigned nhinted;
	struct numset missing; /* packs that were not there when they were read: loaded places in them do not count */
	struct pack_info order[ORDER_MAX]; /* packs as they stand in the run that was asked last, from its answer on */
	unsigned norder;
};

struct index {
	struct index_options opts; /* cache_dir and repo_id point to the next two */
	char *cache_dir;
	uint8_t repo_id[16];
	char *path;                /* for messages: where the environment was at first */
	pthread_rwlock_t lock;     /* of the next two */
	struct env *env;
	unsigned nth;              /* of the environments that were had one after the other */
	pthread_mutex_t loader;    /* of the rest */
	struct bad_run *bad;
	size_t nbad;
	time_t replace_again;      /* no environment could be had: not before this is it tried again */
	bool stale;                /* places of runs that have vanished are still in it */
	unsigned vanished;         /* runs that went between their listing and their reading */
	bool whole;                /* all runs are wanted, whatever their size */
	_Atomic bool short_of_room; /* the environment does not hold all runs, for want of room */
	struct resolver resolver;
};

/**
 * index_ask(x, fn, arg):
 * Call ${fn} with the environment.  If it returns a failure of the environment (what is neither 0 nor -ENOENT),
 * replace that by a private one and call ${fn} once more.  Return what it returned; -EIO for failures (logged).
 */
typedef int index_ask_fn(struct env *env, void *arg);
int index_ask(struct index *x, index_ask_fn *fn, void *arg);

/* The ${nth} environment has failed with ${why}: replace it.  Return 0 if there is another one now. */
int index_replace(struct index *x, unsigned nth, int why);

/* Ids in a list that grows. */
struct ids {
	struct id *id;
	size_t n;
};

/* Append one; sort; is it there (in a sorted one)?  0 or -ENOMEM. */
int ids_add(struct ids *l, const uint8_t *id);
void ids_sort(struct ids *l);
bool ids_have(const struct ids *l, const struct id *id);

/* A run in the store. */
struct listed_run {
	struct id id;
	uint64_t size;
	bool left;       /* out: it is not loaded as a whole, and not replaced by one that is */
	bool superseded; /* out: it is replaced by one that is loaded */
	bool bad;        /* out: it cannot be loaded, which has been said */
};

/* The runs that are in the store, sorted by id; ${run} is the caller's. */
struct run_list {
	struct listed_run *run;
	size_t n;
};

/* List them: 0 or what the store returns.  Is one among them?  Its number, or -1. */
int index_list_runs(struct index *x, struct run_list *out);
ssize_t run_list_find(const struct run_list *l, const struct id *id);

/* Sort them anew: the largest first. */
void run_list_by_size(struct run_list *l);

/* A run that could not be loaded: is it known?  Remember it, if there is memory for that; it is good again. */
struct bad_run *bad_run_find(struct index *x, const struct id *id);
void bad_run_note(struct index *x, const struct id *id);
void bad_run_forget(struct index *x, const struct id *id);

/* This run's pack ${number}, of which the block has just been read: note it, and those after it. */
void index_note_order(struct index *x, struct run *r, uint32_t number);

/* Is this pack among those that were noted? */
bool index_order_has(struct index *x, const struct id *pack);

/**
 * index_bring_up(x, env, present):
 * Bring ${env} up to date; but if ${x->whole} is false, and what there is to load is large, load nothing.  What is not
 * loaded afterwards, for whatever reason, is marked in ${present}.  Runs that were gone when they were to be read are
 * counted in ${x->vanished}, and the caller may list anew.  The caller has locked loading, and listed the runs after
 * that: who listed before could take a run for gone that another process has put and loaded since.  Return the number
 * of runs that could not be loaded, or the failure of the environment.
 */
int index_bring_up(struct index *x, struct env *env, struct run_list *present);

/* Load one run, as index_add_listed(), with the lock. */
int index_bring_up_run(struct index *x, const struct id *id, uint64_t size);

/*
 * As index_refresh(), with the listing, in which it is marked what was left; unless this process wants the whole index,
 * by ${whole} or since it has asked for it before, that is what is large; and all if another process is loading just
 * now, for which this does not wait.  ${present->run} is the caller's in any case.
 */
int index_refresh_some(struct index *x, bool whole, struct run_list *present);

/* Is it a fault of the object, which stays, as opposed to a store that does not answer? */
static inline bool index_is_lasting(int rc)
{
	return rc == -EBADMSG || rc == -EPROTONOSUPPORT || rc == -EACCES;
}

#define RUN_NOT_NOW 2 /* a run could not be read, for a cause that may go away */
#define RUN_LOCKED 3  /* another process is loading */
#define RUN_GONE 4    /* it is not in the store any more */

/* As index_add_run(), of a run of that size (0: not known), but without waiting; or one of those. */
int index_add_listed(struct index *x, const struct id *id, uint64_t size);

/* The runs of an environment. */
struct loaded_runs {
	struct ids loaded;   /* whole or in part, sorted */
	struct ids whole;    /* of those, the whole ones */
	struct ids replaced; /* by those of the whole ones that are in the store, sorted */
	uint32_t generation; /* of the environment */
};

/* Read them into ${out}, which is all zero, and the caller's in any case.  0 or a failure of the environment. */
int loaded_runs_read(struct env *env, const struct run_list *present, struct loaded_runs *out);
void loaded_runs_free(struct loaded_runs *l);

/* Mark in a listing what of it ${env} has not loaded whole, and what is superseded.  0 or a failure of ${env}. */
int loaded_runs_mark(struct env *env, struct run_list *present);

/* Mark as left, in a listing, all runs but those that are loaded whole and not replaced.  0 or -EIO. */
int index_mark_loaded(struct index *x, struct run_list *present);

/**
 * index_adopt_run(x, id, replaced, merged, n):
 * Run ${id} has been made of the ${n} runs ${merged} and of nothing else, and replaces ${replaced}, them among these:
 * if all of them are loaded it is, too, in their place.  Otherwise, or if another process is loading, the next refresh
 * will see to it.  0 or -EIO.
 */
int index_adopt_run(struct index *x, const struct id *id, const struct ids *replaced, const struct id *merged,
    size_t n);

/* Set up, and let go of, what index_resolve() uses. */
void resolver_init(struct resolver *r);
void resolver_destroy(struct resolver *r);

/* The table of this pack is not worth reading; with ${missing}, as it is not there.  Was it not there? */
void resolver_doubt_pack(struct resolver *r, uint32_t pack, bool missing);
bool resolver_misses_pack(struct resolver *r, uint32_t pack);

/*
 * Learn all that the table of a pack names: 1 if it is read now, 0 if it had been before; -EBADMSG (logged) and the
 * like if it cannot be read; -EIO if the environment fails.  ${*bytes} grows by what was read.
 */
int index_learn_table(struct index *x, const struct pack_info *pack, uint64_t *bytes);

/*
 * Learn one place, as a run says it, in place of what was learned of it; and its pack, in place of what was doubted.  0
 * or -EIO.
 */
int index_learn_place(struct index *x, const struct id *id, const struct pack_info *pack, const struct place *place);

/* The numbers of ${n} packs, given now to those that have none, which are learned by that.  0, -EIO or -ENOMEM. */
int index_number_packs(struct index *x, const struct pack_info *info, uint32_t n, uint32_t *number);

/* All runs are loaded: what was learned is known twice.  0 or the environment's failure. */
int learn_clear(struct env *env);

/*
 * With ${loader} held: replace the environment, which failed with ${why}, unless that was tried in vain just now.  As
 * above.
 */
int index_try_replace(struct index *x, int why, struct run_list *present);

/* Seconds on the monotonic clock. */
time_t index_now(void);

/* Runs were gone that had been listed just now: wait a little, longer each time, before they are listed anew. */
#define INDEX_LISTINGS 5 /* until that is given up: a listing may lag behind */
void index_pause(unsigned n);

/* One run to be loaded. */
struct load_run {
	struct id id;
	struct run *run;  /* open; the caller closes it */
	uint32_t *number; /* of its packs in the environment */
	int rc;           /* out: 0 if it was loaded whole, else why not */
};

/**
 * load_runs(env, generation, runs, n, overwrite):
 * Load them into the tables of this generation, each object with the first of the runs that has it, unless the tables
 * have it already; but with ${overwrite}, or if one of the runs replaces others, in place of what the tables have.
 * Transactions and memory are bounded, and no transaction is open while the store is read: mounts write a little, too.
 * Return 0, with each run's ${rc}; or the failure of the environment.
 */
int load_runs(struct env *env, uint32_t generation, struct load_run *runs, size_t n, bool overwrite);

/**
 * load_begin_generation(env, out), load_finish_generation(env, generation):
 * Empty the tables that are not in use, to load another generation into them; switch to it.  0 or a failure of the
 * environment.
 */
int load_begin_generation(struct env *env, uint32_t *out);
int load_finish_generation(struct env *env, uint32_t generation);

/*
 * Copy packs and their numbers to ${to}, which is empty, so that numbers given out stay right.  0 or a failure of
 * ${to}.
 */
int load_copy_packs(struct env *from, struct env *to);

/* Copy all records of a table.  0 or a failure of ${to}; what ${from} cannot give is left out. */
int load_copy_table(struct env *from, struct env *to, unsigned table);

/* These runs are not loaded any more, as others hold what they held.  0 or a failure of the environment. */
int load_retire_runs(struct env *env, uint32_t generation, const struct id *ids, size_t n);

/* As index_adopt_run(), in this generation. */
struct load_adopt {
	const struct id *id;
	const struct ids *replaced;
	const struct id *merged;
	size_t n;
};
int load_adopt_run(struct env *env, const struct load_adopt *a);

/* Records of the tables "packs" and "runs". */
#define PACK_RECORD_LEN 124
struct pack_record {
	uint32_t generation;
	bool learned; /* no loaded run has named it */
	bool doubted; /* and its key did not open what is in it: a run knows better */
	struct pack_info info;
};
void pack_record_encode(const struct pack_record *p, uint8_t out[PACK_RECORD_LEN]);
int pack_record_decode(struct rd r, struct pack_record *out); /* 0 or -EBADMSG */

struct run_record {
	bool whole;
	const uint8_t *replaced; /* ${nreplaced} ids, one after the other; borrowed from what was decoded */
	size_t nreplaced;
};
#define RUN_RECORD_HEAD 8
int run_record_decode(struct rd r, struct run_record *out); /* 0 or -EBADMSG */

/* Number as a key: big-endian, so that they are in order. */
static inline void number_encode(uint32_t n, uint8_t out[4])
{
	out[0] = (uint8_t)(n >> 24);
	out[1] = (uint8_t)(n >> 16);
	out[2] = (uint8_t)(n >> 8);
	out[3] = (uint8_t)n;
}

static inline uint32_t number_decode(const uint8_t b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

#endif
