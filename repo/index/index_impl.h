/*
 * For the sources of the index only.
 *
 *   index.c     open, look up, go through
 *   refresh.c   which runs are to be loaded
 *   replace.c   another environment, when one fails
 *   load.c      runs into an environment
 *   local.c     slots and kept objects
 *   rebuild.c   new runs from the tables of packs
 *
 * Locks, in the order in which they are taken: ${loader} (one thread loads runs), env_lock_load() (one process does),
 * ${lock} (shared while ${env} is used, exclusive while it is replaced).
 */
#ifndef VARVE_INDEX_INDEX_IMPL_H
#define VARVE_INDEX_INDEX_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "repo/index/env/env.h"
#include "repo/index/index.h"

/* A run that could not be loaded: it is tried again, but seldom, and what is wrong is said once. */
struct bad_run {
	struct id id;
	time_t again; /* monotonic clock */
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
	_Atomic bool short_of_room; /* the environment does not hold all runs, for want of room */
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

/* The runs that are in the store, sorted; ${out->id} is the caller's.  0 or what the store returns. */
int index_list_runs(struct index *x, struct ids *out);

/**
 * index_bring_up(x, env, present):
 * Bring ${env} up to date.  The caller has locked loading, and listed the runs after that: who listed before could take
 * a run for gone that another process has put and loaded since.  Return the number of runs that could not be loaded, or
 * the failure of the environment.
 */
int index_bring_up(struct index *x, struct env *env, const struct ids *present);

/*
 * With ${loader} held: replace the environment, which failed with ${why}, unless that was tried in vain just now.  As
 * above.
 */
int index_try_replace(struct index *x, int why, const struct ids *present);

/* Seconds on the monotonic clock. */
time_t index_now(void);

/* One run to be loaded. */
struct load_run {
	struct id id;
	struct run *run;  /* open; the caller closes it */
	uint32_t *number; /* of its packs in the environment */
	int rc;           /* out: 0 if it was loaded whole, else why not */
};

/**
 * load_runs(env, generation, runs, n):
 * Load them into the tables of this generation, each object with the first of the runs that has it, unless the tables
 * have it already.  Transactions and memory are bounded.  Return 0, with each run's ${rc}; or the failure of the
 * environment.
 */
int load_runs(struct env *env, uint32_t generation, struct load_run *runs, size_t n);

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

/* Records of the tables "packs" and "runs". */
#define PACK_RECORD_LEN 124
struct pack_record {
	uint32_t generation;
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
