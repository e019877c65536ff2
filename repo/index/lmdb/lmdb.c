/*
 * LMDB.  See lmdb.h.
 *
 * Reading transactions are reset, not freed, when they end: each keeps its place in LMDB's table of readers, and taking
 * one up again touches memory only.  Between uses they see nothing and hold nothing back.
 *
 * A writing transaction gathers what it adds to each table's sum and writes the sums when it is committed.
 */
#include "repo/index/lmdb/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/index/lmdb/lmdb_sum.h"

#define MAP_SIZE_MIN ((size_t)16 << 20)
#define READERS 1022
#define READERS_KEPT 64 /* reset transactions that are kept for the next reader */

_Static_assert(LMDB_LOCK_SIZE >= READERS * 64 + 1024, "the lock file has room for them");

struct lmdb {
	MDB_env *env;
	unsigned ntables;
	const char *const *tables;
	MDB_dbi dbi[LMDB_TABLES_MAX];
	MDB_dbi sums;
	void (*broken)(void *arg, const char *what);
	void *arg;
	pthread_mutex_t lock;  /* of the two below */
	struct lmdb_txn *idle; /* reading transactions that are reset */
	unsigned nidle;
};

/* What a writing transaction does to a table. */
struct lmdb_change {
	MDB_cursor *cursor; /* for writing; NULL until needed */
	uint64_t sum;       /* to be added */
	bool cleared;       /* to zero, and not to what there was */
	bool changed;
};

struct lmdb_txn {
	struct lmdb *db;
	MDB_txn *txn;
	struct lmdb_txn *next; /* in the list of idle ones */
	struct lmdb_change *change; /* an array of all tables; NULL when reading */
};

struct lmdb_cursor {
	MDB_cursor *cursor;
	MDB_val key; /* to seek, until ${begun} */
	bool begun;
};

static int translate(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return -EBADMSG;
	case ENOMEM:
	case EACCES:
	case EROFS:
		return -rc;
	default:
		return -EIO;
	}
}

/* LMDB's values have no const; it does not write through those that are put. */
static MDB_val val(const void *p, size_t len)
{
	union { const void *in; void *out; } u = { .in = p };

	return (MDB_val){ len, u.out };
}

static void on_assert(MDB_env *env, const char *what)
{
	struct lmdb *db = mdb_env_get_userctx(env);

	if (db->broken)
		db->broken(db->arg, what);
}

static int open_tables(struct lmdb *db, unsigned flags)
{
	MDB_txn *txn;
	int rc;

	rc = mdb_txn_begin(db->env, NULL, flags & MDB_CREATE ? 0 : MDB_RDONLY, &txn);
	if (rc)
		return rc;
	rc = mdb_dbi_open(txn, LMDB_SUM_TABLE, flags, &db->sums);
	for (unsigned i = 0; i < db->ntables && rc == 0; i++)
		rc = mdb_dbi_open(txn, db->tables[i], flags, &db->dbi[i]);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* Reading ahead helps to warm a small index up, and makes each access to one larger than the memory read in vain. */
static unsigned readahead_flag(const char *dir)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	struct buf path = BUF_INIT;
	struct stat st;
	unsigned flag = 0;

	if (buf_printf(&path, "%s/%s", dir, LMDB_DATA_FILE) == 0 && stat((const char *)path.data, &st) == 0 &&
	    (uint64_t)st.st_size > memory / 4)
		flag = MDB_NORDAHEAD;
	buf_free(&path);
	return flag;
}

static int open_env(struct lmdb *db, const char *dir, size_t map_size)
{
	unsigned flags = MDB_NOTLS | MDB_NOSYNC | readahead_flag(dir);
	int rc;

	rc = mdb_env_create(&db->env);
	if (rc)
		return rc;
	if ((rc = mdb_env_set_maxdbs(db->env, db->ntables + 1)) == 0 &&
	    (rc = mdb_env_set_maxreaders(db->env, READERS)) == 0 &&
	    (rc = mdb_env_set_mapsize(db->env, map_size)) == 0 && (rc = mdb_env_set_userctx(db->env, db)) == 0 &&
	    (rc = mdb_env_set_assert(db->env, on_assert)) == 0)
		rc = mdb_env_open(db->env, dir, flags, 0600);
	if (rc) {
		mdb_env_close(db->env);
		db->env = NULL;
	}
	return rc;
}

/* Address space is plenty, unless a limit was set on it. */
static int open_env_smaller(struct lmdb *db, const char *dir)
{
	size_t map_size = LMDB_MAP_SIZE;
	int rc;

	/* EINVAL: what valgrind says of a map that is too large for it. */
	while (((rc = open_env(db, dir, map_size)) == ENOMEM || rc == EINVAL) && map_size > MAP_SIZE_MIN)
		map_size /= 2;
	return rc;
}

