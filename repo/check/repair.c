/*
 * Repair of the index.
 */
#include "repo/check/repair.h"

#include <errno.h>
#include <stdlib.h>

#include "repo/check/names/runs.h"

/* Damaged for certain, and of no use to anybody? */
static bool is_useless(struct repo *r, const struct id *id)
{
	int rc;

	if (run_verify_hash(r->store, id) != -EBADMSG)
		return false;
	rc = run_verify_records(r, id, NULL);
	/* A version that is not known would have the right hash. */
	return rc == -EBADMSG || rc == -EPROTONOSUPPORT;
}

static int remove_damaged(struct repo *r, struct repair_result *out)
{
	char name[RUN_NAME_SIZE];
	struct id *ids = NULL;
	size_t n = 0;
	int rc = runs_list(r->store, &ids, &n);

	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!is_useless(r, &ids[i]))
			continue;
		rc = store_delete(r->store, run_name(&ids[i], name));
		if (rc == 0)
			out->runs_removed++;
	}
	free(ids);
	return rc;
}

int repair_index(struct repo *r, bool all, struct repair_result *out)
{
	struct index_options io = {
		.store = r->store,
		.metadata = r->metadata,
		.repo_id = r->config.repo_id,
		.segment_size = r->config.segment_size,
		.log = r->log,
	};
	int rc;

	*out = (struct repair_result){ .runs = 0 };
	if (!r->metadata->can_open || !r->metadata->can_seal)
		return -EACCES;
	rc = index_rebuild_runs(&io, all, &out->runs, &out->objects);
	if (rc > 0)
		out->unreadable = (uint64_t)rc;
	return rc == 0 ? remove_damaged(r, out) : rc > 0 ? 0 : rc;
}
