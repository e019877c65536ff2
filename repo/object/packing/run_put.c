/*
 * Index runs from committed packs: the objects of all of them, sorted by id.  See run_put.h.
 *
 * What is sorted are pointers to the records as they lie in the packings: 16 bytes an object beside them.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/object/packing/run_put.h"

struct ref {
	const uint8_t *record; /* id and place record, to the end of its packing's records */
	uint32_t len;          /* of all that */
	uint32_t pack;         /* the run's number */
};

struct refs {
	struct ref *ref;
	size_t n;
};

static int compare_refs(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;

	return memcmp(x->record, y->record, ID_LEN);
}

static int add_refs(struct refs *refs, const struct packing *p, uint32_t pack, uint32_t segment_size)
{
	struct rd r = rd_init(p->records.data, p->records.len);
	struct place place;
	struct id id;
	struct ref ref;
	int rc;

	for (;;) {
		ref = (struct ref){ .record = r.p, .len = (uint32_t)r.len, .pack = pack };
		rc = packing_next(&r, segment_size, &id, &place);
		if (rc <= 0)
			return rc;
		refs->ref[refs->n++] = ref;
	}
}

static int add_packs(struct run_writer *w, struct refs *refs, const struct packing *list, uint32_t segment_size)
{
	uint32_t number;
	int rc = 0;

	for (const struct packing *p = list; p != NULL && rc == 0; p = p->next) {
		rc = run_add_pack(w, &p->info, &number);
		if (rc == 0)
			rc = add_refs(refs, p, number, segment_size);
	}
	return rc;
}

static int add_objects(struct run_writer *w, const struct refs *refs, uint32_t segment_size)
{
	struct place place = { 0 };
	struct id id;
	struct rd r;
	int rc = 0;

	for (size_t i = 0; i < refs->n && rc >= 0; i++) {
		if (i > 0 && compare_refs(&refs->ref[i - 1], &refs->ref[i]) == 0)
			continue;
		r = rd_init(refs->ref[i].record, refs->ref[i].len);
		rc = packing_next(&r, segment_size, &id, &place);
		if (rc < 0)
			break;
		place.pack = refs->ref[i].pack;
		rc = run_add(w, &id, &place);
	}
	return rc < 0 ? rc : 0;
}

int run_put(struct store *store, const struct seal_domain *metadata, uint32_t segment_size, const struct packing *list,
    struct id *id, uint64_t *size)
{
	struct run_writer *w = NULL;
	struct refs refs = { NULL, 0 };
	size_t nobjects = 0;
	int rc;

	for (const struct packing *p = list; p != NULL; p = p->next)
		nobjects += p->nobjects;
	rc = run_begin_kept(store, metadata, &w);
	if (rc < 0)
		return rc;
	refs.ref = malloc((nobjects + 1) * sizeof(*refs.ref));
	rc = refs.ref == NULL ? -ENOMEM : add_packs(w, &refs, list, segment_size);
	if (rc == 0) {
		qsort(refs.ref, refs.n, sizeof(*refs.ref), compare_refs);
		rc = add_objects(w, &refs, segment_size);
	}
	if (rc == 0)
		rc = run_commit(w, id, size);
	else
		run_abort(w);
	free(refs.ref);
	return rc;
}
