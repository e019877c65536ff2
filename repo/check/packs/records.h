/*
 * What should be in a pack: records (id, place record) in the order of the pack, from its own table or, where that
 * cannot be read, from the index.
 */
#ifndef VARVE_CHECK_RECORDS_H
#define VARVE_CHECK_RECORDS_H

#include "repo/check/check_impl.h"

struct records {
	struct buf bytes;      /* for packing_next() */
	uint64_t n;
	bool from_index;
	struct pack_info info; /* of the pack's own header, or of the index */
};

/**
 * records_load(c, p, r):
 * Fill ${r} (emptied first) for pack ${p}.  Return 0; -ENOMEM; otherwise the table could not be read, and ${r} holds
 * what the index says (nothing, if it does not name the pack).
 */
int records_load(struct check *c, const struct check_pack *p, struct records *r);

void records_free(struct records *r);

#endif
