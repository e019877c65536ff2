/*
 * One index run of several.  See run_combine.h.
 */
#include "repo/index/run/run_combine.h"

#include <errno.h>
#include <stdlib.h>

#include "repo/index/run/run_impl.h"
#include "repo/index/run/run_merge.h"

#define MERGE_MEMORY (32u * 1024 * 1024)
#define WINDOW_MAX (4u * 1024 * 1024)

struct combine {
	const struct run_combining *c;
	struct run_writer *w;
	uint32_t *base; /* the number that each run's first pack has in the new one */
};

static int add_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct combine *k = arg;
	uint32_t mine;

	(void)number;
	return run_add_pack(k->w, info, &mine);
}

static int add_packs(struct combine *k)
{
	uint32_t base = 0;
	int rc = 0;

	for (size_t i = 0; i < k->c->n && rc == 0; i++) {
		k->base[i] = base;
		base += run_npacks(k->c->runs[i]);
		rc = run_each_pack(k->c->runs[i], add_pack, k);
	}
	return rc;
}

static int add_objects(struct combine *k)
{
	size_t window = MERGE_MEMORY / (k->c->n + 1), which;
	struct place place = { 0 };
	struct run_merge *all;
	struct id id;
	int rc;

	rc = run_merge_open(k->c->runs, k->c->n, window < WINDOW_MAX ? window : WINDOW_MAX, &all);
	if (rc < 0)
		return rc;
	while ((rc = run_merge_next(all, &which, &id, &place)) > 0) {
		place.pack += k->base[which];
		rc = run_add(k->w, &id, &place);
		if (rc < 0)
			break;
	}
	run_merge_close(all);
	return rc;
}

/* Does one of them replace run ${id}? */
static bool is_replaced(const struct run_combining *c, const struct id *id)
{
	const struct id *old;
	size_t n;

	for (size_t i = 0; i < c->n; i++) {
		old = run_replaced(c->runs[i], &n);
		for (size_t k = 0; k < n; k++)
			if (id_equal(&old[k], id))
				return true;
	}
	return false;
}

static int add_replaced(struct combine *k)
{
	int rc = 0;

	for (size_t i = 0; i < k->c->n && rc == 0; i++)
		rc = run_replaces(k->w, run_id(k->c->runs[i]));
	for (size_t i = 0; i < k->c->nalso && rc == 0; i++)
		rc = is_replaced(k->c, &k->c->also[i]) ? run_replaces(k->w, &k->c->also[i]) : -EINVAL;
	return rc;
}

int run_combine(struct store *store, const struct seal_domain *metadata, const struct run_combining *c, struct id *id)
{
	struct combine k = { .c = c };
	int rc = run_begin(store, metadata, &k.w);

	if (rc < 0)
		return rc;
	k.base = calloc(c->n + 1, sizeof(*k.base));
	rc = k.base ? add_packs(&k) : -ENOMEM;
	if (rc == 0)
		rc = add_objects(&k);
	if (rc == 0)
		rc = add_replaced(&k);
	if (rc == 0 && c->may_put)
		rc = c->may_put(c->arg);
	if (rc == 0)
		rc = run_commit(k.w, id, NULL);
	else
		run_abort(k.w);
	free(k.base);
	return rc;
}
