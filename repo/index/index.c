/*
 * Index: opening, looking up, going through.  See index.h; index_impl.h says what is where.
 */
#include "repo/index/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"
#include "repo/util/bytes/le.h"

#define PATH_PRIVATE "(temporary)"

/* Records that index_each_...() takes out of the environment at a time: readers keep pages from being used again. */
#define BATCH 512

static int open_env(struct index *x)
{
	struct env_options eo = { .cache_dir = x->opts.cache_dir, .repo_id = x->repo_id, .log = x->opts.log };
	int rc;

	rc = env_open(&eo, &x->env);
	if (rc < 0)
		return rc;
	x->path = strdup(env_is_private(x->env) ? PATH_PRIVATE : env_path(x->env));
	return x->path ? 0 : -ENOMEM;
}

/* Lookups without end must not keep a thread that replaces the environment waiting. */
static void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t a;

	pthread_rwlockattr_init(&a);
	pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &a);
	pthread_rwlockattr_destroy(&a);
}

int index_open(const struct index_options *opts, struct index **out)
{
	struct index *x = calloc(1, sizeof(*x));
	int rc = -ENOMEM;

	if (!x)
		return -ENOMEM;
	init_lock(&x->lock);
	pthread_mutex_init(&x->loader, NULL);
	resolver_init(&x->resolver);
	x->opts = *opts;
	memcpy(x->repo_id, opts->repo_id, sizeof(x->repo_id));
	x->opts.repo_id = x->repo_id;
	x->cache_dir = opts->cache_dir ? strdup(opts->cache_dir) : NULL;
	if (!opts->cache_dir || x->cache_dir) {
		x->opts.cache_dir = x->cache_dir;
		rc = open_env(x);
	}
	if (rc == 0)
		*out = x;
	else
		index_close(x);
	return rc;
}

void index_close(struct index *x)
{
	if (!x)
		return;
	resolver_destroy(&x->resolver);
	env_close(x->env);
	pthread_rwlock_destroy(&x->lock);
	pthread_mutex_destroy(&x->loader);
	free(x->bad);
	free(x->cache_dir);
	free(x->path);
	free(x);
}

const char *index_path(const struct index *x)
{
	return x->path;
}

int index_remove(const char *cache_dir, const uint8_t repo_id[16])
{
	return env_remove(cache_dir, repo_id);
}

int index_ask(struct index *x, index_ask_fn *fn, void *arg)
{
	unsigned nth;
	int rc;

	for (unsigned i = 0; i < 2; i++) {
		pthread_rwlock_rdlock(&x->lock);
		nth = x->nth;
		rc = fn(x->env, arg);
		pthread_rwlock_unlock(&x->lock);
		if (rc >= 0 || rc == -ENOENT)
			return rc;
		if (i > 0 || rc == -ENOMEM)
			log_error(x->opts.log, "index %s: %s", x->path, ENV_ERROR(rc));
		else if (index_replace(x, nth, rc) == 0)
			continue;
		break;
	}
	return -EIO;
}

struct lookup {
	const struct id *id;
	struct place *out;
	uint32_t segment_size;
	bool learned; /* what was learned is good, too */
	struct resolver *resolver;
};

static int decode_place(struct rd r, uint32_t segment_size, struct place *out)
{
	if (rd_le32(&r, &out->pack) < 0 || place_decode(&r, segment_size, out) < 0 || r.len != 0)
		return -EBADMSG;
	return 0;
}

static int get_place(struct lmdb_txn *txn, unsigned table, const struct lookup *l)
{
	struct rd r;
	int rc = lmdb_get(txn, table, l->id->b, ID_LEN, &r);

	return rc == 0 ? decode_place(r, l->segment_size, l->out) : rc;
}

static int ask_lookup(struct env *env, void *arg)
{
	struct lookup *l = arg;
	struct lmdb_txn *txn;
	uint32_t generation;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &generation);
	if (rc == 0)
		rc = get_place(txn, ENV_OBJECTS + generation % 2, l);
	/* What was learned since its pack was missed is better. */
	if (rc == 0 && resolver_misses_pack(l->resolver, l->out->pack))
		rc = -ENOENT;
	if (rc == -ENOENT && l->learned)
		rc = get_place(txn, ENV_LEARNED, l);
	lmdb_end(txn);
	return rc;
}

static int look_up(struct index *x, const struct id *id, bool learned, struct place *out)
{
	struct place place;
	struct lookup l = { id, &place, x->opts.segment_size, learned, &x->resolver };
	int rc = index_ask(x, ask_lookup, &l);

	if (rc == 0)
		*out = place;
	else if (rc == -ENOENT && x->short_of_room)
		rc = -EIO;
	return rc;
}

int index_lookup(struct index *x, const struct id *id, struct place *out)
{
	return look_up(x, id, false, out);
}

int index_find(struct index *x, const struct id *id, struct place *out)
{
	return look_up(x, id, true, out);
}

struct get_pack {
	uint32_t number;
	struct pack_record rec;
};

static int ask_pack(struct env *env, void *arg)
{
	struct get_pack *g = arg;
	struct lmdb_txn *txn;
	uint8_t key[4];
	struct rd r;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	number_encode(g->number, key);
	rc = lmdb_get(txn, ENV_PACKS, key, sizeof(key), &r);
	if (rc == 0)
		rc = pack_record_decode(r, &g->rec);
	lmdb_end(txn);
	return rc;
}

