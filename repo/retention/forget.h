/*
 * Forget: delete snapshots, one by one or by a policy.  Only manifests go; prune.h frees what they alone referred to.
 */
#ifndef VARVE_RETENTION_FORGET_H
#define VARVE_RETENTION_FORGET_H

#include <stdatomic.h>

#include "repo/repo.h"
#include "repo/retention/policy.h"

/* What snapshots of one series have in common. */
enum forget_group { GROUP_HOST = 1, GROUP_PATHS = 2, GROUP_TAGS = 4 };

/* Parse "host,paths" (any of host, paths, tags; "" for none).  Return 0 or -EINVAL. */
int forget_group_parse(const char *text, unsigned *out);

struct forget_snapshot {
	struct id id;
	int64_t time_ns;
	char *host;          /* owned, as all of these */
	char **paths, **tags;
	uint32_t npaths, ntags;
	size_t group;        /* number of its series, from 0 */
	unsigned reasons;    /* to keep it (policy.h); 0: to be forgotten */
	bool refused;        /* it was to be forgotten, but the store did not let us */
};

/* What is to become of which snapshots: by series, newest first in each. */
struct forget_plan {
	struct forget_snapshot *item;
	size_t n, cap;
	size_t ngroups;
	size_t kept;
	size_t unreadable; /* snapshots that could not be read: they are left alone */
};

/**
 * forget_plan_policy(c, filter, group_by, policy, log, out):
 * Judge all snapshots that match the filter.  What cannot be read is logged, counted and left alone.  Return 0 with
 * ${out} the caller's (forget_plan_destroy()); -EPERM if nothing would be kept of some series (logged); -ENOMEM.
 */
int forget_plan_policy(const struct catalog *c, const struct snapshot_filter *filter, unsigned group_by,
    const struct keep_policy *policy, const struct log *log, struct forget_plan *out);

/**
 * forget_plan_add(plan, id, m):
 * A snapshot that was named: it is to be forgotten.  ${m} may be NULL for one that cannot be read; else its strings are
 * taken out of it.  Twice the same counts once.  Return 0 or -ENOMEM.
 */
int forget_plan_add(struct forget_plan *plan, const struct id *id, int64_t time_ns, struct manifest *m);

void forget_plan_destroy(struct forget_plan *plan);

struct forget_result {
	size_t forgotten, refused;
};

/**
 * forget_run(r, plan, cancel, out):
 * Delete the manifests of all that is not kept, oldest first.  One that the store refuses is counted and left; if it
 * refuses the first few, no more are asked for.  Return 0; -EACCES if any was refused (logged, what it means too);
 * -EINTR; what the store returns.
 */
int forget_run(struct repo *r, struct forget_plan *plan, const atomic_int *cancel, struct forget_result *out);

#endif
