/*
 * Compacting an environment's data file.
 *
 * Runs that come one by one put their objects between those that are there, and leave LMDB's pages half empty, where a
 * bulk load in order leaves full ones; and LMDB never gives room back.  So the last one to close an environment whose
 * file has grown far beyond what its records need writes it anew, in order.
 */
#ifndef VARVE_INDEX_ENV_COMPACT_H
#define VARVE_INDEX_ENV_COMPACT_H

#include "repo/index/env/env.h"

/* Is it worth it? */
bool env_is_wasteful(struct lmdb *db);

/**
 * env_compact(db, tables, repo_id, dir):
 * Write the records of ${db} to a new data file in ${dir}, which exists and is empty; nobody may write to ${db}
 * meanwhile.  The file is on the disk when this returns.  Return 0, or a negative errno with files left in ${dir}.
 */
int env_compact(struct lmdb *db, const char *const *tables, const uint8_t repo_id[16], const char *dir);

#endif
