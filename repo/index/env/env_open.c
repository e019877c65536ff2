/*
 * Opening and closing an environment.  See env.h; who may believe the files of a shared one is decided with guard.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/index/env/env_compact.h"
#include "repo/index/env/env_dir.h"
#include "repo/index/env/env_impl.h"
#include "repo/index/lmdb/lmdb_check.h"

#define TRIES 20 /* to make a directory that others remove */

static const char *const tables[ENV_NTABLES] = { "meta", "packs", "pack ids", "objects", "objects odd", "runs",
	"runs odd", "slots", "kept", "learned", "tables" };

static void on_broken(void *arg, const char *what)
{
	struct env *e = arg;

	log_error(e->log, "index %s: LMDB: %s: the index will be made anew", e->dir, what);
	env_condemn(e);
}

static struct env *new_env(const struct env_options *opts)
{
	struct env *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->log = opts->log;
	memcpy(e->repo_id, opts->repo_id, sizeof(e->repo_id));
	e->guard = (struct guard)GUARD_INIT;
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

static int open_db(struct env *e)
{
	struct lmdb_options o = {
		.dir = e->dir,
		.tables = tables,
		.ntables = ENV_NTABLES,
		.broken = on_broken,
		.arg = e,
	};

	return lmdb_open(&o, &e->db);
}

static void free_env(struct env *e)
{
	lmdb_close(e->db);
	guard_close(&e->guard);
	pthread_mutex_destroy(&e->lock);
	free(e->dir);
	free(e);
}

/* Make sure that the tables are this repository's: 0, -ESTALE if they are not, or an error.  Empty ones become it. */
static int check_state(struct env *e)
{
	struct env_state s = { 0 };
	struct lmdb_txn *txn;
	struct rd r;
	int rc;

	rc = lmdb_read(e->db, &txn);
	if (rc < 0)
		return rc;
	rc = lmdb_get(txn, ENV_META, ENV_STATE_KEY, ENV_STATE_KEY_LEN, &r);
	if (rc == 0)
		rc = env_decode_state(r, e->repo_id, &s);
	lmdb_end(txn);
	if (rc != -ENOENT)
		return rc;
	rc = env_write(e, &txn);
	if (rc < 0)
		return rc;
	rc = env_put_state(txn, e->repo_id, &s);
	if (rc == 0)
		return lmdb_commit(txn);
	lmdb_end(txn);
	return rc;
}

/* Is the data file as it was written?  0; -ENOENT if there is nothing in it; -EBADMSG; another error. */
static int judge(struct env *e)
{
	enum guard_stamp stamp = guard_read_stamp(&e->guard);
	struct stat st;
	int rc;

	if (fstat(e->guard.data, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return -ENOENT;
	if (stamp != GUARD_DIRTY)
		return stamp == GUARD_CLEAN ? 0 : -EBADMSG;
	log_debug(e->log, "index %s: was not closed: checking it", e->dir);
	rc = lmdb_check(e->guard.data, tables, ENV_NTABLES);
	if (rc < 0)
		return rc;
	return fdatasync(e->guard.data) < 0 ? -errno : guard_write_stamp(&e->guard, GUARD_CLEAN);
}

/* Begin with empty files.  Nobody else has it open. */
static int remake(struct env *e, const char *why)
{
	int rc;

	if (why)
		log_warn(e->log, "index %s: %s: it is made anew", e->dir, why);
	rc = guard_write_stamp(&e->guard, GUARD_DIRTY);
	return rc == 0 && ftruncate(e->guard.data, 0) < 0 ? -errno : rc;
}

static int open_tables(struct env *e)
{
	int rc = env_dir_make_lock_file(e->dir);

	if (rc == 0)
		rc = open_db(e);
	if (rc == 0)
		rc = check_state(e);
	if (rc < 0) {
		lmdb_close(e->db);
		e->db = NULL;
	}
	return rc;
}

static int open_alone(struct env *e)
{
	int rc = judge(e);

	if (rc == -EBADMSG || rc == -EIO)
		rc = remake(e, "damaged");
	else if (rc == -ENOENT)
		rc = remake(e, NULL);
	if (rc < 0)
		return rc;
	rc = open_tables(e);
	if (rc == -ESTALE || rc == -EIO || rc == -EBADMSG) {
		rc = remake(e, rc == -ESTALE ? "of another version or repository" : "damaged");
		if (rc == 0)
			rc = open_tables(e);
	}
	return rc == 0 ? guard_write_pair(&e->guard, e->dir) : rc;
}

/* Others have it open, and have it as they should. */
static int open_joining(struct env *e)
{
	int rc;

	if (!guard_check_pair(&e->guard, e->dir))
		return -ESTALE;
	rc = open_db(e);
	return rc == 0 ? check_state(e) : rc;
}

/* Make its directory, and take its guard.  The directory may be removed in between, but not for ever. */
static int enter_dir(struct env *e)
{
	int rc = -ENOENT;

	for (unsigned i = 0; i < TRIES && rc == -ENOENT; i++) {
		guard_close(&e->guard);
		rc = env_dir_make(e->dir);
		if (rc == 0)
			rc = guard_open(&e->guard, e->dir);
	}
	return rc;
}

static int open_shared(struct env *e)
{
	int rc, alone;

	rc = enter_dir(e);
	if (rc < 0)
		return rc;
	alone = guard_alone(&e->guard);
	if (alone < 0)
		return alone;
	rc = alone ? open_alone(e) : open_joining(e);
	/* LMDB opened its files by name: they are those that are guarded, unless somebody moved them just now. */
	if (rc == 0 && !guard_check_pair(&e->guard, e->dir))
		rc = -ESTALE;
	if (rc == 0)
		rc = guard_share(&e->guard);
	return rc == 0 ? guard_leave(&e->guard) : rc;
}

/* Where private environments can be, best first; NULL behind the last. */
static const char *private_place(unsigned n)
{
	const char *tmp = getenv("TMPDIR");
	const char *const places[] = { "/dev/shm", tmp && *tmp ? tmp : "/tmp", "/var/tmp", "/tmp" };

	return n < sizeof(places) / sizeof(places[0]) ? places[n] : NULL;
}

static int open_private_at(struct env *e, const char *parent)
{
	int rc;

	e->is_private = true;
	rc = env_dir_make_private(parent, &e->dir);
	if (rc < 0)
		return rc;
	rc = open_tables(e);
	/* From here on it lives by its open descriptors. */
	env_dir_remove(e->dir);
	return rc;
}

int env_open_private(const struct env_options *opts, const struct env *after, struct env **out)
{
	unsigned n = after && env_is_private(after) ? after->place + 1 : 0;
	const char *parent;
	int rc = -ENOSPC;
	struct env *e;

	for (; (parent = private_place(n)) != NULL; n++) {
		e = new_env(opts);
		if (!e)
			return -ENOMEM;
		e->place = n;
		rc = open_private_at(e, parent);
		if (rc == 0) {
			*out = e;
			return 0;
		}
		free_env(e);
	}
	return rc;
}

int env_open(const struct env_options *opts, struct env **out)
{
	struct env *e = NULL;
	char text[96], *dir = NULL;
	int rc;

	if (opts->cache_dir) {
		e = new_env(opts);
		if (!e || (e->dir = env_dir_name(opts->cache_dir, opts->repo_id)) == NULL ||
		    (dir = strdup(e->dir)) == NULL) {
			rc = -ENOMEM;
			goto out;
		}
		rc = open_shared(e);
		if (rc == 0)
			goto out;
		free_env(e);
		e = NULL;
		log_warn(opts->log, "index %s: %s: using a temporary one", dir,
		    env_explain(rc, text, sizeof(text)));
	}
	rc = env_open_private(opts, NULL, &e);
	if (rc < 0) {
		log_error(opts->log, "index: no place for a temporary one: %s", ENV_ERROR(rc));
		rc = rc == -ENOMEM ? rc : -EIO;
	}
out:
	free(dir);
	if (rc == 0)
		*out = e;
	else if (e)
		free_env(e);
	return rc;
}

/* Put a compact file in the place of the one that is there, which is not touched if that fails. */
static int exchange_file(struct env *e)
{
	char *dir = env_dir_compact_name(e->dir);
	int rc;

	if (!dir)
		return -ENOMEM;
	env_dir_remove(dir);
	rc = env_dir_make(dir);
	if (rc == 0)
		rc = env_compact(e->db, tables, e->repo_id, dir);
	if (rc == 0)
		rc = guard_exchange(&e->guard, dir, e->dir);
	env_dir_remove(dir);
	free(dir);
	return rc;
}

/* The last one out leaves the stamp that spares the next one a check. */
static void close_shared(struct env *e)
{
	int rc = -1;

	if (guard_enter(&e->guard) < 0 || guard_alone(&e->guard) != 1 || guard_read_stamp(&e->guard) != GUARD_DIRTY)
		return;
	if (env_is_wasteful(e->db)) {
		rc = exchange_file(e);
		if (rc < 0)
			log_debug(e->log, "index %s: not compacted: %s", e->dir, ENV_ERROR(rc));
	}
	if (rc < 0)
		rc = lmdb_sync(e->db);
	lmdb_close(e->db);
	e->db = NULL;
	if (rc == 0)
		guard_write_stamp(&e->guard, GUARD_CLEAN);
}

void env_close(struct env *e)
{
	if (!e)
		return;
	if (!e->is_private)
		close_shared(e);
	free_env(e);
}

int env_remove(const char *cache_dir, const uint8_t repo_id[16])
{
	char *dir = env_dir_name(cache_dir, repo_id);
	struct guard guard = GUARD_INIT;
	int rc, alone;

	if (!dir)
		return -ENOMEM;
	rc = access(dir, F_OK) < 0 ? -errno : guard_open(&guard, dir);
	if (rc == 0) {
		alone = guard_alone(&guard);
		rc = alone == 1 ? env_dir_remove(dir) : alone == 0 ? -EBUSY : alone;
	}
	guard_close(&guard);
	free(dir);
	return rc == -ENOENT ? 0 : rc;
}
