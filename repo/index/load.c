/*
 * Loading runs into an environment.  See index_impl.h.
 *
 * Order of writing, each step in transactions of bounded size: packs; the runs, marked as not whole; objects; the runs,
 * marked as whole.  So a process that is killed leaves only places whose packs and runs are known, and a run that is
 * not whole is loaded again, or noticed when it is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"
#include "repo/index/run/run_cursor.h"
#include "repo/index/run/run_merge.h"
#include "repo/util/le.h"

/* Records of one transaction.  Appending touches a page for 60 of them, inserting may touch one for each. */
#define BATCH_APPEND 65536
#define BATCH_INSERT 4096

/* Memory of the windows of all runs that are merged at a time, and the largest window that one is given. */
#define MERGE_MEMORY (32u * 1024 * 1024)
#define WINDOW_MAX (4u * 1024 * 1024)
#define MERGE_RUNS_MAX (MERGE_MEMORY / RUN_WINDOW_MIN)

/* Writing in transactions of bounded size. */
struct load {
	struct env *env;
	uint32_t generation;
	struct lmdb_txn *txn;
	unsigned pending, batch; /* records in the transaction, and when to commit */
	struct env_state state;
	bool append;             /* the objects' table was empty when the merge began */
	struct buf value;
	int rc;                  /* the environment's failure */
};

void pack_record_encode(const struct pack_record *p, uint8_t out[PACK_RECORD_LEN])
{
	memset(out, 0, PACK_RECORD_LEN);
	le32enc(out, p->generation);
	out[4] = (uint8_t)p->info.kind;
	le32enc(out + 8, p->info.size);
	memcpy(out + 12, p->info.id.b, ID_LEN);
	memcpy(out + 44, p->info.wrapped, sizeof(p->info.wrapped));
}

int pack_record_decode(struct rd r, struct pack_record *out)
{
	const uint8_t *p = r.p;

	if (r.len != PACK_RECORD_LEN || (p[4] != PACK_DATA && p[4] != PACK_TREE))
		return -EBADMSG;
	out->generation = le32dec(p);
	out->info.kind = p[4] == PACK_DATA ? PACK_DATA : PACK_TREE;
	out->info.size = le32dec(p + 8);
	memcpy(out->info.id.b, p + 12, ID_LEN);
	memcpy(out->info.wrapped, p + 44, sizeof(out->info.wrapped));
	return 0;
}

int run_record_decode(struct rd r, struct run_record *out)
{
	if (r.len < RUN_RECORD_HEAD || (r.len - RUN_RECORD_HEAD) % ID_LEN != 0)
		return -EBADMSG;
	out->whole = r.p[0] == 1;
	out->replaced = r.p + RUN_RECORD_HEAD;
	out->nreplaced = (r.len - RUN_RECORD_HEAD) / ID_LEN;
	return 0;
}

static int begin(struct load *l)
{
	l->rc = env_write(l->env, &l->txn);
	if (l->rc == 0)
		l->rc = env_get_state(l->txn, &l->state);
	l->pending = 0;
	return l->rc;
}

static int commit(struct load *l)
{
	struct lmdb_txn *txn = l->txn;

	l->txn = NULL;
	if (txn && l->rc == 0)
		l->rc = env_put_state(txn, env_repo_id(l->env), &l->state);
	if (txn && l->rc == 0)
		l->rc = lmdb_commit(txn);
	else
		lmdb_end(txn);
	return l->rc;
}

/* One record was written, with ${rc}. */
static int wrote(struct load *l, int rc)
{
	if (l->rc == 0)
		l->rc = rc;
	if (l->rc < 0 || ++l->pending < l->batch)
		return l->rc;
	commit(l);
	return l->rc < 0 ? l->rc : begin(l);
}

static int find_pack(struct load *l, const struct id *id, uint32_t *number)
{
	struct rd r;
	int rc = lmdb_get(l->txn, ENV_PACK_IDS, id->b, ID_LEN, &r);

	if (rc < 0)
		return rc;
	return rd_le32(&r, number) == 0 && r.len == 0 ? 0 : -EBADMSG;
}

