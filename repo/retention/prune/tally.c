/*
 * Tally: which packs keep what is live.
 *
 * An object may be in several packs.  One that is live is kept where it lies in a pack that nobody dooms; of several
 * such, in that of the lowest id, which is the same one for whoever asks.  If there is none, all its blocked packs keep
 * it: two prunes never take away one copy each.
 */
#include <errno.h>

#include "repo/index/records.h"
#include "repo/retention/prune/prune_impl.h"

/* What an object takes in its pack, of a shared segment its part. */
static uint64_t stored_bytes(const struct place *place)
{
	uint64_t bytes = 0;

	if (place->nown == 0)
		return place->shared_len > 0 ? (uint64_t)place->box[0] * place->len / place->shared_len : 0;
	for (unsigned i = 0; i < place->nown; i++)
		bytes += place->box[i];
	return bytes;
}

static void keep(struct prune *p, struct prune_pack *pack, const struct place *place)
{
	uint64_t bytes = stored_bytes(place);

	pack->nlive += pack->nlive < UINT32_MAX;
	pack->live_bytes += bytes;
	p->out->live_bytes += bytes;
}

/* A live object: in which of its packs is it kept? */
static int keep_object(struct prune *p, const struct index_object *o)
{
	struct prune_pack *pack;
	size_t stored = 0;
	int rc;

	for (size_t i = 0; i < o->n; i++) {
		rc = prune_pack_at(p, o->place[i].pack, &pack);
		if (rc < 0)
			return rc;
		if (!(pack->flags & (PACK_BLOCKED | PACK_GONE))) {
			keep(p, pack, &o->place[i]);
			return 0;
		}
		stored += !(pack->flags & PACK_GONE);
	}
	for (size_t i = 0; i < o->n; i++) {
		rc = prune_pack_at(p, o->place[i].pack, &pack);
		if (rc < 0)
			return rc;
		if (!(pack->flags & PACK_GONE))
			keep(p, pack, &o->place[i]);
		else if (stored == 0)
			pack->flags |= PACK_NEEDED;
	}
	p->out->lost_objects += stored == 0;
	return 0;
}

static int tally_object(struct prune *p, const struct index_object *o, uint64_t *found)
{
	struct prune_pack *pack;
	int rc = 0;

	p->out->objects++;
	/* All packs that runs name are to be known as such. */
	for (size_t i = 0; i < o->n && rc == 0; i++)
		rc = prune_pack_at(p, o->place[i].pack, &pack);
	if (rc < 0 || !live_has(p->live, &o->id))
		return rc;
	(*found)++;
	return keep_object(p, o);
}

int prune_tally(struct prune *p)
{
	struct index_records *records;
	struct index_object o;
	uint64_t found = 0;
	int rc = index_records_open(p->r->index, &records);

	if (rc < 0)
		return rc;
	while ((rc = index_records_next(records, &o)) > 0) {
		rc = prune_cancelled(p) ? -EINTR : tally_object(p, &o, &found);
		if (rc < 0)
			break;
	}
	index_records_close(records);
	if (rc < 0)
		return rc;
	p->out->live_objects = live_count(p->live);
	if (found < p->out->live_objects)
		p->out->lost_objects += p->out->live_objects - found;
	if (p->out->lost_objects > 0)
		log_warn(p->r->log, "%llu objects that snapshots need are missing: nothing is deleted; see "
		    "\"varve check\" and \"varve repair\"",
		    (unsigned long long)p->out->lost_objects);
	return 0;
}
