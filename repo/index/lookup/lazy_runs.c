/*
 * Runs that are not loaded.  See lazy_runs.h.
 */
#include "repo/index/lookup/lazy_runs.h"

#include <errno.h>
#include <stdlib.h>

#include "repo/util/bytes/le.h"

#define RETRY 600                      /* seconds until a run that cannot be read is tried again */
#define OPEN_MEMORY (8u * 1024 * 1024) /* of runs that are held open */
#define PLACE_MISSED 5                 /* beside RUN_...: it is in a pack that was not there */

static void close_run(struct resolver *r, struct lazy_run *l)
{
	if (!l->run)
		return;
	r->memory -= run_memory(l->run);
	run_close(l->run);
	l->run = NULL;
}

static struct lazy_run *find_run(struct resolver *r, const struct id *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (id_equal(&r->run[i].id, id))
			return &r->run[i];
	return NULL;
}

static int compare_lazy(const void *a, const void *b)
{
	const struct lazy_run *x = a, *y = b;

	if (x->loaded != y->loaded)
		return x->loaded ? 1 : -1;
	if (x->hit != y->hit)
		return x->hit > y->hit ? -1 : 1;
	return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : id_compare(&x->id, &y->id);
}

void lazy_runs_close(struct resolver *r)
{
	for (size_t i = 0; i < r->n; i++)
		close_run(r, &r->run[i]);
	free(r->run);
	r->run = NULL;
	r->n = 0;
}

int lazy_runs_take(struct index *x, struct run_list *present)
{
	struct resolver *r = &x->resolver;
	struct lazy_run *run, *old;
	char name[RUN_NAME_SIZE];
	size_t n = 0;

	run = calloc(present->n + 1, sizeof(*run));
	if (!run)
		return -ENOMEM;
	for (size_t i = 0; i < present->n; i++) {
		const struct listed_run *l = &present->run[i];

		if (l->superseded || (!l->left && !atomic_load(&r->everywhere)))
			continue;
		run[n] = (struct lazy_run){ .id = l->id, .size = l->size };
		old = find_run(r, &l->id);
		if (old) {
			run[n] = *old;
			old->run = NULL;
			old->size = 0;
		}
		run[n].loaded = !l->left;
		run[n++].bad |= l->bad;
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->run[i].size > 0)
			index_drop(x, run_name(&r->run[i].id, name));
	lazy_runs_close(r);
	if (n > 0)
		qsort(run, n, sizeof(*run), compare_lazy);
	r->run = run;
	r->n = n;
	return 0;
}

/* From what was kept of it, or from the store, and then it is kept. */
static int open_end(struct index *x, struct lazy_run *l, struct run **out)
{
	struct run_reading how = { x->opts.store, x->opts.metadata, NULL, x->opts.segment_size };
	struct buf end = BUF_INIT;
	char name[RUN_NAME_SIZE];
	int rc;

	run_name(&l->id, name);
	rc = index_kept(x, name, &end);
	if (rc == 0)
		rc = run_open_kept(&how, &l->id, end.data, end.len, out);
	if (rc == 0)
		goto out;
	how.log = l->again || l->bad ? NULL : x->opts.log;
	rc = run_open(&how, &l->id, l->size, out);
	if (rc < 0)
		goto out;
	buf_clear(&end);
	if (run_end(*out, &end) == 0)
		index_keep(x, name, end.data, end.len);
	x->resolver.spent += end.len;
out:
	buf_free(&end);
	return rc;
}

static int open_run(struct index *x, struct lazy_run *l)
{
	struct resolver *r = &x->resolver;
	const struct id *replaced;
	struct lazy_run *other;
	size_t n;
	int rc;

	if (l->run)
		return 0;
	rc = open_end(x, l, &l->run);
	if (rc < 0)
		return rc;
	run_trim(l->run);
	r->memory += run_memory(l->run);
	replaced = run_replaced(l->run, &n);
	for (size_t i = 0; i < n; i++)
		if ((other = find_run(r, &replaced[i])) != NULL)
			other->replaced = true;
	return 0;
}

/*
 * Is the table of this pack worth a request?  Of directories always.  Of contents if somebody goes on from the pack
 * that was stored before it, or comes back: who reads a few bytes here and there wants one object of a pack, and the
 * table of a pack with small files has half a megabyte.
 */
static bool wants_table(struct index *x, const struct pack_info *pack, bool goes_on)
{
	return pack->kind == PACK_TREE || goes_on || told_before(&x->resolver.met, le64dec(pack->id.b));
}

/* The place itself if the table of the pack is not wanted, cannot be read, or does not name the object. */
static int learn(struct index *x, const struct id *id, const struct pack_info *pack, const struct place *place,
    bool table, struct place *out)
{
	int rc = table ? index_learn_table(x, pack, &x->resolver.spent) : 0;

	if (rc == -ENOMEM)
		return rc;
	if (rc > 0 && index_find(x, id, out) == 0)
		return 0;
	rc = index_learn_place(x, id, pack, place);
	return rc == 0 ? index_find(x, id, out) : rc;
}

