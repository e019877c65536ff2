/*
 * Cache: a store around a remote one that keeps sealed bytes on disk, reads ahead, and works offline.
 *
 * What is kept are the bytes as they came: nothing is opened here, and whoever reads them authenticates them as if they
 * had come from the network.  Each block has a checksum, which is verified whenever it is read; a bad one is dropped
 * and fetched again.  What nobody can open although its checksum is right is dropped by store_distrust().
 *
 * In the directory ${dir}, which any number of processes may use at a time:
 *
 *   0/ ... f/       pieces (disk/piece.h): 1 MiB of an object each, as a sparse file with a table of its blocks;
 *                   each of the 16 is bounded by a sixteenth of the whole, least recently used first (disk/room.h)
 *   state           what the 16 hold, as far as known: a hint that is corrected whenever one is full
 *   lists/          the last good listings of what a mount has to list
 *   pins/<pin>/     hard links to the pieces that are to stay: what has two names is not evicted, nor counted
 *
 * There is no lock that outlives a process, no journal and nothing to recover: a block that was being written when a
 * process, or the machine, died has no checksum or a wrong one.
 *
 * Kept: blocks of objects whose size is known (store_get_in(), or after a store_stat(); of a pack it is asked for),
 * small objects as a whole (config, keys/, snapshots/), and the listings of keys/, snapshots/ and index/.  The store is
 * asked for what may change: listings, whether an object is there, "config"; but a pack whose size is known is taken to
 * be there, and who wants to be sure of that does without a cache.  What is put is kept if its writer will read it
 * again (store_put_keep(): tree packs, and index runs that are loaded next), and if it is no more than a quarter of the
 * whole.  Not kept: that something is absent, and reads of more than CACHE_READ_MAX, which scan.
 *
 * Blocks are 16 KiB, so that who reads a segment of, mostly, 60 to 256 KiB somewhere fetches it in one request with 16
 * KiB more on average: 0.7 ms at 200 Mbit/s, beside a round trip of 20.  Tree packs are read by neighbourhood instead:
 * 256 KiB around what was asked for, and 1 MiB from the third request on, without what is there already.  Who reads an
 * object of another kind in its order has up to 8 MiB of it fetched ahead, in pieces of 512 KiB to 1 MiB by threads of
 * the cache's own, and never more than he has read so far; near its end of the one that was stored after it, too, if
 * store_follows() has said which that is.
 *
 * A failing disk is no failure of the store: then nothing is kept, with a warning.
 */
#ifndef VARVE_STORE_STORE_CACHE_H
#define VARVE_STORE_STORE_CACHE_H

#include "repo/store/store.h"

#define CACHE_READ_MAX (512u * 1024)             /* bytes; segments are at most half of it */
#define CACHE_BYTES_MIN (128u * 1024 * 1024)     /* that it is bounded by */
#define CACHE_BYTES_DEFAULT (UINT64_C(4) << 30)  /* or a tenth of what is free, if that is less */

struct cache_options {
	const char *dir;        /* made if it is missing; copied */
	uint64_t max_bytes;     /* that are kept, besides pins; 0: the default */
	bool offline;           /* ${inner} is never asked */
	bool exact;             /* a listing is ${inner}'s of now, or an error, as somebody will write by it */
	const struct log *log;  /* borrowed as long as the store */
};

/**
 * store_cache_open(inner, opts, out):
 * Put a cache around ${inner}, which it owns from now on, also on failure.  ${*out} is the caller's (store_close).
 * A directory that cannot be used is warned of, and nothing is kept then.  Return 0 or -ENOMEM.
 *
 * Offline, or while ${inner} fails with an error that may be for want of a network, what is cached is listed and read.
 * What is not cached then fails as ${inner} does; offline with -ENETDOWN (logged for each object once in a while),
 * never -ENOENT.
 */
int store_cache_open(struct store *inner, const struct cache_options *opts, struct store **out);

/* Is ${s} such a store?  The functions below are for these only. */
bool store_is_cache(const struct store *s);

/* Its directory; borrowed as long as the store.  NULL if it could not be used. */
const char *store_cache_dir(const struct store *s);

/* What happened since it was opened. */
struct cache_counters {
	uint64_t fetches, fetched_bytes;  /* requests for blocks, and what they brought */
	uint64_t ahead;                   /* of these: requests that were made ahead */
	uint64_t hits;                    /* blocks that were read from the disk */
	uint64_t dropped;                 /* blocks whose checksum was wrong, or that were distrusted */
};
void store_cache_counters(const struct store *s, struct cache_counters *out);

/* What is on the disk. */
struct cache_usage {
	uint64_t max_bytes;
	uint64_t bytes, pieces;               /* bounded by ${max_bytes} */
	uint64_t pinned_bytes, pinned_pieces; /* besides */
};

/* Go through it and add up.  Return 0 or a negative errno. */
int store_cache_usage(struct store *s, struct cache_usage *out);

/**
 * store_cache_fetch(s, name, size, off, len):
 * Have these bytes of an object of ${size} bytes in the cache, and see to what the reader of an object in its order
 * wants next.  Return 0; -ENOSPC if they could not be kept; as store_get().
 */
int store_cache_fetch(struct store *s, const char *name, uint64_t size, uint64_t off, size_t len);

/**
 * store_cache_pin(s, text):
 * From now on all blocks and small objects that are read through ${s} are kept until store_cache_unpin(), whatever the
 * bound: in pieces, so that neighbours of theirs may stay too.  ${text} (at most CACHE_PIN_TEXT_MAX bytes, one line)
 * says what is pinned; the same text is the same pin, which grows.  Return 0 or a negative errno (logged).
 *
 * store_cache_pinned(s):
 * All of it has been read: no more is pinned from now on, and the pin is marked as complete.  Return 0, or a negative
 * errno if a piece could not be pinned since store_cache_pin() (logged), or it could not be marked.
 */
#define CACHE_PIN_TEXT_MAX 4096
int store_cache_pin(struct store *s, const char *text);
int store_cache_pinned(struct store *s);

/* One pin, as store_cache_pins() shows it; borrowed for the call. */
struct cache_pin {
	const char *text;
	uint64_t bytes, pieces; /* a piece may be in several pins */
	bool complete;
};

/* Call ${fn} for each; a non-zero return ends it and is returned.  Return 0 or a negative errno (logged). */
typedef int cache_pin_fn(void *arg, const struct cache_pin *pin);
int store_cache_pins(struct store *s, cache_pin_fn *fn, void *arg);

/* Forget a pin: its pieces may be evicted from now on.  Return 0; -ENOENT; another negative errno (logged). */
int store_cache_unpin(struct store *s, const char *text);

/* Remove all that is kept, pins too.  Others may be using it.  Return 0 or a negative errno (logged). */
int store_cache_clear(struct store *s);

#endif
