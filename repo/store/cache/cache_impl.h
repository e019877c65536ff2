/*
 * For the sources of the cache only.
 *
 *   store_cache.c   the store: what is asked of whom
 *   fetch.c         blocks, from the disk or the store around which it is; one request for all who want them
 *   ahead.c         who reads in order, and what he wants next
 *   lists.c         listings
 *   put.c           what is put
 *   pins.c          what stays
 *   disk/           the directory: pieces of objects, and the room that they take
 *
 * Each of the structs below has its lock.  None is held while the store is asked; only the room's is taken while
 * another is held.
 */
#ifndef VARVE_STORE_CACHE_IMPL_H
#define VARVE_STORE_CACHE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "repo/store/cache/disk/piece.h"
#include "repo/store/store_impl.h"
#include "repo/util/bytes/id.h"
#include "repo/util/told.h"

#define AHEAD_THREADS 8u
#define AHEAD_TASKS 64u
#define AHEAD_STREAMS 32u
#define AHEAD_OBJECTS 64u
#define AHEAD_PAIRS 8u
#define LOAD_BLOCKS_MAX PIECE_BLOCKS /* of one cache_load() */

/* Blocks that somebody is fetching; who else wants one of them waits. */
struct flight {
	struct flight *next;
	const char *name;
	uint64_t first;
	unsigned n;
	unsigned refs; /* of the fetcher and those who wait */
	bool done;
	int rc;
};

struct fetching {
	pthread_mutex_t lock;
	pthread_cond_t landed;
	struct flight *flights; /* under way */
};

struct ahead_task {
	char name[STORE_NAME_MAX + 1];
	uint64_t size, first;
	unsigned n;
};

/* Somebody who reads an object in its order. */
struct stream {
	char name[STORE_NAME_MAX + 1]; /* "": none */
	uint64_t front;  /* he has read up to here */
	uint64_t issued; /* up to here it is being fetched for him */
	uint64_t run;    /* bytes that he has read in order */
	unsigned reads;
	bool ended;      /* who goes on in another object has had his run */
	uint64_t used;
};

/* An object that was stored after another. */
struct pair {
	char name[STORE_NAME_MAX + 1]; /* "": none */
	char next[STORE_NAME_MAX + 1];
	uint64_t size;   /* of ${next} */
	uint64_t issued; /* up to here it is being fetched for who reads ${name} */
	uint64_t run;    /* what he has read in order; 0: he has not come to the end */
	bool taken;      /* he is there */
};

struct known_object {
	char name[STORE_NAME_MAX + 1];
	uint64_t size;
	unsigned misses;
	uint64_t used;
};

struct ahead {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread[AHEAD_THREADS];
	unsigned nthreads;
	bool stop, started;
	struct ahead_task task[AHEAD_TASKS];
	unsigned first_task, ntasks;
	struct stream stream[AHEAD_STREAMS];
	struct pair pair[AHEAD_PAIRS];
	unsigned next_pair; /* is replaced next */
	struct known_object object[AHEAD_OBJECTS];
	uint64_t tick;
	uint64_t carry; /* what somebody had read in order when he came to the end of an object; 0: nobody */
};

struct pinning {
	pthread_mutex_t lock;
	char dir[40];    /* "pins/<pin>"; "": nothing is being pinned */
	int rc;          /* first failure */
	atomic_bool on;
};

/* Of keys/, generations/, revoked/, snapshots/, index/. */
#define LISTINGS 5u
struct listings {
	pthread_mutex_t lock; /* of changes to their files, in this process */
	uint64_t changes;          /* times that this process has put or deleted what is listed */
	struct id saved[LISTINGS]; /* hash of what was written or read last; zero: nothing */
};

struct store_cache {
	struct store base;
	struct store *inner;
	bool offline, exact;
	struct cache_room room;
	struct told told;
	struct fetching fetching;
	struct ahead ahead;
	struct listings lists;
	struct pinning pinning;
	_Atomic uint64_t fetches, fetched_bytes, nahead, hits, dropped;
};

/* --- store_cache.c */

/* Is this an error that may be for want of a network? */
bool cache_unreachable(int rc);

/* Is it of a kind of which an object never changes under its name? */
bool cache_immutable(const char *name);

/* It is not cached, and may not be asked for: say so once in a while.  Return -ENETDOWN. */
int cache_refuse(struct store_cache *c, const char *name);

/* It failed, and what is cached is used in its place: say so once in a while. */
void cache_warn(struct store_cache *c, const char *what);

/* --- fetch.c */

void fetching_init(struct fetching *f);
void fetching_destroy(struct fetching *f);

/* Write ${n} blocks, at most LOAD_BLOCKS_MAX, to ${out} (n * BLOCK_LEN bytes).  Return as store_get(). */
int cache_load(struct store_cache *c, const struct cached_object *o, uint64_t first, unsigned n, uint8_t *out);

/* Fetch and keep those that are not there and that nobody else is fetching.  What fails is left to who wants it. */
void cache_load_ahead(struct store_cache *c, const struct cached_object *o, uint64_t first, unsigned n);

/*
 * Append a small object as a whole: one that never changes, from the disk if it is there; or one that may, from the
 * store if that can be reached.  Return as store_get_all().
 */
int cache_get_whole(struct store_cache *c, const char *name, size_t max, struct buf *out);
int cache_get_changing(struct store_cache *c, const char *name, size_t max, struct buf *out);

/* --- ahead.c */

void ahead_init(struct ahead *a);
void ahead_stop(struct ahead *a); /* waits for what its threads are fetching */

/* Bytes [${off}, ${off} + ${len}) are being read: see to what comes next. */
void ahead_reads(struct store_cache *c, const struct cached_object *o, uint64_t off, size_t len);

/* As store_follows(). */
void ahead_pair(struct store_cache *c, const char *name, const char *next, uint64_t size);

/* A block of it was not there.  Return how many have been missed so far, in this process. */
unsigned ahead_missed(struct store_cache *c, const struct cached_object *o);

/* Remember the size of an object (0: it is not known any more); recall it: 0 or -ENOENT. */
void ahead_know(struct store_cache *c, const char *name, uint64_t size);
int ahead_known(struct store_cache *c, const char *name, uint64_t *size);

/* --- lists.c */

void listings_init(struct listings *l);

/* As the operations of store_impl.h. */
int cache_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
int cache_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg);

/* An object is there from now on, or no longer: so it is in the listing that is kept, if there is one. */
void cache_list_change(struct store_cache *c, const char *name, uint64_t size, bool there);

/* --- put.c */

/* As the operations of store_impl.h. */
int cache_put_begin(struct store *s, struct store_put **out);
void cache_put_keep(struct store_put *base);
int cache_put_append(struct store_put *base, const void *data, size_t len);
int cache_put_commit(struct store_put *base, const char *name, unsigned flags);
void cache_put_abort(struct store_put *base);

/* --- pins.c */

void pinning_init(struct pinning *p);

/* These blocks have been read: pin them, if that is wanted now. */
void cache_pin_blocks(struct store_cache *c, const char *name, uint64_t first, unsigned n);

#endif
