/*
 * Scanning a pack.  See scan.h.
 *
 * The table is read first, at the pack's end; then the pack goes through a window in pieces.  A piece is hashed when it
 * arrives, then the boxes in it are opened in place, so that a byte is copied only by what expands it.
 */
#include "repo/check/pass/scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/pass/records.h"
#include "repo/object/compress.h"
#include "repo/object/packing/packing.h"

/* What was found in a pack. */
struct tally {
	uint64_t damaged;  /* objects that cannot be read, or are not those of their ids */
	uint64_t unknown;  /* the index does not have them at all */
	uint64_t moved;    /* the index has another place in this pack for them */
	uint64_t matched;
	uint64_t disorder; /* begin before the end of the one before, or end behind the pack */
	bool sealed;       /* this role cannot open them */
	bool bad_key;
	bool other_key;    /* the index has another wrapped key than the header */
	int read_error;    /* of the store */
};

struct scan {
	struct hasher hasher; /* first, for its alignment */
	struct check *c;
	struct check_pack *pack;
	char name[PACK_NAME_SIZE];
	struct decompressor *decompressor;
	uint8_t *window;      /* bytes [at, at + len) of the pack; up to ${done} they are no longer what they were */
	uint64_t at;
	size_t len;
	uint64_t done;        /* the end of the last box that was opened */
	struct buf plain;
	struct segment_place open; /* the shared segment in ${plain}; len 0: none */
	bool open_ok;
	struct records records;
	struct aead_key key;
	struct tally t;
};

static size_t box_max(const struct check *c)
{
	return c->r->config.segment_size + 1 + CRYPT_TAG_LEN;
}