/* Give the pack a number if it has none, and bring its record up to this generation. */
static int enter_pack(struct load *l, const struct pack_info *info, uint32_t *number)
{
	uint8_t key[4], b[PACK_RECORD_LEN];
	struct pack_record rec = { .generation = l->generation, .info = *info };
	int rc;

	rc = find_pack(l, &info->id, number);
	if (rc == -ENOENT) {
		if (l->state.next_pack == UINT32_MAX)
			return -ENOSPC;
		*number = l->state.next_pack++;
		le32enc(b, *number);
		rc = lmdb_put(l->txn, ENV_PACK_IDS, info->id.b, ID_LEN, b, 4);
	}
	if (rc < 0)
		return rc;
	number_encode(*number, key);
	pack_record_encode(&rec, b);
	return lmdb_put(l->txn, ENV_PACKS, key, sizeof(key), b, sizeof(b));
}

struct enter_packs {
	struct load *load;
	struct load_run *run;
};

static int take_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct enter_packs *e = arg;

	return wrote(e->load, enter_pack(e->load, info, &e->run->number[number]));
}

static int put_run_record(struct load *l, const struct load_run *r, bool whole)
{
	const uint8_t head[RUN_RECORD_HEAD] = { whole };
	const struct id *replaced;
	size_t n;

	replaced = run_replaced(r->run, &n);
	buf_clear(&l->value);
	if (buf_append(&l->value, head, sizeof(head)) < 0 ||
	    (n > 0 && buf_append(&l->value, replaced->b, n * ID_LEN) < 0))
		return -ENOMEM;
	return lmdb_put(l->txn, ENV_RUNS + l->generation % 2, r->id.b, ID_LEN, l->value.data, l->value.len);
}

/* The packs of a run, and the run as one that is not whole.  A fault of the run goes to ${r->rc}. */
static int enter_run(struct load *l, struct load_run *r)
{
	struct enter_packs e = { l, r };
	int rc;

	r->number = calloc(run_npacks(r->run) + (size_t)1, sizeof(*r->number));
	if (!r->number)
		return l->rc = -ENOMEM;
	rc = run_each_pack(r->run, take_pack, &e);
	if (l->rc == 0)
		r->rc = rc;
	if (l->rc == 0 && r->rc == 0)
		wrote(l, put_run_record(l, r, false));
	return l->rc;
}

/* The append mode lasts while ids come in above all that are there; a run that was loaded in part ends it. */
static int put_object(struct load *l, const struct id *id)
{
	unsigned table = ENV_OBJECTS + l->generation % 2;
	int rc;

	if (l->append) {
		rc = lmdb_append(l->txn, table, id->b, ID_LEN, l->value.data, l->value.len);
		if (rc != -EEXIST)
			return rc;
		l->append = false;
	}
	rc = lmdb_insert(l->txn, table, id->b, ID_LEN, l->value.data, l->value.len);
	return rc == -EEXIST ? 0 : rc;
}

static int enter_object(struct load *l, const struct load_run *r, const struct id *id, const struct place *place)
{
	int rc;

	buf_clear(&l->value);
	rc = buf_le32(&l->value, r->number[place->pack]);
	if (rc == 0)
		rc = place_encode(place, &l->value);
	return wrote(l, rc == 0 ? put_object(l, id) : rc);
}

/* The objects of the runs that have no fault.  ${at} says which of ${group} each of the merge's runs is. */
static int enter_objects(struct load *l, struct load_run *group, const size_t *at, struct run_merge *m)
{
	struct place place = { 0 };
	struct id id;
	size_t which;
	int rc;

	while (l->rc == 0 && (rc = run_merge_next(m, &which, &id, &place)) != 0) {
		if (rc < 0)
			group[at[which]].rc = rc;
		else
			enter_object(l, &group[at[which]], &id, &place);
	}
	return l->rc;
}

static int merge_group(struct load *l, struct load_run *group, size_t n)
{
	struct run **runs = calloc(n + 1, sizeof(struct run *));
	size_t *at = calloc(n + 1, sizeof(*at)), good = 0, window = MERGE_MEMORY / n;
	struct run_merge *m = NULL;

	if (!runs || !at) {
		l->rc = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		if (group[i].rc == 0) {
			at[good] = i;
			runs[good++] = group[i].run;
		}
	}
	l->rc = run_merge_open(runs, good, window < WINDOW_MAX ? window : WINDOW_MAX, &m);
	if (l->rc == 0)
		enter_objects(l, group, at, m);
	run_merge_close(m);
out:
	free(runs);
	free(at);
	return l->rc;
}

