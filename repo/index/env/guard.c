/*
 * Locks and records of an environment's files.  See guard.h.
 */
#include "repo/index/env/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/index/env/env_dir.h"
#include "repo/index/lmdb/lmdb.h"
#include "repo/index/lmdb/lmdb_sum.h"

#define RECORD_LEN 64
#define RECORD_HASHED 56
#define STAMP_AT 0
#define PAIR_AT RECORD_LEN
#define REOPENS 20 /* the file may be removed between opening and locking it, but not for ever */

/* Bytes that stand for the locks; behind all that LMDB can write. */
#define LOCK_OPEN ((off_t)1 << 50)
#define LOCK_USE (LOCK_OPEN + 1)
#define LOCK_LOAD (LOCK_OPEN + 2)
#define LOCK_PROCESS ((off_t)1 << 51) /* and the process id */

static int lock_byte(const struct guard *g, off_t byte, short type, bool wait)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int rc;

	do
		rc = fcntl(g->data, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

/* Is the data file in ${dir} the one that is open? */
static bool still_there(const struct guard *g, const char *dir)
{
	struct stat a, b;

	return fstat(g->data, &a) == 0 && env_dir_stat_file(dir, LMDB_DATA_FILE, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino;
}

/* Return 0 with the lock, 1 if the file was removed meanwhile, or an error. */
static int open_locked(struct guard *g, const char *dir)
{
	int rc = env_dir_open_file(dir, LMDB_DATA_FILE);

	if (rc < 0)
		return rc == -ENOENT ? 1 : rc;
	g->data = rc;
	rc = guard_enter(g);
	if (rc == 0 && still_there(g, dir))
		return 0;
	close(g->data);
	g->data = -1;
	return rc < 0 ? rc : 1;
}

int guard_open(struct guard *g, const char *dir)
{
	int rc = 1;

	for (unsigned i = 0; i < REOPENS && rc == 1; i++)
		rc = open_locked(g, dir);
	if (rc != 0)
		return rc == 1 ? -ENOENT : rc;
	rc = lock_byte(g, LOCK_PROCESS + getpid(), F_WRLCK, false);
	if (rc < 0)
		return rc == -EAGAIN ? -EBUSY : rc;
	rc = env_dir_open_file(dir, ENV_STATE_FILE);
	if (rc < 0)
		return rc;
	g->state = rc;
	return 0;
}

void guard_close(struct guard *g)
{
	if (g->data >= 0)
		close(g->data);
	if (g->state >= 0)
		close(g->state);
	g->data = g->state = -1;
}

int guard_enter(struct guard *g)
{
	return lock_byte(g, LOCK_OPEN, F_WRLCK, true);
}

int guard_leave(struct guard *g)
{
	return lock_byte(g, LOCK_OPEN, F_UNLCK, false);
}

int guard_alone(struct guard *g)
{
	int rc = lock_byte(g, LOCK_USE, F_WRLCK, false);

	if (rc == -EAGAIN)
		return 0;
	return rc < 0 ? rc : 1;
}

int guard_share(struct guard *g)
{
	return lock_byte(g, LOCK_USE, F_RDLCK, false);
}

int guard_lock_load(struct guard *g)
{
	return lock_byte(g, LOCK_LOAD, F_WRLCK, true);
}

int guard_try_load(struct guard *g)
{
	return lock_byte(g, LOCK_LOAD, F_WRLCK, false);
}

int guard_unlock_load(struct guard *g)
{
	return lock_byte(g, LOCK_LOAD, F_UNLCK, false);
}

static void finish_record(uint8_t b[RECORD_LEN])
{
	le64enc(b + RECORD_HASHED, lmdb_hash(0, b, RECORD_HASHED));
}

static int write_record(struct guard *g, const uint8_t b[RECORD_LEN], off_t at)
{
	ssize_t n = pwrite(g->state, b, RECORD_LEN, at);

	if (n < 0)
		return -errno;
	return n == RECORD_LEN ? 0 : -ENOSPC;
}

static bool record_is(const struct guard *g, const uint8_t want[RECORD_LEN], off_t at)
{
	uint8_t have[RECORD_LEN];

	return pread(g->state, have, sizeof(have), at) == RECORD_LEN && memcmp(have, want, RECORD_LEN) == 0;
}

/* What the stamp looks like for the data file as it is.  Return 0 or a negative errno. */
static int make_stamp(const struct guard *g, enum guard_stamp stamp, uint8_t out[RECORD_LEN])
{
	struct stat st;

	memset(out, 0, RECORD_LEN);
	memcpy(out, "VARVEST1", 8);
	le32enc(out + 8, (uint32_t)stamp);
	if (stamp == GUARD_CLEAN) {
		if (fstat(g->data, &st) < 0)
			return -errno;
		le64enc(out + 16, st.st_ino);
		le64enc(out + 24, (uint64_t)st.st_size);
		le64enc(out + 32, (uint64_t)st.st_mtim.tv_sec);
		le32enc(out + 40, (uint32_t)st.st_mtim.tv_nsec);
		le32enc(out + 44, (uint32_t)st.st_ctim.tv_nsec);
		le64enc(out + 48, (uint64_t)st.st_ctim.tv_sec);
	}
	finish_record(out);
	return 0;
}

enum guard_stamp guard_read_stamp(const struct guard *g)
{
	uint8_t want[RECORD_LEN];

	make_stamp(g, GUARD_CONDEMNED, want);
	if (record_is(g, want, STAMP_AT))
		return GUARD_CONDEMNED;
	return make_stamp(g, GUARD_CLEAN, want) == 0 && record_is(g, want, STAMP_AT) ? GUARD_CLEAN : GUARD_DIRTY;
}

int guard_write_stamp(struct guard *g, enum guard_stamp stamp)
{
	uint8_t b[RECORD_LEN];
	int rc = make_stamp(g, stamp, b);

	if (rc == 0)
		rc = write_record(g, b, STAMP_AT);
	return rc == 0 && stamp == GUARD_DIRTY && fdatasync(g->state) < 0 ? -errno : rc;
}

int guard_exchange(struct guard *g, const char *from, const char *dir)
{
	struct guard fresh = { env_dir_open_file(from, LMDB_DATA_FILE), g->state };
	int rc;

	if (fresh.data < 0)
		return fresh.data;
	rc = guard_enter(&fresh);
	if (rc == 0)
		rc = guard_alone(&fresh) == 1 ? 0 : -EBUSY;
	if (rc == 0)
		rc = guard_write_stamp(&fresh, GUARD_DIRTY);
	if (rc == 0)
		rc = env_dir_move_file(from, LMDB_DATA_FILE, dir);
	if (rc == 0) {
		close(g->data);
		g->data = fresh.data;
	} else {
		close(fresh.data);
	}
	return rc;
}

static int make_pair(const struct guard *g, const char *dir, uint8_t out[RECORD_LEN])
{
	struct stat data, lock;
	int rc;

	if (fstat(g->data, &data) < 0)
		return -errno;
	rc = env_dir_stat_file(dir, LMDB_LOCK_FILE, &lock);
	if (rc < 0)
		return rc;
	memset(out, 0, RECORD_LEN);
	memcpy(out, "VARVEPR1", 8);
	le64enc(out + 16, data.st_ino);
	le64enc(out + 24, lock.st_ino);
	finish_record(out);
	return 0;
}

int guard_write_pair(struct guard *g, const char *dir)
{
	uint8_t b[RECORD_LEN];
	int rc = make_pair(g, dir, b);

	return rc == 0 ? write_record(g, b, PAIR_AT) : rc;
}

bool guard_check_pair(const struct guard *g, const char *dir)
{
	uint8_t want[RECORD_LEN];

	return still_there(g, dir) && make_pair(g, dir, want) == 0 && record_is(g, want, PAIR_AT);
}
