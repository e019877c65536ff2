/*
 * Places of objects that the index does not know, from the store, without loading what is large.
 *
 * Reading the tables of packs: ids are hashes, so that two objects that are read one after the other are in different
 * blocks of a run; but they are in the same pack, mostly, and its table names all that is in there (Zhu et al., FAST
 * 2008: locality-preserved caching).  So a run is asked once for each pack that is read from.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"

#define LIST_AGAIN 2          /* seconds in which the runs are listed once at most */
#define RETRY 600             /* seconds until a run that cannot be read is tried again */
#define UNLEARN_AGAIN 60      /* seconds in which the place of an object is forgotten once at most */
#define OPEN_MEMORY (8u * 1024 * 1024) /* of runs that are held open */

void resolver_init(struct resolver *r)
{
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->hint_lock, NULL);
	told_init(&r->unlearned, UNLEARN_AGAIN);
	told_init(&r->gone, UNLEARN_AGAIN);
	numset_init(&r->missing);
}

static void close_run(struct resolver *r, struct lazy_run *l)
{
	if (!l->run)
		return;
	r->memory -= run_memory(l->run);
	run_close(l->run);
	l->run = NULL;
}

static void close_runs(struct resolver *r)
{
	for (size_t i = 0; i < r->n; i++)
		close_run(r, &r->run[i]);
	free(r->run);
	r->run = NULL;
	r->n = 0;
}

void resolver_destroy(struct resolver *r)
{
	close_runs(r);
	numset_destroy(&r->missing);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->hint_lock);
}

/* --- Hints -------------------------------------------------------------------------------------------------------- */

/* The table of this pack may be worth reading. */
static void add_hint(struct resolver *r, uint32_t pack)
{
	unsigned n;

	pthread_mutex_lock(&r->hint_lock);
	for (n = 0; n < r->nhinted && r->hinted[n] != pack; n++)
		;
	if (n == HINTED_MAX)
		memmove(r->hinted, r->hinted + 1, --r->nhinted * sizeof(r->hinted[0]));
	if (n >= r->nhinted)
		r->hinted[r->nhinted++] = pack;
	pthread_mutex_unlock(&r->hint_lock);
}

void resolver_doubt_pack(struct resolver *r, uint32_t pack, bool missing)
{
	unsigned kept = 0;

	pthread_mutex_lock(&r->hint_lock);
	for (unsigned n = 0; n < r->nhinted; n++)
		if (r->hinted[n] != pack)
			r->hinted[kept++] = r->hinted[n];
	r->nhinted = kept;
	/* Without memory for that, each object that was in it is found out by itself. */
	if (missing)
		numset_add(&r->missing, pack);
	pthread_mutex_unlock(&r->hint_lock);
	if (missing)
		atomic_store(&r->everywhere, true);
}

bool resolver_misses_pack(struct resolver *r, uint32_t pack)
{
	bool missing;

	if (!atomic_load(&r->everywhere))
		return false;
	pthread_mutex_lock(&r->hint_lock);
	missing = numset_has(&r->missing, pack);
	pthread_mutex_unlock(&r->hint_lock);
	return missing;
}

static bool take_hint(struct resolver *r, uint32_t *pack)
{
	bool had;

	pthread_mutex_lock(&r->hint_lock);
	had = r->nhinted > 0;
	if (had)
		*pack = r->hinted[--r->nhinted];
	pthread_mutex_unlock(&r->hint_lock);
	return had;
}

int index_learn(struct index *x, const struct id *id, const struct pack_info *pack, const void *record, size_t len)
{
	struct rd r = rd_init(record, len);
	struct place place, known;
	int rc;

	atomic_store(&x->resolver.news, true);
	if (place_decode(&r, x->opts.segment_size, &place) < 0 || r.len != 0)
		return -EBADMSG;
	rc = index_find(x, id, &known);
	if (rc == -ENOENT) {
		rc = index_learn_place(x, id, pack, &place);
		if (rc == 0)
			rc = index_find(x, id, &known);
	}
	if (rc == 0)
		add_hint(&x->resolver, known.pack);
	return rc;
}

/* In the tables of packs that hints have named, the last one first. */
static int find_in_hinted(struct index *x, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;
	struct pack_info info;
	uint32_t pack;
	int rc = -ENOENT;

	while (rc == -ENOENT && take_hint(r, &pack)) {
		/* What is wrong with the pack, or the store, is told where the object is asked for. */
		if (index_pack(x, pack, &info) == 0 && index_learn_table(x, &info, &r->spent) > 0)
			rc = index_find(x, id, out);
	}
	return rc;
}

/* --- Which runs there are ----------------------------------------------------------------------------------------- */

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

/* Make the list of those that are left, and of all if some places are wrong; and keep open what is open. */
static int take_left(struct index *x, struct run_list *present)
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
	close_runs(r);
	if (n > 0)
		qsort(run, n, sizeof(*run), compare_lazy);
	r->run = run;
	r->n = n;
	return 0;
}

