/*
 * Which packs are to be repacked: those that keep least, until little enough is unused.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/retention/prune/prune_impl.h"

#define PACK_COST 256  /* bytes of a pack besides segments and table */
#define OBJECT_COST 56 /* bytes of the table for an object, about */

uint64_t prune_used_bytes(const struct prune_pack *pack)
{
	uint64_t used = pack->live_bytes + PACK_COST + (uint64_t)pack->nlive * OBJECT_COST;

	return used < pack->size ? used : pack->size;
}

/* Can this role read what is in it, and write packs? */
static bool can_copy(const struct prune *p, const struct prune_pack *pack)
{
	const struct repo *r = p->r;

	if (r->object_id == NULL || r->tree_id == NULL || !r->data->can_seal || !r->metadata->can_seal)
		return false;
	return (pack->kind == PACK_DATA ? r->data : r->metadata)->can_open;
}

static bool is_kept(const struct prune_pack *pack)
{
	return !(pack->flags & (PACK_BLOCKED | PACK_GONE | PACK_NEEDED)) && pack->nlive > 0 && pack->number != NO_PACK;
}

/* The greatest part unused first. */
static int compare_unused(const void *a, const void *b)
{
	const struct prune_pack *x = *(struct prune_pack *const *)a, *y = *(struct prune_pack *const *)b;
	double ux = (double)prune_used_bytes(x) / x->size, uy = (double)prune_used_bytes(y) / y->size;

	return ux < uy ? -1 : ux > uy;
}

int prune_choose(struct prune *p, struct prune_pack ***out, size_t *n)
{
	struct prune_pack **list = calloc(p->nstored + 1, sizeof(struct prune_pack *));
	uint64_t used = 0, unused = 0, copied = 0, most = p->o->max_unused_percent;
	size_t all = 0, chosen = 0;

	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < p->nstored; i++) {
		if (!is_kept(&p->packs[i]))
			continue;
		used += prune_used_bytes(&p->packs[i]);
		unused += p->packs[i].size - prune_used_bytes(&p->packs[i]);
		list[all++] = &p->packs[i];
	}
	qsort(list, all, sizeof(struct prune_pack *), compare_unused);
	for (size_t i = 0; i < all && unused * 100 > most * (used + unused); i++) {
		if (!can_copy(p, list[i])) {
			p->out->sealed_packs++;
			continue;
		}
		copied += prune_used_bytes(list[i]);
		if (p->o->max_repack_bytes > 0 && copied > p->o->max_repack_bytes)
			break;
		unused -= list[i]->size - prune_used_bytes(list[i]);
		list[chosen++] = list[i];
	}
	*out = list;
	*n = chosen;
	return 0;
}
