/*
 * Bringing the index up to date with the runs of the store.
 *
 * The runs that should be loaded are those that are in the store, but for those that another of them replaces.  If one
 * is loaded that should not be, all places are loaded anew, beside the old ones; else what is missing is added.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"

#define BAD_RUN_RETRY 600     /* seconds until a run that could not be loaded is tried again */
#define OPEN_MEMORY (16u * 1024 * 1024) /* of open runs, beyond which they do not hold what was read of them */

/* One way from "what is there" to "what should be loaded". */
struct refresh {
	struct index *x;
	struct env *env;
	struct ids present;      /* in the store, sorted */
	struct ids loaded;       /* in the environment, whole or in part, sorted */
	struct ids whole;        /* of those, the whole ones */
	struct ids replaced;     /* by any run that is present; sorted once all is known */
	struct load_run *run;    /* opened */
	size_t nruns, nbad;      /* of them; of those that could not be opened or loaded */
	bool transient;          /* a run could not be read now, but perhaps later */
	uint32_t generation;
	size_t memory;           /* of the open runs */
};

static int add_id(struct ids *l, const uint8_t *id)
{
	struct id *grown;

	/* Double at powers of two. */
	if ((l->n & (l->n - 1)) == 0) {
		grown = realloc(l->id, (l->n ? 2 * l->n : 1) * sizeof(*l->id));
		if (!grown)
			return -ENOMEM;
		l->id = grown;
	}
	memcpy(l->id[l->n++].b, id, ID_LEN);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

static void sort_ids(struct ids *l)
{
	if (l->n > 0)
		qsort(l->id, l->n, sizeof(*l->id), compare_ids);
}

static bool has_id(const struct ids *l, const struct id *id)
{
	return l->n > 0 && bsearch(id, l->id, l->n, sizeof(*l->id), compare_ids) != NULL;
}

time_t index_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static struct bad_run *find_bad(struct index *x, const struct id *id)
{
	for (size_t i = 0; i < x->nbad; i++)
		if (id_equal(&x->bad[i].id, id))
			return &x->bad[i];
	return NULL;
}

/* Remember a run that could not be loaded, if there is memory for that. */
static void note_bad(struct index *x, const struct id *id)
{
	struct bad_run *b = find_bad(x, id), *grown;

	if (!b) {
		grown = realloc(x->bad, (x->nbad + 1) * sizeof(*grown));
		if (!grown)
			return;
		x->bad = grown;
		b = &grown[x->nbad++];
		b->id = *id;
	}
	b->again = index_now() + BAD_RUN_RETRY;
}

static void forget_bad(struct index *x, const struct id *id)
{
	struct bad_run *b = find_bad(x, id);

	if (b)
		*b = x->bad[--x->nbad];
}

/* The object is wrong and stays so, as opposed to a store that does not answer. */
static bool is_lasting(int rc)
{
	return rc == -EBADMSG || rc == -EPROTONOSUPPORT || rc == -EACCES;
}

/* A run of the refresh failed with ${rc}. */
static void count_bad(struct refresh *f, const struct id *id, int rc)
{
	/* Gone since it was listed: so it is not in the store now, and that is no fault. */
	if (rc == -ENOENT)
		return;
	f->nbad++;
	if (is_lasting(rc))
		note_bad(f->x, id);
	else
		f->transient = true;
}

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct ids *l = arg;
	struct id id;

	(void)size;
	if (strncmp(name, "index/", 6) != 0 || id_parse(name + 6, &id) < 0)
		return 0;
	return add_id(l, id.b);
}

int index_list_runs(struct index *x, struct ids *out)
{
	int rc = store_list_names(x->opts.store, "index/", take_name, out);

	sort_ids(out);
	return rc;
}

/* Take one record of the table "runs". */
static int take_loaded(struct refresh *f, struct rd key, struct rd data)
{
	struct run_record rec;
	struct id id;
	int rc;

	if (key.len != ID_LEN)
		return -EBADMSG;
	memcpy(id.b, key.p, ID_LEN);
	rc = run_record_decode(data, &rec);
	if (rc == 0)
		rc = add_id(&f->loaded, id.b);
	if (rc == 0 && rec.whole)
		rc = add_id(&f->whole, id.b);
	if (!has_id(&f->present, &id))
		return rc;
	for (size_t i = 0; i < rec.nreplaced && rc == 0; i++)
		rc = add_id(&f->replaced, rec.replaced + i * ID_LEN);
	return rc;
}

static int read_loaded(struct refresh *f)
{
	struct lmdb_txn *txn;
	struct lmdb_cursor *c;
	struct rd key, data;
	int rc;

	rc = env_read(f->env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &f->generation);
	if (rc == 0)
		rc = lmdb_seek(txn, ENV_RUNS + f->generation % 2, NULL, 0, &c);
	if (rc == 0) {
		while ((rc = lmdb_next(c, &key, &data)) > 0 && (rc = take_loaded(f, key, data)) == 0)
			;
		lmdb_cursor_close(c);
	}
	lmdb_end(txn);
	return rc;
}