/* A run whose end is all of it costs no more if it is loaded. */
static int ask_small(struct index *x, struct lazy_run *l, const struct id *id, struct place *out)
{
	int rc = index_add_listed(x, &l->id, l->size);

	if (rc == 0)
		l->loaded = true;
	return rc == 0 ? index_find(x, id, out) : rc;
}

/* Was the pack not there when something was read of it? */
static bool is_missed(struct index *x, const struct pack_info *pack)
{
	uint32_t number;

	return atomic_load(&x->resolver.everywhere) && index_number_packs(x, pack, 1, &number) == 0 &&
	    resolver_misses_pack(&x->resolver, number);
}

/* In a run that is open.  -ESTALE if it has gone. */
static int ask_open(struct index *x, struct lazy_run *l, const struct id *id, bool any, struct place *out)
{
	struct resolver *r = &x->resolver;
	struct pack_info pack;
	struct place place;
	size_t before = run_memory(l->run);
	int rc = run_lookup(l->run, id, &place, &pack);
	bool table = rc == 0 && wants_table(x, &pack, index_order_has(x, &pack.id));

	if (rc == 0)
		index_note_order(x, l->run, place.pack);
	run_trim(l->run);
	r->memory -= before - run_memory(l->run);
	r->spent += (rc == 0 ? 2 : 1) * RUN_BLOCK_LEN;
	if (r->memory > OPEN_MEMORY)
		close_run(r, l);
	if (rc == 0 && !any && is_missed(x, &pack))
		return PLACE_MISSED;
	return rc == 0 ? learn(x, id, &pack, &place, table, out) : rc;
}

/* 0; -ENOENT if it is not in it; PLACE_MISSED; -ESTALE if the run has gone; or why it cannot be told. */
static int ask_run(struct index *x, struct lazy_run *l, const struct id *id, bool any, struct place *out)
{
	int rc = RUN_LOCKED;

	if (l->size <= RUN_SMALL && !l->loaded)
		rc = ask_small(x, l, id, out);
	if (rc == RUN_GONE)
		return -ESTALE;
	if (rc <= 0)
		return rc;
	/* It could not be loaded: what it says can perhaps be read, or else why not. */
	l->bad |= rc == 1;
	rc = open_run(x, l);
	if (rc == -ENOENT)
		return -ESTALE;
	return rc == 0 ? ask_open(x, l, id, any, out) : rc;
}

/* What one backup stored is in few runs: the one that was right is asked first from now on. */
static void move_to_front(struct resolver *r, size_t i)
{
	struct lazy_run l = r->run[i];

	l.hit = ++r->hits;
	memmove(r->run + 1, r->run, i * sizeof(*r->run));
	r->run[0] = l;
}

/* A run that cannot be read says nothing of those that it was merged from, which may still be there. */
static void unhide(struct resolver *r, const struct lazy_run *l)
{
	const struct id *replaced;
	struct lazy_run *other;
	size_t n;

	if (l->run == NULL)
		return;
	replaced = run_replaced(l->run, &n);
	for (size_t i = 0; i < n; i++)
		if ((other = find_run(r, &replaced[i])) != NULL)
			other->replaced = false;
}

/* Is there a reason not to ask it? */
static bool is_out(const struct resolver *r, const struct lazy_run *l)
{
	return l->replaced || (l->loaded && !atomic_load(&r->everywhere)) || (l->again && index_now() < l->again);
}

/*
 * In the runs that are not loaded: the one that was right last, then the largest, as it is the likeliest.  Return 0; or
 * -ENOENT if none of those that could be read has it, with the reason for which others could not to ${*trouble}.
 */
static int ask_runs(struct index *x, const struct id *id, bool any, struct place *out, int *trouble)
{
	struct resolver *r = &x->resolver;
	int rc = -ENOENT;

	for (size_t i = 0; i < r->n && rc == -ENOENT; i++) {
		struct lazy_run *l = &r->run[i];

		if (is_out(r, l))
			continue;
		rc = ask_run(x, l, id, any, out);
		if (rc == 0)
			move_to_front(r, i);
		/* A run may be left, or be put late, that names what a prune has deleted: others are right. */
		if (rc == PLACE_MISSED) {
			r->second_best = true;
			rc = -ENOENT;
		}
		if (rc == 0 || rc == -ENOENT || rc == -ENOMEM)
			continue;
		unhide(r, l);
		if (index_is_lasting(rc)) {
			/* Those may have been passed already; this one is from now on. */
			l->again = index_now() + RETRY;
			i = (size_t)-1;
		} else if (*trouble != -ESTALE) {
			*trouble = rc;
		}
		rc = -ENOENT;
	}
	return rc;
}

int lazy_runs_find(struct index *x, const struct id *id, bool any, struct place *out)
{
	struct resolver *r = &x->resolver;
	int trouble = 0, rc;

	r->second_best = false;
	rc = ask_runs(x, id, any, out, &trouble);
	for (size_t i = 0; i < r->n && trouble == 0; i++)
		if (r->run[i].again && !r->run[i].replaced)
			trouble = -EBADMSG;
	return rc == -ENOENT && trouble ? trouble : rc;
}

uint64_t lazy_runs_bytes(const struct resolver *r)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct lazy_run *l = &r->run[i];

		bytes += l->replaced || l->loaded || l->bad || l->again ? 0 : l->size;
	}
	return bytes;
}
