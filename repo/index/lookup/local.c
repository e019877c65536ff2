/*
 * What the index keeps for this machine beside places: slots of snapshots, and small objects.
 *
 * A snapshot's slot is one that follows from its id, or the next free one behind it.  So if the environment is lost the
 * snapshots get the same slots again, but for the few that met in one; handles that others keep stay right.
 */
#include <errno.h>
#include <string.h>

#include "repo/index/index_impl.h"
#include "repo/util/bytes/le.h"

#define SLOT_MAX ((UINT32_C(1) << 22) - 1)
#define KEPT_MAX (16 * 1024 * 1024) /* bytes of an object that is kept */

struct slot {
	struct id id;
	uint32_t number;
};

static int slot_at(struct lmdb_txn *txn, uint32_t number, struct id *out)
{
	uint8_t key[4];
	struct rd r;
	int rc;

	number_encode(number, key);
	rc = lmdb_get(txn, ENV_SLOTS, key, sizeof(key), &r);
	if (rc < 0)
		return rc;
	if (r.len != ID_LEN)
		return -EBADMSG;
	memcpy(out->b, r.p, ID_LEN);
	return 0;
}

/* Find the snapshot's slot: 0, -ENOENT with ${s->number} free for it (0: none is), or a failure. */
static int find_slot(struct lmdb_txn *txn, struct slot *s)
{
	struct id there;
	int rc;

	s->number = 1 + le32dec(s->id.b) % SLOT_MAX;
	for (uint32_t i = 0; i < SLOT_MAX; i++) {
		rc = slot_at(txn, s->number, &there);
		if (rc < 0 || id_equal(&there, &s->id))
			return rc;
		s->number = s->number % SLOT_MAX + 1;
	}
	s->number = 0;
	return -ENOENT;
}

/* Slots that are asked for. */
struct slots {
	const struct id *ids;
	size_t n;
	uint32_t *out;  /* 0: not found yet */
	size_t nmissing;
};

static int ask_slots(struct env *env, void *arg)
{
	struct slots *l = arg;
	struct lmdb_txn *txn;
	struct slot s;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	l->nmissing = 0;
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		s.id = l->ids[i];
		rc = find_slot(txn, &s);
		l->out[i] = rc == 0 ? s.number : 0;
		l->nmissing += rc == -ENOENT;
		if (rc == -ENOENT)
			rc = 0;
	}
	lmdb_end(txn);
	return rc;
}

/* Find the snapshot's slot, or give it one.  0; -ENOENT if there is none left; or a failure. */
static int give_slot(struct lmdb_txn *txn, const struct id *id, uint32_t *out)
{
	struct slot s = { .id = *id };
	uint8_t key[4];
	int rc;

	rc = find_slot(txn, &s);
	if (rc == -ENOENT && s.number != 0) {
		number_encode(s.number, key);
		rc = lmdb_put(txn, ENV_SLOTS, key, sizeof(key), s.id.b, ID_LEN);
	}
	if (rc == 0)
		*out = s.number;
	return rc;
}

/* Also those that were found before: this may be another environment than the one they were found in. */
static int ask_new_slots(struct env *env, void *arg)
{
	struct slots *l = arg;
	struct lmdb_txn *txn;
	int rc;

	rc = env_write(env, &txn);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < l->n && rc == 0; i++)
		rc = give_slot(txn, &l->ids[i], &l->out[i]);
	if (rc == 0)
		return lmdb_commit(txn);
	lmdb_end(txn);
	return rc;
}

int index_slots(struct index *x, const struct id *snapshots, size_t n, uint32_t *slots)
{
	struct slots l = { .ids = snapshots, .n = n, .out = slots };
	int rc;

	rc = index_ask(x, ask_slots, &l);
	if (rc == 0 && l.nmissing > 0)
		rc = index_ask(x, ask_new_slots, &l);
	return rc == -ENOENT ? -ENOSPC : rc;
}

int index_slot(struct index *x, const struct id *snapshot, uint32_t *slot)
{
	uint32_t number;
	int rc = index_slots(x, snapshot, 1, &number);

	if (rc == 0)
		*slot = number;
	return rc;
}

static int ask_snapshot(struct env *env, void *arg)
{
	struct slot *s = arg;
	struct lmdb_txn *txn;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = slot_at(txn, s->number, &s->id);
	lmdb_end(txn);
	return rc;
}

int index_slot_snapshot(struct index *x, uint32_t slot, struct id *snapshot)
{
	struct slot s = { .number = slot };
	int rc = index_ask(x, ask_snapshot, &s);

	if (rc == 0)
		*snapshot = s.id;
	return rc;
}

/* One kept object. */
struct kept {
	const char *name;
	const void *data; /* to be kept; NULL: to be forgotten */
	size_t len;
	struct buf *out;
};

static int write_kept(struct env *env, const struct kept *k)
{
	struct lmdb_txn *txn;
	int rc;

	rc = env_write(env, &txn);
	if (rc < 0)
		return rc;
	if (k->data)
		rc = lmdb_put(txn, ENV_KEPT, k->name, strlen(k->name), k->data, k->len);
	else
		rc = lmdb_delete(txn, ENV_KEPT, k->name, strlen(k->name));
	if (rc == 0)
		return lmdb_commit(txn);
	lmdb_end(txn);
	return rc;
}

static bool is_name(const char *name)
{
	return *name != '\0' && strlen(name) <= STORE_NAME_MAX;
}

/* A full disk is no reason to move the index elsewhere for this. */
static void try_write_kept(struct index *x, const struct kept *k)
{
	int rc;

	pthread_rwlock_rdlock(&x->lock);
	rc = write_kept(x->env, k);
	pthread_rwlock_unlock(&x->lock);
	if (rc < 0)
		log_debug(x->opts.log, "index %s: %s: not kept: %s", x->path, k->name, ENV_ERROR(rc));
}

void index_keep(struct index *x, const char *name, const void *data, size_t len)
{
	struct kept k = { .name = name, .data = data, .len = len };

	if (data && len > 0 && len <= KEPT_MAX && is_name(name))
		try_write_kept(x, &k);
}

static int ask_kept(struct env *env, void *arg)
{
	struct kept *k = arg;
	struct lmdb_txn *txn;
	struct rd r;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = lmdb_get(txn, ENV_KEPT, k->name, strlen(k->name), &r);
	if (rc == 0)
		rc = buf_append(k->out, r.p, r.len);
	lmdb_end(txn);
	return rc;
}

int index_kept(struct index *x, const char *name, struct buf *out)
{
	struct kept k = { .name = name, .out = out };

	/* Whatever went wrong: the store has it. */
	return is_name(name) && index_ask(x, ask_kept, &k) == 0 ? 0 : -ENOENT;
}

void index_drop(struct index *x, const char *name)
{
	struct kept k = { .name = name };
	struct buf have = BUF_INIT;

	/* Reading is cheap, and spares what was not kept a transaction. */
	if (index_kept(x, name, &have) == 0)
		try_write_kept(x, &k);
	buf_free(&have);
}