/*
 * List the runs and load what is small, or with ${whole} all, unless that has just been done.  Return what the latest
 * attempt returned.
 */
static int list_runs(struct index *x, bool whole)
{
	struct resolver *r = &x->resolver;
	struct run_list present = { NULL, 0 };
	time_t now = index_now();

	if (atomic_exchange(&r->news, false) || whole || !r->listed || now - r->listed_at > LIST_AGAIN) {
		r->listed_rc = index_refresh_some(x, whole, &present);
		if (r->listed_rc >= 0 && take_left(x, &present) < 0)
			r->listed_rc = -ENOMEM;
		r->listed = true;
		r->listed_at = index_now();
	}
	free(present.run);
	return r->listed_rc;
}

/* --- Asking a run ------------------------------------------------------------------------------------------------- */

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

/* The place itself if the table of the pack cannot be read, or does not name the object. */
static int learn(struct index *x, const struct id *id, const struct pack_info *pack, const struct place *place,
    struct place *out)
{
	int rc = index_learn_table(x, pack, &x->resolver.spent);

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

/* In a run that is open.  -ESTALE if it has gone. */
static int ask_open(struct index *x, struct lazy_run *l, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;
	struct pack_info pack;
	struct place place;
	size_t before = run_memory(l->run);
	int rc = run_lookup(l->run, id, &place, &pack);

	run_trim(l->run);
	r->memory -= before - run_memory(l->run);
	r->spent += (rc == 0 ? 2 : 1) * RUN_BLOCK_LEN;
	if (r->memory > OPEN_MEMORY)
		close_run(r, l);
	return rc == 0 ? learn(x, id, &pack, &place, out) : rc;
}

/* 0; -ENOENT if it is not in it; -ESTALE if the run has gone; or why it cannot be told. */
static int ask_run(struct index *x, struct lazy_run *l, const struct id *id, struct place *out)
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
	return rc == 0 ? ask_open(x, l, id, out) : rc;
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
static int ask_runs(struct index *x, const struct id *id, struct place *out, int *trouble)
{
	struct resolver *r = &x->resolver;
	int rc = -ENOENT;

	for (size_t i = 0; i < r->n && rc == -ENOENT; i++) {
		struct lazy_run *l = &r->run[i];

		if (is_out(r, l))
			continue;
		rc = ask_run(x, l, id, out);
		if (rc == 0)
			move_to_front(r, i);
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

/* -ENOENT only if no run has it; -ESTALE if one of them has gone; else why it cannot be told. */
static int find_in_runs(struct index *x, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;
	int trouble = 0, rc = ask_runs(x, id, out, &trouble);

	for (size_t i = 0; i < r->n && trouble == 0; i++)
		if (r->run[i].again && !r->run[i].replaced)
			trouble = -EBADMSG;
	return rc == -ENOENT && trouble ? trouble : rc;
}

/* Bytes of what is not loaded, and can be. */
static uint64_t bytes_left(const struct resolver *r)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct lazy_run *l = &r->run[i];

		bytes += l->replaced || l->loaded || l->bad || l->again ? 0 : l->size;
	}
	return bytes;
}

/* --- All together ------------------------------------------------------------------------------------------------- */

/* By what the runs say that are in the store.  -ESTALE if they have changed meanwhile. */
static int find_in_store(struct index *x, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;
	uint64_t left;
	int listed = list_runs(x, false), rc = index_find(x, id, out);

	left = bytes_left(r);
	if (rc == -ENOENT && left > 0 && r->spent > left) {
		r->spent = 0;
		listed = list_runs(x, true);
		rc = index_find(x, id, out);
	}
	if (rc == -ENOENT)
		rc = find_in_runs(x, id, out);
	return rc == -ENOENT && listed < 0 ? listed : rc;
}

static int resolve(struct index *x, enum pack_kind kind, const struct id *id, struct place *out)
{
	int rc = index_find(x, id, out);

	if (rc == -ENOENT && kind == PACK_TREE)
		rc = find_in_hinted(x, id, out);
	if (rc != -ENOENT)
		return rc;
	rc = find_in_store(x, id, out);
	for (unsigned i = 0; i < INDEX_LISTINGS && rc == -ESTALE; i++) {
		index_pause(i);
		atomic_store(&x->resolver.news, true);
		rc = find_in_store(x, id, out);
	}
	return rc == -ESTALE ? -EIO : rc;
}

int index_resolve(struct index *x, enum pack_kind kind, const struct id *id, struct place *out)
{
	int rc;

	pthread_mutex_lock(&x->resolver.lock);
	rc = resolve(x, kind, id, out);
	pthread_mutex_unlock(&x->resolver.lock);
	return rc;
}
