/*
 * Objects that trees refer to: is each where the index says?
 */
#include <errno.h>
#include <stdio.h>

#include "repo/check/trees/tree_pass.h"

static enum check_kind check_kind_of(enum pack_kind kind)
{
	return kind == PACK_DATA ? CHECK_CHUNK : CHECK_TREE;
}

/* One finding for all of them, as a lost run loses many. */
static int unindexed(struct check *c, enum pack_kind kind, const struct id *id)
{
	struct unindexed *u = &c->unindexed[kind];
	char hex[ID_HEX_SIZE];

	if (u->n++ == 0)
		u->finding = finding_open(c, check_kind_of(kind), id_hex(id, hex));
	return damage_add(c, id, u->finding);
}

void tell_unindexed(struct check *c)
{
	char what[WHAT_SIZE];

	for (enum pack_kind kind = PACK_DATA; kind <= PACK_TREE; kind++) {
		const struct unindexed *u = &c->unindexed[kind];
		const char *noun = kind == PACK_DATA ? "chunk" : "tree object";

		if (u->n == 0)
			continue;
		if (u->n == 1)
			snprintf(what, sizeof(what), "this %s is in no index run", noun);
		else
			snprintf(what, sizeof(what), "this and %llu other %ss are in no index run",
			    (unsigned long long)u->n - 1, noun);
		finding_tell(c, u->finding, what);
	}
}

static uint64_t end_of(const struct place *p)
{
	uint64_t end = p->offset;

	for (unsigned i = 0; i < place_nsegments(p); i++)
		end += p->box[i];
	return end;
}

static int wrong_place(struct check *c, enum pack_kind kind, const struct id *id, const char *what)
{
	char hex[ID_HEX_SIZE];

	return damage_add(c, id, finding_add(c, check_kind_of(kind), id_hex(id, hex), "%s", what));
}

/* A span says another length than the chunk has.  Other spans of the same chunk may be right. */
static int wrong_length(struct check *c, const struct id *id, uint32_t len, uint32_t span_len)
{
	char hex[ID_HEX_SIZE];

	return damage_add_span(c, id, span_len, finding_add(c, CHECK_CHUNK, id_hex(id, hex),
	    "has %u bytes where a file has %u of it", len, span_len));
}

/* 1 if it can be there, 0 if not (with a finding), or an error. */
static int check_place(struct check *c, enum pack_kind kind, const struct id *id, uint32_t len)
{
	struct check_pack *p;
	struct place place;
	int rc = gone_find(c, kind, id, &place, &p);

	if (rc == 0)
		return unindexed(c, kind, id);
	if (rc < 0)
		return rc;
	c->referenced++;
	if (damage_of(c, id) != 0)
		return 0;
	if (p->kind != kind)
		return wrong_place(c, kind, id, "the index places it in a pack of the other kind");
	if (p->state == PACK_MISSING || (p->state == PACK_RESIZED && end_of(&place) > p->size))
		return damage_add(c, id, p->finding);
	return len == 0 || place.len == len ? 1 : wrong_length(c, id, place.len, len);
}

int object_enter(struct check *c, enum pack_kind kind, const struct id *id, uint32_t len)
{
	uint64_t key = len > 0 ? span_key(id, len) : id_hash(id);
	uint64_t *count = kind == PACK_DATA ? &c->out->chunks : &c->out->trees;
	int rc = hash_map_add(&c->seen, key, 0);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return damage_of(c, id) == 0;
	(*count)++;
	if (kind == PACK_TREE && c->o->progress != NULL)
		c->o->progress->trees++;
	return check_place(c, kind, id, len);
}

int reference_enter(struct check *c, uint64_t key)
{
	return hash_map_add(&c->seen, key, 0);
}

int tree_contradicts(struct check *c, const struct id *id, const char *what)
{
	return wrong_place(c, PACK_TREE, id, what);
}

/* It cannot be used, but can it be read?  Then it was written so, and its pack is not to blame. */
static bool is_readable(struct check *c, const struct id *id)
{
	struct buf bytes = BUF_INIT;
	int rc = object_read(c->reader, PACK_TREE, id, ENTRY_XATTRS_MAX, &bytes);

	buf_free(&bytes);
	return rc == 0;
}

int tree_object_damaged(struct check *c, const struct id *id, int rc)
{
	struct check_pack *p = NULL;
	struct place place;
	char what[WHAT_SIZE], name[PACK_NAME_SIZE];

	if (rc == -ENOMEM)
		return rc;
	if (gone_find(c, PACK_TREE, id, &place, &p) != 1)
		return tree_contradicts(c, id, ERR(rc));
	last_message(c, pack_name(p->kind, &p->id, name), rc, what);
	if (rc == -ECANCELED || store_failed(c, rc))
		return rc == -ECANCELED ? -EINTR : unreachable_add(c, CHECK_PACK, name, rc, what);
	if (rc == -EBADMSG && is_readable(c, id))
		return tree_contradicts(c, id, "malformed");
	if (p->finding == 0)
		finding_add_pack(c, p, what);
	return damage_add(c, id, p->finding);
}
