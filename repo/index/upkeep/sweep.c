/*
 * Index runs without dead packs.  See sweep.h.
 *
 * A round reads all runs as one sorted stream and writes the objects that a concerned run has anew, of all their places
 * the best.  So what replaces a run does not rely on any other run to be there tomorrow.
 */
#include "repo/index/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/upkeep/records_impl.h"

#define ROUNDS 5             /* that others may spoil by putting runs, or by sweeping themselves */
#define RUN_OBJECTS 2000000  /* objects at which a new run is closed: some 130 MB */

struct sweep {
	struct index *x;
	const struct index_sweep *how;
	struct index_swept *out;
	struct index_records *r;
	struct ids clean;        /* runs that name no dead pack; sorted */
	struct ids written;      /* in this round */
	struct run_writer *w;    /* NULL: none is open */
	uint32_t *mine;          /* of each pack, by the index's number, 1 + the number that it has in ${w}; 0: none */
	size_t nmine;
	uint64_t nobjects;       /* in ${w} */
};

/* How much a place in the pack is worth: the less the better. */
enum worth { GOOD, SPARED, AVOIDED, DEAD };

static bool is_in(const struct numset *packs, uint32_t pack)
{
	return packs && numset_has(packs, pack);
}

static enum worth worth_of(const struct sweep *s, uint32_t pack)
{
	if (is_in(s->how->dead, pack))
		return DEAD;
	if (is_in(s->how->avoided, pack))
		return AVOIDED;
	return is_in(s->how->spared, pack) ? SPARED : GOOD;
}

/* The first of the best places, and what it is worth; NULL if all are dead.  How many are, to ${*ndead}. */
static const struct place *choose(const struct sweep *s, const struct index_object *o, size_t *ndead, enum worth *worth)
{
	const struct place *best = NULL;
	enum worth w;

	*ndead = 0;
	*worth = DEAD;
	for (size_t i = 0; i < o->n; i++) {
		w = worth_of(s, o->place[i].pack);
		*ndead += w == DEAD;
		if (w < *worth) {
			*worth = w;
			best = &o->place[i];
		}
	}
	return best;
}

/* An object is about to lose its last copy that counts. */
static int judge(const struct sweep *s, const struct index_object *o)
{
	char hex[ID_HEX_SIZE];
	int rc = s->how->is_live(s->how->arg, &o->id);

	if (rc <= 0)
		return rc;
	log_error(s->x->opts.log, "index: object %s is needed, and all its packs are to be deleted",
	    id_hex(&o->id, hex));
	return -EBUSY;
}

/* What the open run calls the index's pack ${number}. */
static int name_pack(struct sweep *s, uint32_t number, uint32_t *out)
{
	size_t n = number < 64 ? 128 : 2 * (size_t)number;
	struct pack_info info;
	uint32_t *grown;
	int rc;

	if (number >= s->nmine) {
		grown = realloc(s->mine, n * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + s->nmine, 0, (n - s->nmine) * sizeof(*grown));
		s->mine = grown;
		s->nmine = n;
	}
	if (s->mine[number] == 0) {
		rc = index_pack(s->x, number, &info);
		if (rc == 0)
			rc = run_add_pack(s->w, &info, out);
		if (rc < 0)
			return rc == -ENOENT ? -EIO : rc;
		s->mine[number] = 1 + *out;
	}
	*out = s->mine[number] - 1;
	return 0;
}

static int go_on(const struct sweep *s)
{
	return s->how->may_go_on ? s->how->may_go_on(s->how->arg) : 0;
}

/* A failure leaves it to undo(). */
static int close_run(struct sweep *s)
{
	struct run_writer *w = s->w;
	uint64_t size;
	struct id id;
	int rc = w ? go_on(s) : 0;

	if (!w || rc != 0)
		return rc;
	s->w = NULL;
	rc = run_commit(w, &id, &size);
	if (rc == 0)
		rc = ids_add(&s->written, id.b);
	if (rc == 0) {
		s->out->runs_written++;
		s->out->bytes_written += size;
	}
	return rc;
}

static int write_object(struct sweep *s, const struct id *id, const struct place *place)
{
	struct place p = *place;
	int rc = 0;

	if (!s->w) {
		rc = run_begin(s->x->opts.store, s->x->opts.metadata, &s->w);
		if (s->mine)
			memset(s->mine, 0, s->nmine * sizeof(*s->mine));
		s->nobjects = 0;
	}
	if (rc == 0)
		rc = name_pack(s, place->pack, &p.pack);
	if (rc == 0)
		rc = run_add(s->w, id, &p);
	if (rc == 0 && ++s->nobjects == RUN_OBJECTS)
		rc = close_run(s);
	return rc;
}

static int write_runs(struct sweep *s)
{
	struct index_object o;
	const struct place *best;
	enum worth worth;
	size_t ndead;
	int rc;

	while ((rc = index_records_next(s->r, &o)) > 0) {
		best = choose(s, &o, &ndead, &worth);
		rc = ndead > 0 && worth > SPARED ? judge(s, &o) : 0;
		if (rc == 0 && s->r->concerned && best)
			rc = write_object(s, &o.id, best);
		if (rc < 0)
			break;
		s->out->records_dropped += ndead;
	}
	return rc == 0 ? close_run(s) : rc;
}

