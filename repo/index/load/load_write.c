/*
 * Writing to an environment: transactions of bounded size, packs and their numbers, whole tables.
 */
#include <errno.h>
#include <string.h>

#include "repo/index/load/load_impl.h"
#include "repo/util/bytes/le.h"

void pack_record_encode(const struct pack_record *p, uint8_t out[PACK_RECORD_LEN])
{
	memset(out, 0, PACK_RECORD_LEN);
	le32enc(out, p->generation);
	out[4] = (uint8_t)p->info.kind;
	out[5] = (uint8_t)(p->learned ? p->doubted ? 2 : 1 : 0);
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
	out->learned = p[5] != 0;
	out->doubted = p[5] == 2;
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

int load_begin(struct load *l)
{
	l->rc = env_write(l->env, &l->txn);
	if (l->rc == 0)
		l->rc = env_get_state(l->txn, &l->state);
	l->pending = 0;
	return l->rc;
}

int load_commit(struct load *l)
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
int load_wrote(struct load *l, int rc)
{
	if (l->rc == 0)
		l->rc = rc;
	if (l->rc < 0 || ++l->pending < l->batch)
		return l->rc;
	load_commit(l);
	return l->rc < 0 ? l->rc : load_begin(l);
}

static int find_pack(struct load *l, const struct id *id, uint32_t *number)
{
	struct rd r;
	int rc = lmdb_get(l->txn, ENV_PACK_IDS, id->b, ID_LEN, &r);

	if (rc < 0)
		return rc;
	return rd_le32(&r, number) == 0 && r.len == 0 ? 0 : -EBADMSG;
}

static int number_pack(struct load *l, const struct id *id, uint32_t *number)
{
	uint8_t b[4];

	if (l->state.next_pack == UINT32_MAX)
		return -ENOSPC;
	*number = l->state.next_pack++;
	le32enc(b, *number);
	return lmdb_put(l->txn, ENV_PACK_IDS, id->b, ID_LEN, b, sizeof(b));
}

static int put_pack(struct load *l, uint32_t number, const struct pack_record *rec)
{
	uint8_t key[4], b[PACK_RECORD_LEN];

	number_encode(number, key);
	pack_record_encode(rec, b);
	return lmdb_put(l->txn, ENV_PACKS, key, sizeof(key), b, sizeof(b));
}

int load_enter_pack(struct load *l, const struct pack_info *info, uint32_t *number)
{
	struct pack_record rec = { .generation = l->generation, .info = *info };
	int rc;

	rc = find_pack(l, &info->id, number);
	if (rc == -ENOENT)
		rc = number_pack(l, &info->id, number);
	return rc < 0 ? rc : put_pack(l, *number, &rec);
}

int load_learn_pack(struct load *l, const struct pack_info *info, uint32_t *number)
{
	struct pack_record rec = { .learned = true, .info = *info }, known;
	uint8_t key[4];
	struct rd r;
	int rc;

	rc = find_pack(l, &info->id, number);
	if (rc == -ENOENT) {
		rc = number_pack(l, &info->id, number);
		return rc < 0 ? rc : put_pack(l, *number, &rec);
	}
	if (rc < 0 || info->size == 0)
		return rc;
	number_encode(*number, key);
	rc = lmdb_get(l->txn, ENV_PACKS, key, sizeof(key), &r);
	if (rc == 0)
		rc = pack_record_decode(r, &known);
	return rc == 0 && (known.info.size == 0 || known.doubted) ? put_pack(l, *number, &rec) : rc;
}

static int copy_records(struct lmdb_txn *from, struct load *l, unsigned table)
{
	struct lmdb_cursor *c;
	struct rd key, data;

	if (lmdb_seek(from, table, NULL, 0, &c) < 0)
		return 0;
	while (l->rc == 0 && lmdb_next(c, &key, &data) > 0)
		load_wrote(l, lmdb_put(l->txn, table, key.p, key.len, data.p, data.len));
	lmdb_cursor_close(c);
	return l->rc;
}

int load_copy_table(struct env *from, struct env *to, unsigned table)
{
	struct load l = { .env = to, .batch = BATCH_APPEND };
	struct lmdb_txn *txn;

	if (env_read(from, &txn) < 0)
		return 0;
	if (load_begin(&l) == 0)
		copy_records(txn, &l, table);
	lmdb_end(txn);
	return load_commit(&l);
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
	if (rc < 0 || load_begin(&l) < 0)
		return rc < 0 ? rc : l.rc;
	l.state.generation = l.state.begun = (old.begun > old.generation ? old.begun : old.generation) + 1;
	l.state.next_pack = old.next_pack;
	return load_commit(&l);
}
