/*
 * Room: the directory of a cache, and how much of the disk its pieces may take.
 *
 * Each of the 16 directories of pieces is bounded by a sixteenth.  Names are hashes, so they fill alike, and who makes
 * room looks through one only, without an order that somebody would have to keep.  What each holds stands in the file
 * "state": it is added to before something is written, by all processes, and counted anew when a directory is full,
 * when it was last written under another boot of the machine, or when pins have gone.  So it is at most too high, by
 * what was not written after all (by who was killed), which the next count finds.
 *
 *   state: magic "VARVECS1", boot id (36 bytes of text), zero (4), then 16 times bytes held le64 (all ones: unknown)
 *
 * Thread-safe, and safe between processes: a record of the state is locked (fcntl) while it is changed.
 */
#ifndef VARVE_STORE_CACHE_ROOM_H
#define VARVE_STORE_CACHE_ROOM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "repo/store/cache/store_cache.h"

#define ROOM_DIRS 16u

struct cache_room {
	const struct log *log;
	char *path;           /* of the directory */
	int dir;              /* the directory; -1: it cannot be used */
	int state;            /* the file */
	uint64_t limit;       /* of each of the 16 */
	pthread_mutex_t lock; /* of the records among threads, and of the next two */
	time_t broken_until;  /* monotonic: nothing is kept before, as the disk failed */
	bool told;            /* that it did */
};

/* Open ${path}, making it if it is missing.  One that cannot be used is warned of.  Return 0 or -ENOMEM. */
int room_open(struct cache_room *r, const char *path, uint64_t max_bytes, const struct log *log);
void room_close(struct cache_room *r);

/* May something be kept just now? */
bool room_usable(struct cache_room *r);

/* Something could not be written, with ${rc}: keep nothing for a minute, and warn, once.  Return ${rc}. */
int room_failed(struct cache_room *r, int rc);

/**
 * room_take(r, d, bytes):
 * Make room for ${bytes} in directory ${d} and count them as held.  Return 0; -ENOSPC if it is not that large; another
 * negative errno.
 */
int room_take(struct cache_room *r, unsigned d, uint64_t bytes);

/* Have everything counted anew: pieces have lost their second names. */
void room_recount(struct cache_room *r);

/* Go through all 16.  Return 0 or a negative errno. */
int room_usage(struct cache_room *r, struct cache_usage *out);

/* Remove all files of a directory in the cache's, ${sub}.  Return 0 (also if it is not there) or a negative errno. */
int room_empty(struct cache_room *r, const char *sub);

/**
 * room_read_file(r, name, max, out), room_write_file(r, name, data, len):
 * A whole small file of the cache's directory: appended to ${out}; or replaced in one step.  Its first 32 bytes are the
 * BLAKE2b-256 of the others.  Return 0; -ENOENT if it is not there or damaged; another negative errno.
 */
int room_read_file(struct cache_room *r, const char *name, size_t max, struct buf *out);
int room_write_file(struct cache_room *r, const char *name, const void *data, size_t len);

#endif