int index_pack(struct index *x, uint32_t number, struct pack_info *out)
{
	struct get_pack g = { .number = number };
	int rc = index_ask(x, ask_pack, &g);

	if (rc == 0)
		*out = g.rec.info;
	return rc;
}

/* Some records of a table after the last one that was seen. */
struct batch {
	bool objects;        /* of the objects' table in use; else of packs */
	uint32_t segment_size;
	uint8_t next[ID_LEN + 1]; /* the lowest key that is wanted; ${nextlen} 0: all */
	size_t nextlen;
	size_t n;            /* out */
	struct id id[BATCH];
	union {
		struct place place[BATCH];
		struct {
			uint32_t number;
			struct pack_info info;
		} pack[BATCH];
	} u;
};

static int take_record(struct batch *b, uint32_t generation, struct rd key, struct rd data)
{
	struct pack_record rec;
	int rc;

	if (key.len != (b->objects ? (size_t)ID_LEN : 4))
		return -EBADMSG;
	/* The next key in order is this one with a zero byte behind it. */
	memcpy(b->next, key.p, key.len);
	b->next[key.len] = 0;
	b->nextlen = key.len + 1;
	if (b->objects) {
		memcpy(b->id[b->n].b, key.p, ID_LEN);
		rc = decode_place(data, b->segment_size, &b->u.place[b->n]);
		b->n += rc == 0;
		return rc;
	}
	rc = pack_record_decode(data, &rec);
	if (rc == 0 && !rec.learned && rec.generation >= generation) {
		b->u.pack[b->n].number = number_decode(key.p);
		b->u.pack[b->n++].info = rec.info;
	}
	return rc;
}

static int ask_batch(struct env *env, void *arg)
{
	struct batch *b = arg;
	struct lmdb_cursor *c;
	struct lmdb_txn *txn;
	struct rd key, data;
	uint32_t generation;
	int rc;

	b->n = 0;
	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &generation);
	if (rc == 0)
		rc = lmdb_seek(txn, b->objects ? ENV_OBJECTS + generation % 2 : ENV_PACKS, b->next, b->nextlen, &c);
	if (rc == 0) {
		while (rc == 0 && b->n < BATCH && (rc = lmdb_next(c, &key, &data)) > 0)
			rc = take_record(b, generation, key, data);
		lmdb_cursor_close(c);
	}
	lmdb_end(txn);
	return rc;
}

static struct batch *new_batch(const struct index *x, bool objects)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (b) {
		b->objects = objects;
		b->segment_size = x->opts.segment_size;
	}
	return b;
}

int index_each_pack(struct index *x, index_pack_fn *fn, void *arg)
{
	struct batch *b = new_batch(x, false);
	int rc;

	if (!b)
		return -ENOMEM;
	do {
		rc = index_ask(x, ask_batch, b);
		for (size_t i = 0; i < b->n && rc == 0; i++)
			rc = fn(arg, b->u.pack[i].number, &b->u.pack[i].info);
	} while (rc == 0 && b->n == BATCH);
	free(b);
	return rc;
}

int index_each_object(struct index *x, index_object_fn *fn, void *arg)
{
	struct batch *b = new_batch(x, true);
	int rc;

	if (!b)
		return -ENOMEM;
	do {
		rc = index_ask(x, ask_batch, b);
		for (size_t i = 0; i < b->n && rc == 0; i++)
			rc = fn(arg, &b->id[i], &b->u.place[i]);
	} while (rc == 0 && b->n == BATCH);
	free(b);
	return rc;
}

static int count_runs(struct lmdb_txn *txn, uint32_t generation, uint64_t *out)
{
	struct run_record rec;
	struct lmdb_cursor *c;
	struct rd key, data;
	int rc;

	rc = lmdb_seek(txn, ENV_RUNS + generation % 2, NULL, 0, &c);
	if (rc < 0)
		return rc;
	while ((rc = lmdb_next(c, &key, &data)) > 0 && (rc = run_record_decode(data, &rec)) == 0)
		*out += rec.whole;
	lmdb_cursor_close(c);
	return rc;
}

static int ask_stats(struct env *env, void *arg)
{
	struct index_stats *s = arg;
	struct lmdb_txn *txn;
	uint32_t generation;
	int rc;

	*s = (struct index_stats){ 0 };
	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &generation);
	if (rc == 0)
		rc = lmdb_count(txn, ENV_OBJECTS + generation % 2, &s->objects);
	if (rc == 0)
		rc = count_runs(txn, generation, &s->runs);
	if (rc == 0)
		rc = env_disk_bytes(env, &s->disk_bytes);
	lmdb_end(txn);
	return rc;
}

static int count_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	uint64_t *n = arg;

	(void)number;
	(void)info;
	++*n;
	return 0;
}

int index_stats(struct index *x, struct index_stats *out)
{
	struct index_stats s;
	int rc;

	rc = index_ask(x, ask_stats, &s);
	if (rc == 0)
		rc = index_each_pack(x, count_pack, &s.packs);
	if (rc == 0)
		*out = s;
	return rc;
}
