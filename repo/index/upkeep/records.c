/*
 * All objects of all index runs.  See records.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/upkeep/records_impl.h"

#define MERGE_MEMORY (32u * 1024 * 1024) /* of the windows of all runs */
#define WINDOW_MAX (4u * 1024 * 1024)
#define OPEN_MEMORY (16u * 1024 * 1024)  /* of open runs, beyond which they do not hold what was read of them */

bool record_run_names(const struct record_run *r, const struct numset *packs)
{
	for (uint32_t i = 0; i < run_npacks(r->run); i++)
		if (numset_has(packs, r->number[i]))
			return true;
	return false;
}

struct naming {
	struct pack_info *info;
	uint32_t n;
};

static int take_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct naming *l = arg;

	if (number >= l->n)
		return -EBADMSG;
	l->info[number] = *info;
	return 0;
}

/* Give the packs of a run their numbers. */
static int number_packs(struct index_records *r, struct record_run *run)
{
	struct naming l = { .n = run_npacks(run->run) };
	int rc = -ENOMEM;

	l.info = calloc(l.n + (size_t)1, sizeof(*l.info));
	run->number = calloc(l.n + (size_t)1, sizeof(*run->number));
	if (l.info && run->number)
		rc = run_each_pack(run->run, take_pack, &l);
	if (rc == 0)
		rc = index_number_packs(r->x, l.info, l.n, run->number);
	free(l.info);
	return rc;
}

static void close_runs(struct index_records *r)
{
	for (size_t i = 0; i < r->nruns; i++) {
		run_close(r->run[i].run);
		free(r->run[i].number);
	}
	free(r->run);
	free(r->superseded.id);
	r->run = NULL;
	r->nruns = 0;
	r->memory = 0;
	r->superseded = (struct ids){ NULL, 0 };
}

/* Open a run that is listed, and note which others it replaces. */
static int open_run(struct index_records *r, const struct listed_run *l, struct ids *replaced)
{
	const struct index_options *o = &r->x->opts;
	const struct run_reading how = { o->store, o->metadata, o->log, o->segment_size };
	struct record_run *run = &r->run[r->nruns];
	const struct id *old;
	size_t n;
	int rc = run_open(&how, &l->id, l->size, &run->run);

	if (rc < 0)
		return rc;
	run->id = l->id;
	run->size = l->size;
	r->nruns++;
	/* Small ones were read whole, and need not be read again. */
	if (r->memory + run_memory(run->run) > OPEN_MEMORY)
		run_trim(run->run);
	r->memory += run_memory(run->run);
	old = run_replaced(run->run, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = ids_add(replaced, old[i].b);
	if (n > 0)
		ids_sort(replaced);
	return rc;
}

/* What was opened before that which replaces it. */
static int drop_superseded(struct index_records *r, const struct run_list *present, const struct ids *replaced)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < r->nruns; i++) {
		if (ids_have(replaced, &r->run[i].id)) {
			run_close(r->run[i].run);
			free(r->run[i].number);
		} else {
			r->run[kept++] = r->run[i];
		}
	}
	r->nruns = kept;
	for (size_t i = 0; i < present->n && rc == 0; i++)
		if (ids_have(replaced, &present->run[i].id))
			rc = ids_add(&r->superseded, present->run[i].id.b);
	ids_sort(&r->superseded);
	return rc;
}

/* The largest first: what replaces others is larger, mostly, and they need not be opened then. */
static int open_listed(struct index_records *r)
{
	struct run_list present = { NULL, 0 };
	struct ids replaced = { NULL, 0 };
	int rc = index_list_runs(r->x, &present);

	if (rc == 0) {
		run_list_by_size(&present);
		r->run = calloc(present.n + 1, sizeof(*r->run));
		rc = r->run ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < present.n && rc == 0; i++)
		if (!ids_have(&replaced, &present.run[i].id))
			rc = open_run(r, &present.run[i], &replaced);
	if (rc == 0)
		rc = drop_superseded(r, &present, &replaced);
	for (size_t i = 0; i < r->nruns && rc == 0; i++)
		rc = number_packs(r, &r->run[i]);
	free(present.run);
	free(replaced.id);
	return rc;
}

