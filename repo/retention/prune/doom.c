/*
 * Doom: say of the packs that keep nothing that they will be deleted.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/retention/prune/prune_impl.h"

/* A pack that no run names may hold what is missing. */
static bool is_doomed_now(const struct prune *p, const struct prune_pack *pack)
{
	if (pack->flags & (PACK_BLOCKED | PACK_GONE | PACK_NEEDED))
		return false;
	if (pack->flags & PACK_COPIED)
		return true;
	if (pack->nlive > 0)
		return false;
	return pack->flags & PACK_NAMED || p->out->lost_objects == 0;
}

/* One record: as many packs as it takes, from ${*next} on. */
static int put_record(struct prune *p, size_t *next)
{
	struct doomed_record rec = { .stage = STAGE_DOOMED, .grace_s = config_grace_s(&p->r->config) };
	int rc = 0;

	if (p->o->grace_s > rec.grace_s)
		rec.grace_s = p->o->grace_s;
	rec.ids = malloc(DOOMED_IDS_MAX * sizeof(*rec.ids));
	if (rec.ids == NULL)
		return -ENOMEM;
	for (; *next < p->nstored && rec.n < DOOMED_IDS_MAX; ++*next)
		if (is_doomed_now(p, &p->packs[*next]))
			rec.ids[rec.n++] = p->packs[*next].id;
	doomed_date(&rec, p->o->clock);
	if (rec.n > 0)
		rc = doomed_put(&p->at, &rec);
	doomed_record_destroy(&rec);
	return rc;
}

int prune_doom(struct prune *p)
{
	struct prune_result *out = p->out;
	size_t next = 0;
	int rc = 0;

	for (size_t i = 0; i < p->nstored; i++) {
		if (!is_doomed_now(p, &p->packs[i]))
			continue;
		out->doomed_packs++;
		out->doomed_bytes += p->packs[i].size;
	}
	if (out->doomed_packs == 0 || p->o->dry_run)
		return 0;
	while (next < p->nstored && rc == 0)
		rc = prune_cancelled(p) ? -EINTR : put_record(p, &next);
	if (rc < 0)
		out->doomed_packs = out->doomed_bytes = 0;
	return rc;
}
