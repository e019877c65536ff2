/*
 * For tests of the object writer: chunks of noise.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_CHUNKS_H
#define VARVE_TEST_CHUNKS_H

#include "tests/lib/fixture.h"

#define CHUNKS_LEN 5000u
#define CHUNKS_N 1000u /* chunks of CHUNKS_LEN: about five packs of noise */

/* CHUNKS_N chunks of noise and their ids. */
struct chunks {
	uint8_t *data;
	struct id id[CHUNKS_N];
};

/* To be given to chunks_free(). */
struct chunks *chunks_make(uint64_t seed);
void chunks_free(struct chunks *c);

/* Store all of them.  0, or the first error. */
int chunks_store(struct fixture *f, struct object_writer *w, struct chunks *c);

/* How many of the chunks can be read back; none may come back wrong. */
unsigned chunks_readable(struct fixture *f, const struct chunks *c);

#endif
