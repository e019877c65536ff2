/*
 * The inside of a pack that is being scanned: pack_scan.c has its beginning and its end, pack_window.c its bytes,
 * pack_objects.c the objects in them.
 */
#ifndef VARVE_CHECK_PACK_SCAN_IMPL_H
#define VARVE_CHECK_PACK_SCAN_IMPL_H

#include "repo/check/packs/records.h"
#include "repo/check/scan/pack_scan.h"
#include "repo/check/scan/tally.h"

#define PACK_SCAN_PAGE 4096

struct pack_scan {
	struct check *c;
	struct check_pack *pack;
	char name[PACK_NAME_SIZE];
	struct hash_stream stream;
	uint8_t *room;        /* ${cap} bytes, on a page */
	size_t cap;
	uint64_t at;          /* the window: ${len} bytes of the pack from here on, see pack_scan_window() */
	size_t len;           /* of it; up to ${done} they are no longer what they were */
	uint64_t done;        /* the end of the last box that was opened */
	struct records records;
	struct rd rest;       /* records behind the next object's */
	struct id id;         /* the next object */
	struct place place;
	bool more;            /* there is one */
	struct segment_place open; /* the shared segment at ${plain}; len 0: none */
	const uint8_t *plain; /* NULL: it is damaged */
	struct aead_key key;
	struct buf damaged;   /* ids of objects that the index places here, and that cannot be read */
	struct buf elsewhere; /* ids of objects that the index places here, but not where they are */
	bool failed;          /* ended before its end */
	bool again;           /* it is read for the second time */
	struct tally t;
};

/* How far it has been read. */
static inline uint64_t pack_scan_so_far(const struct pack_scan *s)
{
	return s->at + s->len;
}

/*
 * The window.  A byte has the same position in a page of memory as in one of the file, so that the file can be read
 * past the page cache.
 */
static inline uint8_t *pack_scan_window(const struct pack_scan *s)
{
	return s->room + s->at % PACK_SCAN_PAGE;
}

/* The store or the index failed: no more of this pack.  Return 0, or an error that ends the check. */
int pack_scan_fail(struct pack_scan *s, int rc);

/* Go on to the next object that should be in it.  0, or -EBADMSG for records that make no sense. */
int pack_scan_next(struct pack_scan *s);

#endif
