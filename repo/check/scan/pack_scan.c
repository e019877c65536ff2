/*
 * Scanning one pack: its beginning, and its end.  See pack_scan.h.
 *
 * The table is read first, at the pack's end; then the pack goes through a window in pieces.  A piece is hashed when it
 * arrives, then the boxes in it are opened in place, so that a byte is copied only by what expands it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/packs/copies.h"
#include "repo/check/packs/records.h"
#include "repo/check/scan/pack_scan.h"
#include "repo/check/scan/pack_scan_impl.h"
#include "repo/check/scan/tally.h"
#include "repo/check/share/plan.h"
#include "repo/object/packing/packing.h"

struct pack_scan *pack_scan_new(struct check *c)
{
	struct pack_scan *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->c = c;
	return s;
}

void pack_scan_free(struct pack_scan *s)
{
	if (s == NULL)
		return;
	crypt_wipe(&s->key, sizeof(s->key));
	records_free(&s->records);
	buf_free(&s->damaged);
	buf_free(&s->elsewhere);
	free(s->room);
	free(s);
}

enum pack_kind pack_scan_kind(const struct pack_scan *s)
{
	return s->pack->kind;
}

int pack_scan_fail(struct pack_scan *s, int rc)
{
	if (rc == -EINTR || rc == -ECANCELED || rc == -ENOMEM)
		return rc;
	s->failed = true;
	s->t.read_error = rc;
	return 0;
}

/* --- Its beginning ------------------------------------------------------------------------------------------------ */

/* The key that readers use is the one in the index. */
static int find_key(struct pack_scan *s)
{
	const struct seal_domain *d = s->pack->kind == PACK_DATA ? s->c->r->data : s->c->r->metadata;
	struct pack_info info = s->records.info;
	int rc;

	if (s->pack->number != NO_NUMBER) {
		rc = index_pack(s->c->index, s->pack->number, &info);
		if (rc < 0)
			return rc;
		s->t.other_key = !s->records.from_index &&
		    memcmp(info.wrapped, s->records.info.wrapped, sizeof(info.wrapped)) != 0;
	}
	if (s->records.n == 0)
		return 0;
	if (!d->can_open || (s->pack->kind == PACK_DATA && s->c->r->object_id == NULL)) {
		s->t.sealed = true;
		return 0;
	}
	s->t.bad_key = seal_open_key(d, info.wrapped, &s->key) < 0;
	return 0;
}

int pack_scan_next(struct pack_scan *s)
{
	int rc = packing_next(&s->rest, s->c->r->config.segment_size, &s->id, &s->place);

	s->more = rc > 0;
	return rc < 0 ? rc : 0;
}

/* What should be in it, and how it opens. */
static int begin_objects(struct pack_scan *s)
{
	int rc;

	s->t.table_error = records_load(s->c, s->pack, &s->records);
	if (s->t.table_error == -ENOMEM || s->t.table_error == -ECANCELED)
		return s->t.table_error;
	s->t.objects = s->records.n;
	s->rest = rd_init(s->records.bytes.data, s->records.bytes.len);
	rc = find_key(s);
	return rc == 0 ? pack_scan_next(s) : rc;
}

static int begin(struct pack_scan *s)
{
	const struct check_pack *p = s->pack;
	int rc = 0;

	hash_stream_init(&s->stream);
	buf_clear(&s->damaged);
	buf_clear(&s->elsewhere);
	s->len = 0;
	s->at = s->done = 0;
	s->more = s->failed = false;
	s->t = (struct tally){ .named = p->number != NO_NUMBER ? s->c->objects_of[p->number] : 0 };
	if (s->c->r != NULL)
		rc = begin_objects(s);
	return rc < 0 ? pack_scan_fail(s, rc) : 0;
}

int pack_scan_begin(struct pack_scan *s, struct check_pack *p)
{
	s->pack = p;
	s->again = false;
	pack_name(p->kind, &p->id, s->name);
	return begin(s);
}