int index_records_open(struct index *x, struct index_records **out)
{
	struct index_records *r = calloc(1, sizeof(*r));
	int rc = -ENOENT;

	if (!r)
		return -ENOMEM;
	r->x = x;
	for (unsigned i = 0; i < INDEX_LISTINGS && rc == -ENOENT; i++) {
		if (i > 0)
			index_pause(i);
		close_runs(r);
		rc = open_listed(r);
	}
	if (rc == 0) {
		*out = r;
		return 0;
	}
	index_records_close(r);
	if (rc != -ENOENT)
		return rc;
	log_error(x->opts.log, "index: runs vanish faster than they can be read");
	return -EIO;
}

void index_records_close(struct index_records *r)
{
	if (!r)
		return;
	run_merge_close(r->merge);
	close_runs(r);
	free(r->place);
	free(r);
}

/* Take the next record of any run to ${r->ahead}.  A run that goes meanwhile is no object that is not there. */
static int step(struct index_records *r)
{
	int rc = run_merge_next(r->merge, &r->which, &r->id, &r->ahead);

	r->have_ahead = rc > 0;
	if (rc == -ENOENT) {
		log_error(r->x->opts.log, "index: a run has gone while it was read");
		rc = -EIO;
	}
	return rc < 0 ? rc : 0;
}

static int begin(struct index_records *r)
{
	size_t window = MERGE_MEMORY / (r->nruns + 1);
	struct run **runs = calloc(r->nruns + 1, sizeof(struct run *));
	int rc;

	if (!runs)
		return -ENOMEM;
	/* At most one place of an object for each run. */
	r->place = calloc(r->nruns + 1, sizeof(*r->place));
	for (size_t i = 0; i < r->nruns; i++)
		runs[i] = r->run[i].run;
	rc = r->place ? run_merge_open(runs, r->nruns, window < WINDOW_MAX ? window : WINDOW_MAX, &r->merge) : -ENOMEM;
	free(runs);
	if (rc < 0)
		return rc;
	run_merge_give_all(r->merge);
	return step(r);
}

/* Take the record that is ahead; two runs may tell the same. */
static void take_ahead(struct index_records *r)
{
	const struct record_run *run = &r->run[r->which];
	struct place p = r->ahead;

	p.pack = run->number[p.pack];
	r->concerned |= run->concerned;
	for (size_t i = 0; i < r->nplaces; i++)
		if (r->place[i].pack == p.pack && r->place[i].offset == p.offset)
			return;
	r->place[r->nplaces++] = p;
}

/* Insertion sort by the packs' ids: copies are few. */
static int sort_places(struct index_records *r)
{
	struct pack_info a, b;
	struct place p;
	size_t k;
	int rc = 0;

	for (size_t i = 1; i < r->nplaces && rc == 0; i++) {
		p = r->place[i];
		rc = index_pack(r->x, p.pack, &a);
		for (k = i; k > 0 && rc == 0; k--) {
			rc = index_pack(r->x, r->place[k - 1].pack, &b);
			if (rc < 0 || id_compare(&b.id, &a.id) < 0 ||
			    (id_equal(&b.id, &a.id) && r->place[k - 1].offset < p.offset))
				break;
			r->place[k] = r->place[k - 1];
		}
		r->place[k] = p;
	}
	return rc == -ENOENT ? -EIO : rc;
}

int index_records_next(struct index_records *r, struct index_object *out)
{
	int rc = r->merge ? 0 : begin(r);

	if (rc < 0 || !r->have_ahead)
		return rc;
	out->id = r->id;
	r->nplaces = 0;
	r->concerned = false;
	do {
		take_ahead(r);
		rc = step(r);
	} while (rc == 0 && r->have_ahead && id_equal(&r->id, &out->id));
	if (rc == 0 && r->nplaces > 1)
		rc = sort_places(r);
	if (rc < 0)
		return rc;
	out->place = r->place;
	out->n = r->nplaces;
	return 1;
}
