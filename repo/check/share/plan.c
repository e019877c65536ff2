/*
 * Plan.  See plan.h.
 */
#include "repo/check/share/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "repo/check/share/journal.h"
#include "repo/util/bytes/le.h"

#define SAVE_SECONDS 2
#define GO_ON_DAYS 30 /* an older check that was interrupted is none to go on with */

struct plan {
	struct check *c;
	struct check_pack **pack;
	bool *done;      /* of each */
	size_t n;
	size_t again;    /* the first ones, which are not of the share */
	struct journal *journal;
	struct journal_share share;
	struct arc arc;
	bool keeps;      /* a random share is not remembered */
	atomic_size_t next;
	pthread_mutex_t lock; /* of the rest, done, journal and arc */
	size_t low;      /* all before have been done */
	time_t saved;    /* on the monotonic clock */
};

static time_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* --- What there is to be read ------------------------------------------------------------------------------------- */

static bool in_part(const struct check_options *o, const struct check_pack *p)
{
	return o->parts == 0 || le64dec(p->id.b) % o->parts == o->part - 1;
}

/* A random share of those from ${from} on, by shuffling as far as wanted. */
static void choose_some(struct plan *p, size_t from, uint32_t percent)
{
	size_t n = p->n - from, want = (n * percent + 99) / 100, at;
	struct check_pack **pack = p->pack + from, *swap;
	uint64_t r;

	for (size_t i = 0; i < want && i < n; i++) {
		crypt_random(&r, sizeof(r));
		at = i + (size_t)(r % (n - i));
		swap = pack[i];
		pack[i] = pack[at];
		pack[at] = swap;
	}
	if (want < n)
		p->n = from + want;
}

/* The first one on the arc: the list is sorted by id, but for those at its end that were not listed. */
static size_t first_of(const struct plan *p)
{
	const struct check *c = p->c;

	for (size_t i = 1; i < c->nlisted; i++)
		if (arc_offset(&p->arc, &c->packs[i].id) < arc_offset(&p->arc, &c->packs[i - 1].id))
			return i;
	return 0;
}

/* Those of the share, in the order of the arc. */
static void choose_share(struct plan *p)
{
	struct check *c = p->c;
	struct check_pack *pack;
	size_t first = first_of(p);

	for (size_t i = 0; i < c->npacks; i++) {
		pack = &c->packs[(first + i) % c->npacks];
		if (pack->state != PACK_PRESENT || !in_part(c->o, pack) || pack->turn > 0)
			continue;
		if (arc_has(&p->arc, &pack->id))
			p->pack[p->n++] = pack;
		else if (arc_offset(&p->arc, &pack->id) < p->arc.done)
			c->out->packs_before++;
	}
}

static struct check_pack *find_listed(struct check *c, const struct journal_pack *what)
{
	for (size_t i = 0; i < c->npacks; i++) {
		struct check_pack *p = &c->packs[i];

		if (p->state == PACK_PRESENT && p->kind == (uint8_t)what->kind && id_equal(&p->id, &what->id))
			return p;
	}
	return NULL;
}

/* Those that were damaged.  What is not there, or not as long as it should be, is told anyway. */
static void choose_damaged(struct plan *p)
{
	const struct journal_pack *damaged;
	struct journal_pack gone;
	struct check_pack *pack;
	size_t n, i = 0;

	while (damaged = journal_damaged(p->journal, &n), i < n) {
		pack = find_listed(p->c, &damaged[i]);
		if (pack != NULL) {
			pack->turn = 1;
			p->pack[p->n++] = pack;
			i++;
		} else {
			gone = damaged[i];
			journal_mark(p->journal, &gone, false);
		}
	}
	p->again = p->n;
}

/* --- Where it begins ---------------------------------------------------------------------------------------------- */