/* --- What is wrong with it ---------------------------------------------------------------------------------------- */

/* Compare with what the index says, by which everybody reads.  A copy of an object may be in another pack as well. */
static int compare_index(struct pack_scan *s, const struct id *id, const struct place *place, bool intact)
{
	struct place known;
	int rc = index_lookup(s->c->index, id, &known);

	/*
	 * What a snapshot needs is missed by the pass over trees; a sweep may drop other objects' names with those
	 * of a pack.
	 */
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (known.pack != s->pack->number)
		return 0;
	if (!place_equal(place, &known))
		return buf_append(&s->elsewhere, id->b, ID_LEN);
	s->t.matched++;
	return intact ? 0 : buf_append(&s->damaged, id->b, ID_LEN);
}

static int add_moved(void *arg, const struct id *id)
{
	struct pack_scan *s = arg;

	s->t.moved++;
	return buf_append(&s->damaged, id->b, ID_LEN);
}

int pack_scan_judge(struct pack_scan *s, const struct id *id, const struct place *place, bool intact)
{
	int rc;

	s->t.damaged += !intact;
	if (s->pack->number == NO_NUMBER)
		return 0;
	rc = compare_index(s, id, place, intact);
	return rc < 0 ? pack_scan_fail(s, rc) : 0;
}

static void count(struct pack_scan *s)
{
	pthread_mutex_lock(&s->c->lock);
	s->c->out->packs_read++;
	s->c->out->data_bytes += s->pack->size;
	s->c->out->sealed_packs += s->t.sealed;
	pthread_mutex_unlock(&s->c->lock);
	if (s->c->o->progress != NULL)
		s->c->o->progress->packs++;
}

/* The pack's finding, and the objects that it makes unreadable. */
static int tell(struct pack_scan *s, const char *what)
{
	struct id id;
	int rc = 0;

	if (s->pack->finding == 0)
		s->pack->finding = finding_open(s->c, CHECK_PACK, s->name);
	finding_tell(s->c, s->pack->finding, what);
	for (size_t at = 0; at < s->damaged.len && rc == 0; at += ID_LEN) {
		memcpy(id.b, s->damaged.data + at, ID_LEN);
		rc = damage_add(s->c, &id, s->pack->finding);
	}
	return rc;
}

/* What is wrong, if anything is, is known. */
static int conclude(struct pack_scan *s, const struct buf *text)
{
	int error = s->t.read_error != 0 ? s->t.read_error : s->t.table_error, rc = 0;
	bool unreachable = store_failed(s->c, error);

	if (unreachable)
		rc = unreachable_add(s->c, CHECK_PACK, s->name, error, ERR(error));
	else if (text->len > 0)
		rc = tell(s, (const char *)text->data);
	if (!unreachable)
		count(s);
	plan_done(s->c->plan, s->pack, text->len == 0);
	return rc;
}

int pack_scan_end(struct pack_scan *s)
{
	struct buf text = BUF_INIT;
	struct id found;
	int rc;

	crypt_wipe(&s->key, sizeof(s->key));
	/* Gone since it was listed: perhaps by a prune, which is found out when all have been read. */
	if (s->failed && s->t.read_error == -ENOENT) {
		s->pack->state = PACK_VANISHED;
		plan_done(s->c->plan, s->pack, true);
		return 0;
	}
	hash_stream_final(&s->stream, &found);
	s->t.other_hash = !id_equal(&found, &s->pack->id);
	rc = copies_tell(s->c, &s->records, &s->elsewhere, add_moved, s);
	if (rc < 0)
		return pack_scan_fail(s, rc);
	tally_describe(&s->t, &text);
	if (text.len > 0 && !s->again && store_distrust(s->c->store, s->name, 0, s->pack->size) == 0) {
		s->again = true;
		rc = begin(s);
		rc = rc < 0 ? rc : 1;
	} else {
		rc = conclude(s, &text);
	}
	buf_free(&text);
	return rc;
}