int lmdb_open(const struct lmdb_options *opts, struct lmdb **out)
{
	struct lmdb *db = calloc(1, sizeof(*db));
	int rc, dead, fd;

	if (!db)
		return -ENOMEM;
	db->tables = opts->tables;
	db->ntables = opts->ntables;
	db->broken = opts->broken;
	db->arg = opts->arg;
	pthread_mutex_init(&db->lock, NULL);
	rc = open_env_smaller(db, opts->dir);
	if (rc == 0 && (rc = mdb_env_get_fd(db->env, &fd)) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		rc = errno;
	if (rc == 0)
		rc = mdb_reader_check(db->env, &dead);
	if (rc == 0)
		rc = open_tables(db, 0);
	if (rc == MDB_NOTFOUND)
		rc = open_tables(db, MDB_CREATE);
	if (rc == 0)
		*out = db;
	else
		lmdb_close(db);
	return translate(rc);
}

void lmdb_close(struct lmdb *db)
{
	struct lmdb_txn *t;

	if (!db)
		return;
	while ((t = db->idle) != NULL) {
		db->idle = t->next;
		mdb_txn_abort(t->txn);
		free(t);
	}
	if (db->env)
		mdb_env_close(db->env);
	pthread_mutex_destroy(&db->lock);
	free(db);
}

int lmdb_sync(struct lmdb *db)
{
	return translate(mdb_env_sync(db->env, 1));
}

int lmdb_disk_bytes(const struct lmdb *db, uint64_t *out)
{
	struct stat st;
	int fd;

	if (mdb_env_get_fd(db->env, &fd) != 0 || fstat(fd, &st) < 0)
		return -EIO;
	*out = (uint64_t)st.st_blocks * 512;
	return 0;
}

static struct lmdb_txn *take_idle(struct lmdb *db)
{
	struct lmdb_txn *t;

	pthread_mutex_lock(&db->lock);
	t = db->idle;
	if (t) {
		db->idle = t->next;
		db->nidle--;
	}
	pthread_mutex_unlock(&db->lock);
	return t;
}

int lmdb_read(struct lmdb *db, struct lmdb_txn **out)
{
	struct lmdb_txn *t = take_idle(db);
	int rc, dead;

	if (t) {
		rc = mdb_txn_renew(t->txn);
	} else {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->db = db;
		rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &t->txn);
		if (rc == MDB_READERS_FULL && mdb_reader_check(db->env, &dead) == 0)
			rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &t->txn);
	}
	if (rc == 0) {
		*out = t;
		return 0;
	}
	mdb_txn_abort(t->txn);
	free(t);
	return translate(rc);
}

int lmdb_write(struct lmdb *db, struct lmdb_txn **out)
{
	struct lmdb_txn *t = calloc(1, sizeof(*t));
	int rc = ENOMEM;

	if (!t)
		return -ENOMEM;
	t->db = db;
	t->change = calloc(db->ntables, sizeof(*t->change));
	if (t->change)
		rc = mdb_txn_begin(db->env, NULL, 0, &t->txn);
	if (rc == 0) {
		*out = t;
		return 0;
	}
	free(t->change);
	free(t);
	return translate(rc);
}

static int write_sum(struct lmdb_txn *t, unsigned table)
{
	const char *name = t->db->tables[table];
	MDB_val key = val(name, strlen(name)), data;
	uint64_t sum = t->change[table].sum;
	uint8_t b[8];
	int rc;

	if (!t->change[table].cleared) {
		rc = mdb_get(t->txn, t->db->sums, &key, &data);
		if (rc == 0 && data.mv_size == sizeof(b))
			sum += le64dec(data.mv_data);
		else if (rc != MDB_NOTFOUND)
			return rc ? rc : MDB_CORRUPTED;
	}
	le64enc(b, sum);
	data = val(b, sizeof(b));
	return mdb_put(t->txn, t->db->sums, &key, &data, 0);
}

int lmdb_commit(struct lmdb_txn *t)
{
	int rc = 0;

	if (!t->change) {
		lmdb_end(t);
		return 0;
	}
	for (unsigned i = 0; i < t->db->ntables && rc == 0; i++)
		if (t->change[i].changed)
			rc = write_sum(t, i);
	if (rc == 0)
		rc = mdb_txn_commit(t->txn);
	else
		mdb_txn_abort(t->txn);
	free(t->change);
	free(t);
	return translate(rc);
}

void lmdb_end(struct lmdb_txn *t)
{
	struct lmdb *db;
	bool keep;

	if (!t)
		return;
	db = t->db;
	if (t->change) {
		mdb_txn_abort(t->txn);
		free(t->change);
		free(t);
		return;
	}
	mdb_txn_reset(t->txn);
	pthread_mutex_lock(&db->lock);
	keep = db->nidle < READERS_KEPT;
	if (keep) {
		t->next = db->idle;
		db->idle = t;
		db->nidle++;
	}
	pthread_mutex_unlock(&db->lock);
	if (!keep) {
		mdb_txn_abort(t->txn);
		free(t);
	}
}

