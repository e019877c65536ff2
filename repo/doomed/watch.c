/*
 * Watch.  See watch.h.
 *
 * One lock makes each answer of doom_watch_take() fall before or after a second look: before, the look sees the pack
 * among those that are relied on; after, the answer heeds what the look has found.
 */
#include "repo/doomed/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/bytes/numset.h"

#define NS 1000000000LL
#define LOOKS_MAX 5

struct doom_watch {
	struct doom_watch_options o;
	struct clock_reading since; /* before doomed/ was read last */
	struct doomed_set set;
	pthread_mutex_t lock;       /* of the rest */
	struct numset blocked;      /* the index's numbers of packs */
	struct numset relied;
	atomic_int ever_blocked;
	struct id *own;
	size_t nown, cap_own;
	struct clock_reading told;  /* when it was said what is needed; before that, when it was opened */
	struct doomed_set needed;   /* the records that say so */
	bool mute;                  /* the store does not let us say so */
	bool stuck;                 /* nor take it back */
};

/* Packs that must be there. */
struct wanted {
	struct id *ids; /* sorted */
	bool *found;
	size_t n;
};

int doom_watch_open(const struct doom_watch_options *opts, struct doom_watch **out)
{
	struct doom_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return -ENOMEM;
	w->o = *opts;
	pthread_mutex_init(&w->lock, NULL);
	numset_init(&w->blocked);
	numset_init(&w->relied);
	clock_read(w->o.clock, &w->since);
	w->told = w->since;
	rc = doomed_load(&w->o.at, &w->set);
	if (rc == 0)
		*out = w;
	else
		doom_watch_close(w);
	return rc;
}

void doom_watch_close(struct doom_watch *w)
{
	if (w == NULL)
		return;
	doomed_set_destroy(&w->set);
	doomed_set_destroy(&w->needed);
	numset_destroy(&w->blocked);
	numset_destroy(&w->relied);
	pthread_mutex_destroy(&w->lock);
	free(w->own);
	free(w);
}

static int block(void *arg, uint32_t number, const struct pack_info *info)
{
	struct doom_watch *w = arg;
	int rc = doomed_blocks(&w->set, &info->id) ? numset_add(&w->blocked, number) : 0;

	if (rc > 0)
		atomic_store(&w->ever_blocked, 1);
	return rc < 0 ? rc : 0;
}

int doom_watch_map(struct doom_watch *w)
{
	return w->set.nblocked > 0 ? index_each_pack(w->o.index, block, w) : 0;
}

