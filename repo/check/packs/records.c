/*
 * Records of a pack.  See records.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/check/packs/records.h"
#include "repo/object/packing/packing.h"
#include "repo/util/bytes/le.h"

struct collect {
	struct records *r;
	uint32_t number;
};

static int append(struct records *r, const struct id *id, const struct place *place)
{
	size_t start = r->bytes.len;
	int rc = buf_append(&r->bytes, id->b, ID_LEN);

	if (rc == 0)
		rc = place_encode(place, &r->bytes);
	if (rc == 0)
		r->n++;
	else
		r->bytes.len = start;
	return rc;
}

static int take_from_table(void *arg, const struct id *id, const struct place *place)
{
	return append(arg, id, place);
}

static int take_from_index(void *arg, const struct id *id, const struct place *place)
{
	struct collect *l = arg;

	return place->pack == l->number ? append(l->r, id, place) : 0;
}

/* A record while they are sorted. */
struct ref {
	const uint8_t *p;
	size_t len;
	uint32_t offset; /* of the first box in the pack */
};

static int by_offset(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->p < y->p ? -1 : 1;
}

/* The index has them by id. */
static int sort(struct records *r, uint32_t segment_size)
{
	struct rd rd = rd_init(r->bytes.data, r->bytes.len);
	struct ref *refs = malloc((r->n + 1) * sizeof(*refs));
	struct buf sorted = BUF_INIT;
	struct place place;
	struct id id;
	size_t n = 0;
	int rc = -ENOMEM;

	if (refs == NULL || buf_reserve(&sorted, r->bytes.len) < 0)
		goto out;
	for (;;) {
		const uint8_t *p = rd.p;

		rc = packing_next(&rd, segment_size, &id, &place);
		if (rc <= 0)
			break;
		refs[n++] = (struct ref){ .p = p, .len = (size_t)(rd.p - p), .offset = place.offset };
	}
	if (rc < 0)
		goto out;
	if (n > 1)
		qsort(refs, n, sizeof(*refs), by_offset);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = buf_append(&sorted, refs[i].p, refs[i].len);
	buf_free(&r->bytes);
	r->bytes = sorted;
	sorted = (struct buf)BUF_INIT;
out:
	buf_free(&sorted);
	free(refs);
	return rc;
}

static int load_from_index(struct check *c, const struct check_pack *p, struct records *r)
{
	struct collect l = { .r = r, .number = p->number };
	int rc;

	buf_clear(&r->bytes);
	r->n = 0;
	r->from_index = true;
	if (p->number == NO_NUMBER)
		return 0;
	rc = index_pack(c->index, p->number, &r->info);
	if (rc == 0)
		rc = index_each_object(c->index, take_from_index, &l);
	return rc == 0 ? sort(r, c->r->config.segment_size) : rc;
}

int records_load(struct check *c, const struct check_pack *p, struct records *r)
{
	struct id id = p->id;
	int rc, index_rc;

	buf_clear(&r->bytes);
	r->n = 0;
	r->from_index = false;
	rc = pack_read_table(c->store, p->kind, &id, c->r->metadata, c->r->config.segment_size, &r->info,
	    take_from_table, r);
	/* Of a pack that has gone nothing can be compared, and the whole index is long. */
	if (rc == 0 || rc == -ENOMEM || rc == -ENOENT)
		return rc;
	index_rc = load_from_index(c, p, r);
	return index_rc == -ENOMEM ? index_rc : rc;
}

void records_free(struct records *r)
{
	buf_free(&r->bytes);
}
