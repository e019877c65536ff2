/*
 * Sweep: delete what was doomed long enough ago and is still not needed.
 *
 * The order makes each moment a good one to be killed at: runs without the packs take the place of those with them,
 * the packs go, a record says that the sweep is over, and both records go a grace later.  Until then nobody relies on
 * any of these packs, nor on those that were spared, as another prune may still be about to delete them, and a run that
 * names what is gone may still be put by somebody who began earlier.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/sweep.h"
#include "repo/retention/prune/prune_impl.h"

#define REFUSED_MAX 3 /* refusals after which nothing more is tried, if nothing went well before */

static bool is_dead(const struct prune_pack *pack)
{
	return pack->flags & PACK_DUE && pack->nlive == 0 && !(pack->flags & PACK_NEEDED);
}

/* A sweep before has deleted it: nobody shall name it when its record goes. */
static bool is_forgotten(const struct prune_pack *pack)
{
	return pack->flags & PACK_BLOCKED && pack->flags & PACK_GONE && !(pack->flags & PACK_NEEDED);
}

static int is_live(void *arg, const struct id *id)
{
	const struct prune *p = arg;

	if (prune_cancelled(p))
		return -EINTR;
	return live_has(p->live, id);
}

/* Which packs runs shall name no more: the dead ones, and those that a sweep before has deleted. */
static int choose(struct prune *p, struct numset *dead, struct numset *avoided, struct numset *spared)
{
	int rc = 0;

	for (size_t i = 0; i < p->npacks && rc >= 0; i++) {
		const struct prune_pack *pack = &p->packs[i];

		if (pack->number == NO_PACK || !(pack->flags & (PACK_BLOCKED | PACK_GONE)))
			continue;
		/* A doomed pack that keeps a live object stays: all prunes that see this doom choose the same one. */
		rc = numset_add(pack->flags & PACK_GONE || pack->nlive == 0 ? avoided : spared, pack->number);
		if (rc >= 0 && (is_dead(pack) || is_forgotten(pack)))
			rc = numset_add(dead, pack->number);
	}
	return rc < 0 ? rc : 0;
}

static int in_time(void *arg)
{
	return prune_in_time(arg) ? 0 : -ETIMEDOUT;
}

/* Return 0 if no run names a dead pack any more, or if there was no time for that. */
static int sweep_runs(struct prune *p)
{
	struct numset dead, avoided, spared;
	const struct index_sweep how = { .dead = &dead, .avoided = &avoided, .is_live = is_live, .arg = p,
		.may_go_on = in_time, .spared = &spared };
	struct index_swept swept = { .runs_deleted = 0 };
	int rc;

	numset_init(&dead);
	numset_init(&avoided);
	numset_init(&spared);
	rc = choose(p, &dead, &avoided, &spared);
	if (rc == 0)
		rc = index_sweep_runs(p->r->index, &how, &swept);
	p->out->runs_written += swept.runs_written;
	p->out->runs_deleted += swept.runs_deleted;
	numset_destroy(&dead);
	numset_destroy(&avoided);
	numset_destroy(&spared);
	p->out->late = rc == -ETIMEDOUT && !prune_in_time(p);
	if (rc == -EAGAIN)
		log_error(p->r->log, "another prune has changed the index at the same time, again and again");
	return p->out->late ? 0 : rc;
}

static bool is_refusal(int rc)
{
	return rc == -EACCES || rc == -EPERM || rc == -EROFS;
}

/* Delete the dead packs.  What the store refuses stays doomed. */
static int delete_packs(struct prune *p)
{
	struct prune_result *out = p->out;
	char name[PACK_NAME_SIZE];
	int rc;

	for (size_t i = 0; i < p->nstored; i++) {
		struct prune_pack *pack = &p->packs[i];

		if (!is_dead(pack))
			continue;
		if (prune_cancelled(p))
			return -EINTR;
		if (!prune_in_time(p)) {
			out->late = true;
			return 0;
		}
		rc = store_delete(p->r->store, pack_name((enum pack_kind)pack->kind, &pack->id, name));
		if (rc == 0) {
			out->deleted_packs++;
			out->deleted_bytes += pack->size;
		} else if (!is_refusal(rc)) {
			return rc;
		} else if (++out->kept_packs >= REFUSED_MAX && out->deleted_packs == 0) {
			return -EACCES;
		}
		if (p->o->progress != NULL)
			p->o->progress->packs++;
	}
	return 0;
}

/* --- Records ------------------------------------------------------------------------------------------------------ */

static int delete_record(struct prune *p, const struct id *id)
{
	char name[DOOMED_NAME_SIZE];
	int rc = store_delete(p->r->store, doomed_name(id, name));

	if (rc == 0)
		prune_forget_age(p, id);
	return rc;
}

