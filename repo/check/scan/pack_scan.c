/*
 * Scanning one pack.  See pack_scan.h.
 *
 * The table is read first, at the pack's end; then the pack goes through a window in pieces.  A piece is hashed when it
 * arrives, then the boxes in it are opened in place, so that a byte is copied only by what expands it.
 */
#include "repo/check/scan/pack_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/packs/copies.h"
#include "repo/check/packs/records.h"
#include "repo/check/scan/scan.h"
#include "repo/check/scan/tally.h"
#include "repo/check/share/plan.h"
#include "repo/object/packing/packing.h"

#define PAGE 4096

struct pack_scan {
	struct check *c;
	struct check_pack *pack;
	char name[PACK_NAME_SIZE];
	struct hash_stream stream;
	uint8_t *room;        /* ${cap} bytes, on a page */
	size_t cap;
	uint64_t at;          /* the window: ${len} bytes of the pack from here on, in ${room} behind ${at % PAGE} */
	size_t len;           /* of it; up to ${done} they are no longer what they were */
	uint64_t done;        /* the end of the last box that was opened */
	struct records records;
	struct rd rest;       /* records behind the next object's */
	struct id id;         /* the next object */
	struct place place;
	bool more;            /* there is one */
	struct segment_place open; /* the shared segment at ${plain}; len 0: none */
	const uint8_t *plain; /* NULL: it is damaged */
	struct aead_key key;
	struct buf damaged;   /* ids of objects that the index places here, and that cannot be read */
	struct buf elsewhere; /* ids of objects that the index places here, but not where they are */
	bool failed;          /* ended before its end */
	bool again;           /* it is read for the second time */
	struct tally t;
};

static size_t box_max(const struct check *c)
{
	return c->r->config.segment_size + 1 + CRYPT_TAG_LEN;
}

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

static uint64_t read_so_far(const struct pack_scan *s)
{
	return s->at + s->len;
}

/* The store or the index failed: no more of this pack.  Return 0, or an error that ends the check. */
static int fail(struct pack_scan *s, int rc)
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

static int next_object(struct pack_scan *s)
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
	return rc == 0 ? next_object(s) : rc;
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
	return rc < 0 ? fail(s, rc) : 0;
}

int pack_scan_begin(struct pack_scan *s, struct check_pack *p)
{
	s->pack = p;
	s->again = false;
	pack_name(p->kind, &p->id, s->name);
	return begin(s);
}

/* --- Its bytes ---------------------------------------------------------------------------------------------------- */

/* A byte has the same position in a page of memory as in one of the file, to be read past the page cache. */
static uint8_t *window(const struct pack_scan *s)
{
	return s->room + s->at % PAGE;
}

/* Make the room large enough for ${n} bytes of window, and a page. */
static int grow(struct pack_scan *s, size_t n)
{
	size_t cap = (n + 3 * PAGE - 1) / PAGE * PAGE;
	uint8_t *room;

	if (cap <= s->cap)
		return 0;
	room = aligned_alloc(PAGE, cap);
	if (room == NULL)
		return -ENOMEM;
	if (s->len > 0)
		memcpy(room + s->at % PAGE, window(s), s->len);
	free(s->room);
	s->room = room;
	s->cap = cap;
	return 0;
}

/* Forget what is before the next object, and make room for one more piece. */
static int make_room(struct pack_scan *s, size_t n)
{
	uint64_t keep = s->more ? s->place.offset : read_so_far(s);
	size_t drop;

	keep = keep < s->at ? s->at : keep;
	drop = keep > read_so_far(s) ? s->len : (size_t)(keep - s->at);
	if (drop < s->len)
		memmove(s->room + (s->at + drop) % PAGE, window(s) + drop, s->len - drop);
	s->at += drop;
	s->len -= drop;
	return grow(s, s->len + n);
}

static int fetch(struct pack_scan *s, uint8_t *to, size_t n)
{
	int rc = n > 0 ? store_get_once(s->c->store, s->name, read_so_far(s), n, to,
			     s->cap - (size_t)(to - s->room)) : 0;

	if (rc != -EIO || store_failed(s->c, rc))
		return rc;
	/* A bad sector: what lies in this piece will not authenticate, the rest may. */
	s->t.read_error = rc;
	memset(to, 0, n);
	return 0;
}

