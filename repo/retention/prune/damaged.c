/*
 * Records of doomed packs that are damaged.  Nobody knows what such a one says, so while it is there nobody relies on
 * what was stored before, and nobody deletes anything.
 *
 * A prune puts a record that says that it is spent, as if it had been swept.  Who has read it before it was damaged
 * begins no sweep of its packs from then on, and those that were begun are over within a quarter of the grace.  A grace
 * later a prune deletes it, as it does with all that is spent: it has seen to it then that no run names a pack that is
 * gone, which may have been one of those.  That prune deletes no packs, since it is the first that does not know what
 * others may still have known.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/retention/prune/prune_impl.h"

/* Was the damaged record said to be spent a grace ago? */
static bool is_over(const struct prune *p, const struct id *id)
{
	for (size_t i = 0; i < p->set.n; i++)
		if (p->due[i] == DUE && doomed_names(&p->set.record[i], STAGE_SPENT, id))
			return true;
	return false;
}

static int put_spent(struct prune *p)
{
	struct doomed_record rec = { .stage = STAGE_SPENT, .grace_s = config_grace_s(&p->r->config) };
	int rc = 0;

	rec.ids = malloc((p->set.ndamaged + 1) * sizeof(*rec.ids));
	if (rec.ids == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < p->set.ndamaged && rec.n < DOOMED_IDS_MAX; i++)
		if (!doomed_is_spent(&p->set, &p->set.damaged[i]))
			rec.ids[rec.n++] = p->set.damaged[i];
	doomed_date(&rec, p->o->clock);
	if (rec.n > 0 && !p->o->dry_run)
		rc = doomed_put(&p->at, &rec);
	doomed_record_destroy(&rec);
	return rc;
}

int prune_judge_damaged(struct prune *p)
{
	size_t over = 0;
	int rc;

	for (size_t i = 0; i < p->set.ndamaged; i++)
		over += is_over(p, &p->set.damaged[i]);
	if (over == p->set.ndamaged)
		return 0;
	rc = put_spent(p);
	if (rc < 0)
		return rc;
	log_error(p->r->log, "nothing is deleted or doomed, nor can a backup be made, until a damaged record has been "
	    "given up: the next prune in %u s or later does that", config_grace_s(&p->r->config));
	return -EBADMSG;
}
