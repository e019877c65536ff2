/*
 * Environment: an index's tables on the disk of this machine, or for want of that in memory.
 *
 *   meta      "state" -> version le32, repository id (16), generation le32, last generation begun le32, next pack
 *             number le32, bytes an object took when the file was compacted le32 (0: never)
 *   packs     pack number be32 -> generation le32, kind u8, 1 if no loaded run has named it, else 0, u8; zero u8[2];
 *             size le32 (0: not known), id (32), wrapped key (80)
 *   pack ids  pack id -> number le32
 *   objects   id -> pack number le32, place record (place.h)            two of them, of even and odd generations
 *   runs      run id -> 1 if loaded whole, else 0, u8; zero u8[7]; ids of the runs it replaces (32 each)      also two
 *   slots     slot be32 -> snapshot id
 *   kept      store name -> bytes
 *   learned   object id -> as objects; of runs that are not loaded
 *   tables    pack number be32 -> 1 u8: what its table names is in learned
 *
 * Generations: when all places are to be loaded anew, that is done into the tables that are not in use (generation n+1
 * beside n), and one transaction switches.  Who reads meanwhile sees the old ones, or the new ones, whole.  Packs keep
 * their numbers through that.  One belongs to the index if its generation is not below that of the index; the record of
 * one that does not stays, as it is small and somebody may still hold its number.
 */
#ifndef VARVE_INDEX_ENV_H
#define VARVE_INDEX_ENV_H

#include "repo/index/lmdb/lmdb.h"
#include "repo/util/log.h"

enum env_table {
	ENV_META,
	ENV_PACKS,
	ENV_PACK_IDS,
	ENV_OBJECTS, /* of even generations; of odd ones the next */
	ENV_OBJECTS_ODD,
	ENV_RUNS,
	ENV_RUNS_ODD,
	ENV_SLOTS,
	ENV_KEPT,
	ENV_LEARNED,
	ENV_TABLES,
	ENV_NTABLES
};

struct env;

struct env_options {
	const char *cache_dir;  /* NULL: a private one, without a warning */
	const uint8_t *repo_id; /* 16 bytes */
	const struct log *log;
};

/* The record "state" of the table "meta". */
struct env_state {
	uint32_t generation;
	uint32_t begun;     /* the last generation that loading was begun for */
	uint32_t next_pack; /* number for the next new pack */
	uint32_t bytes_per_object; /* in a compact file; 0: not known */
};

/**
 * env_open(opts, out):
 * Open the shared environment in its directory.  One that is damaged, of another version or another repository is made
 * anew with a warning.  ${opts} and what it points to are borrowed for the call, but ${opts->log}.  If it cannot be
 * used, a private one is opened in place of it, with one warning.  Return 0; -ENOMEM; -EIO if not even that (logged).
 */
int env_open(const struct env_options *opts, struct env **out);

/**
 * env_open_private(opts, after, out):
 * Open an empty one that nobody else sees and that is gone with the process, in /dev/shm or a temporary directory: the
 * next place behind that of ${after}, if this is a private one too.  Return 0 or a negative errno, if there is none.
 */
int env_open_private(const struct env_options *opts, const struct env *after, struct env **out);

/* The repository that it belongs to: 16 bytes, borrowed until env_close(). */
const uint8_t *env_repo_id(const struct env *e);

/*
 * Close it; no transaction may be open.  The last one to close a shared one compacts its file if that has become much
 * larger than it needs to be.  Does nothing for NULL.
 */
void env_close(struct env *e);

/* Its directory, for messages. */
const char *env_path(const struct env *e);
bool env_is_private(const struct env *e);

/* Begin a transaction (lmdb.h); all of them end with lmdb_end() or lmdb_commit(). */
int env_read(struct env *e, struct lmdb_txn **out);
int env_write(struct env *e, struct lmdb_txn **out);

int env_get_state(struct lmdb_txn *txn, struct env_state *out);
int env_put_state(struct lmdb_txn *txn, const uint8_t repo_id[16], const struct env_state *s);

/*
 * The generation that is in use in what ${txn} sees.  Not to be kept for another transaction: LMDB may give one the
 * number of a state, and show it a later one.
 */
int env_generation(struct lmdb_txn *txn, uint32_t *out);

/*
 * One loader at a time, over all processes (threads of this one lock among themselves).  It is held while the store is
 * read, perhaps for long: who can do without loading only tries, and has -EAGAIN if another process is at it.
 */
int env_lock_load(struct env *e);
int env_try_load(struct env *e);
void env_unlock_load(struct env *e);

/* It was found damaged in use: have it made anew when it is next opened. */
void env_condemn(struct env *e);

/* What a failure means here, in words; ${out} may be used for them. */
const char *env_explain(int rc, char *out, unsigned size);
#define ENV_ERROR(rc) env_explain(rc, (char[96]){ 0 }, 96)

/* Bytes that it takes on the disk. */
int env_disk_bytes(const struct env *e, uint64_t *out);

/* Remove the directory of this repository's environment.  Return 0 (also if there was none), -EBUSY if it is open. */
int env_remove(const char *cache_dir, const uint8_t repo_id[16]);

#endif