int pack_scan_read(struct pack_scan *s, struct hash_piece *piece)
{
	uint64_t left = s->pack->size - read_so_far(s);
	size_t n = left < SCAN_PIECE ? (size_t)left : SCAN_PIECE;
	uint8_t *to;
	int rc;

	if (cancelled(s->c))
		return -EINTR;
	rc = make_room(s, n);
	if (rc < 0)
		return rc;
	to = n > 0 ? window(s) + s->len : NULL;
	rc = fetch(s, to, n);
	if (rc < 0)
		return fail(s, rc);
	s->len += n;
	if (s->c->o->progress != NULL)
		s->c->o->progress->bytes += n;
	*piece = (struct hash_piece){ .stream = &s->stream, .data = to, .len = n, .last = n == left };
	return 1;
}

/* --- Its objects -------------------------------------------------------------------------------------------------- */

/* Open one box to ${out}.  Return whether it is what it should be. */
static bool open_box(struct pack_scan *s, struct decompressor *d, const struct segment_place *sp, uint8_t *out)
{
	uint8_t *box;

	if (sp->offset < s->done || sp->box > box_max(s->c) || (uint64_t)sp->offset + sp->box > s->pack->size) {
		s->t.disorder++;
		return false;
	}
	box = window(s) + (sp->offset - s->at);
	s->done = (uint64_t)sp->offset + sp->box;
	return pack_open_segment(s->c->r->config.cipher, s->pack->kind, &s->key, sp->offset, box, sp->box, box) == 0 &&
	    decompress_segment(d, box, sp->box - CRYPT_TAG_LEN, out, sp->len) == 0;
}

static bool is_open(const struct pack_scan *s, const struct segment_place *sp)
{
	return s->open.len == sp->len && s->open.offset == sp->offset && s->open.box == sp->box;
}

/* The plaintext of the next object in ${*data}, NULL if it is damaged.  Return 0 or -ENOMEM. */
static int open_object(struct pack_scan *s, struct verify *v, struct decompressor *d, const uint8_t **data)
{
	uint32_t segment_size = s->c->r->config.segment_size, off, skip, take;
	const struct place *place = &s->place;
	struct segment_place sp;
	bool ok = true;
	uint8_t *plain;

	place_segment(place, 0, segment_size, &sp, &off, &skip, &take);
	if (place->nown > 0 || !is_open(s, &sp)) {
		plain = verify_room(v, place->nown > 0 ? place->len : sp.len);
		if (plain == NULL)
			return -ENOMEM;
		for (unsigned i = 0; i < place_nsegments(place) && ok; i++) {
			place_segment(place, i, segment_size, &sp, &off, &skip, &take);
			ok = open_box(s, d, &sp, plain + off);
		}
		s->plain = ok ? plain : NULL;
		s->open = sp;
		if (place->nown > 0)
			s->open.len = 0;
	}
	*data = s->plain == NULL ? NULL : place->nown > 0 ? s->plain : s->plain + skip;
	return 0;
}

/* Are all bytes of the next object there?  What reaches beyond the pack is looked at when all of it is there. */
static bool is_complete(const struct pack_scan *s)
{
	uint64_t end = s->place.offset;

	if (s->t.sealed || s->t.bad_key)
		return true;
	for (unsigned i = 0; i < place_nsegments(&s->place); i++)
		end += s->place.box[i];
	return end <= read_so_far(s) || read_so_far(s) == s->pack->size;
}

static int take_object(struct pack_scan *s, struct verify *v, struct decompressor *d)
{
	const uint8_t *data = NULL;
	int rc = 0;

	if (!s->t.sealed && !s->t.bad_key)
		rc = open_object(s, v, d, &data);
	if (rc < 0)
		return rc;
	return data != NULL ? verify_add(v, s, &s->id, &s->place, data) :
			      pack_scan_judge(s, &s->id, &s->place, s->t.sealed);
}

int pack_scan_open(struct pack_scan *s, struct verify *v, struct decompressor *d)
{
	int rc = 0;

	s->open.len = 0;
	while (rc == 0 && s->more && !s->failed && is_complete(s)) {
		rc = take_object(s, v, d);
		if (rc == 0) {
			rc = next_object(s);
			rc = rc < 0 ? fail(s, rc) : 0;
		}
	}
	return rc;
}

bool pack_scan_at_end(const struct pack_scan *s)
{
	return s->failed || (!s->more && read_so_far(s) == s->pack->size);
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
	return rc < 0 ? fail(s, rc) : 0;
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
		return fail(s, rc);
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
