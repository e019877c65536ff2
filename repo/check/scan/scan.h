/*
 * Scan: all bytes of packs, read once from front to end.
 *
 * A thread has several packs in hand and goes through them piece by piece, side by side: BLAKE2b is then hashed in
 * lanes, of packs as well as of the objects in them.
 *
 *   scan.c       a thread's packs
 *   pack_scan.c  one pack; pack_window.c its bytes, pack_objects.c its boxes
 *   verify.c     plaintexts of objects, hashed many at once
 *   tally.c      what was found in a pack, in words
 *
 * Memory of a thread: for each of its packs a window of SCAN_PIECE bytes and an object's boxes, and the pack's table;
 * VERIFY_ROOM of plaintext.
 */
#ifndef VARVE_CHECK_SCAN_H
#define VARVE_CHECK_SCAN_H

#include "repo/check/check_impl.h"

#define SCAN_PIECE (512u * 1024)
#define SCAN_PACKS_MAX 8 /* of a thread; as many as there are lanes at the most */

/* One thread's working memory. */
struct scan;

/* For ${npacks} at once, 1..SCAN_PACKS_MAX.  Return 0 or -ENOMEM. */
int scan_new(struct check *c, unsigned npacks, struct scan **out);
void scan_free(struct scan *s);

/* The next pack that nobody has; NULL: none. */
typedef struct check_pack *scan_next_fn(void *arg);

/**
 * scan_packs(s, next, arg):
 * Verify the packs that ${next} gives: hash, table, table against index, every segment, every object's id; what is
 * wrong with one becomes one finding, and what cannot be read damage.  Return 0; -EINTR; -ENOMEM.
 */
int scan_packs(struct scan *s, scan_next_fn *next, void *arg);

#endif
