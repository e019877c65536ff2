/*
 * New index runs from the tables of packs that no readable run names, or not with all that is in them.
 *
 * A sweep or a merge of many objects writes several runs, and each may name a part of a pack's objects.  So of a pack
 * that a damaged run names, or may name, the table is compared with what the others say, by an index of its own.
 *
 * Memory: the ids of all packs, and the records of one run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"

#define RUN_OBJECTS 500000 /* objects at which a run is written */
#define RUN_SECONDS 300    /* after which it is: a pack that was there may be deleted, and its name comes late then */
#define RECORD_MAX (ID_LEN + 4 + PLACE_RECORD_MAX)

_Static_assert(RECORD_MAX <= UINT8_MAX, "a record's length fits a byte");

struct packs {
	struct pack_info *info; /* id and kind; all of it once its table was read */
	size_t n;
};

/* One record: id, number of the pack le32, place record. */
struct ref {
	const uint8_t *record;
	size_t len;
};

struct rebuild {
	const struct index_options *opts;
	struct packs named;   /* by readable runs; sorted by id */
	struct packs suspect; /* by others, as far as can be told; sorted by id */
	bool all;             /* every pack is */
	struct index *known;  /* what readable runs say; NULL: nobody has asked yet */
	struct packs present; /* in the store */
	struct packs gathered; /* for the run that is next */
	struct buf records;   /* of its objects, each behind its length (u8) */
	size_t nrecords;
	time_t begun;         /* when the first of them was read */
	uint64_t nruns, nobjects;
	size_t nbad;
};

