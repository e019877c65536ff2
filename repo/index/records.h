/*
 * All objects of all index runs, each with all its places: for prune, which must see every copy of an object, where the
 * index itself keeps one place of each.
 */
#ifndef VARVE_INDEX_RECORDS_H
#define VARVE_INDEX_RECORDS_H

#include "repo/index/index.h"

/* An object and where it is. */
struct index_object {
	struct id id;
	const struct place *place; /* ${n} of them, ${place->pack} numbers of index_pack(); see below */
	size_t n;
};

/* Not thread-safe. */
struct index_records;

/**
 * index_records_open(x, out):
 * List the runs of the store as they are now, and open all but those that others replace.  Nothing is loaded.  Memory:
 * the ends of the runs, 4 bytes for each pack that a run names, and windows of 32 MiB (64 KiB for each run, if there
 * are more than 500): some 50 MB for 100 million objects.  Return 0; -EBADMSG, -EPROTONOSUPPORT (logged) if a run
 * cannot be read, as nobody knows then which packs are needed; -EACCES; -EIO if the index fails, or if runs vanished
 * faster than they could be opened; -ENOMEM; what the store returns.
 */
int index_records_open(struct index *x, struct index_records **out);
void index_records_close(struct index_records *r);

/**
 * index_records_next(r, out):
 * The next object in order of id.  Its places are in different packs, or at different bytes of one, and in order of
 * their packs' ids: so two machines that both rely on the first rely on the same.  They are borrowed until the next
 * call.  Return 1; 0 at the end; otherwise as open: then only close may follow.
 */
int index_records_next(struct index_records *r, struct index_object *out);

#endif
