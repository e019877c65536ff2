/*
 * Scanning one pack: its objects.  See pack_scan.h.
 */
#include <errno.h>

#include "repo/check/scan/pack_scan.h"
#include "repo/check/scan/pack_scan_impl.h"

static size_t box_max(const struct check *c)
{
	return c->r->config.segment_size + 1 + CRYPT_TAG_LEN;
}

/* Open one box to ${out}.  Return whether it is what it should be. */
static bool open_box(struct pack_scan *s, struct decompressor *d, const struct segment_place *sp, uint8_t *out)
{
	uint8_t *box;

	if (sp->offset < s->done || sp->box > box_max(s->c) || (uint64_t)sp->offset + sp->box > s->pack->size) {
		s->t.disorder++;
		return false;
	}
	box = pack_scan_window(s) + (sp->offset - s->at);
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
	return end <= pack_scan_so_far(s) || pack_scan_so_far(s) == s->pack->size;
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
			rc = pack_scan_next(s);
			rc = rc < 0 ? pack_scan_fail(s, rc) : 0;
		}
	}
	return rc;
}

bool pack_scan_at_end(const struct pack_scan *s)
{
	return s->failed || (!s->more && pack_scan_so_far(s) == s->pack->size);
}
