/*
 * For load.c, load_write.c and learn.c only: writing to an environment.
 */
#ifndef VARVE_INDEX_LOAD_IMPL_H
#define VARVE_INDEX_LOAD_IMPL_H

#include "repo/index/index_impl.h"

/*
 * Records of one transaction, which wait in memory while runs are read.  Appending touches a page for 60 of them,
 * inserting may touch one for each.
 */
#define BATCH_APPEND 65536
#define BATCH_INSERT 4096

/* Writing in transactions of bounded size. */
struct load {
	struct env *env;
	uint32_t generation;
	struct lmdb_txn *txn;
	unsigned pending, batch; /* records in the transaction, and when to commit */
	struct env_state state;
	bool overwrite;          /* what the objects' table has */
	bool append;             /* the objects' table was empty when the merge began */
	struct buf waiting;      /* ${nwaiting} objects: id, length of the value u8, value */
	unsigned nwaiting;
	struct buf value;
	int rc;                  /* the environment's failure */
};

/*
 * Begin a transaction; commit it, with ${l->state}, or undo it if ${l->rc} is a failure already; count a record that
 * was written with ${rc}, committing and beginning anew where enough are pending.  All return ${l->rc}.
 */
int load_begin(struct load *l);
int load_commit(struct load *l);
int load_wrote(struct load *l, int rc);

/**
 * load_enter_pack(l, info, number), load_learn_pack(l, info, number):
 * Give the pack a number if it has none.  The first brings its record up to this generation.  The second makes a record
 * of a pack that no run has named, and leaves one that is there alone, unless ${info} is a run's, as its size tells,
 * and the one that is there has none, or was doubted.  Return 0 or the environment's failure.
 */
int load_enter_pack(struct load *l, const struct pack_info *info, uint32_t *number);
int load_learn_pack(struct load *l, const struct pack_info *info, uint32_t *number);

#endif
