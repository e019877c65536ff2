/*
 * Places that were learned without loading a run: from the tables of packs, from single lookups in runs, from
 * manifests.
 *
 * They are in tables of their own, so that nobody takes them for what is known to be in the store.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/load/load_impl.h"
#include "repo/util/bytes/le.h"

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

/* An object that could not be read where it was said to be. */
struct doubt {
	struct id id;
	uint32_t pack;
	bool gone;    /* the pack is; else it does not hold what it should */
	bool forgot;  /* out: there was something to forget */
};

/* Delete the object's place from a table, if it is in that pack. */
static int forget_place(struct lmdb_txn *txn, struct doubt *d, unsigned table)
{
	uint32_t pack = 0;
	struct rd r;
	int rc = lmdb_get(txn, table, d->id.b, ID_LEN, &r);

	if (rc == 0)
		rc = rd_le32(&r, &pack);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (pack != d->pack)
		return 0;
	d->forgot = true;
	return lmdb_delete(txn, table, d->id.b, ID_LEN);
}

/* What was only learned of the pack may be what is wrong: its key, which a manifest may have told, or its table. */
static int doubt_pack(struct lmdb_txn *txn, const struct doubt *d)
{
	uint8_t key[4], b[PACK_RECORD_LEN];
	struct pack_record rec = { .learned = false };
	struct rd r;
	int rc;

	number_encode(d->pack, key);
	rc = lmdb_get(txn, ENV_PACKS, key, sizeof(key), &r);
	if (rc == 0)
		rc = pack_record_decode(r, &rec);
	if (rc < 0 || !rec.learned)
		return rc == -ENOENT ? 0 : rc;
	rec.doubted = true;
	pack_record_encode(&rec, b);
	rc = lmdb_put(txn, ENV_PACKS, key, sizeof(key), b, sizeof(b));
	return rc == 0 ? lmdb_delete(txn, ENV_TABLES, key, sizeof(key)) : rc;
}

static int ask_doubt(struct env *env, void *arg)
{
	struct doubt *d = arg;
	struct lmdb_txn *txn;
	uint32_t generation;
	int rc;

	d->forgot = false;
	rc = env_write(env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &generation);
	if (rc == 0)
		rc = forget_place(txn, d, ENV_LEARNED);
	if (rc == 0 && d->gone)
		rc = forget_place(txn, d, ENV_OBJECTS + generation % 2);
	if (rc == 0 && d->forgot)
		rc = doubt_pack(txn, d);
	if (rc == 0 && d->forgot)
		return lmdb_commit(txn);
	lmdb_end(txn);
	return rc;
}

/* Somebody was faster: the object has another place by now, or is being looked for. */
static bool is_forgotten(struct index *x, const struct doubt *d)
{
	struct place now;
	int rc = index_find(x, &d->id, &now);

	return rc == -ENOENT || (rc == 0 && now.pack != d->pack);
}

static int doubt(struct index *x, struct doubt *d)
{
	struct resolver *r = &x->resolver;

	if (is_forgotten(x, d))
		return 0;
	if (told_before(&r->unlearned, le64dec(d->id.b) ^ d->pack))
		return -ENOENT;
	if (index_ask(x, ask_doubt, d) != 0 || !d->forgot)
		return -ENOENT;
	resolver_doubt_pack(r, d->pack, d->gone);
	/* Its run has gone before it: one new listing does for all that was in it. */
	if (d->gone && !told_before(&r->gone, d->pack))
		atomic_store(&r->news, true);
	return 0;
}

int index_doubt(struct index *x, const struct id *id, const struct place *place, bool gone)
{
	struct doubt d = { .id = *id, .pack = place->pack, .gone = gone };
	int rc;

	pthread_mutex_lock(&x->resolver.doubt_lock);
	rc = doubt(x, &d);
	pthread_mutex_unlock(&x->resolver.doubt_lock);
	return rc;
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
