/*
 * Merging index runs, as a log-structured merge tree does: once there are many of about one size, one of the next size
 * takes their place.  So a record is written again once for each size, and the number of runs grows with the logarithm
 * of that of backups.
 *
 * The old runs stay until somebody prunes: a reader who has loaded them is right, and one who sees both goes by the new
 * one.  Whoever is killed before the commit leaves nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/index_impl.h"
#include "repo/index/run/run_merge.h"

#define MERGE_MIN 16                         /* runs of a size; also between two sizes */
#define MERGE_MAX 256                        /* that are read at a time */
#define MERGE_BYTES_MAX (128u * 1024 * 1024) /* at a time: 16 of the runs that a large backup puts */
#define MERGE_MEMORY (32u * 1024 * 1024)
#define SIZE_MIN (64u * 1024)                /* smaller ones are of one size */

struct merge {
	struct index *x;
	struct run_list present;
	struct run *run[MERGE_MAX];
	struct id id[MERGE_MAX];
	uint32_t base[MERGE_MAX]; /* the number that the run's first pack has in the new one */
	size_t n;
	struct ids replaced;
	struct run_writer *w;
};

static unsigned tier_of(uint64_t size)
{
	unsigned tier = 0;

	for (size /= SIZE_MIN; size > 0; size /= MERGE_MIN)
		tier++;
	return tier;
}

/* How many runs of one size can be merged at a time?  With ${mark}, mark all others as left. */
static size_t choose_of(struct run_list *l, unsigned tier, bool mark)
{
	uint64_t bytes = 0;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct listed_run *r = &l->run[i];

		if (!r->left && n < MERGE_MAX && tier_of(r->size) == tier && bytes + r->size <= MERGE_BYTES_MAX) {
			bytes += r->size;
			n++;
		} else if (mark) {
			r->left = true;
		}
	}
	return n;
}

/* Are there enough runs of one size?  The smallest size that has; all others are marked as left. */
static bool choose(struct run_list *l)
{
	for (unsigned tier = 0; tier <= tier_of(MERGE_BYTES_MAX / MERGE_MIN); tier++)
		if (choose_of(l, tier, false) >= MERGE_MIN)
			return choose_of(l, tier, true) > 0;
	return false;
}

/* Open the runs that are to be merged, and note what the new one replaces: they, and what they have replaced. */
static int open_runs(struct merge *m)
{
	const struct index_options *o = &m->x->opts;
	const struct run_reading how = { o->store, o->metadata, o->log, o->segment_size };
	const struct id *old;
	size_t n;
	int rc = 0;

	for (size_t i = 0; i < m->present.n && rc == 0; i++) {
		const struct listed_run *l = &m->present.run[i];

		if (l->left)
			continue;
		rc = run_open(&how, &l->id, l->size, &m->run[m->n]);
		if (rc < 0)
			break;
		m->id[m->n] = l->id;
		old = run_replaced(m->run[m->n++], &n);
		rc = ids_add(&m->replaced, l->id.b);
		for (size_t k = 0; k < n && rc == 0; k++)
			if (run_list_find(&m->present, &old[k]) >= 0)
				rc = ids_add(&m->replaced, old[k].b);
	}
	return rc;
}

static int add_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct merge *m = arg;
	uint32_t mine;

	(void)number;
	return run_add_pack(m->w, info, &mine);
}

static int add_packs(struct merge *m)
{
	uint32_t base = 0;
	int rc = 0;

	for (size_t i = 0; i < m->n && rc == 0; i++) {
		m->base[i] = base;
		base += run_npacks(m->run[i]);
		rc = run_each_pack(m->run[i], add_pack, m);
	}
	return rc;
}

static int add_objects(struct merge *m)
{
	struct run_merge *all;
	struct place place = { 0 };
	struct id id;
	size_t which;
	int rc;

	rc = run_merge_open(m->run, m->n, MERGE_MEMORY / m->n, &all);
	if (rc < 0)
		return rc;
	while ((rc = run_merge_next(all, &which, &id, &place)) > 0) {
		place.pack += m->base[which];
		rc = run_add(m->w, &id, &place);
		if (rc < 0)
			break;
	}
	run_merge_close(all);
	return rc;
}

/* Are all of them still in the store?  What names packs that somebody is about to delete must not come back. */
static int check_present(struct merge *m)
{
	struct run_list now = { NULL, 0 };
	int rc = index_list_runs(m->x, &now);

	for (size_t i = 0; i < m->n && rc == 0; i++)
		if (run_list_find(&now, &m->id[i]) < 0)
			rc = -ENOENT;
	free(now.run);
	return rc;
}

static int write_run(struct merge *m, struct id *id)
{
	int rc = run_begin(m->x->opts.store, m->x->opts.metadata, &m->w);

	if (rc < 0)
		return rc;
	rc = add_packs(m);
	if (rc == 0)
		rc = add_objects(m);
	for (size_t i = 0; i < m->replaced.n && rc == 0; i++)
		rc = run_replaces(m->w, &m->replaced.id[i]);
	if (rc == 0)
		rc = check_present(m);
	if (rc == 0)
		return run_commit(m->w, id, NULL);
	run_abort(m->w);
	return rc;
}

int index_merge_runs(struct index *x)
{
	struct merge m = { .x = x };
	struct id id;
	int rc = index_list_runs(x, &m.present);

	if (rc == 0)
		rc = index_mark_loaded(x, &m.present);
	if (rc == 0 && choose(&m.present)) {
		rc = open_runs(&m);
		if (rc == 0)
			rc = write_run(&m, &id);
		if (rc == 0)
			rc = index_adopt_run(x, &id, &m.replaced, m.id, m.n);
		if (rc == 0)
			rc = (int)m.n;
	}
	for (size_t i = 0; i < m.n; i++)
		run_close(m.run[i]);
	free(m.replaced.id);
	free(m.present.run);
	return rc;
}
