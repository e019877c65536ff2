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
	p = new_pack(c);
	if (p == NULL)
		return -ENOMEM;
	p->id = id;
	p->kind = (uint8_t)kind;
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
	int rc = store_list(c->store, "packs/", take_pack, c);

	if (rc == 0)
		rc = store_list(c->store, "trees/", take_pack, c);
	if (rc != 0)
		return rc;
	if (c->npacks > 1)
		qsort(c->packs, c->npacks, sizeof(*c->packs), compare);
	drop_doubles(c);
	c->out->packs = c->npacks;
	return 0;
}

struct check_pack *pack_of_number(struct check *c, uint32_t number)
{
	return number < c->nnumbers && c->by_number[number] != NO_NUMBER ? &c->packs[c->by_number[number]] : NULL;
}

static int set_number(struct check *c, uint32_t number, uint32_t at)
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
	c->by_number[number] = at;
	return 0;
}

struct naming {
	struct check *c;
	size_t nlisted; /* of c->packs; those behind are missing */
};

/* Those that are missing are appended to the array, behind the part that is sorted. */
static int take_named(void *arg, uint32_t number, const struct pack_info *info)
{
	struct naming *n = arg;
	struct check *c = n->c;
	struct check_pack key = { .id = info->id, .kind = (uint8_t)info->kind }, *p;
	char what[WHAT_SIZE];

	p = n->nlisted > 0 ? bsearch(&key, c->packs, n->nlisted, sizeof(key), compare) : NULL;
	if (p == NULL) {
		p = new_pack(c);
		if (p == NULL)
			return -ENOMEM;
		p->id = info->id;
		p->kind = (uint8_t)info->kind;
		p->state = PACK_MISSING;
		finding_add_pack(c, p, "missing");
	} else if (p->size != info->size) {
		p->state = PACK_RESIZED;
		snprintf(what, sizeof(what), "has %llu bytes where the index says %u", (unsigned long long)p->size,
		    info->size);
		finding_add_pack(c, p, what);
	}
	p->number = number;
	return set_number(c, number, (uint32_t)(p - c->packs));
}

static int stop_at_missing(void *arg, uint32_t number, const struct pack_info *info)
{
	const struct check *c = arg;
	struct check_pack key = { .id = info->id, .kind = (uint8_t)info->kind };

	(void)number;
	return c->npacks == 0 || bsearch(&key, c->packs, c->npacks, sizeof(key), compare) == NULL;
}

/* A pack may have been deleted by a prune since the index was loaded: no run names it then any more. */
static int load_again_if_missing(struct check *c)
{
	int rc = index_each_pack(c->index, stop_at_missing, c);

	if (rc == 1)
		rc = index_refresh(c->index);
	return rc > 0 ? 0 : rc;
}

int check_packs(struct check *c)
{
	struct naming n = { .c = c };
	int rc = list_packs(c);

	if (rc == 0)
		rc = load_again_if_missing(c);
	if (rc != 0)
		return rc;
	n.nlisted = c->npacks;
	rc = index_each_pack(c->index, take_named, &n);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n.nlisted; i++) {
		if (c->packs[i].number != NO_NUMBER)
			continue;
		c->out->unreferenced_packs++;
		c->out->unreferenced_bytes += c->packs[i].size;
	}
	return cancelled(c) ? -EINTR : 0;
}
