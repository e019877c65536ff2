/*
 * Place: where an object is inside its pack.
 *
 * An object either shares one segment with its neighbours (small files, tree pages) or, when larger than a segment, has
 * one or more segments of its own, so that a read of a few bytes opens one segment and not the whole object.
 *
 * Encoded (a "place record", 8 bytes and more; all little-endian):
 *
 *   0  byte offset in the pack of the first segment's box   le32
 *   4  plaintext length of the object                       le24
 *   7  number of segments of its own, n                     u8
 *   8  n = 0: length of the shared segment's box            le24
 *             plaintext length of the shared segment        le24
 *             where the object begins in it                 le24
 *      n > 0: length of each of the n boxes, one after the other in the pack   n x le24
 *
 * Plaintext of own segments: ${segment_size} bytes each (config), the last one the rest.  A box is 18 bytes (codec
 * byte, one byte of body, tag) to 17 more than its plaintext.
 */
#ifndef VARVE_PACK_PLACE_H
#define VARVE_PACK_PLACE_H

#include "repo/crypt/config.h"
#include <stdbool.h>

#include "repo/util/bytes/buf.h"

#define PLACE_SEGMENTS_MAX SEGMENTS_PER_CHUNK_MAX
#define PLACE_RECORD_MAX (8 + 3 * PLACE_SEGMENTS_MAX)
#define OBJECT_LEN_MAX (8u * 1024 * 1024) /* 4 * CHUNK_AVG_MAX */

struct place {
	uint32_t pack;   /* number of the pack; what numbers them depends on where the place came from */
	uint32_t offset;
	uint32_t len;    /* plaintext bytes of the object */
	uint32_t shared_len;  /* nown = 0: plaintext bytes of the shared segment */
	uint32_t shared_skip; /* nown = 0: the object's first byte in it */
	uint8_t nown;    /* segments of its own; 0: shares one */
	uint32_t box[PLACE_SEGMENTS_MAX]; /* length of each box; nown = 0: box[0] */
};

/* Append the record (without the pack's number).  Return 0 or -ENOMEM. */
int place_encode(const struct place *p, struct buf *out);

/**
 * place_decode(r, segment_size, out):
 * Take a record; ${out->pack} is left alone.  Return 0, or -EBADMSG if it is cut off, longer than OBJECT_LEN_MAX, its
 * lengths contradict each other or ${segment_size}, or it would pass the 4 GiB that a pack can have.
 */
int place_decode(struct rd *r, uint32_t segment_size, struct place *out);

/* The same bytes of a pack, whichever number that has? */
bool place_equal(const struct place *a, const struct place *b);

/* Segments that the object touches (1 when it shares one). */
static inline unsigned place_nsegments(const struct place *p)
{
	return p->nown ? p->nown : 1;
}

/* One segment of a place. */
struct segment_place {
	uint32_t pack;
	uint32_t offset; /* of the box */
	uint32_t box;    /* its length */
	uint32_t len;    /* plaintext bytes */
};

/**
 * place_segment(p, n, segment_size, seg, object_off, skip, take):
 * Describe the ${n}-th segment: it holds bytes [${*object_off}, ${*object_off} + ${*take}) of the object, from byte
 * ${*skip} of its plaintext on.  ${n} is below place_nsegments().
 */
void place_segment(const struct place *p, unsigned n, uint32_t segment_size, struct segment_place *seg,
    uint32_t *object_off, uint32_t *skip, uint32_t *take);

#endif
