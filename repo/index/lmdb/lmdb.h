/*
 * LMDB: the one file that speaks to it.  Tables of byte records, transactions, negative errno.
 *
 * Every table has a sum over its records, kept in a table of its own and changed in the same transaction, so that
 * lmdb_check() can tell a file that is as it was written from one that is not (LMDB itself trusts its file, and may
 * crash or answer wrongly if a bit of it is changed).
 *
 * Commits are not synced (MDB_NOSYNC): a process that is killed loses nothing, but after a power cut the file may be
 * anything.  Who opens it must therefore know that it was synced, or check it (env.h).
 *
 * A struct lmdb may be used by several threads, a transaction by one at a time.  An environment must be opened once in
 * a process, and must not be used in a child that was forked.
 *
 * Errors: -ENOENT, -EEXIST as said; -ENOSPC if the disk or the address space is full; -EBADMSG if LMDB finds its file
 * damaged; -ENOMEM; -EIO for all else that went wrong, also for a disk that is full when part of a write went through.
 * Nothing is logged here.
 */
#ifndef VARVE_INDEX_LMDB_H
#define VARVE_INDEX_LMDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repo/util/bytes/buf.h"

#define LMDB_TABLES_MAX 16
#define LMDB_MAP_SIZE (sizeof(size_t) > 4 ? (size_t)64 << 20 << 10 : (size_t)1 << 30) /* bytes a file can have */
#define LMDB_DATA_FILE "data.mdb"
#define LMDB_LOCK_FILE "lock.mdb"
#define LMDB_LOCK_SIZE (72u * 1024) /* holds the readers that lmdb_open() asks for */

struct lmdb;
struct lmdb_txn;
struct lmdb_cursor;

struct lmdb_options {
	const char *dir;           /* that holds the two files; exists */
	const char *const *tables; /* names; borrowed until lmdb_close().  A table is its number in here */
	unsigned ntables;
	/* Called when LMDB finds its own state impossible, just before it ends the process; may be NULL. */
	void (*broken)(void *arg, const char *what);
	void *arg;
};

/* Open, making the file and the tables where they are missing.  Return 0 or an error. */
int lmdb_open(const struct lmdb_options *opts, struct lmdb **out);

/* Close it; no transaction may be open.  Does nothing for NULL. */
void lmdb_close(struct lmdb *db);

/* Write everything through to the disk. */
int lmdb_sync(struct lmdb *db);

/* Bytes that the data file takes on the disk. */
int lmdb_disk_bytes(const struct lmdb *db, uint64_t *out);

/**
 * lmdb_read(db, out), lmdb_write(db, out):
 * Begin a transaction.  Reading costs no system call and sees the state of this moment until lmdb_end(); keep it short,
 * as pages that it can see are not used again meanwhile.  There is one writer at a time, over all processes: the others
 * wait.
 */
int lmdb_read(struct lmdb *db, struct lmdb_txn **out);
int lmdb_write(struct lmdb *db, struct lmdb_txn **out);

/* Make what was written visible.  ${txn} is gone in any case. */
int lmdb_commit(struct lmdb_txn *txn);

/* End a reading transaction, or undo a writing one.  Does nothing for NULL. */
void lmdb_end(struct lmdb_txn *txn);

/**
 * lmdb_get(txn, table, key, keylen, out):
 * The record with this key: ${*out} is borrowed until the transaction writes or ends.  Return 0, -ENOENT, or an error.
 */
int lmdb_get(struct lmdb_txn *txn, unsigned table, const void *key, size_t keylen, struct rd *out);

/* Write a record, in place of what was there.  Keys have 1 to 511 bytes. */
int lmdb_put(struct lmdb_txn *txn, unsigned table, const void *key, size_t keylen, const void *data, size_t len);

/* Write a record if there is none with this key, else return -EEXIST. */
int lmdb_insert(struct lmdb_txn *txn, unsigned table, const void *key, size_t keylen, const void *data, size_t len);

/* Write a record whose key is above all others of the table (else -EEXIST): fast, and leaves full pages. */
int lmdb_append(struct lmdb_txn *txn, unsigned table, const void *key, size_t keylen, const void *data, size_t len);

/* Remove a record.  Return 0 (also if there was none) or an error. */
int lmdb_delete(struct lmdb_txn *txn, unsigned table, const void *key, size_t keylen);

/* Remove all records of a table. */
int lmdb_clear(struct lmdb_txn *txn, unsigned table);

/* Number of records. */
int lmdb_count(struct lmdb_txn *txn, unsigned table, uint64_t *out);

/**
 * lmdb_seek(txn, table, key, keylen, out), lmdb_next(c, key, data):
 * Go through the records in order of key (bytes compared, shorter first), from the first whose key is not below ${key}
 * (${keylen} 0: from the first).  next returns 1 with key and data, borrowed like those of lmdb_get(); 0 at the end; or
 * an error.  The cursor must be closed before its transaction.
 */
int lmdb_seek(struct lmdb_txn *txn, unsigned table, const void *key, size_t keylen, struct lmdb_cursor **out);
int lmdb_next(struct lmdb_cursor *c, struct rd *key, struct rd *data);
void lmdb_cursor_close(struct lmdb_cursor *c);

#endif
