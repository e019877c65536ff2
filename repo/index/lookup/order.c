/*
 * Which pack was stored after which: packs stand in a run in the order in which they were stored, and get their numbers
 * here in the order in which they stand in it, or were met.
 *
 * What is learned one by one has its order from the run that was asked: that is in memory only, and of use to who reads
 * on at once.
 */
#include <errno.h>

#include "repo/index/index_impl.h"

#define NUMBERS_MAX 4u /* looked at: packs of the other kind, and such as are not known well, stand between */

void index_note_order(struct index *x, struct run *r, uint32_t number)
{
	struct resolver *s = &x->resolver;
	struct pack_info packs[ORDER_MAX];
	int n = run_packs_from(r, number, ORDER_MAX, packs);

	if (n <= 0)
		return;
	pthread_mutex_lock(&s->hint_lock);
	memcpy(s->order, packs, (size_t)n * sizeof(packs[0]));
	s->norder = (unsigned)n;
	pthread_mutex_unlock(&s->hint_lock);
}

bool index_order_has(struct index *x, const struct id *pack)
{
	struct resolver *s = &x->resolver;
	bool found = false;

	pthread_mutex_lock(&s->hint_lock);
	for (unsigned i = 0; i < s->norder && !found; i++)
		found = id_equal(&s->order[i].id, pack);
	pthread_mutex_unlock(&s->hint_lock);
	return found;
}

/* 0, or -ENOENT if the run that was asked last says nothing of it. */
static int after_in_run(struct resolver *s, const struct pack_info *pack, struct pack_info *out)
{
	int rc = -ENOENT;
	unsigned i;

	pthread_mutex_lock(&s->hint_lock);
	for (i = 0; i < s->norder && !id_equal(&s->order[i].id, &pack->id); i++)
		;
	for (i++; i < s->norder && rc != 0; i++) {
		if (s->order[i].kind != pack->kind)
			continue;
		*out = s->order[i];
		rc = 0;
	}
	pthread_mutex_unlock(&s->hint_lock);
	return rc;
}

int index_pack_after(struct index *x, uint32_t number, struct pack_info *out)
{
	struct pack_info pack, after;
	int rc = index_pack(x, number, &pack);

	if (rc < 0 || after_in_run(&x->resolver, &pack, out) == 0)
		return rc;
	for (uint32_t i = 1; i <= NUMBERS_MAX && rc == 0; i++) {
		rc = index_pack(x, number + i, &after);
		if (rc == 0 && after.kind == pack.kind && after.size > 0) {
			*out = after;
			return 0;
		}
	}
	return rc < 0 ? rc : -ENOENT;
}
