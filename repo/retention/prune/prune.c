/*
 * Prune: its steps.  See prune.h and prune_impl.h.
 */
#include "repo/retention/prune/prune.h"

#include <errno.h>
#include <stdlib.h>

#include "repo/retention/prune/prune_impl.h"

#define NS 1000000000LL

bool prune_in_time(const struct prune *p)
{
	struct clock_reading now;

	clock_read(p->o->clock, &now);
	return clock_at_most(&p->start, &now) < config_grace_s(&p->r->config) * NS / 4;
}

/* What is doomed; from here on time runs. */
static int read_doomed(struct prune *p)
{
	int rc;

	clock_read(p->o->clock, &p->start);
	rc = doomed_load_some(&p->at, &p->set);
	if (rc == 0)
		rc = prune_judge_ages(p);
	return rc == 0 ? prune_judge_damaged(p) : rc;
}

/* Packs of snapshots that the store withholds would be taken for unused. */
static int list_snapshots(struct prune *p)
{
	size_t withheld;
	int rc = repo_catalog(p->r, &p->catalog);

	if (rc != 0)
		return rc;
	catalog_withheld(p->catalog, &withheld);
	if (withheld == 0)
		return 0;
	log_error(p->r->log, "the list of snapshots is not to be relied upon: nothing is deleted or doomed");
	return -EBADMSG;
}

static int load_index(struct prune *p)
{
	int rc = index_refresh(p->r->index);

	if (rc <= 0)
		return rc;
	log_error(p->r->log, "%d index runs cannot be read: nothing is deleted or doomed; see \"varve repair\"", rc);
	return -EBADMSG;
}

static void end(struct prune *p)
{
	doomed_set_destroy(&p->set);
	catalog_free(p->catalog);
	live_free(p->live);
	free(p->due);
	free(p->packs);
	free(p->by_number);
}

int prune_run(struct repo *r, const struct prune_options *opts, struct prune_result *out)
{
	static int (*const steps[])(struct prune *) = { read_doomed, list_snapshots, load_index, prune_list_packs,
		prune_mark, prune_tally, prune_sweep, prune_repack, prune_doom };
	struct prune p = { .r = r, .o = opts, .out = out };
	int rc = 0;

	*out = (struct prune_result){ .snapshots = 0 };
	p.at = (struct doomed_place){ .store = r->store, .metadata = r->metadata, .repo_id = r->config.repo_id,
		.log = r->log };
	if (!r->metadata->can_seal || !r->metadata->can_open) {
		log_error(r->log, "the key of the role \"%s\" cannot prune", role_name(r->secrets->role));
		return -EACCES;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && rc == 0; i++)
		rc = prune_cancelled(&p) ? -EINTR : steps[i](&p);
	end(&p);
	return rc == 0 ? p.failed : rc;
}