/* Delete runs; one that is gone already will do. */
static int delete_runs(struct sweep *s, const struct ids *l, uint64_t *n)
{
	char name[RUN_NAME_SIZE];
	int rc = 0;

	for (size_t i = 0; i < l->n && rc == 0; i++) {
		rc = store_delete(s->x->opts.store, run_name(&l->id[i], name));
		*n += rc == 0;
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

/* Give up what was put in this round. */
static void undo(struct sweep *s)
{
	uint64_t n = 0;

	run_abort(s->w);
	s->w = NULL;
	delete_runs(s, &s->written, &n);
	s->written.n = 0;
}

/* The runs that are concerned; with ${clean}, the others. */
static int gather(struct sweep *s, bool clean, struct ids *out)
{
	int rc = 0;

	for (size_t i = 0; i < s->r->nruns && rc == 0; i++)
		if (s->r->run[i].concerned != clean)
			rc = ids_add(out, s->r->run[i].id.b);
	ids_sort(out);
	return rc;
}

/* Are all of these runs in the store?  1, 0, or an error. */
static int still_there(struct sweep *s, const struct ids *l)
{
	struct run_list now = { NULL, 0 };
	int rc = index_list_runs(s->x, &now);

	if (rc == 0)
		rc = 1;
	for (size_t i = 0; i < l->n && rc == 1; i++)
		if (run_list_find(&now, &l->id[i]) < 0)
			rc = 0;
	free(now.run);
	return rc;
}

static int ignore_object(void *arg, const struct id *id, const struct place *place)
{
	(void)arg;
	(void)id;
	(void)place;
	return 0;
}

/* Nothing was read of the runs so far: those that replace others must be whole before these are deleted. */
static int verify_replacers(struct sweep *s)
{
	const struct id *old;
	bool needed;
	size_t n;
	int rc = 0;

	for (size_t i = 0; i < s->r->nruns && rc == 0; i++) {
		old = run_replaced(s->r->run[i].run, &n);
		needed = false;
		for (size_t k = 0; k < n && !needed; k++)
			needed = ids_have(&s->r->superseded, &old[k]);
		if (needed)
			rc = run_each_object(s->r->run[i].run, ignore_object, NULL);
	}
	return rc;
}

/*
 * If not even the first one may be deleted, what was put instead is not needed, and would be put again each time.  Of
 * other failures nobody knows whether it is gone.
 */
static int delete_concerned(struct sweep *s, const struct ids *concerned)
{
	uint64_t n = 0;
	int rc = delete_runs(s, concerned, &n);

	s->out->runs_deleted += n;
	if ((rc == -EACCES || rc == -EROFS) && n == 0)
		undo(s);
	return rc;
}

/* Return 1 if index/ has to be looked at again, 0 if it was as it should be, or an error. */
static int rewrite(struct sweep *s, const struct ids *concerned)
{
	int rc = write_runs(s);

	if (rc == 0)
		rc = still_there(s, concerned);
	if (rc == 1) {
		rc = go_on(s);
		rc = rc == 0 ? 1 : rc;
	}
	/* Another one has swept them, and what we have put of them may name what he deletes. */
	if (rc <= 0)
		undo(s);
	if (rc == 0)
		return 1;
	if (rc == 1)
		rc = delete_concerned(s, concerned);
	if (rc == 0)
		rc = delete_runs(s, &s->r->superseded, &s->out->runs_deleted);
	return rc < 0 ? rc : 1;
}

/* Remember what need not be looked at again. */
static int note_clean(struct sweep *s)
{
	int rc;

	s->clean.n = 0;
	rc = gather(s, true, &s->clean);
	for (size_t i = 0; i < s->written.n && rc == 0; i++)
		rc = ids_add(&s->clean, s->written.id[i].b);
	ids_sort(&s->clean);
	return rc;
}

/* Is there nothing in index/ but what is known to be clean?  1, 0, or an error. */
static int all_clean(struct sweep *s)
{
	struct run_list now = { NULL, 0 };
	int rc = index_list_runs(s->x, &now);

	if (rc == 0)
		rc = 1;
	for (size_t i = 0; i < now.n && rc == 1; i++)
		if (!ids_have(&s->clean, &now.run[i].id))
			rc = 0;
	free(now.run);
	return rc;
}

/* As rewrite(). */
static int sweep_round(struct sweep *s)
{
	struct ids concerned = { NULL, 0 };
	int rc;

	s->written.n = 0;
	rc = index_records_open(s->x, &s->r);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s->r->nruns; i++)
		s->r->run[i].concerned = record_run_names(&s->r->run[i], s->how->dead);
	rc = gather(s, false, &concerned);
	if (rc == 0 && concerned.n > 0) {
		rc = rewrite(s, &concerned);
	} else if (rc == 0 && s->r->superseded.n > 0) {
		rc = verify_replacers(s);
		if (rc == 0)
			rc = delete_runs(s, &s->r->superseded, &s->out->runs_deleted);
	}
	if (rc >= 0 && note_clean(s) < 0)
		rc = -ENOMEM;
	index_records_close(s->r);
	s->r = NULL;
	free(concerned.id);
	return rc;
}

int index_sweep_runs(struct index *x, const struct index_sweep *how, struct index_swept *out)
{
	struct sweep s = { .x = x, .how = how, .out = out };
	int rc = 1;

	*out = (struct index_swept){ 0 };
	if (!x->opts.metadata->can_seal || !x->opts.metadata->can_open)
		return -EACCES;
	for (unsigned i = 0; i < ROUNDS && rc == 1; i++) {
		rc = i > 0 ? all_clean(&s) : 0;
		rc = rc == 0 ? sweep_round(&s) : rc == 1 ? 0 : rc;
	}
	if (rc == 1) {
		log_warn(x->opts.log, "index: others change the runs all the time: not swept");
		rc = -EAGAIN;
	}
	free(s.clean.id);
	free(s.written.id);
	free(s.mine);
	return rc;
}
