/*
 * Loading runs into an environment.  See index_impl.h.
 *
 * Order of writing, each step in transactions of bounded size: packs; the runs, marked as not whole; objects; the runs,
 * marked as whole.  So a process that is killed leaves only places whose packs and runs are known, and a run that is
 * not whole is loaded again, or noticed when it is gone.  What is read of a run waits in memory: the store may take its
 * time, and LMDB lets one write.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/load/load_impl.h"
#include "repo/index/run/run_cursor.h"
#include "repo/index/run/run_merge.h"
#include "repo/util/bytes/le.h"

/*
 * Memory of the windows of all runs that are merged at a time, and the largest window that one is given.  A second
 * group puts its objects between those of the first, and leaves LMDB's pages half empty: so there is a window of the
 * least size for each of the runs of a backup of 100 million chunks, 64 MiB in all.
 */
#define MERGE_MEMORY (32u * 1024 * 1024)
#define WINDOW_MAX (4u * 1024 * 1024)
#define MERGE_RUNS_MAX 1000

#define VALUE_MAX (4 + PLACE_RECORD_MAX) /* of a table of objects */

_Static_assert(VALUE_MAX <= UINT8_MAX, "a value's length fits a byte");

/* Packs of a run: their descriptions, read before they are entered. */
struct run_packs {
	struct pack_info *info;
	uint32_t n;
};

static int take_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct run_packs *p = arg;

	if (number >= p->n)
		return -EBADMSG;
	p->info[number] = *info;
	return 0;
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
	struct run_packs p = { .n = run_npacks(r->run) };

	r->number = calloc(p.n + (size_t)1, sizeof(*r->number));
	p.info = calloc(p.n + (size_t)1, sizeof(*p.info));
	if (!r->number || !p.info)
		l->rc = -ENOMEM;
	else
		r->rc = run_each_pack(r->run, take_pack, &p);
	if (l->rc == 0 && r->rc == 0) {
		load_begin(l);
		for (uint32_t i = 0; i < p.n && l->rc == 0; i++)
			load_wrote(l, load_enter_pack(l, &p.info[i], &r->number[i]));
		if (l->rc == 0)
			load_wrote(l, put_run_record(l, r, false));
		load_commit(l);
	}
	free(p.info);
	return l->rc;
}

/* The append mode lasts while ids come in above all that are there; a run that was loaded in part ends it. */
static int put_object(struct load *l, const uint8_t *id, const uint8_t *value, size_t len)
{
	unsigned table = ENV_OBJECTS + l->generation % 2;
	int rc;

	if (l->append) {
		rc = lmdb_append(l->txn, table, id, ID_LEN, value, len);
		if (rc != -EEXIST)
			return rc;
		l->append = false;
	}
	if (l->overwrite)
		return lmdb_put(l->txn, table, id, ID_LEN, value, len);
	rc = lmdb_insert(l->txn, table, id, ID_LEN, value, len);
	return rc == -EEXIST ? 0 : rc;
}

/* Write what waits. */
static int write_waiting(struct load *l)
{
	const uint8_t *p = l->waiting.data;

	if (l->nwaiting == 0)
		return l->rc;
	load_begin(l);
	for (unsigned i = 0; i < l->nwaiting && l->rc == 0; i++) {
		l->rc = put_object(l, p, p + ID_LEN + 1, p[ID_LEN]);
		p += ID_LEN + 1 + p[ID_LEN];
	}
	buf_clear(&l->waiting);
	l->nwaiting = 0;
	return load_commit(l);
}