static int add_pack(struct packs *l, const struct pack_info *info)
{
	struct pack_info *grown;

	if ((l->n & (l->n - 1)) == 0) {
		grown = realloc(l->info, (l->n ? 2 * l->n : 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->info = grown;
	}
	l->info[l->n++] = *info;
	return 0;
}

static int compare_packs(const void *a, const void *b)
{
	const struct pack_info *x = a, *y = b;

	return id_compare(&x->id, &y->id);
}

static int take_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	(void)number;
	return add_pack(arg, info);
}

static int take_object(void *arg, const struct id *id, const struct place *place)
{
	(void)arg;
	(void)id;
	(void)place;
	return 0;
}

/* Of a run that cannot be read as a whole perhaps the packs can be told; else it may be any. */
static int note_suspects(struct rebuild *b, const struct id *id)
{
	const struct index_options *o = b->opts;
	const struct run_reading how = { o->store, o->metadata, NULL, o->segment_size };
	size_t before = b->suspect.n;
	struct run *r;
	int rc = run_open(&how, id, 0, &r);

	if (rc == 0) {
		rc = run_each_pack(r, take_pack, &b->suspect);
		run_close(r);
	}
	if (rc < 0) {
		b->suspect.n = before;
		b->all = true;
	}
	return rc == -ENOMEM ? rc : 0;
}

/* Read a whole run; only if all of it can be read, its packs are named.  What is wrong with it is no failure here. */
static int take_run(struct rebuild *b, const struct id *id)
{
	const struct index_options *o = b->opts;
	const struct run_reading how = { o->store, o->metadata, o->log, o->segment_size };
	size_t before = b->named.n;
	struct run *r;
	int rc;

	rc = run_open(&how, id, 0, &r);
	if (rc == 0) {
		rc = run_each_pack(r, take_pack, &b->named);
		if (rc == 0)
			rc = run_each_object(r, take_object, NULL);
		run_close(r);
	}
	if (rc < 0)
		b->named.n = before;
	if (rc == -EBADMSG || rc == -EPROTONOSUPPORT)
		return note_suspects(b, id);
	return rc == -ENOENT ? 0 : rc;
}

static void sort_packs(struct packs *l)
{
	if (l->n > 0)
		qsort(l->info, l->n, sizeof(*l->info), compare_packs);
}

static int take_run_name(void *arg, const char *name, uint64_t size)
{
	struct id id;

	(void)size;
	if (strncmp(name, "index/", 6) != 0 || id_parse(name + 6, &id) < 0)
		return 0;
	return ids_add(arg, id.b);
}

static int read_runs(struct rebuild *b)
{
	struct ids runs = { NULL, 0 };
	int rc;

	rc = store_list(b->opts->store, "index/", take_run_name, &runs);
	for (size_t i = 0; i < runs.n && rc == 0; i++)
		rc = take_run(b, &runs.id[i]);
	free(runs.id);
	sort_packs(&b->named);
	sort_packs(&b->suspect);
	return rc;
}

static int take_pack_name(void *arg, const char *name, uint64_t size)
{
	struct pack_info info = { 0 };

	(void)size;
	return pack_name_parse(name, &info.kind, &info.id) < 0 ? 0 : add_pack(arg, &info);
}

static bool is_in(const struct packs *l, const struct pack_info *info)
{
	return l->n > 0 && bsearch(info, l->info, l->n, sizeof(*info), compare_packs) != NULL;
}

static int take_entry(void *arg, const struct id *id, const struct place *place)
{
	struct rebuild *b = arg;
	size_t at = b->records.len;
	int rc;

	rc = buf_reserve(&b->records, 1 + RECORD_MAX);
	if (rc < 0)
		return rc;
	buf_u8(&b->records, 0);
	buf_append(&b->records, id->b, ID_LEN);
	buf_le32(&b->records, (uint32_t)b->gathered.n);
	place_encode(place, &b->records);
	b->records.data[at] = (uint8_t)(b->records.len - at - 1);
	b->nrecords++;
	return 0;
}

static int compare_refs(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;
	int order = memcmp(x->record, y->record, ID_LEN);

	/* Of the same id, the pack that was read first. */
	return order != 0 ? order : (x->record > y->record) - (x->record < y->record);
}

static void make_refs(const struct rebuild *b, struct ref *ref)
{
	const uint8_t *p = b->records.data;

	for (size_t i = 0; i < b->nrecords; i++, p += 1 + p[0])
		ref[i] = (struct ref){ p + 1, p[0] };
	qsort(ref, b->nrecords, sizeof(*ref), compare_refs);
}

static int add_objects(struct rebuild *b, struct run_writer *w, const struct ref *ref)
{
	struct place place = { 0 };
	struct id id;
	struct rd r;
	int rc = 0;

	for (size_t i = 0; i < b->nrecords && rc == 0; i++) {
		if (i > 0 && memcmp(ref[i - 1].record, ref[i].record, ID_LEN) == 0)
			continue;
		memcpy(id.b, ref[i].record, ID_LEN);
		r = rd_init(ref[i].record + ID_LEN, ref[i].len - ID_LEN);
		if (rd_le32(&r, &place.pack) < 0 || place_decode(&r, b->opts->segment_size, &place) < 0)
			return -EIO;
		rc = run_add(w, &id, &place);
		b->nobjects += rc == 0;
	}
	return rc;
}

/* Write a run of what was gathered, and gather anew. */
static int put_run(struct rebuild *b)
{
	struct run_writer *w = NULL;
	struct ref *ref;
	uint32_t number;
	struct id id;
	int rc;

	if (b->gathered.n == 0)
		return 0;
	ref = calloc(b->nrecords + 1, sizeof(*ref));
	rc = ref ? run_begin(b->opts->store, b->opts->metadata, &w) : -ENOMEM;
	for (size_t i = 0; i < b->gathered.n && rc == 0; i++)
		rc = run_add_pack(w, &b->gathered.info[i], &number);
	if (rc == 0) {
		make_refs(b, ref);
		rc = add_objects(b, w, ref);
	}
	if (rc == 0) {
		rc = run_commit(w, &id, NULL);
		b->nruns += rc == 0;
	} else {
		run_abort(w);
	}
	free(ref);
	buf_clear(&b->records);
	b->nrecords = b->gathered.n = 0;
	return rc;
}

/* Gather the objects of one pack.  What is wrong with the pack is counted, not returned. */
static int gather_pack(struct rebuild *b, const struct pack_info *p)
{
	const struct index_options *o = b->opts;
	size_t len = b->records.len, n = b->nrecords;
	struct pack_info info;
	int rc;

	if (b->gathered.n == 0)
		b->begun = index_now();
	rc = pack_read_table(o->store, p->kind, &p->id, o->metadata, o->segment_size, &info, take_entry, b);
	if (rc == 0)
		rc = add_pack(&b->gathered, &info);
	if (rc < 0) {
		b->records.len = len;
		b->nrecords = n;
		b->nbad += rc != -ENOENT && rc != -ENOMEM;
	}
	return rc == -ENOMEM ? rc : 0;
}

/* An index of the runs that can be read; which they are has been said. */
static int open_known(struct rebuild *b)
{
	struct index_options o = *b->opts;
	int rc;

	if (b->known)
		return 0;
	o.cache_dir = NULL;
	o.log = NULL;
	rc = index_open(&o, &b->known);
	if (rc == 0)
		rc = index_refresh(b->known);
	return rc < 0 ? rc : 0;
}

/* 1: no run that can be read has it. */
static int is_unknown(void *arg, const struct id *id, const struct place *place)
{
	struct place known;
	int rc = index_lookup(arg, id, &known);

	(void)place;
	return rc == -ENOENT ? 1 : rc;
}

/* Is something in this pack, which runs name, that none of them has?  1, 0, or an error. */
static int lacks_objects(struct rebuild *b, const struct pack_info *p)
{
	const struct index_options *o = b->opts;
	struct pack_info info;
	int rc;

	if (!b->all && !is_in(&b->suspect, p))
		return 0;
	rc = open_known(b);
	if (rc < 0)
		return rc;
	rc = pack_read_table(o->store, p->kind, &p->id, o->metadata, o->segment_size, &info, is_unknown, b->known);
	if (rc < 0)
		b->nbad += rc != -ENOENT && rc != -ENOMEM;
	return rc == -ENOMEM || rc >= 0 ? rc : 0;
}

static int gather_packs(struct rebuild *b)
{
	int rc = 0;

	for (size_t i = 0; i < b->present.n && rc == 0; i++) {
		rc = is_in(&b->named, &b->present.info[i]) ? lacks_objects(b, &b->present.info[i]) : 1;
		if (rc == 1)
			rc = gather_pack(b, &b->present.info[i]);
		if (rc == 0 && (b->nrecords >= RUN_OBJECTS || index_now() - b->begun >= RUN_SECONDS))
			rc = put_run(b);
	}
	return rc < 0 ? rc : put_run(b);
}

int index_rebuild_runs(const struct index_options *opts, bool all, uint64_t *nruns, uint64_t *nobjects)
{
	struct rebuild b = { .opts = opts, .all = all };
	int rc;

	if (!opts->metadata->can_open || !opts->metadata->can_seal)
		return -EACCES;
	rc = read_runs(&b);
	if (rc == 0)
		rc = store_list(opts->store, "packs/", take_pack_name, &b.present);
	if (rc == 0)
		rc = store_list(opts->store, "trees/", take_pack_name, &b.present);
	if (rc == 0)
		rc = gather_packs(&b);
	if (rc == 0) {
		*nruns = b.nruns;
		*nobjects = b.nobjects;
		rc = (int)b.nbad;
	}
	index_close(b.known);
	free(b.named.info);
	free(b.suspect.info);
	free(b.present.info);
	free(b.gathered.info);
	buf_free(&b.records);
	return rc;
}