int scan_new(struct check *c, struct scan **out)
{
	struct scan *s = aligned_alloc(_Alignof(struct scan), sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->c = c;
	s->window = malloc(SCAN_PIECE + box_max(c));
	s->decompressor = decompressor_new();
	if (s->window == NULL || s->decompressor == NULL) {
		scan_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void scan_free(struct scan *s)
{
	if (s == NULL)
		return;
	crypt_wipe(&s->key, sizeof(s->key));
	decompressor_free(s->decompressor);
	records_free(&s->records);
	buf_free(&s->plain);
	free(s->window);
	free(s);
}

/* --- The window --------------------------------------------------------------------------------------------------- */

static uint64_t read_so_far(const struct scan *s)
{
	return s->at + s->len;
}

/* Forget what is before byte ${keep} and read one more piece. */
static int read_piece(struct scan *s, uint64_t keep)
{
	uint64_t next = read_so_far(s);
	size_t drop = keep >= next ? s->len : (size_t)(keep - s->at);
	size_t n = s->pack->size - next < SCAN_PIECE ? (size_t)(s->pack->size - next) : SCAN_PIECE;
	int rc;

	if (cancelled(s->c))
		return -EINTR;
	memmove(s->window, s->window + drop, s->len - drop);
	s->at += drop;
	s->len -= drop;
	rc = store_get(s->c->store, s->name, next, n, s->window + s->len);
	if (rc == -EIO) {
		/* A bad sector: what lies in this piece will not authenticate, the rest may. */
		s->t.read_error = rc;
		memset(s->window + s->len, 0, n);
		rc = 0;
	}
	if (rc < 0)
		return rc;
	hasher_update(&s->hasher, s->window + s->len, n);
	s->len += n;
	if (s->c->o->progress != NULL)
		s->c->o->progress->bytes += n;
	return 0;
}

/* Point ${*out} at ${len} bytes at ${off}, which lie in the pack and behind what was asked for last. */
static int get_box(struct scan *s, uint64_t off, size_t len, uint8_t **out)
{
	int rc = 0;

	while (rc == 0 && read_so_far(s) < off + len)
		rc = read_piece(s, off);
	if (rc == 0)
		*out = s->window + (off - s->at);
	return rc;
}

static int read_rest(struct scan *s)
{
	int rc = 0;

	while (rc == 0 && read_so_far(s) < s->pack->size)
		rc = read_piece(s, read_so_far(s));
	return rc;
}

/* --- Objects ------------------------------------------------------------------------------------------------------ */

/* Open one box to ${out}.  1; 0 if it is damaged; an error. */
static int open_box(struct scan *s, const struct segment_place *sp, uint8_t *out)
{
	uint8_t *box = NULL;
	int rc;

	if (sp->offset < s->done || sp->box > box_max(s->c) || (uint64_t)sp->offset + sp->box > s->pack->size) {
		s->t.disorder++;
		return 0;
	}
	rc = get_box(s, sp->offset, sp->box, &box);
	if (rc < 0)
		return rc;
	s->done = (uint64_t)sp->offset + sp->box;
	rc = pack_open_segment(s->c->r->config.cipher, s->pack->kind, &s->key, sp->offset, box, sp->box, box);
	if (rc == 0)
		rc = decompress_segment(s->decompressor, box, sp->box - CRYPT_TAG_LEN, out, sp->len);
	return rc == 0;
}

static bool is_open(const struct scan *s, const struct segment_place *sp)
{
	return s->open.len == sp->len && s->open.offset == sp->offset && s->open.box == sp->box;
}

/* The object's plaintext in ${*data}: 1; 0 if it is damaged; an error. */
static int open_object(struct scan *s, const struct place *place, const uint8_t **data)
{
	uint32_t segment_size = s->c->r->config.segment_size, off, skip, take;
	struct segment_place sp;
	int rc = 1;

	place_segment(place, 0, segment_size, &sp, &off, &skip, &take);
	if (place->nown > 0 || !is_open(s, &sp)) {
		s->open.len = 0;
		s->plain.len = 0;
		if (buf_reserve(&s->plain, place->nown > 0 ? place->len : sp.len) < 0)
			return -ENOMEM;
		for (unsigned i = 0; i < place_nsegments(place) && rc == 1; i++) {
			place_segment(place, i, segment_size, &sp, &off, &skip, &take);
			rc = open_box(s, &sp, s->plain.data + off);
		}
		if (place->nown == 0) {
			s->open = sp;
			s->open_ok = rc == 1;
		}
	} else {
		rc = s->open_ok;
	}
	*data = s->plain.data + (place->nown > 0 ? 0 : skip);
	return rc;
}

/* 1; 0 if it is damaged; an error. */
static int verify_object(struct scan *s, const struct id *id, const struct place *place)
{
	const struct hash_key *key = s->pack->kind == PACK_DATA ? s->c->r->object_id : s->c->r->tree_id;
	const uint8_t *data;
	struct id found;
	int rc;

	if (s->t.sealed)
		return 1;
	if (s->t.bad_key)
		return 0;
	rc = open_object(s, place, &data);
	if (rc != 1)
		return rc;
	crypt_object_id(key, data, place->len, &found);
	return id_equal(&found, id);
}

/* The pack's finding, noted when its first object is found damaged and told when all is known. */
static uint32_t finding_of(struct scan *s)
{
	if (s->pack->finding == 0)
		s->pack->finding = finding_open(s->c, CHECK_PACK, s->name);
	return s->pack->finding;
}

static bool same_place(const struct place *a, const struct place *b)
{
	if (a->offset != b->offset || a->len != b->len || a->nown != b->nown)
		return false;
	if (a->nown == 0 && (a->shared_len != b->shared_len || a->shared_skip != b->shared_skip))
		return false;
	return memcmp(a->box, b->box, place_nsegments(a) * sizeof(a->box[0])) == 0;
}

/* Compare with what the index says, by which everybody reads.  A copy of an object may be in another pack as well. */
static int compare_index(struct scan *s, const struct id *id, const struct place *place, bool intact)
{
	struct place known;
	int rc = index_lookup(s->c->index, id, &known);

	if (rc == -ENOENT) {
		s->t.unknown++;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (known.pack != s->pack->number)
		return 0;
	if (same_place(place, &known)) {
		s->t.matched++;
	} else {
		s->t.moved++;
		intact = false;
	}
	return intact ? 0 : damage_add(s->c, id, finding_of(s));
}

static int scan_objects(struct scan *s)
{
	struct rd rd = rd_init(s->records.bytes.data, s->records.bytes.len);
	struct place place = { 0 };
	struct id id;
	int rc, intact;

	while ((rc = packing_next(&rd, s->c->r->config.segment_size, &id, &place)) > 0) {
		intact = verify_object(s, &id, &place);
		if (intact < 0)
			return intact;
		s->t.damaged += !intact;
		rc = s->pack->number == NO_NUMBER ? 0 : compare_index(s, &id, &place, intact);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* --- The pack ----------------------------------------------------------------------------------------------------- */

/* The key that readers use is the one in the index. */
static int find_key(struct scan *s)
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

__attribute__((format(printf, 2, 3))) static void add_text(struct buf *b, const char *fmt, ...)
{
	char part[WHAT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(part, sizeof(part), fmt, ap);
	va_end(ap);
	buf_printf(b, "%s%s", b->len > 0 ? "; " : "", part);
}

/* All that is wrong with the pack, in one line; nothing if nothing is. */
static void describe(struct scan *s, int table_error, bool hash_ok, struct buf *b)
{
	const struct tally *t = &s->t;
	uint64_t named = s->pack->number != NO_NUMBER ? s->c->objects_of[s->pack->number] : 0;

	if (t->read_error != 0)
		add_text(b, "cannot be read: %s", ERR(t->read_error));
	else if (!hash_ok)
		add_text(b, "its bytes do not hash to its name");
	if (table_error != 0)
		add_text(b, "its table cannot be read: %s", ERR(table_error));
	if (t->bad_key)
		add_text(b, "its key does not open");
	if (t->disorder > 0)
		add_text(b, "places in it are out of order");
	if (t->damaged > 0)
		add_text(b, "%llu of its %llu objects are damaged", (unsigned long long)t->damaged,
		    (unsigned long long)s->records.n);
	if (t->other_key)
		add_text(b, "the index has another key for it");
	if (t->unknown > 0)
		add_text(b, "the index lacks %llu of its objects", (unsigned long long)t->unknown);
	if (t->moved > 0)
		add_text(b, "the index has other places for %llu of its objects", (unsigned long long)t->moved);
	if (table_error == 0 && named > t->matched + t->moved)
		add_text(b, "the index names %llu objects that its table does not",
		    (unsigned long long)(named - t->matched - t->moved));
}

static void conclude(struct scan *s, int table_error, bool hash_ok)
{
	struct buf text = BUF_INIT;

	describe(s, table_error, hash_ok, &text);
	if (text.len > 0)
		finding_tell(s->c, finding_of(s), (const char *)text.data);
	buf_free(&text);
	pthread_mutex_lock(&s->c->lock);
	s->c->out->packs_read++;
	s->c->out->data_bytes += s->pack->size;
	s->c->out->sealed_packs += s->t.sealed;
	pthread_mutex_unlock(&s->c->lock);
	if (s->c->o->progress != NULL)
		s->c->o->progress->packs++;
}

static void begin(struct scan *s, struct check_pack *p)
{
	s->pack = p;
	pack_name(p->kind, &p->id, s->name);
	hasher_init(&s->hasher);
	s->at = 0;
	s->len = 0;
	s->done = 0;
	s->open.len = 0;
	s->t = (struct tally){ .damaged = 0 };
}

int scan_pack(struct scan *s, struct check_pack *p)
{
	struct id found;
	int rc, table_error;

	begin(s, p);
	table_error = records_load(s->c, p, &s->records);
	if (table_error == -ENOMEM)
		return table_error;
	rc = find_key(s);
	if (rc == 0)
		rc = scan_objects(s);
	if (rc == 0)
		rc = read_rest(s);
	crypt_wipe(&s->key, sizeof(s->key));
	if (rc == -EINTR || rc == -ENOMEM)
		return rc;
	if (rc == -ENOENT && p->number == NO_NUMBER) /* gone since it was listed, and nobody's */
		return 0;
	if (rc < 0)
		s->t.read_error = rc;
	hasher_final(&s->hasher, &found);
	conclude(s, table_error, id_equal(&found, &p->id));
	return 0;
}