int doom_watch_take(struct doom_watch *w, uint32_t number)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (!numset_has(&w->blocked, number)) {
		rc = numset_add(&w->relied, number);
		rc = rc < 0 ? rc : 1;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int doom_watch_own(struct doom_watch *w, const struct pack_info *pack)
{
	struct id *grown;
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (w->nown == w->cap_own) {
		grown = realloc(w->own, (2 * w->cap_own + 64) * sizeof(*grown));
		if (grown == NULL) {
			rc = -ENOMEM;
			goto out;
		}
		w->own = grown;
		w->cap_own = 2 * w->cap_own + 64;
	}
	w->own[w->nown++] = pack->id;
out:
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* --- Looking again ------------------------------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

/* All that is relied on, with the lock held. */
static int gather(struct doom_watch *w, struct wanted *out)
{
	struct pack_info info;
	uint32_t number = 0;
	size_t n = w->nown;
	int rc = 0;

	for (; numset_next(&w->relied, &number); number++)
		n++;
	out->ids = malloc((n + 1) * sizeof(*out->ids));
	out->found = calloc(n + 1, sizeof(*out->found));
	if (out->ids == NULL || out->found == NULL)
		return -ENOMEM;
	if (w->nown > 0)
		memcpy(out->ids, w->own, w->nown * sizeof(*w->own));
	out->n = w->nown;
	for (number = 0; rc == 0 && numset_next(&w->relied, &number); number++) {
		rc = index_pack(w->o.index, number, &info);
		if (rc == 0)
			out->ids[out->n++] = info.id;
	}
	qsort(out->ids, out->n, sizeof(*out->ids), compare_ids);
	return rc == -ENOENT ? -ESTALE : rc;
}

static int mark_found(void *arg, const char *name, uint64_t size)
{
	struct wanted *wanted = arg;
	enum pack_kind kind;
	const struct id *at;
	struct id id;

	(void)size;
	if (pack_name_parse(name, &kind, &id) < 0 || wanted->n == 0)
		return 0;
	at = bsearch(&id, wanted->ids, wanted->n, sizeof(id), compare_ids);
	/* The same pack may be wanted as known and as one's own. */
	while (at != NULL && at > wanted->ids && id_equal(at - 1, &id))
		at--;
	for (; at != NULL && at < wanted->ids + wanted->n && id_equal(at, &id); at++)
		wanted->found[at - wanted->ids] = true;
	return 0;
}

static int judge(const struct doom_watch *w, const struct doomed_set *set, const struct wanted *wanted)
{
	char hex[ID_HEX_SIZE];

	for (size_t i = 0; i < wanted->n; i++) {
		if (wanted->found[i] && !doomed_blocks(set, &wanted->ids[i]))
			continue;
		log_warn(w->o.at.log, "pack %.16s, which this relies on, %s", id_hex(&wanted->ids[i], hex),
		    wanted->found[i] ? "has been doomed meanwhile" : "has gone meanwhile");
		return -ESTALE;
	}
	return 0;
}

/* Heed what has been doomed since, and gather what was relied on before. */
static int take_over(struct doom_watch *w, struct doomed_set *set, struct wanted *wanted)
{
	struct doomed_set old = w->set;
	int rc;

	w->set = *set;
	pthread_mutex_lock(&w->lock);
	rc = doom_watch_map(w);
	if (rc == 0)
		rc = gather(w, wanted);
	pthread_mutex_unlock(&w->lock);
	doomed_set_destroy(&old);
	return rc;
}

static int look_again(struct doom_watch *w)
{
	struct doomed_set set = { .record = NULL };
	struct wanted wanted = { .ids = NULL };
	struct clock_reading now;
	int rc;

	clock_read(w->o.clock, &now);
	/* So long that a record may have come and gone again, and what it named is in no run any more. */
	if (clock_at_most(&w->since, &now) >= w->o.grace_s * NS) {
		log_warn(w->o.at.log, "too much time has passed to know what was doomed meanwhile");
		return -ESTALE;
	}
	rc = doomed_load(&w->o.at, &set);
	if (rc < 0)
		return rc;
	rc = take_over(w, &set, &wanted);
	if (rc == 0)
		rc = store_list_names(w->o.at.store, "packs/", mark_found, &wanted);
	if (rc == 0)
		rc = store_list_names(w->o.at.store, "trees/", mark_found, &wanted);
	if (rc == 0)
		rc = judge(w, &w->set, &wanted);
	if (rc == 0)
		w->since = now;
	free(wanted.ids);
	free(wanted.found);
	return rc;
}

static int64_t passed_since(const struct doom_watch *w, const struct clock_reading *then)
{
	struct clock_reading now;

	clock_read(w->o.clock, &now);
	return clock_at_most(then, &now);
}

static int64_t passed(const struct doom_watch *w)
{
	return passed_since(w, &w->since);
}

int doom_watch_look(struct doom_watch *w)
{
	int rc = 0;

	for (unsigned n = 0; rc == 0 && passed(w) >= w->o.grace_s * NS / 2; n++) {
		if (n == LOOKS_MAX) {
			log_error(w->o.at.log, "looking through the store takes longer than the repository's grace");
			return -ETIMEDOUT;
		}
		rc = look_again(w);
	}
	return rc;
}

int doom_watch_look_back(struct doom_watch *w)
{
	return passed(w) < w->o.grace_s * NS / 4 * 3 ? 0 : look_again(w);
}

/* --- Saying what is needed ---------------------------------------------------------------------------------------- */

/*
 * What stays is good for a grace and then removed by a prune.  So a writer that may add and not delete goes on saying
 * what it needs, and is refused once and not again each time.
 */
static void drop_records(struct doom_watch *w, struct doomed_set *set)
{
	char name[DOOMED_NAME_SIZE];

	for (size_t i = 0; i < set->n && !w->stuck; i++)
		w->stuck = store_delete(w->o.at.store, doomed_name(&set->record[i].id, name)) < 0;
	doomed_set_destroy(set);
}

/* Put records of all these packs.  What they are is kept in ${out}, without their packs. */
static int put_records(struct doom_watch *w, struct wanted *wanted, struct doomed_set *out)
{
	struct doomed_record rec = { .stage = STAGE_NEEDED, .grace_s = w->o.grace_s };
	int rc = 0;

	out->record = calloc(wanted->n / DOOMED_IDS_MAX + 1, sizeof(*out->record));
	if (out->record == NULL)
		return -ENOMEM;
	for (size_t at = 0; at < wanted->n && rc == 0; at += rec.n) {
		size_t left = wanted->n - at;

		rec.ids = wanted->ids + at;
		rec.n = left < DOOMED_IDS_MAX ? (uint32_t)left : DOOMED_IDS_MAX;
		doomed_date(&rec, w->o.clock);
		rc = doomed_put(&w->o.at, &rec);
		if (rc == 0)
			out->record[out->n++] = (struct doomed_record){ .id = rec.id };
	}
	return rc;
}

/* Each once: a pack may be known and one's own. */
static void drop_doubles(struct wanted *wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < wanted->n; i++)
		if (kept == 0 || !id_equal(&wanted->ids[kept - 1], &wanted->ids[i]))
			wanted->ids[kept++] = wanted->ids[i];
	wanted->n = kept;
}

static int tell(struct doom_watch *w)
{
	struct doomed_set old = w->needed, new = { .record = NULL };
	struct wanted wanted = { .ids = NULL };
	struct clock_reading now;
	int rc;

	clock_read(w->o.clock, &now);
	pthread_mutex_lock(&w->lock);
	rc = gather(w, &wanted);
	pthread_mutex_unlock(&w->lock);
	if (rc == 0) {
		drop_doubles(&wanted);
		rc = put_records(w, &wanted, &new);
	}
	free(wanted.ids);
	free(wanted.found);
	if (rc == 0) {
		w->told = now;
		w->needed = new;
		drop_records(w, &old);
		return 0;
	}
	doomed_set_destroy(&new);
	w->mute = rc == -EACCES || rc == -EPERM;
	return w->mute ? 0 : rc;
}

int doom_watch_tell(struct doom_watch *w)
{
	int64_t pause = w->o.grace_s * NS / (w->needed.n > 0 ? 4 : 32);
	int rc;

	if (w->mute || passed_since(w, &w->told) < pause)
		return 0;
	rc = doom_watch_look(w);
	return rc == 0 ? tell(w) : rc;
}

void doom_watch_end(struct doom_watch *w)
{
	if (w != NULL)
		drop_records(w, &w->needed);
}

bool doom_watch_is_idle(struct doom_watch *w)
{
	return atomic_load(&w->ever_blocked) == 0;
}

bool doom_watch_blocks(struct doom_watch *w, const struct id *pack)
{
	return doomed_blocks(&w->set, pack);
}

bool doom_watch_is_recent(struct doom_watch *w)
{
	return passed(w) < w->o.grace_s * NS / 2;
}
