/*
 * Places that were learned without loading a run: from the tables of packs, from single lookups in runs, from
 * manifests.
 *
 * They are in tables of their own, so that nobody takes them for what is known to be in the store.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/load_impl.h"
#include "repo/util/le.h"

/* Objects of one pack that are to be learned. */
struct lesson {
	const struct pack_info *pack;
	bool table;              /* all of its table */
	struct buf records;      /* id, place record; one after the other */
	uint32_t segment_size;
	uint64_t bytes;
	uint32_t number;         /* out: of the pack */
};

static int add_record(void *arg, const struct id *id, const struct place *place)
{
	struct lesson *l = arg;
	int rc = buf_append(&l->records, id->b, ID_LEN);

	return rc == 0 ? place_encode(place, &l->records) : rc;
}

static int put_place(struct load *l, const struct lesson *n, struct rd *r)
{
	const uint8_t *id, *begin;
	struct place place;
	int rc;

	buf_clear(&l->value);
	rc = rd_take(r, ID_LEN, &id);
	begin = r->p;
	if (rc == 0)
		rc = place_decode(r, n->segment_size, &place);
	if (rc < 0)
		return rc;
	rc = buf_le32(&l->value, n->number);
	if (rc == 0)
		rc = buf_append(&l->value, begin, (size_t)(r->p - begin));
	return rc == 0 ? lmdb_put(l->txn, ENV_LEARNED, id, ID_LEN, l->value.data, l->value.len) : rc;
}

static int put_table_mark(struct load *l, uint32_t number)
{
	const uint8_t mark = 1;
	uint8_t key[4];

	number_encode(number, key);
	return lmdb_put(l->txn, ENV_TABLES, key, sizeof(key), &mark, sizeof(mark));
}

static int ask_learn(struct env *env, void *arg)
{
	struct lesson *n = arg;
	struct load l = { .env = env, .batch = BATCH_INSERT };
	struct rd r = rd_init(n->records.data, n->records.len);

	if (load_begin(&l) == 0)
		l.rc = load_learn_pack(&l, n->pack, &n->number);
	while (l.rc == 0 && r.len > 0)
		load_wrote(&l, put_place(&l, n, &r));
	if (l.rc == 0 && n->table)
		l.rc = put_table_mark(&l, n->number);
	load_commit(&l);
	buf_free(&l.value);
	return l.rc;
}

int index_learn_place(struct index *x, const struct id *id, const struct pack_info *pack, const struct place *place)
{
	struct lesson n = { .pack = pack, .segment_size = x->opts.segment_size };
	int rc = add_record(&n, id, place);

	if (rc == 0)
		rc = index_ask(x, ask_learn, &n);
	buf_free(&n.records);
	return rc;
}

/* Packs whose numbers are asked for. */
struct numbering {
	const struct pack_info *info;
	uint32_t n;
	uint32_t *number;
};

/* 0, or -ENOENT if one of them has none yet. */
static int ask_numbers(struct env *env, void *arg)
{
	struct numbering *a = arg;
	struct lmdb_txn *txn;
	struct rd r;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < a->n && rc == 0; i++) {
		rc = lmdb_get(txn, ENV_PACK_IDS, a->info[i].id.b, ID_LEN, &r);
		if (rc == 0)
			rc = rd_le32(&r, &a->number[i]);
	}
	lmdb_end(txn);
	return rc;
}

static int ask_new_numbers(struct env *env, void *arg)
{
	struct numbering *a = arg;
	struct load l = { .env = env, .batch = BATCH_INSERT };

	load_begin(&l);
	for (uint32_t i = 0; i < a->n && l.rc == 0; i++)
		load_wrote(&l, load_learn_pack(&l, &a->info[i], &a->number[i]));
	return load_commit(&l);
}

int index_number_packs(struct index *x, const struct pack_info *info, uint32_t n, uint32_t *number)
{
	struct numbering a = { info, n, number };
	int rc = index_ask(x, ask_numbers, &a);

	return rc == -ENOENT ? index_ask(x, ask_new_numbers, &a) : rc;
}

/* Is the table of a pack, by number or by id, learned?  0, with the number; -ENOENT; or the environment's failure. */
struct table_known {
	const struct id *id;
};

static int ask_table(struct env *env, void *arg)
{
	const struct table_known *k = arg;
	struct lmdb_txn *txn;
	uint32_t number;
	uint8_t key[4];
	struct rd r;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = lmdb_get(txn, ENV_PACK_IDS, k->id->b, ID_LEN, &r);
	if (rc == 0)
		rc = rd_le32(&r, &number);
	if (rc == 0) {
		number_encode(number, key);
		rc = lmdb_get(txn, ENV_TABLES, key, sizeof(key), &r);
	}
	lmdb_end(txn);
	return rc;
}

int index_learn_table(struct index *x, const struct pack_info *pack, uint64_t *bytes)
{
	struct table_known k = { &pack->id };
	struct pack_info info = *pack;
	struct lesson n = { .pack = &info, .table = true, .segment_size = x->opts.segment_size };
	int rc = index_ask(x, ask_table, &k);

	if (rc != -ENOENT)
		return rc;
	rc = pack_read_known_table(x->opts.store, &info, x->opts.metadata, n.segment_size, add_record, &n);
	*bytes += n.records.len;
	if (rc == 0)
		rc = index_ask(x, ask_learn, &n);
	buf_free(&n.records);
	return rc < 0 ? rc : 1;
}

static int ask_unlearn(struct env *env, void *arg)
{
	const struct id *id = arg;
	struct lmdb_txn *txn;
	struct rd r;
	int rc;

	rc = env_write(env, &txn);
	if (rc < 0)
		return rc;
	rc = lmdb_get(txn, ENV_LEARNED, id->b, ID_LEN, &r);
	if (rc == 0)
		rc = lmdb_delete(txn, ENV_LEARNED, id->b, ID_LEN);
	if (rc == 0)
		return lmdb_commit(txn);
	lmdb_end(txn);
	return rc;
}

int index_unlearn(struct index *x, const struct id *id)
{
	struct id key = *id;

	if (told_before(&x->resolver.unlearned, le64dec(id->b)))
		return -ENOENT;
	return index_ask(x, ask_unlearn, &key) == 0 ? 0 : -ENOENT;
}

int learn_clear(struct env *env)
{
	struct load l = { .env = env };
	struct lmdb_txn *txn;
	uint64_t n = 0, ntables = 0;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = lmdb_count(txn, ENV_LEARNED, &n);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_TABLES, &ntables);
	lmdb_end(txn);
	if (rc < 0 || n + ntables == 0)
		return rc;
	if (load_begin(&l) == 0)
		l.rc = lmdb_clear(l.txn, ENV_LEARNED);
	if (l.rc == 0)
		l.rc = lmdb_clear(l.txn, ENV_TABLES);
	return load_commit(&l);
}
