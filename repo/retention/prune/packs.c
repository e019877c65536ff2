/*
 * The packs that are in the store, and what the records say of them.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/retention/prune/prune_impl.h"

static int add_pack(struct prune *p, const struct prune_pack *pack)
{
	struct prune_pack *grown;

	if (p->npacks == p->cap_packs) {
		size_t cap = p->cap_packs ? 2 * p->cap_packs : 256;

		grown = realloc(p->packs, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		p->packs = grown;
		p->cap_packs = cap;
	}
	p->packs[p->npacks++] = *pack;
	return 0;
}

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct prune *p = arg;
	struct prune_pack pack = { .number = NO_PACK, .size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX };
	enum pack_kind kind;

	if (pack_name_parse(name, &kind, &pack.id) < 0)
		return 0;
	pack.kind = (uint8_t)kind;
	return add_pack(p, &pack);
}

static int compare_packs(const void *a, const void *b)
{
	const struct prune_pack *x = a, *y = b;

	return id_compare(&x->id, &y->id);
}

static struct prune_pack *find_stored(struct prune *p, const struct id *id)
{
	struct prune_pack key = { .id = *id };

	return p->nstored > 0 ? bsearch(&key, p->packs, p->nstored, sizeof(key), compare_packs) : NULL;
}

/* Enter what the records say of packs that are in the store. */
static void enter_records(struct prune *p)
{
	struct prune_pack *pack;

	for (size_t i = 0; i < p->set.n; i++) {
		const struct doomed_record *rec = &p->set.record[i];
		/* Beside a record of which nobody knows what it says, nothing is deleted. */
		uint8_t flags = p->due[i] == DUE && p->set.ndamaged == 0 ? PACK_BLOCKED | PACK_DUE : PACK_BLOCKED;

		if (rec->stage == STAGE_NEEDED)
			flags = p->due[i] == DUE ? 0 : PACK_NEEDED;
		for (uint32_t k = 0; rec->stage != STAGE_SPENT && k < rec->n; k++) {
			pack = find_stored(p, &rec->ids[k]);
			if (pack != NULL)
				pack->flags |= flags;
		}
	}
}

/* A store may name an object twice while others are put and deleted. */
static void drop_doubles(struct prune *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->npacks; i++) {
		if (kept == 0 || compare_packs(&p->packs[kept - 1], &p->packs[i]) != 0)
			p->packs[kept++] = p->packs[i];
	}
	p->npacks = kept;
}

int prune_list_packs(struct prune *p)
{
	int rc = store_list(p->r->store, "packs/", take_name, p);

	if (rc == 0)
		rc = store_list(p->r->store, "trees/", take_name, p);
	if (rc != 0)
		return rc;
	if (p->npacks > 1)
		qsort(p->packs, p->npacks, sizeof(*p->packs), compare_packs);
	drop_doubles(p);
	p->nstored = p->npacks;
	p->out->packs = p->npacks;
	for (size_t i = 0; i < p->npacks; i++)
		p->out->pack_bytes += p->packs[i].size;
	enter_records(p);
	return 0;
}

static int grow_numbers(struct prune *p, uint32_t number)
{
	uint32_t n = number < UINT32_MAX / 2 ? 2 * number + 64 : UINT32_MAX, *grown;

	grown = realloc(p->by_number, (size_t)n * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	for (uint32_t i = p->nnumbers; i < n; i++)
		grown[i] = NO_PACK;
	p->by_number = grown;
	p->nnumbers = n;
	return 0;
}

/* A number that has not been asked for before. */
static int enter_number(struct prune *p, uint32_t number)
{
	struct prune_pack *pack, gone = { .number = number };
	struct pack_info info;
	int rc = index_pack(p->r->index, number, &info);

	if (rc < 0)
		return rc == -ENOENT ? -EIO : rc;
	pack = find_stored(p, &info.id);
	if (pack == NULL) {
		gone.id = info.id;
		gone.kind = (uint8_t)info.kind;
		gone.flags = PACK_GONE | PACK_NAMED;
		if (doomed_blocks(&p->set, &info.id) || p->set.ndamaged > 0)
			gone.flags |= PACK_BLOCKED;
		rc = add_pack(p, &gone);
		if (rc < 0)
			return rc;
		pack = &p->packs[p->npacks - 1];
	}
	pack->number = number;
	pack->flags |= PACK_NAMED;
	p->by_number[number] = (uint32_t)(pack - p->packs);
	return 0;
}

int prune_pack_at(struct prune *p, uint32_t number, struct prune_pack **out)
{
	int rc = 0;

	if (number >= p->nnumbers)
		rc = grow_numbers(p, number);
	if (rc == 0 && p->by_number[number] == NO_PACK)
		rc = enter_number(p, number);
	if (rc == 0)
		*out = &p->packs[p->by_number[number]];
	return rc;
}
