/*
 * Replica: opening all stores of a list.  See store_replica.h.
 */
#include <errno.h>

#include "repo/store/replica/replica_impl.h"
#include "repo/store/replica/store_replica.h"

/* Can the others do without a store that was not opened for this reason? */
static bool dispensable(const struct store_options *opts, unsigned i, int rc)
{
	return rc != -EINVAL && rc != -EPROTONOSUPPORT && rc != -ENOMEM && !(i == 0 && opts->create);
}

/* Open the ${i}-th, 0 is the primary. */
static int open_one(const struct store_options *opts, store_replica_opener *open, unsigned i, struct store **out)
{
	struct store_options one = *opts;

	if (i > 0) {
		one.url = opts->replicas[i - 1];
		one.create = false;
	}
	one.nreplicas = 0;
	return open(&one, out);
}

int store_replica_open_all(const struct store_options *opts, store_replica_opener *open, struct store **out)
{
	struct store *member[REPLICA_MEMBERS_MAX] = { NULL };
	unsigned n = 1, nreplicas = opts->nreplicas < STORE_REPLICAS_MAX ? opts->nreplicas : STORE_REPLICAS_MAX;
	int rc, first = 0;

	for (unsigned i = 0; i <= nreplicas; i++) {
		rc = open_one(opts, open, i, i == 0 ? &member[0] : &member[n]);
		if (rc < 0 && !dispensable(opts, i, rc))
			goto out;
		if (i == 0)
			first = rc;
		else if (rc == 0)
			n++;
		else
			log_warn(opts->log, "replica %u of %u is left out", i, nreplicas);
	}
	rc = first;
	if (n == 1) {
		if (rc == 0)
			*out = member[0];
		return rc;
	}
	if (first < 0)
		log_warn(opts->log, "the repository's replicas are read instead");
	rc = store_replica_open(opts, member, n, out);
out:
	for (unsigned i = 0; rc < 0 && i < n; i++)
		store_close(member[i]);
	return rc;
}
