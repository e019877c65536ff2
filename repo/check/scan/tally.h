/*
 * What was found in a pack.
 */
#ifndef VARVE_CHECK_TALLY_H
#define VARVE_CHECK_TALLY_H

#include "repo/check/check_impl.h"

struct tally {
	uint64_t objects;  /* that should be in it */
	uint64_t damaged;  /* objects that cannot be read, or are not those of their ids */
	uint64_t moved;    /* the index has another place in this pack for them */
	uint64_t matched;
	uint64_t named;    /* the index places in it */
	uint64_t disorder; /* begin before the end of the one before, or end behind the pack */
	bool sealed;       /* this role cannot open them */
	bool bad_key;
	bool other_key;    /* the index has another wrapped key than the header */
	bool other_hash;   /* its bytes are not those of its name */
	int table_error;   /* of reading its table */
	int read_error;    /* of the store */
};

/* Append all that is wrong with the pack, in one line; nothing if nothing is. */
void tally_describe(const struct tally *t, struct buf *out);

#endif
