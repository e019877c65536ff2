/*
 * Places of objects that the index does not know, from the store, without loading what is large.
 *
 * Reading the tables of packs: ids are hashes, so that two objects that are read one after the other are in different
 * blocks of a run; but they are in the same pack, mostly, and its table names all that is in there (Zhu et al., FAST
 * 2008: locality-preserved caching).  So a run is asked once or twice for each pack that is read from.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/lookup/lazy_runs.h"

#define LIST_AGAIN 2     /* seconds in which the runs are listed once at most */
#define UNLEARN_AGAIN 60 /* seconds in which the place of an object is forgotten once at most */
#define MET_FOR 3600     /* seconds in which who comes back to a pack is taken for a reader of all of it */

void resolver_init(struct resolver *r)
{
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->hint_lock, NULL);
	pthread_mutex_init(&r->doubt_lock, NULL);
	told_init(&r->unlearned, UNLEARN_AGAIN);
	told_init(&r->gone, UNLEARN_AGAIN);
	told_init(&r->met, MET_FOR);
	numset_init(&r->missing);
}

void resolver_destroy(struct resolver *r)
{
	lazy_runs_close(r);
	numset_destroy(&r->missing);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->hint_lock);
	pthread_mutex_destroy(&r->doubt_lock);
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

static uint64_t hash_listing(const struct run_list *l)
{
	uint64_t hash = l->n;

	for (size_t i = 0; i < l->n; i++)
		hash ^= id_hash(&l->run[i].id);
	return hash;
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
		if (r->listed_rc >= 0 && lazy_runs_take(x, &present) < 0)
			r->listed_rc = -ENOMEM;
		r->listing = hash_listing(&present);
		r->sure = false;
		r->listed = true;
		r->listed_at = index_now();
	}
	free(present.run);
	return r->listed_rc;
}

/* --- All together ------------------------------------------------------------------------------------------------- */

/*
 * In the runs that were listed some time ago.  They say nothing wrong, as they are immutable, and what they had is
 * mostly where it was; so while nothing newer is known of, the store is not asked for another listing before they have
 * been asked in vain.
 */
static int find_in_listed(struct index *x, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;

	if (!r->listed || r->listed_rc < 0 || index_now() - r->listed_at <= LIST_AGAIN || atomic_load(&r->news) ||
	    r->spent > lazy_runs_bytes(r))
		return -ENOENT;
	return lazy_runs_find(x, id, false, out);
}

/* By what the runs say that are in the store.  -ESTALE if they have changed meanwhile. */
static int find_once(struct index *x, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;
	uint64_t left;
	int listed = list_runs(x, false), rc = index_find(x, id, out);

	left = lazy_runs_bytes(r);
	if (rc == -ENOENT && left > 0 && r->spent > left) {
		r->spent = 0;
		listed = list_runs(x, true);
		rc = index_find(x, id, out);
	}
	if (rc == -ENOENT)
		rc = lazy_runs_find(x, id, false, out);
	return rc == -ENOENT && listed < 0 ? listed : rc;
}

/* The same, listing anew as long as they change. */
static int find_in_store(struct index *x, const struct id *id, struct place *out)
{
	int rc = find_once(x, id, out);

	for (unsigned i = 0; i < INDEX_LISTINGS && rc == -ESTALE; i++) {
		index_pause(i);
		atomic_store(&x->resolver.news, true);
		rc = find_once(x, id, out);
	}
	return rc;
}

/*
 * It is in none of those that are listed.  But a listing is not of one moment: it may lack a run that was being
 * replaced, and the one that was put in its place behind where the listing was.
 */
static int find_again(struct index *x, const struct id *id, struct place *out)
{
	struct resolver *r = &x->resolver;
	uint64_t before;
	int listed, rc = -ENOENT;

	for (unsigned i = 0; i < INDEX_LISTINGS && rc == -ENOENT && !r->sure; i++) {
		before = r->listing;
		atomic_store(&r->news, true);
		listed = list_runs(x, false);
		if (listed < 0)
			return listed;
		r->sure = r->listing == before;
		if (!r->sure)
			rc = find_in_store(x, id, out);
	}
	return rc;
}

static int resolve(struct index *x, enum pack_kind kind, const struct id *id, struct place *out)
{
	int rc = index_find(x, id, out);

	if (rc == -ENOENT && kind == PACK_TREE)
		rc = find_in_hinted(x, id, out);
	if (rc != -ENOENT)
		return rc;
	if (find_in_listed(x, id, out) == 0)
		return 0;
	rc = find_in_store(x, id, out);
	if (rc == -ENOENT)
		rc = find_again(x, id, out);
	/* Who finds out that this pack is gone says so of it, or that it is back. */
	if (rc == -ENOENT && x->resolver.second_best)
		rc = lazy_runs_find(x, id, true, out);
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
