/*
 * Packs: what the store has against what the index names.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"

static struct check_pack *new_pack(struct check *c)
{
	struct check_pack *p;

	if (c->npacks == c->cap_packs) {
		size_t cap = c->cap_packs ? c->cap_packs * 2 : 256;

		p = realloc(c->packs, cap * sizeof(*p));
		if (p == NULL)
			return NULL;
		c->packs = p;
		c->cap_packs = cap;
	}
	p = &c->packs[c->npacks++];
	memset(p, 0, sizeof(*p));
	p->number = NO_NUMBER;
	return p;
}

struct check_pack *pack_add(struct check *c, const struct id *id, enum pack_kind kind)
{
	struct check_pack *p = new_pack(c);

	if (p != NULL) {
		p->id = *id;
		p->kind = (uint8_t)kind;
	}
	return p;
}

static int take_pack(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	struct check_pack *p;
	enum pack_kind kind;
	struct id id;

	if (pack_name_parse(name, &kind, &id) < 0) {
		log_debug(&c->log, "%s: not the name of a pack, ignored", name);
		return 0;
	}
	p = pack_add(c, &id, kind);
	if (p == NULL)
		return -ENOMEM;
	p->size = size;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct check_pack *x = a, *y = b;
	int order = id_compare(&x->id, &y->id);

	return order != 0 ? order : x->kind - y->kind;
}

/* A store may name an object twice while others are put and deleted. */
static void drop_doubles(struct check *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->npacks; i++) {
		if (kept == 0 || compare(&c->packs[kept - 1], &c->packs[i]) != 0)
			c->packs[kept++] = c->packs[i];
	}
	c->npacks = kept;
}

int list_packs(struct check *c)
{
	int rc;

	c->npacks = 0;
	rc = store_list(c->store, "packs/", take_pack, c);
	if (rc == 0)
		rc = store_list(c->store, "trees/", take_pack, c);
	if (rc != 0)
		return rc;
	if (c->npacks > 1)
		qsort(c->packs, c->npacks, sizeof(*c->packs), compare);
	drop_doubles(c);
	c->out->packs = c->nlisted = c->npacks;
	return 0;
}

struct check_pack *pack_of_number(struct check *c, uint32_t number)
{
	return number < c->nnumbers && c->by_number[number] != NO_NUMBER ? &c->packs[c->by_number[number]] : NULL;
}

struct check_pack *pack_listed(struct check *c, const struct id *id, enum pack_kind kind)
{
	struct check_pack key = { .id = *id, .kind = (uint8_t)kind };

	return c->nlisted > 0 ? bsearch(&key, c->packs, c->nlisted, sizeof(key), compare) : NULL;
}

int pack_set_number(struct check *c, const struct check_pack *p, uint32_t number)
{
	uint32_t n = c->nnumbers ? c->nnumbers : 256, *grown;

	if (number >= NO_NUMBER / 2)
		return -EIO;
	while (n <= number)
		n *= 2;
	if (n > c->nnumbers) {
		grown = realloc(c->by_number, n * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		memset(grown + c->nnumbers, 0xff, (n - c->nnumbers) * sizeof(*grown));
		c->by_number = grown;
		c->nnumbers = n;
	}
	c->by_number[number] = (uint32_t)(p - c->packs);
	return 0;
}

/* Those that are missing are appended to the array, behind the part that is sorted. */
static int take_named(void *arg, uint32_t number, const struct pack_info *info)
{
	struct check *c = arg;
	struct check_pack *p = pack_listed(c, &info->id, info->kind);
	char what[WHAT_SIZE];

	if (p == NULL) {
		p = pack_add(c, &info->id, info->kind);
		if (p == NULL)
			return -ENOMEM;
		gone_judge(c, p);
	} else if (p->size != info->size) {
		p->state = PACK_RESIZED;
		snprintf(what, sizeof(what), "has %llu bytes where the index says %u", (unsigned long long)p->size,
		    info->size);
		finding_add_pack(c, p, what);
	}
	p->number = number;
	return pack_set_number(c, p, number);
}

static int stop_at_missing(void *arg, uint32_t number, const struct pack_info *info)
{
	(void)number;
	return pack_listed(arg, &info->id, info->kind) == NULL;
}

/*
 * A pack may have been deleted by a prune since the index was loaded: no run names it then any more, or, for a while,
 * only a run that came late.  What is listed is listed anew, as the index then names packs that have come since.
 */
static int look_again_if_missing(struct check *c)
{
	int rc = index_each_pack(c->index, stop_at_missing, c);

	if (rc != 1)
		return rc;
	rc = index_refresh(c->index);
	if (rc >= 0)
		rc = list_packs(c);
	return rc == 0 ? gone_load(c) : rc;
}

int check_packs(struct check *c)
{
	int rc = list_packs(c);

	if (rc == 0)
		rc = look_again_if_missing(c);
	if (rc == 0)
		rc = index_each_pack(c->index, take_named, c);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < c->nlisted; i++) {
		if (c->packs[i].number != NO_NUMBER)
			continue;
		c->out->unreferenced_packs++;
		c->out->unreferenced_bytes += c->packs[i].size;
	}
	return cancelled(c) ? -EINTR : 0;
}
