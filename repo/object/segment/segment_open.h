/*
 * Opening of segments: fetch a box from the store, authenticate, expand.
 *
 * Thread-safe.  Working memory (a sealed segment and a decompressor) is kept for as many threads as open at once.
 */
#ifndef VARVE_OBJECT_SEGMENT_OPEN_H
#define VARVE_OBJECT_SEGMENT_OPEN_H

#include "repo/object/reader.h"

struct segment_opener;

/* What ${opts} names is borrowed until segment_opener_free().  NULL if there is no memory. */
struct segment_opener *segment_opener_new(const struct object_reader_options *opts);
void segment_opener_free(struct segment_opener *o);

/**
 * segment_open(o, kind, sp, out):
 * Write the ${sp->len} bytes of plaintext of a segment to ${out} (undefined on failure).  Return 0; -ESTALE if the pack
 * is not in the store: not logged, as the object may be in another by now; or an error of reader.h, logged with the
 * pack's name (-EACCES: the first time).
 */
int segment_open(struct segment_opener *o, enum pack_kind kind, const struct segment_place *sp, uint8_t *out);

/* The pack is missing, and what is wanted is in no other: say so once in a while.  Return -EBADMSG. */
int segment_pack_missing(struct segment_opener *o, uint32_t number);

/* What is known of the pack (its key) has turned out to be doubtful, and the index may know better now. */
void segment_pack_doubt(struct segment_opener *o, uint32_t number);

/* Store name of the index's pack ${number} for messages.  Return ${out}. */
char *segment_pack_name(struct segment_opener *o, uint32_t number, char out[PACK_NAME_SIZE]);

#endif
