/*
 * Index runs: the hash of each, then loading all of them into the private index, which reads every record.
 */
#include "repo/check/names/runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"
#include "repo/check/names/names.h"

#define RUNS_PREFIX "index/"

struct id_list {
	struct id *ids;
	size_t n, cap;
};

static int take_run(void *arg, const char *name, uint64_t size)
{
	struct id_list *l = arg;
	struct id *grown;

	(void)size;
	if (l->n == l->cap) {
		grown = realloc(l->ids, (l->cap * 2 + 64) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		l->ids = grown;
		l->cap = l->cap * 2 + 64;
	}
	if (id_parse(name + strlen(RUNS_PREFIX), &l->ids[l->n]) == 0)
		l->n++;
	return 0;
}

int runs_list(struct store *store, struct id **out, size_t *n)
{
	struct id_list l = { 0 };
	int rc = store_list(store, RUNS_PREFIX, take_run, &l);

	if (rc != 0) {
		free(l.ids);
		return rc;
	}
	*out = l.ids;
	*n = l.n;
	return 0;
}

int run_verify_hash(struct store *store, const struct id *id)
{
	char name[RUN_NAME_SIZE];

	return name_verify(store, run_name(id, name), id->b, ID_LEN);
}

static int ignore_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	(void)arg;
	(void)number;
	(void)info;
	return 0;
}

static int ignore_object(void *arg, const struct id *id, const struct place *place)
{
	(void)arg;
	(void)id;
	(void)place;
	return 0;
}

int run_verify_records(struct repo *r, const struct id *id, const struct log *log)
{
	const struct run_reading how = { r->store, r->metadata, log, r->config.segment_size };
	struct run *run;
	int rc = run_open(&how, id, 0, &run);

	if (rc < 0)
		return rc;
	rc = run_each_pack(run, ignore_pack, NULL);
	if (rc == 0)
		rc = run_each_object(run, ignore_object, NULL);
	run_close(run);
	return rc;
}

typedef int judge_fn(struct check *c, const struct id *id);

/* Judge the runs that are not bad already.  What is in one that cannot be had, nobody knows: then no more is judged. */
static int judge_all(struct check *c, const struct id *ids, bool *bad, size_t n, judge_fn *judge)
{
	char name[RUN_NAME_SIZE], what[WHAT_SIZE];
	int rc = 0, told;

	for (size_t i = 0; i < n && rc >= 0 && !cancelled(c); i++) {
		if (bad[i])
			continue;
		forget_message(c);
		rc = judge(c, &ids[i]);
		if (rc == 0 || rc == -ENOENT) { /* gone: others have merged it since */
			rc = 0;
			continue;
		}
		bad[i] = true;
		run_name(&ids[i], name);
		told = object_fails(c, CHECK_RUN, name, rc, last_message(c, name, rc, what));
		rc = told == 0 ? rc : told;
	}
	return rc < 0 ? rc : 0;
}

static int judge_hash(struct check *c, const struct id *id)
{
	int rc = run_verify_hash(c->store, id);
	char name[RUN_NAME_SIZE];

	if (rc == -EBADMSG)
		log_warn(&c->log, "%s: its bytes do not hash to its name", run_name(id, name));
	return rc;
}

static int judge_records(struct check *c, const struct id *id)
{
	return run_verify_records(c->r, id, &c->log);
}

int check_runs(struct check *c)
{
	struct id *ids = NULL;
	bool *bad = NULL;
	size_t n = 0;
	int rc;

	rc = runs_list(c->store, &ids, &n);
	if (rc != 0)
		return rc;
	c->out->runs = n;
	bad = calloc(n + 1, sizeof(*bad));
	if (bad == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	rc = judge_all(c, ids, bad, n, judge_hash);
	if (rc == 0)
		rc = index_refresh(c->index);
	if (rc > 0) /* Some could not be loaded: those already named, or others with the right hash. */
		rc = judge_all(c, ids, bad, n, judge_records);
	if (rc == 0 && cancelled(c))
		rc = -EINTR;
out:
	free(bad);
	free(ids);
	return rc;
}