int lmdb_get(struct lmdb_txn *t, unsigned table, const void *key, size_t keylen, struct rd *out)
{
	MDB_val k = val(key, keylen), v;
	int rc = mdb_get(t->txn, t->db->dbi[table], &k, &v);

	if (rc == 0)
		*out = rd_init(v.mv_data, v.mv_size);
	return translate(rc);
}

/* The table's cursor for writing, and the note that it is written to. */
static int begin_change(struct lmdb_txn *t, unsigned table, struct lmdb_change **out)
{
	struct lmdb_change *c = &t->change[table];

	*out = c;
	c->changed = true;
	return c->cursor ? 0 : mdb_cursor_open(t->txn, t->db->dbi[table], &c->cursor);
}

static int put_new(struct lmdb_txn *t, unsigned table, MDB_val k, MDB_val *v, unsigned flags)
{
	struct lmdb_change *c;
	MDB_val old = *v;
	int rc;

	rc = begin_change(t, table, &c);
	if (rc == 0)
		rc = mdb_cursor_put(c->cursor, &k, v, flags);
	if (rc == 0)
		c->sum += lmdb_record_sum(k.mv_data, k.mv_size, old.mv_data, old.mv_size);
	return rc;
}

int lmdb_insert(struct lmdb_txn *t, unsigned table, const void *key, size_t keylen, const void *data, size_t len)
{
	MDB_val v = val(data, len);

	return translate(put_new(t, table, val(key, keylen), &v, MDB_NOOVERWRITE));
}

int lmdb_append(struct lmdb_txn *t, unsigned table, const void *key, size_t keylen, const void *data, size_t len)
{
	MDB_val v = val(data, len);

	return translate(put_new(t, table, val(key, keylen), &v, MDB_APPEND));
}

int lmdb_put(struct lmdb_txn *t, unsigned table, const void *key, size_t keylen, const void *data, size_t len)
{
	struct lmdb_change *c = &t->change[table];
	MDB_val k = val(key, keylen), v = val(data, len);
	uint64_t before;
	int rc;

	rc = put_new(t, table, k, &v, MDB_NOOVERWRITE);
	if (rc != MDB_KEYEXIST)
		return translate(rc);
	before = lmdb_record_sum(key, keylen, v.mv_data, v.mv_size);
	v = val(data, len);
	rc = mdb_cursor_put(c->cursor, &k, &v, 0);
	if (rc == 0)
		c->sum += lmdb_record_sum(key, keylen, data, len) - before;
	return translate(rc);
}

int lmdb_delete(struct lmdb_txn *t, unsigned table, const void *key, size_t keylen)
{
	MDB_val k = val(key, keylen), v;
	struct lmdb_change *c;
	uint64_t before;
	int rc;

	rc = begin_change(t, table, &c);
	if (rc == 0)
		rc = mdb_cursor_get(c->cursor, &k, &v, MDB_SET);
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc == 0) {
		before = lmdb_record_sum(key, keylen, v.mv_data, v.mv_size);
		rc = mdb_cursor_del(c->cursor, 0);
	}
	if (rc == 0)
		c->sum -= before;
	return translate(rc);
}

int lmdb_clear(struct lmdb_txn *t, unsigned table)
{
	struct lmdb_change *c = &t->change[table];
	int rc;

	if (c->cursor)
		mdb_cursor_close(c->cursor);
	c->cursor = NULL;
	rc = mdb_drop(t->txn, t->db->dbi[table], 0);
	if (rc == 0) {
		c->sum = 0;
		c->cleared = c->changed = true;
	}
	return translate(rc);
}

int lmdb_count(struct lmdb_txn *t, unsigned table, uint64_t *out)
{
	MDB_stat st;
	int rc = mdb_stat(t->txn, t->db->dbi[table], &st);

	if (rc == 0)
		*out = st.ms_entries;
	return translate(rc);
}

int lmdb_seek(struct lmdb_txn *t, unsigned table, const void *key, size_t keylen, struct lmdb_cursor **out)
{
	struct lmdb_cursor *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->key = val(key, keylen);
	rc = mdb_cursor_open(t->txn, t->db->dbi[table], &c->cursor);
	if (rc == 0)
		*out = c;
	else
		free(c);
	return translate(rc);
}

int lmdb_next(struct lmdb_cursor *c, struct rd *key, struct rd *data)
{
	MDB_cursor_op op = c->begun ? MDB_NEXT : c->key.mv_size > 0 ? MDB_SET_RANGE : MDB_FIRST;
	MDB_val k = c->key, v;
	int rc = mdb_cursor_get(c->cursor, &k, &v, op);

	c->begun = true;
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc)
		return translate(rc);
	*key = rd_init(k.mv_data, k.mv_size);
	*data = rd_init(v.mv_data, v.mv_size);
	return 1;
}

void lmdb_cursor_close(struct lmdb_cursor *c)
{
	if (!c)
		return;
	mdb_cursor_close(c->cursor);
	free(c);
}