/* Open a run that is to be loaded, and note what it replaces.  Its own faults are counted, not returned. */
static int open_run(struct refresh *f, const struct id *id)
{
	struct index *x = f->x;
	const struct bad_run *bad = find_bad(x, id);
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
	rc = run_open(&how, id, 0, &r->run);
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
	if (has_id(&f->whole, id))
		return 0;
	replaced = run_replaced(r->run, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_id(&f->replaced, replaced[i].b);
	return rc;
}

static int open_new_runs(struct refresh *f)
{
	int rc = 0;

	f->run = calloc(f->present.n + 1, sizeof(*f->run));
	if (!f->run)
		return -ENOMEM;
	for (size_t i = 0; i < f->present.n && rc == 0; i++)
		if (!has_id(&f->whole, &f->present.id[i]))
			rc = open_run(f, &f->present.id[i]);
	sort_ids(&f->replaced);
	return rc;
}

/* Close the runs that are not to be loaded after all. */
static void drop_replaced(struct refresh *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->nruns; i++) {
		if (has_id(&f->replaced, &f->run[i].id))
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

/* Is a run loaded that should not be? */
static bool is_stale(const struct refresh *f)
{
	for (size_t i = 0; i < f->loaded.n; i++)
		if (!has_id(&f->present, &f->loaded.id[i]) || has_id(&f->replaced, &f->loaded.id[i]))
			return true;
	return false;
}

/* Load what is open, in order of id. */
static int load_open(struct refresh *f, uint32_t generation)
{
	int rc;

	if (f->nruns == 0)
		return 0;
	qsort(f->run, f->nruns, sizeof(*f->run), compare_runs);
	rc = load_runs(f->env, generation, f->run, f->nruns);
	for (size_t i = 0; i < f->nruns && rc == 0; i++) {
		if (f->run[i].rc < 0)
			count_bad(f, &f->run[i].id, f->run[i].rc);
		else
			forget_bad(f->x, &f->run[i].id);
	}
	return rc;
}

/* Open the runs that are loaded and stay so.  Return 0 or -ENOMEM. */
static int open_loaded_runs(struct refresh *f)
{
	int rc = 0;

	for (size_t i = 0; i < f->whole.n && rc == 0; i++)
		if (has_id(&f->present, &f->whole.id[i]) && !has_id(&f->replaced, &f->whole.id[i]))
			rc = open_run(f, &f->whole.id[i]);
	return rc;
}

/*
 * All places anew, beside the old ones.  If the store cannot give one of the runs just now, the old ones stay and what
 * is new is added to them.
 */
static int load_anew(struct refresh *f)
{
	size_t nnew = f->nruns;
	uint32_t generation;
	int rc;

	rc = open_loaded_runs(f);
	if (rc < 0)
		return rc;
	if (f->transient) {
		while (f->nruns > nnew)
			run_close(f->run[--f->nruns].run);
		return load_open(f, f->generation);
	}
	rc = load_begin_generation(f->env, &generation);
	if (rc == 0)
		rc = load_open(f, generation);
	if (rc < 0 || f->transient)
		return rc;
	return load_finish_generation(f->env, generation);
}

static void end_refresh(struct refresh *f)
{
	for (size_t i = 0; f->run && i < f->nruns; i++)
		run_close(f->run[i].run);
	free(f->run);
	free(f->loaded.id);
	free(f->whole.id);
	free(f->replaced.id);
}

int index_bring_up(struct index *x, struct env *env, const struct ids *present)
{
	struct refresh f = { .x = x, .env = env, .present = *present };
	int rc;

	rc = read_loaded(&f);
	if (rc == 0)
		rc = open_new_runs(&f);
	if (rc == 0) {
		drop_replaced(&f);
		rc = is_stale(&f) ? load_anew(&f) : load_open(&f, f.generation);
	}
	end_refresh(&f);
	return rc < 0 ? rc : (int)f.nbad;
}

/* ${*listed} is what the listing returned; if that was 0, return as index_bring_up(). */
static int refresh_locked(struct index *x, struct ids *present, int *listed)
{
	int rc = env_lock_load(x->env);

	*listed = index_list_runs(x, present);
	if (rc == 0 && *listed == 0)
		rc = index_bring_up(x, x->env, present);
	env_unlock_load(x->env);
	return rc;
}

int index_refresh(struct index *x)
{
	struct ids present = { NULL, 0 };
	int rc, listed;

	pthread_mutex_lock(&x->loader);
	rc = refresh_locked(x, &present, &listed);
	if (listed < 0)
		rc = listed;
	else if (rc >= 0)
		x->short_of_room = false;
	else if (rc != -ENOMEM && (rc = index_try_replace(x, rc, &present)) < 0 && rc != -ENOMEM)
		rc = (int)present.n;
	pthread_mutex_unlock(&x->loader);
	free(present.id);
	return rc;
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

/* Return as index_bring_up(). */
static int add_run(struct index *x, const struct id *id)
{
	struct refresh f = { .x = x, .env = x->env };
	int rc;

	rc = env_lock_load(f.env);
	if (rc < 0)
		return rc;
	rc = is_loaded(f.env, id, &f.generation);
	if (rc == 0) {
		f.run = calloc(1, sizeof(*f.run));
		rc = f.run ? open_run(&f, id) : -ENOMEM;
		if (rc == 0)
			rc = load_open(&f, f.generation);
	}
	end_refresh(&f);
	env_unlock_load(f.env);
	return rc < 0 ? rc : (int)f.nbad;
}

int index_add_run(struct index *x, const struct id *id)
{
	struct ids present = { NULL, 0 };
	int rc;

	pthread_mutex_lock(&x->loader);
	rc = add_run(x, id);
	if (rc < 0 && rc != -ENOMEM) {
		int why = rc;

		rc = index_list_runs(x, &present);
		if (rc == 0)
			rc = index_try_replace(x, why, &present);
		if (rc < 0 && rc != -ENOMEM)
			rc = 1;
	}
	pthread_mutex_unlock(&x->loader);
	free(present.id);
	return rc;
}
