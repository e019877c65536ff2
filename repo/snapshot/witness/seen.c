/*
 * Listings against what was seen before.
 *
 * That a snapshot is gone says little: snapshots are forgotten, by whoever may delete them, and leave no trace.  But no
 * policy forgets the newest of a host.  So a store without it, and without a newer one, has been set back, or withholds
 * it, or a person has forgotten just that one; which of the three cannot be told from here.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/snapshot/witness/seen.h"

struct comparison {
	const struct catalog *c;
	const struct catalog_options *o;
	struct withheld *found;
	size_t n;
};

static int add(struct comparison *k, const struct id *id, bool revocation)
{
	struct withheld *grown = reallocarray(k->found, k->n + 1, sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	k->found = grown;
	k->found[k->n++] = (struct withheld){ .id = *id, .revocation = revocation };
	return 0;
}

/* Is there a newer snapshot of that host?  Reading it makes it the host's head. */
static bool has_newer(const struct comparison *k, const struct witness_head *h)
{
	struct manifest m;
	struct id host;
	bool same = false;

	for (size_t i = catalog_count(k->c); i-- > 0 && !same && catalog_at(k->c, i)->time_ns > h->time_ns;) {
		if (catalog_manifest(k->c, i, &m) != 0)
			continue;
		witness_host(k->o->witness, m.host, &host);
		same = id_equal(&host, &h->host);
		manifest_destroy(&m);
	}
	return same;
}

static int miss_head(struct comparison *k, const struct witness_head *h)
{
	char name[SNAPSHOT_NAME_SIZE], when[WHEN_SIZE];

	/* Once told, it is not looked for again at each listing. */
	if (!witness_was_told(k->o->witness, &h->host)) {
		if (has_newer(k, h))
			return 0;
		witness_tell(k->o->witness, &h->host);
		log_error(k->o->log, "%s of %s was here, and now there is neither it nor a newer one of its host: "
		    "the store shows an old state, or somebody has forgotten it (to accept that: varve key trust)",
		    snapshot_object_name(&h->id, name), when_format(h->time_ns, WHEN_HUMAN, false, when));
	}
	return add(k, &h->id, false);
}

static int miss_revocation(struct comparison *k, const struct id *id)
{
	char name[REVOCATION_NAME_SIZE];
	bool kept = k->o->revocations != NULL && revocations_recall(k->o->revocations, id) == 0;

	if (!witness_was_told(k->o->witness, id)) {
		witness_tell(k->o->witness, id);
		log_error(k->o->log, "%s was here, and the store does not show it any more: %s",
		    revocation_object_name(id, name), kept ? "it is heeded all the same" :
		    "a writer whose key was revoked by it may be believed");
	}
	return add(k, id, true);
}

static int compare(struct comparison *k, const struct witness_listing *l)
{
	struct witness_missing m;
	int rc = witness_listed(k->o->witness, l, &m);

	for (size_t i = 0; i < m.nrevocations && rc == 0; i++)
		rc = miss_revocation(k, &m.revocations[i]);
	for (size_t i = 0; i < m.nheads && rc == 0; i++)
		rc = miss_head(k, &m.heads[i]);
	witness_missing_free(&m);
	return rc;
}

int seen_compare(const struct catalog *c, const struct catalog_options *o, int64_t begun_ns, struct withheld **out,
    size_t *n)
{
	struct comparison k = { .c = c, .o = o };
	struct witness_listing l = { .nsnapshots = catalog_count(c), .begun_ns = begun_ns };
	struct id *snapshots = calloc(l.nsnapshots + 1, sizeof(*snapshots)), *revocations = NULL;
	int rc = snapshots == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < l.nsnapshots && rc == 0; i++)
		snapshots[i] = catalog_at(c, i)->id;
	if (rc == 0 && o->revocations != NULL)
		rc = revocations_listed(o->revocations, &revocations, &l.nrevocations);
	l.snapshots = snapshots;
	l.revocations = revocations;
	if (rc == 0)
		rc = compare(&k, &l);
	free(snapshots);
	free(revocations);
	if (rc == 0) {
		*out = k.found;
		*n = k.n;
	} else {
		free(k.found);
	}
	return rc;
}
