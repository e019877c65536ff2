/*
 * Packs that are not there.  Others may be pruning: what they have deleted is in other packs by now, as far as a
 * snapshot needs it, and is neither missing nor damaged.
 *
 * A pack that was deleted by a prune was named by a record in doomed/ for a grace before, and is for another one; and
 * no run names it any more, but for such as were put late, which a later prune finds.  So it is missing only if a run
 * names it that is in the store now, and no record does.
 */
#include <errno.h>
#include <stdio.h>

#include "repo/check/check_impl.h"

int gone_load(struct check *c)
{
	const struct doomed_place at = { .store = c->store, .metadata = c->r->metadata,
		.repo_id = c->r->config.repo_id, .log = &c->log };
	struct doomed_set set;
	int rc = doomed_load_some(&at, &set);

	/* What a newer version has put says nothing here. */
	if (rc != 0)
		return rc == -EPROTONOSUPPORT ? 0 : rc;
	doomed_set_destroy(&c->doomed);
	c->doomed = set;
	return 0;
}

void gone_judge(struct check *c, struct check_pack *p)
{
	if (doomed_blocks(&c->doomed, &p->id)) {
		p->state = PACK_SWEPT;
		c->swept = true;
		return;
	}
	p->state = PACK_MISSING;
	finding_add_pack(c, p, "missing");
}

/* --- That were there when they were listed ------------------------------------------------------------------------ */

static int judge_named(void *arg, uint32_t number, const struct pack_info *info)
{
	struct check *c = arg;
	struct check_pack *p = pack_listed(c, &info->id, info->kind);

	(void)number;
	if (p != NULL && p->state == PACK_VANISHED)
		gone_judge(c, p);
	return 0;
}

int check_vanished(struct check *c)
{
	bool any = false;
	int rc;

	for (size_t i = 0; i < c->nlisted && !any; i++)
		any = c->packs[i].state == PACK_VANISHED;
	if (!any)
		return 0;
	rc = index_refresh(c->index);
	if (rc >= 0)
		rc = gone_load(c);
	if (rc == 0)
		rc = index_each_pack(c->index, judge_named, c);
	for (size_t i = 0; i < c->nlisted && rc == 0; i++)
		if (c->packs[i].state == PACK_VANISHED)
			c->packs[i].state = PACK_SWEPT;
	c->swept = true;
	return rc;
}

/* --- And what was in them ----------------------------------------------------------------------------------------- */

/* A pack that has come since they were listed, or that the index has come to know since. */
static int add_late(struct check *c, uint32_t number, const struct pack_info *info, struct check_pack **out)
{
	struct check_pack *p = pack_listed(c, &info->id, info->kind);
	char name[PACK_NAME_SIZE], what[WHAT_SIZE];
	int rc = 0;

	if (p == NULL) {
		p = pack_add(c, &info->id, info->kind);
		if (p == NULL)
			return -ENOMEM;
		rc = store_stat(c->store, pack_name(info->kind, &info->id, name), &p->size);
		if (rc == -ENOENT) {
			rc = gone_load(c);
			if (rc == 0)
				gone_judge(c, p);
		} else if (rc == 0 && info->size > 0 && p->size != info->size) {
			p->state = PACK_RESIZED;
			snprintf(what, sizeof(what), "has %llu bytes where the index says %u",
			    (unsigned long long)p->size, info->size);
			finding_add_pack(c, p, what);
		}
	}
	if (rc < 0)
		return rc;
	p->number = number;
	*out = p;
	return pack_set_number(c, p, number);
}

static int find_pack(struct check *c, uint32_t number, struct check_pack **out)
{
	struct pack_info info;
	int rc;

	*out = pack_of_number(c, number);
	if (*out != NULL)
		return 0;
	rc = index_pack(c->index, number, &info);
	return rc < 0 ? rc == -ENOENT ? -EIO : rc : add_late(c, number, &info, out);
}

int gone_find(struct check *c, enum pack_kind kind, const struct id *id, struct place *place,
    struct check_pack **out)
{
	int rc = index_lookup(c->index, id, place);

	/* Once one of its packs was missed the index does not say of an object that it is in there. */
	if (rc == -ENOENT && c->swept)
		rc = index_resolve(c->index, kind, id, place);
	if (rc == -ENOENT || rc == -EBADMSG)
		return 0;
	if (rc == 0)
		rc = find_pack(c, place->pack, out);
	if (rc < 0 || (*out)->state != PACK_SWEPT)
		return rc < 0 ? rc : 1;
	if (index_doubt(c->index, id, place, true) == 0 && index_resolve(c->index, kind, id, place) == 0)
		rc = find_pack(c, place->pack, out);
	if (rc < 0 || (*out)->state != PACK_SWEPT)
		return rc < 0 ? rc : 1;
	/* A snapshot needs it, and no other pack has it. */
	(*out)->state = PACK_MISSING;
	finding_add_pack(c, *out, "missing");
	return 1;
}