static int load_group(struct load *l, struct load_run *group, size_t n)
{
	uint64_t count = 1;

	if (begin(l) == 0)
		l->rc = lmdb_count(l->txn, ENV_OBJECTS + l->generation % 2, &count);
	l->append = count == 0;
	l->batch = BATCH_INSERT;
	for (size_t i = 0; i < n && l->rc == 0; i++)
		enter_run(l, &group[i]);
	l->batch = l->append ? BATCH_APPEND : BATCH_INSERT;
	if (l->rc == 0)
		merge_group(l, group, n);
	for (size_t i = 0; i < n && l->rc == 0; i++)
		if (group[i].rc == 0)
			wrote(l, put_run_record(l, &group[i], true));
	commit(l);
	for (size_t i = 0; i < n; i++) {
		free(group[i].number);
		group[i].number = NULL;
	}
	return l->rc;
}

int load_runs(struct env *env, uint32_t generation, struct load_run *runs, size_t n)
{
	struct load l = { .env = env, .generation = generation };
	size_t group;

	for (size_t i = 0; i < n && l.rc == 0; i += group) {
		group = n - i < MERGE_RUNS_MAX ? n - i : MERGE_RUNS_MAX;
		load_group(&l, runs + i, group);
	}
	buf_free(&l.value);
	return l.rc;
}

int load_begin_generation(struct env *env, uint32_t *out)
{
	struct load l = { .env = env };

	if (begin(&l) < 0)
		goto out;
	/* Another number than any that loading was begun for: packs of one that was given up do not belong to it. */
	l.state.begun += l.state.begun % 2 == l.state.generation % 2 ? 1 : 2;
	l.generation = l.state.begun;
	l.rc = lmdb_clear(l.txn, ENV_OBJECTS + l.generation % 2);
	if (l.rc == 0)
		l.rc = lmdb_clear(l.txn, ENV_RUNS + l.generation % 2);
	*out = l.generation;
out:
	return commit(&l);
}

int load_finish_generation(struct env *env, uint32_t generation)
{
	struct load l = { .env = env };
	uint32_t old;

	if (begin(&l) < 0)
		goto out;
	old = l.state.generation;
	l.state.generation = generation;
	l.rc = lmdb_clear(l.txn, ENV_OBJECTS + old % 2);
	if (l.rc == 0)
		l.rc = lmdb_clear(l.txn, ENV_RUNS + old % 2);
out:
	return commit(&l);
}

static int copy_records(struct lmdb_txn *from, struct load *l, unsigned table)
{
	struct lmdb_cursor *c;
	struct rd key, data;

	if (lmdb_seek(from, table, NULL, 0, &c) < 0)
		return 0;
	while (l->rc == 0 && lmdb_next(c, &key, &data) > 0)
		wrote(l, lmdb_put(l->txn, table, key.p, key.len, data.p, data.len));
	lmdb_cursor_close(c);
	return l->rc;
}

int load_copy_table(struct env *from, struct env *to, unsigned table)
{
	struct load l = { .env = to, .batch = BATCH_APPEND };
	struct lmdb_txn *txn;

	if (env_read(from, &txn) < 0)
		return 0;
	if (begin(&l) == 0)
		copy_records(txn, &l, table);
	lmdb_end(txn);
	return commit(&l);
}

int load_copy_packs(struct env *from, struct env *to)
{
	/* If the old numbers are not to be had, the new ones begin where none of them can be. */
	struct env_state old = { .next_pack = UINT32_C(1) << 31 };
	struct load l = { .env = to };
	struct lmdb_txn *txn;
	int rc;

	if (env_read(from, &txn) == 0) {
		env_get_state(txn, &old);
		lmdb_end(txn);
	}
	rc = load_copy_table(from, to, ENV_PACKS);
	if (rc == 0)
		rc = load_copy_table(from, to, ENV_PACK_IDS);
	if (rc < 0 || begin(&l) < 0)
		return rc < 0 ? rc : l.rc;
	l.state.generation = l.state.begun = (old.begun > old.generation ? old.begun : old.generation) + 1;
	l.state.next_pack = old.next_pack;
	return commit(&l);
}