static void name_share(struct plan *p, const char *kind)
{
	const struct check_options *o = p->c->o;
	struct journal_share *s = &p->share;
	const char *share = o->days > 0 ? "rotate" : o->parts > 0 ? "part" : "all";

	snprintf(s->name, sizeof(s->name), "%s-%s", kind, share);
	if (o->parts > 0)
		snprintf(s->text, sizeof(s->text), "%u/%u", o->part, o->parts);
	else
		snprintf(s->text, sizeof(s->text), "%s", share);
}

static void begin_arc(struct plan *p)
{
	const struct check_options *o = p->c->o;
	int64_t now = time(NULL);
	struct arc last;
	bool known = p->keeps && !o->restart && journal_arc(p->journal, &p->share, &last) == 0;

	if (o->days > 0)
		p->arc = arc_rotate(known ? &last : NULL, o->days, now);
	else if (known && !last.complete && last.begun_s <= now && now - last.begun_s < GO_ON_DAYS * DAY_SECONDS)
		p->arc = last;
	else
		p->arc = arc_whole(now);
}

static void number_packs(struct plan *p)
{
	struct check_progress *progress = p->c->o->progress;
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->n; i++) {
		p->pack[i]->turn = (uint32_t)i;
		bytes += p->pack[i]->size;
	}
	if (progress != NULL) {
		progress->total_packs = p->n;
		progress->total_bytes = bytes;
	}
}

int plan_make(struct check *c, const char *kind, struct plan **out)
{
	struct plan *p = calloc(1, sizeof(*p));
	int rc = -ENOMEM;

	if (p == NULL)
		return -ENOMEM;
	p->c = c;
	p->keeps = c->o->percent == 0 && c->has_repo_id;
	p->saved = monotonic();
	pthread_mutex_init(&p->lock, NULL);
	p->pack = malloc((c->npacks + 1) * sizeof(struct check_pack *));
	p->done = calloc(c->npacks + 1, sizeof(*p->done));
	if (p->pack != NULL && p->done != NULL)
		rc = journal_open(p->keeps ? c->o->cache_dir : NULL, c->repo_id, &c->log, &p->journal);
	if (rc < 0) {
		plan_end(p, false);
		return rc;
	}
	name_share(p, kind);
	begin_arc(p);
	choose_damaged(p);
	choose_share(p);
	if (c->o->percent > 0)
		choose_some(p, p->again, c->o->percent);
	number_packs(p);
	*out = p;
	return 0;
}

/* --- On the way --------------------------------------------------------------------------------------------------- */

size_t plan_count(const struct plan *p)
{
	return p->n;
}

struct check_pack *plan_next(struct plan *p)
{
	size_t i = p->next++;

	return i < p->n ? p->pack[i] : NULL;
}

/* Everything before the first one of the share that is not done has been read. */
static void advance(struct plan *p)
{
	while (p->low < p->n && p->done[p->low])
		p->low++;
	if (p->low < p->n && p->low >= p->again)
		p->arc.done = arc_offset(&p->arc, &p->pack[p->low]->id);
}

void plan_done(struct plan *p, const struct check_pack *pack, bool sound)
{
	struct journal_pack what = { .id = pack->id, .kind = pack->kind };
	time_t now = monotonic();

	pthread_mutex_lock(&p->lock);
	/* What cannot be remembered as damaged is not passed over. */
	p->done[pack->turn] = journal_mark(p->journal, &what, !sound);
	advance(p);
	if (p->keeps && now - p->saved >= SAVE_SECONDS) {
		journal_save(p->journal, &p->share, &p->arc);
		p->saved = now;
	}
	pthread_mutex_unlock(&p->lock);
}

static void save(struct plan *p, bool finished)
{
	p->arc.complete = finished && p->low == p->n;
	if (finished && p->c->o->days == 0)
		journal_forget(p->journal, &p->share);
	else
		journal_save(p->journal, &p->share, &p->arc);
}

void plan_end(struct plan *p, bool finished)
{
	if (p == NULL)
		return;
	if (p->journal != NULL && p->keeps)
		save(p, finished);
	journal_free(p->journal);
	pthread_mutex_destroy(&p->lock);
	free(p->pack);
	free(p->done);
	free(p);
}
