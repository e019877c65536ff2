/*
 * Bringing an environment up to date with the runs that are listed.
 *
 * The runs that should be loaded are those that are in the store, but for those that another of them replaces.  What
 * is missing is added.  If a run that is loaded has been replaced, what replaces it holds all that it held, and
 * writes over its places.  If one has vanished otherwise, as a prune makes it, all places are loaded anew, beside the
 * old ones.
 *
 * A reader of a large index does not load it anew: places of packs that are gone are found out when they are read
 * (index_doubt()), and nobody stores by them, as who does refreshes the whole.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/index_impl.h"

#define OPEN_MEMORY (16u * 1024 * 1024) /* of open runs, beyond which they do not hold what was read of them */

/* One way from "what is there" to "what should be loaded". */
struct refresh {
	struct index *x;
	struct env *env;
	struct run_list *present; /* in the store */
	struct loaded_runs have;  /* and the environment; also what new runs replace */
	struct load_run *run;    /* opened */
	size_t nruns, nbad;      /* of them; of those that could not be opened or loaded */
	bool transient;          /* a run could not be read now, but perhaps later */
	size_t memory;           /* of the open runs */
	bool load_new;           /* and not only drop what has vanished */
	bool load_again;         /* what is loaded, if it has to be */
};

/* A run of the refresh failed with ${rc}. */
static void count_bad(struct refresh *f, const struct id *id, int rc)
{
	/* Gone since it was listed; what it held may be in one that has been put since. */
	if (rc == -ENOENT) {
		f->x->vanished++;
		return;
	}
	f->nbad++;
	if (index_is_lasting(rc))
		bad_run_note(f->x, id);
	else
		f->transient = true;
}

/* Open a run that is to be loaded, and note what it replaces.  Its own faults are counted, not returned. */
static int open_run(struct refresh *f, const struct id *id, uint64_t size)
{
	struct index *x = f->x;
	const struct bad_run *bad = bad_run_find(x, id);
	const struct run_reading how = { x->opts.store, x->opts.metadata, bad ? NULL : x->opts.log,
		x->opts.segment_size };
	struct load_run *r = &f->run[f->nruns];
	const struct id *replaced;
	size_t n;
	int rc;

	if (bad && index_now() < bad->again) {
		f->nbad++;
		return 0;
	}
	rc = run_open(&how, id, size, &r->run);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		count_bad(f, id, rc);
		return 0;
	}
	r->id = *id;
	f->nruns++;
	if (f->memory + run_memory(r->run) > OPEN_MEMORY)
		run_trim(r->run);
	f->memory += run_memory(r->run);
	/* Of a run that is loaded, the environment has told this already. */
	if (ids_have(&f->have.whole, id))
		return 0;
	replaced = run_replaced(r->run, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = ids_add(&f->have.replaced, replaced[i].b);
	if (n > 0)
		ids_sort(&f->have.replaced);
	return rc;
}

/* Mark what is new and to be loaded. */
static void mark_new(struct refresh *f)
{
	const struct store *store = f->x->opts.store;
	uint64_t bytes = 0, again = 0, bytes_max = INDEX_LOAD_LOCAL_BYTES;
	size_t n = 0, n_max = SIZE_MAX;

	if (!store_local_path(store)) {
		bytes_max = INDEX_LOAD_REMOTE_BYTES;
		n_max = INDEX_LOAD_REMOTE_RUNS;
	}
	for (size_t i = 0; i < f->present->n; i++) {
		struct listed_run *l = &f->present->run[i];

		if (ids_have(&f->have.replaced, &l->id))
			continue;
		l->left = !ids_have(&f->have.whole, &l->id);
		bytes += l->left ? l->size : 0;
		again += l->left ? 0 : l->size;
		n += l->left;
	}
	f->load_new = f->x->whole || (bytes <= bytes_max && n <= n_max);
	f->load_again = f->x->whole || again + (f->load_new ? bytes : 0) <= bytes_max;
}

/* The largest first: what replaces others is larger than they are, and they need not be opened then. */
static int open_new_runs(struct refresh *f)
{
	struct run_list new = { .run = calloc(f->present->n + 1, sizeof(*new.run)) };
	int rc = 0;

	f->run = calloc(f->present->n + 1, sizeof(*f->run));
	if (!f->run || !new.run) {
		free(new.run);
		return -ENOMEM;
	}
	for (size_t i = 0; i < f->present->n && f->load_new; i++)
		if (f->present->run[i].left)
			new.run[new.n++] = f->present->run[i];
	run_list_by_size(&new);
	for (size_t i = 0; i < new.n && rc == 0; i++)
		if (!ids_have(&f->have.replaced, &new.run[i].id))
			rc = open_run(f, &new.run[i].id, new.run[i].size);
	free(new.run);
	return rc;
}

/* Close the runs that are not to be loaded after all. */
static void drop_replaced(struct refresh *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->nruns; i++) {
		if (ids_have(&f->have.replaced, &f->run[i].id))
			run_close(f->run[i].run);
		else
			f->run[kept++] = f->run[i];
	}
	f->nruns = kept;
}

static int compare_runs(const void *a, const void *b)
{
	const struct load_run *x = a, *y = b;

	return id_compare(&x->id, &y->id);
}

/* Are there places of which nobody knows any more whether they are right? */
static bool is_stale(const struct refresh *f)
{
	for (size_t i = 0; i < f->have.loaded.n; i++) {
		const struct id *id = &f->have.loaded.id[i];

		if (run_list_find(f->present, id) < 0 && !ids_have(&f->have.replaced, id))
			return true;
	}
	return false;
}

