/*
 * Content-defined chunker: FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking (level 2) over a gear table
 * derived from the repository's object-id key, so that cut points tell nothing to who does not hold it.
 *
 * The hash at a position is the sum of gear[b] << j over the 64 bytes b before it, j = 0 for the last one, modulo 2^64.
 * A chunk of an average of 2^n bytes ends at the first length L for which
 *
 *   min < L <= normal    and the top n + 2 bits of the hash are zero   (mask_small), or
 *   normal < L < max     and the top n - 2 bits of the hash are zero   (mask_large), or
 *   L = max, or the input ends.
 *
 * The masks are the top bits, as those depend on most bytes (bit k only on the last k + 1).  ${normal} is 13/16 of the
 * average: with minimum 1/4 and these masks chunks of random data then have just that average (the paper's choice,
 * switching at the average itself, gives 1.15 times as much).
 *
 * The gear table is 64 keyed BLAKE2b-256 hashes, of the bytes 0 to 63, one after the other as le64, under the key
 * crypt_derive(object-id key, CHUNKER_PURPOSE).  An entry g with which a run of its byte (whose hash is -g) would be
 * cut, top n - 2 bits of -g zero, gets its top bit flipped: runs are always cut at the maximum, so that all chunks in
 * them are the same.
 *
 * Immutable after chunker_init(): one chunker serves all threads.
 */
#ifndef VARVE_OBJECT_CHUNKER_H
#define VARVE_OBJECT_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repo/crypt/crypt.h"

#define CHUNKER_PURPOSE "varve gear table"

struct chunker {
	uint64_t gear[256];
	uint64_t mask_small; /* up to ${normal}: more bits, cuts less likely */
	uint64_t mask_large; /* beyond it */
	size_t min, avg, max; /* bytes */
};

/* ${avg}: a power of two, CHUNK_AVG_MIN to CHUNK_AVG_MAX; minimum avg/4, maximum avg*4. */
void chunker_init(struct chunker *c, const struct hash_key *key, size_t avg);

/**
 * chunker_cut(c, data, len, last):
 * Length of the chunk that begins at ${data}, of which ${len} bytes are there; ${last} says that the input ends with
 * them.  Return 1 to ${c->max}, or 0 if more bytes are needed to decide (never when ${len} >= ${c->max} or ${last} and
 * ${len} > 0).  The result depends only on the bytes from ${data} on.
 */
size_t chunker_cut(const struct chunker *c, const uint8_t *data, size_t len, bool last);

#endif
