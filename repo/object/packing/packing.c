/*
 * Packs being written, with the records that their run will need.  See packing.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/object/packing/packing.h"

/*
 * Bytes of records at which a pack is closed though it is short: the table is about as long, and a segment of tiny
 * objects can add a few hundred kilobytes to it, which keeps it far below PACK_TABLE_MAX.
 */
#define RECORDS_MAX (8u * 1024 * 1024)

int packing_begin(struct store *store, enum pack_kind kind, const struct seal_domain *domain,
    const struct seal_domain *metadata, struct packing **out)
{
	struct packing *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->kind = kind;
	rc = pack_begin(store, kind, domain, metadata, &p->writer);
	if (rc < 0)
		free(p);
	else
		*out = p;
	return rc;
}

void packing_free(struct packing *list)
{
	struct packing *next;

	for (; list != NULL; list = next) {
		next = list->next;
		pack_abort(list->writer);
		buf_free(&list->records);
		free(list);
	}
}

/* Append all boxes; ${place} gets what is common to the segment's objects. */
static int append_boxes(struct packing *p, struct segment_out *s, struct place *place)
{
	size_t pos = 0;
	uint32_t offset = 0;
	int rc;

	for (unsigned i = 0; i < s->nboxes; i++) {
		if (s->bytes.len - pos < (size_t)s->box_len[i] + CRYPT_TAG_LEN)
			return -EINVAL;
		rc = pack_append(p->writer, s->bytes.data + pos, s->box_len[i], &offset, &place->box[i]);
		if (rc < 0)
			return rc;
		if (i == 0)
			place->offset = offset;
		pos += (size_t)s->box_len[i] + CRYPT_TAG_LEN;
	}
	return 0;
}

static int enter(struct packing *p, const struct id *id, const struct place *place)
{
	int rc = pack_enter(p->writer, id, place);

	if (rc == 0)
		rc = buf_append(&p->records, id->b, ID_LEN);
	if (rc == 0)
		rc = place_encode(place, &p->records);
	if (rc == 0)
		p->nobjects++;
	return rc;
}

int packing_append(struct packing *p, struct segment_out *s)
{
	struct place place = { 0 };
	int rc;

	if (s->nboxes == 0 || s->nboxes > (s->own ? PLACE_SEGMENTS_MAX : 1) || (s->own && s->nobjects != 1))
		return -EINVAL;
	rc = append_boxes(p, s, &place);
	if (s->own)
		place.nown = (uint8_t)s->nboxes;
	else
		place.shared_len = s->plain_len;
	for (unsigned i = 0; i < s->nobjects && rc == 0; i++) {
		place.len = s->objects[i].len;
		place.shared_skip = s->objects[i].skip;
		rc = enter(p, &s->objects[i].id, &place);
	}
	return rc;
}

bool packing_full(const struct packing *p, uint32_t pack_size)
{
	return pack_length(p->writer) >= pack_size || p->records.len >= RECORDS_MAX;
}

int packing_commit(struct packing *p)
{
	struct pack_writer *w = p->writer;

	p->writer = NULL;
	return pack_commit(w, &p->info);
}

int packing_next(struct rd *r, uint32_t segment_size, struct id *id, struct place *place)
{
	const uint8_t *bytes;
	int rc;

	if (r->len == 0)
		return 0;
	rc = rd_take(r, ID_LEN, &bytes);
	if (rc == 0)
		rc = place_decode(r, segment_size, place);
	if (rc < 0)
		return rc;
	memcpy(id->b, bytes, ID_LEN);
	return 1;
}
