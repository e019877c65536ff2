/*
 * Compacting.  See env_compact.h.
 */
#include "repo/index/env/env_compact.h"

#include <errno.h>

#include "repo/index/env/env_dir.h"

#define BATCH 65536                 /* records of one transaction */
#define FILE_MIN (8u * 1024 * 1024) /* smaller ones are not worth it */
#define BYTES_PER_OBJECT 72         /* as long as no compacting has told better */
#define BYTES_PER_KEPT 4096         /* manifests mostly, of a few hundred bytes to a page of its own */

bool env_is_wasteful(struct lmdb *db)
{
	uint64_t objects = 0, learned = 0, kept = 0, bytes = 0, need;
	struct env_state s = { 0 };
	struct lmdb_txn *txn;
	int rc;

	if (lmdb_disk_bytes(db, &bytes) < 0 || bytes < FILE_MIN || lmdb_read(db, &txn) < 0)
		return false;
	rc = env_get_state(txn, &s);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_OBJECTS + s.generation % 2, &objects);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_LEARNED, &learned);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_KEPT, &kept);
	lmdb_end(txn);
	objects += learned;
	need = objects * (s.bytes_per_object ? s.bytes_per_object : BYTES_PER_OBJECT) + kept * BYTES_PER_KEPT;
	return rc == 0 && bytes > need + need / 3 + FILE_MIN / 4;
}

/* Copy one table, in order. */
static int copy_table(struct lmdb *from, struct lmdb *to, unsigned table)
{
	struct lmdb_txn *rt, *wt = NULL;
	struct lmdb_cursor *c = NULL;
	struct rd key, data;
	unsigned n = 0;
	int rc;

	rc = lmdb_read(from, &rt);
	if (rc < 0)
		return rc;
	rc = lmdb_seek(rt, table, NULL, 0, &c);
	while (rc == 0 && (rc = lmdb_next(c, &key, &data)) > 0) {
		rc = wt ? 0 : lmdb_write(to, &wt);
		if (rc == 0)
			rc = lmdb_append(wt, table, key.p, key.len, data.p, data.len);
		if (rc == 0 && ++n % BATCH == 0) {
			rc = lmdb_commit(wt);
			wt = NULL;
		}
	}
	lmdb_cursor_close(c);
	lmdb_end(rt);
	if (rc < 0)
		lmdb_end(wt);
	else if (wt)
		rc = lmdb_commit(wt);
	return rc;
}

/* All tables, but those of the generation that is not in use. */
static int copy_tables(struct lmdb *from, struct lmdb *to, uint32_t generation)
{
	int rc = 0;

	for (unsigned table = 0; table < ENV_NTABLES && rc == 0; table++)
		if (table != ENV_OBJECTS + (generation + 1) % 2 && table != ENV_RUNS + (generation + 1) % 2)
			rc = copy_table(from, to, table);
	return rc;
}

/* Note what an object takes in a file that is as compact as can be. */
static int note_size(struct lmdb *db, const uint8_t repo_id[16])
{
	uint64_t objects = 0, learned = 0, bytes = 0;
	struct env_state s;
	struct lmdb_txn *txn;
	int rc;

	rc = lmdb_write(db, &txn);
	if (rc < 0)
		return rc;
	rc = env_get_state(txn, &s);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_OBJECTS + s.generation % 2, &objects);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_LEARNED, &learned);
	objects += learned;
	if (rc == 0)
		rc = lmdb_disk_bytes(db, &bytes);
	if (rc == 0) {
		s.bytes_per_object = objects > 0 && bytes / objects < 4096 ? (uint32_t)(bytes / objects) + 1 : 0;
		rc = env_put_state(txn, repo_id, &s);
	}
	if (rc == 0)
		return lmdb_commit(txn);
	lmdb_end(txn);
	return rc;
}

int env_compact(struct lmdb *db, const char *const *tables, const uint8_t repo_id[16], const char *dir)
{
	struct lmdb_options o = { .dir = dir, .tables = tables, .ntables = ENV_NTABLES };
	struct lmdb *to = NULL;
	struct lmdb_txn *txn;
	uint32_t generation;
	int rc;

	rc = lmdb_read(db, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &generation);
	lmdb_end(txn);
	if (rc == 0)
		rc = env_dir_make_lock_file(dir);
	if (rc == 0)
		rc = lmdb_open(&o, &to);
	if (rc == 0)
		rc = copy_tables(db, to, generation);
	if (rc == 0)
		rc = note_size(to, repo_id);
	if (rc == 0)
		rc = lmdb_sync(to);
	lmdb_close(to);
	return rc;
}
