/*
 * For records.c and sweep.c only: the runs behind the records.
 */
#ifndef VARVE_INDEX_RECORDS_IMPL_H
#define VARVE_INDEX_RECORDS_IMPL_H

#include "repo/index/index_impl.h"
#include "repo/index/records.h"
#include "repo/index/run/run_merge.h"
#include "repo/util/bytes/numset.h"

/* A run of the store, open. */
struct record_run {
	struct id id;
	uint64_t size;
	struct run *run;
	uint32_t *number; /* of its packs in the index */
	bool concerned;   /* the user's: index_records_concern() */
};

struct index_records {
	struct index *x;
	struct record_run *run; /* that are to be read */
	size_t nruns;
	size_t memory;          /* of those */
	struct ids superseded;  /* in the store, and replaced by some of those; sorted */
	struct run_merge *merge; /* begun by the first next */
	struct id id;           /* of the record that comes next */
	struct place ahead;
	size_t which;
	bool have_ahead;
	struct place *place;    /* of the object that was given out last */
	size_t nplaces;
	bool concerned;         /* one of the runs that have it is */
};

/* Does a run name a pack of ${packs}? */
bool record_run_names(const struct record_run *r, const struct numset *packs);

#endif