static int enter_object(struct load *l, const struct load_run *r, const struct id *id, const struct place *place)
{
	size_t at = l->waiting.len + ID_LEN;

	l->rc = buf_reserve(&l->waiting, ID_LEN + VALUE_MAX + 1);
	if (l->rc < 0)
		return l->rc;
	buf_append(&l->waiting, id->b, ID_LEN);
	buf_u8(&l->waiting, 0);
	buf_le32(&l->waiting, r->number[place->pack]);
	place_encode(place, &l->waiting);
	l->waiting.data[at] = (uint8_t)(l->waiting.len - at - 1);
	return ++l->nwaiting < (l->append ? BATCH_APPEND : BATCH_INSERT) ? 0 : write_waiting(l);
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
	return l->rc < 0 ? l->rc : write_waiting(l);
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

/* How objects are put: the table may be empty, or have what is to be overwritten. */
static int choose_mode(struct load *l, const struct load_run *group, size_t n)
{
	uint64_t count = 1;
	size_t nreplaced;

	if (load_begin(l) == 0)
		l->rc = lmdb_count(l->txn, ENV_OBJECTS + l->generation % 2, &count);
	load_commit(l);
	l->append = count == 0;
	for (size_t i = 0; i < n; i++) {
		run_replaced(group[i].run, &nreplaced);
		l->overwrite |= nreplaced > 0;
	}
	return l->rc;
}

static int load_group(struct load *l, struct load_run *group, size_t n)
{
	choose_mode(l, group, n);
	l->batch = BATCH_INSERT;
	for (size_t i = 0; i < n && l->rc == 0; i++)
		enter_run(l, &group[i]);
	if (l->rc == 0)
		merge_group(l, group, n);
	if (l->rc == 0 && load_begin(l) == 0)
		for (size_t i = 0; i < n && l->rc == 0; i++)
			if (group[i].rc == 0)
				load_wrote(l, put_run_record(l, &group[i], true));
	load_commit(l);
	for (size_t i = 0; i < n; i++) {
		free(group[i].number);
		group[i].number = NULL;
	}
	return l->rc;
}

int load_runs(struct env *env, uint32_t generation, struct load_run *runs, size_t n, bool overwrite)
{
	struct load l = { .env = env, .generation = generation };
	size_t group;

	for (size_t i = 0; i < n && l.rc == 0; i += group) {
		group = n - i < MERGE_RUNS_MAX ? n - i : MERGE_RUNS_MAX;
		l.overwrite = overwrite;
		load_group(&l, runs + i, group);
	}
	buf_free(&l.waiting);
	buf_free(&l.value);
	return l.rc;
}

int load_retire_runs(struct env *env, uint32_t generation, const struct id *ids, size_t n)
{
	struct load l = { .env = env };

	if (n == 0)
		return 0;
	load_begin(&l);
	for (size_t i = 0; i < n && l.rc == 0; i++)
		l.rc = lmdb_delete(l.txn, ENV_RUNS + generation % 2, ids[i].b, ID_LEN);
	return load_commit(&l);
}

static bool is_whole(struct load *l, unsigned table, const struct id *id)
{
	struct run_record rec;
	struct rd r;

	return lmdb_get(l->txn, table, id->b, ID_LEN, &r) == 0 && run_record_decode(r, &rec) == 0 && rec.whole;
}

int load_adopt_run(struct env *env, const struct load_adopt *a)
{
	const uint8_t head[RUN_RECORD_HEAD] = { true };
	struct load l = { .env = env };
	bool all = true;
	unsigned table;

	if (load_begin(&l) < 0)
		return load_commit(&l);
	table = ENV_RUNS + l.state.generation % 2;
	for (size_t i = 0; i < a->n && all; i++)
		all = is_whole(&l, table, &a->merged[i]);
	if (all) {
		l.rc = buf_append(&l.value, head, sizeof(head));
		if (l.rc == 0)
			l.rc = buf_append(&l.value, a->replaced->id, a->replaced->n * ID_LEN);
		if (l.rc == 0)
			l.rc = lmdb_put(l.txn, table, a->id->b, ID_LEN, l.value.data, l.value.len);
		for (size_t i = 0; i < a->n && l.rc == 0; i++)
			l.rc = lmdb_delete(l.txn, table, a->merged[i].b, ID_LEN);
	}
	load_commit(&l);
	buf_free(&l.value);
	return l.rc;
}

int load_begin_generation(struct env *env, uint32_t *out)
{
	struct load l = { .env = env };

	if (load_begin(&l) < 0)
		goto out;
	/* Another number than any that loading was begun for: packs of one that was given up do not belong to it. */
	l.state.begun += l.state.begun % 2 == l.state.generation % 2 ? 1 : 2;
	l.generation = l.state.begun;
	l.rc = lmdb_clear(l.txn, ENV_OBJECTS + l.generation % 2);
	if (l.rc == 0)
		l.rc = lmdb_clear(l.txn, ENV_RUNS + l.generation % 2);
	*out = l.generation;
out:
	return load_commit(&l);
}

int load_finish_generation(struct env *env, uint32_t generation)
{
	struct load l = { .env = env };
	uint32_t old;

	if (load_begin(&l) < 0)
		goto out;
	old = l.state.generation;
	l.state.generation = generation;
	l.rc = lmdb_clear(l.txn, ENV_OBJECTS + old % 2);
	if (l.rc == 0)
		l.rc = lmdb_clear(l.txn, ENV_RUNS + old % 2);
out:
	return load_commit(&l);
}

