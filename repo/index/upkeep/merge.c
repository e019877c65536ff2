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
#include "repo/index/run/run_combine.h"

#define MERGE_MIN 16                         /* runs of a size; also between two sizes */
#define MERGE_MAX 256                        /* that are read at a time */
#define MERGE_BYTES_MAX (128u * 1024 * 1024) /* at a time: 16 of the runs that a large backup puts */
#define SIZE_MIN (64u * 1024)                /* smaller ones are of one size */

struct merge {
	struct index *x;
	struct run_list present;
	const struct index_merging *how;
	struct run *run[MERGE_MAX];
	struct id id[MERGE_MAX]; /* of those */
	size_t n;
	struct ids also;         /* what they have replaced, of what is still there */
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

static int judge_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	const struct index_merging *how = arg;

	(void)number;
	return how->is_doomed(how->arg, &info->id);
}

/* Does the run name a pack that is to be deleted?  1, 0, or an error. */
static int names_doomed(struct merge *m, struct run *r)
{
	struct index_merging how;

	if (!m->how || !m->how->is_doomed)
		return 0;
	how = *m->how;
	return run_each_pack(r, judge_pack, &how);
}

/* Open a run that is to be merged, and note what it has replaced. */
static int open_run(struct merge *m, const struct listed_run *l)
{
	const struct index_options *o = &m->x->opts;
	const struct run_reading how = { o->store, o->metadata, o->log, o->segment_size };
	struct run *r;
	const struct id *old;
	size_t n;
	int rc = run_open(&how, &l->id, l->size, &r);

	if (rc < 0)
		return rc;
	rc = names_doomed(m, r);
	if (rc != 0) {
		run_close(r);
		return rc < 0 ? rc : 0;
	}
	m->run[m->n++] = r;
	old = run_replaced(r, &n);
	for (size_t k = 0; k < n && rc == 0; k++)
		if (run_list_find(&m->present, &old[k]) >= 0)
			rc = ids_add(&m->also, old[k].b);
	return rc;
}

static int open_runs(struct merge *m)
{
	int rc = 0;

	for (size_t i = 0; i < m->present.n && rc == 0; i++)
		if (!m->present.run[i].left)
			rc = open_run(m, &m->present.run[i]);
	return rc;
}

/* Are all of them still in the store?  If not, somebody has swept them, and may delete packs that they name. */
static int check_present(struct merge *m)
{
	struct run_list now = { NULL, 0 };
	int rc = index_list_runs(m->x, &now);

	for (size_t i = 0; i < m->n && rc == 0; i++)
		if (run_list_find(&now, run_id(m->run[i])) < 0)
			rc = -ENOENT;
	free(now.run);
	return rc;
}

static int may_put(void *arg)
{
	struct merge *m = arg;
	int rc = check_present(m);

	return rc == 0 && m->how && m->how->may_put ? m->how->may_put(m->how->arg) : rc;
}

/* It took too long: somebody may have deleted a pack that the new run names, as he did not see it. */
static int take_back(struct merge *m, const struct id *id, int why)
{
	char name[RUN_NAME_SIZE];
	int rc = store_delete(m->x->opts.store, run_name(id, name));

	return rc < 0 && rc != -ENOENT ? rc : why;
}

static int write_run(struct merge *m, struct id *id)
{
	const struct run_combining c = {
		.runs = m->run, .n = m->n, .also = m->also.id, .nalso = m->also.n, .may_put = may_put, .arg = m,
	};
	int late, rc = run_combine(m->x->opts.store, m->x->opts.metadata, &c, id);

	if (rc < 0 || !m->how || !m->how->may_put)
		return rc;
	late = m->how->may_put(m->how->arg);
	return late == 0 ? 0 : take_back(m, id, late);
}

/* All that is replaced: those that were merged, and what they have replaced. */
static int adopt(struct merge *m, const struct id *id)
{
	int rc = 0;

	for (size_t i = 0; i < m->n && rc == 0; i++) {
		m->id[i] = *run_id(m->run[i]);
		rc = ids_add(&m->also, m->id[i].b);
	}
	return rc == 0 ? index_adopt_run(m->x, id, &m->also, m->id, m->n) : rc;
}

int index_merge_runs(struct index *x, const struct index_merging *how)
{
	struct merge m = { .x = x, .how = how };
	struct id id;
	int rc = index_list_runs(x, &m.present);

	if (rc == 0)
		rc = index_mark_loaded(x, &m.present);
	if (rc == 0 && choose(&m.present)) {
		rc = open_runs(&m);
		if (rc == 0 && m.n >= MERGE_MIN) {
			rc = write_run(&m, &id);
			if (rc == 0)
				rc = adopt(&m, &id);
			if (rc == 0)
				rc = (int)m.n;
		}
	}
	for (size_t i = 0; i < m.n; i++)
		run_close(m.run[i]);
	free(m.also.id);
	free(m.present.run);
	return rc;
}
