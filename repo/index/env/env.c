/*
 * Environment in use.  See env.h; opening and closing it is in env_open.c.
 */
#include <errno.h>
#include <string.h>

#include "repo/index/env/env_impl.h"
#include "repo/util/bytes/le.h"

#define VERSION 2
#define STATE_LEN 36

int env_decode_state(struct rd r, const uint8_t *repo_id, struct env_state *out)
{
	const uint8_t *p = r.p;

	/* A version that is not ours, or another repository: what else is in there means nothing. */
	if (r.len != STATE_LEN || le32dec(p) != VERSION || (repo_id && memcmp(p + 4, repo_id, 16) != 0))
		return -ESTALE;
	out->generation = le32dec(p + 20);
	out->begun = le32dec(p + 24);
	out->next_pack = le32dec(p + 28);
	out->bytes_per_object = le32dec(p + 32);
	return 0;
}

int env_get_state(struct lmdb_txn *txn, struct env_state *out)
{
	struct rd r;
	int rc = lmdb_get(txn, ENV_META, ENV_STATE_KEY, ENV_STATE_KEY_LEN, &r);

	if (rc == 0)
		rc = env_decode_state(r, NULL, out);
	return rc == -ENOENT || rc == -ESTALE ? -EBADMSG : rc;
}

int env_put_state(struct lmdb_txn *txn, const uint8_t repo_id[16], const struct env_state *s)
{
	uint8_t b[STATE_LEN];

	le32enc(b, VERSION);
	memcpy(b + 4, repo_id, 16);
	le32enc(b + 20, s->generation);
	le32enc(b + 24, s->begun);
	le32enc(b + 28, s->next_pack);
	le32enc(b + 32, s->bytes_per_object);
	return lmdb_put(txn, ENV_META, ENV_STATE_KEY, ENV_STATE_KEY_LEN, b, sizeof(b));
}

int env_generation(struct lmdb_txn *txn, uint32_t *out)
{
	struct env_state s;
	int rc = env_get_state(txn, &s);

	if (rc == 0)
		*out = s.generation;
	return rc;
}

const char *env_explain(int rc, char *out, unsigned size)
{
	switch (rc) {
	case -EPERM:
		return "belongs to somebody else, or others may write to it";
	case -EREMOTE:
		return "is on a network file system";
	case -EBUSY:
		return "is open in this process already";
	case -ESTALE:
		return "is in use with other files, of another version or of another repository";
	case -EIO:
		return "input/output error";
	case -EBADMSG:
		return "damaged";
	default:
		return err_text(rc, out, size);
	}
}

const uint8_t *env_repo_id(const struct env *e)
{
	return e->repo_id;
}

const char *env_path(const struct env *e)
{
	return e->dir;
}

bool env_is_private(const struct env *e)
{
	return e->is_private;
}

int env_read(struct env *e, struct lmdb_txn **out)
{
	return lmdb_read(e->db, out);
}

static int make_dirty(struct env *e)
{
	int rc = 0;

	pthread_mutex_lock(&e->lock);
	if (!e->dirty && !e->is_private && guard_read_stamp(&e->guard) != GUARD_CONDEMNED)
		rc = guard_write_stamp(&e->guard, GUARD_DIRTY);
	if (rc == 0)
		e->dirty = true;
	pthread_mutex_unlock(&e->lock);
	return rc;
}

int env_write(struct env *e, struct lmdb_txn **out)
{
	int rc = make_dirty(e);

	return rc < 0 ? rc : lmdb_write(e->db, out);
}

int env_lock_load(struct env *e)
{
	return e->is_private ? 0 : guard_lock_load(&e->guard);
}

int env_try_load(struct env *e)
{
	return e->is_private ? 0 : guard_try_load(&e->guard);
}

void env_unlock_load(struct env *e)
{
	if (!e->is_private)
		guard_unlock_load(&e->guard);
}

void env_condemn(struct env *e)
{
	if (!e->is_private)
		guard_write_stamp(&e->guard, GUARD_CONDEMNED);
}

int env_disk_bytes(const struct env *e, uint64_t *out)
{
	return lmdb_disk_bytes(e->db, out);
}