/* What replaces them is loaded, and has written over all that came from them. */
static int retire_replaced(struct refresh *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->have.loaded.n; i++)
		if (ids_have(&f->have.replaced, &f->have.loaded.id[i]))
			f->have.loaded.id[n++] = f->have.loaded.id[i];
	return load_retire_runs(f->env, f->have.generation, f->have.loaded.id, n);
}

/*
 * Load what is open, in order of id.  With ${overwrite} its places count, and not those that are there: somebody has
 * stored the same again, perhaps because the pack that had it is about to be deleted.
 */
static int load_open(struct refresh *f, uint32_t generation, bool overwrite)
{
	int rc;

	if (f->nruns == 0)
		return 0;
	qsort(f->run, f->nruns, sizeof(*f->run), compare_runs);
	rc = load_runs(f->env, generation, f->run, f->nruns, overwrite);
	for (size_t i = 0; i < f->nruns && rc == 0; i++) {
		if (f->run[i].rc < 0)
			count_bad(f, &f->run[i].id, f->run[i].rc);
		else
			bad_run_forget(f->x, &f->run[i].id);
	}
	return rc;
}

/* Open the runs that are loaded and stay so.  Return 0 or -ENOMEM. */
static int open_loaded_runs(struct refresh *f)
{
	ssize_t at;
	int rc = 0;

	for (size_t i = 0; i < f->have.whole.n && rc == 0; i++)
		if ((at = run_list_find(f->present, &f->have.whole.id[i])) >= 0 &&
		    !ids_have(&f->have.replaced, &f->have.whole.id[i]))
			rc = open_run(f, &f->have.whole.id[i], f->present->run[at].size);
	return rc;
}

/*
 * All places anew, beside the old ones.  If the store cannot give one of the runs just now, or that would be too much
 * for a reader, the old ones stay and what is new is put over them.
 */
static int load_anew(struct refresh *f)
{
	size_t nnew = f->nruns;
	uint32_t generation;
	int rc = f->load_again ? open_loaded_runs(f) : 0;

	if (rc < 0)
		return rc;
	if (!f->load_again || f->transient) {
		while (f->nruns > nnew)
			run_close(f->run[--f->nruns].run);
		f->x->stale = true;
		return load_open(f, f->have.generation, true);
	}
	rc = load_begin_generation(f->env, &generation);
	if (rc == 0)
		rc = load_open(f, generation, false);
	f->x->stale = rc < 0 || f->transient;
	return f->x->stale ? rc : load_finish_generation(f->env, generation);
}

static void end_refresh(struct refresh *f)
{
	for (size_t i = 0; f->run && i < f->nruns; i++)
		run_close(f->run[i].run);
	free(f->run);
	loaded_runs_free(&f->have);
}

/* In the listing: what is still not loaded, and of that what is known to be bad. */
static int mark_left(struct refresh *f)
{
	int rc = loaded_runs_mark(f->env, f->present);

	for (size_t i = 0; i < f->present->n; i++)
		f->present->run[i].bad = bad_run_find(f->x, &f->present->run[i].id) != NULL;
	return rc;
}

int index_bring_up(struct index *x, struct env *env, struct run_list *present)
{
	struct refresh f = { .x = x, .env = env, .present = present };
	bool anew = false;
	int rc;

	x->stale = false;
	x->vanished = 0;
	rc = loaded_runs_read(env, present, &f.have);
	if (rc == 0) {
		mark_new(&f);
		rc = open_new_runs(&f);
	}
	if (rc == 0) {
		drop_replaced(&f);
		anew = is_stale(&f);
		rc = anew ? load_anew(&f) : load_open(&f, f.have.generation, true);
	}
	if (rc == 0 && !anew && f.nbad == 0 && x->vanished == 0)
		rc = retire_replaced(&f);
	if (rc == 0 && f.load_new && f.nbad == 0 && !x->stale && x->vanished == 0)
		rc = learn_clear(env);
	if (rc == 0)
		rc = mark_left(&f);
	x->stale |= anew && rc < 0;
	end_refresh(&f);
	return rc < 0 ? rc : (int)f.nbad;
}

/* Is the run loaded whole?  1, 0, or a failure of the environment. */
static int is_loaded(struct env *env, const struct id *id, uint32_t *generation)
{
	struct run_record rec = { .whole = false };
	struct lmdb_txn *txn;
	struct rd r;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, generation);
	if (rc == 0)
		rc = lmdb_get(txn, ENV_RUNS + *generation % 2, id->b, ID_LEN, &r);
	if (rc == 0)
		rc = run_record_decode(r, &rec);
	lmdb_end(txn);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	return rec.whole;
}

int index_bring_up_run(struct index *x, const struct id *id, uint64_t size)
{
	struct refresh f = { .x = x, .env = x->env };
	int rc;

	x->vanished = 0;
	rc = is_loaded(f.env, id, &f.have.generation);
	if (rc == 0) {
		f.run = calloc(1, sizeof(*f.run));
		rc = f.run ? open_run(&f, id, size) : -ENOMEM;
		if (rc == 0)
			rc = load_open(&f, f.have.generation, true);
	} else if (rc > 0) {
		rc = 0;
	}
	end_refresh(&f);
	if (rc < 0)
		return rc;
	return f.transient ? RUN_NOT_NOW : x->vanished > 0 ? RUN_GONE : (int)f.nbad;
}