/* Say of the records that were swept that they are spent. */
static int put_spent(struct prune *p)
{
	struct doomed_record rec = { .stage = STAGE_SPENT, .grace_s = config_grace_s(&p->r->config) };
	int rc = 0;

	/* Nothing was swept then but the names of what is gone. */
	if (p->set.ndamaged > 0)
		return 0;
	rec.ids = malloc((p->set.n + 1) * sizeof(*rec.ids));
	if (rec.ids == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < p->set.n && rec.n < DOOMED_IDS_MAX; i++) {
		if (p->set.record[i].stage != STAGE_DOOMED || p->due[i] != DUE)
			continue;
		rec.ids[rec.n++] = p->set.record[i].id;
		rec.grace_s = p->set.record[i].grace_s > rec.grace_s ? p->set.record[i].grace_s : rec.grace_s;
	}
	doomed_date(&rec, p->o->clock);
	if (rec.n > 0)
		rc = doomed_put(&p->at, &rec);
	doomed_record_destroy(&rec);
	return rc;
}

static bool names_damaged(const struct prune *p, const struct doomed_record *rec)
{
	for (size_t i = 0; i < p->set.ndamaged; i++)
		if (doomed_names(rec, STAGE_SPENT, &p->set.damaged[i]))
			return true;
	return false;
}

/*
 * Records that were spent a grace ago: first those that they speak of.  And what writers needed so long ago.  In time,
 * as who has not read what is damaged takes the first ones for unspent.
 */
static int drop_due(struct prune *p)
{
	int rc = 0;

	for (size_t i = 0; i < p->set.n && rc == 0; i++) {
		const struct doomed_record *rec = &p->set.record[i];

		if (rec->stage == STAGE_DOOMED || p->due[i] != DUE)
			continue;
		/* As long as something is lost writers shall not take it for known. */
		if (p->out->lost_objects > 0 && !names_damaged(p, rec))
			continue;
		if (!prune_in_time(p)) {
			p->out->late = true;
			return 0;
		}
		for (uint32_t k = 0; rec->stage == STAGE_SPENT && k < rec->n && rc == 0; k++)
			rc = delete_record(p, &rec->ids[k]);
		if (rc == 0)
			rc = delete_record(p, &rec->id);
	}
	return rc;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

/* Count what there is to do, and what is not due yet. */
static void count(struct prune *p)
{
	for (size_t i = 0; i < p->nstored; i++) {
		const struct prune_pack *pack = &p->packs[i];
		struct prune_result *out = p->out;

		if (pack->flags & PACK_DUE) {
			out->spared_packs += !is_dead(pack);
			if (is_dead(pack) && p->o->dry_run) {
				out->deleted_packs++;
				out->deleted_bytes += pack->size;
			}
			if (is_dead(pack) && p->o->progress != NULL)
				p->o->progress->total_packs++;
		} else if (pack->flags & PACK_BLOCKED) {
			out->waiting_packs++;
			out->waiting_bytes += pack->size;
		}
	}
}

static bool anything_due(const struct prune *p)
{
	for (size_t i = 0; i < p->set.n; i++)
		if (p->due[i] == DUE)
			return true;
	return false;
}

/* What was damaged is gone, and writers may go on, the repacking among them. */
static void gave_up(struct prune *p)
{
	log_warn(p->r->log, "%zu damaged records of doomed packs have been given up: what they named can be doomed "
	    "again", p->set.ndamaged);
	p->set.ndamaged = 0;
}

int prune_sweep(struct prune *p)
{
	int rc;

	count(p);
	if (p->o->dry_run || !anything_due(p))
		return 0;
	/*
	 * A run that others have replaced just now may have been missed: what seems dead may be what is missing.  But
	 * beside a damaged record only records are deleted, and what is lost shall not keep that one for ever.
	 */
	if (p->out->lost_objects > 0 && p->set.ndamaged == 0)
		return 0;
	if (!prune_in_time(p)) {
		p->out->late = true;
		return 0;
	}
	rc = sweep_runs(p);
	if (rc == 0 && !p->out->late)
		rc = delete_packs(p);
	if (rc == 0 && !p->out->late && p->out->kept_packs == 0)
		rc = put_spent(p);
	if (rc == 0 && !p->out->late)
		rc = drop_due(p);
	if (rc == 0 && !p->out->late && p->set.ndamaged > 0)
		gave_up(p);
	if (is_refusal(rc))
		log_error(p->r->log, "%s: the store does not let us delete: what is not needed stays",
		    store_url(p->r->store));
	return is_refusal(rc) ? -EACCES : rc;
}
