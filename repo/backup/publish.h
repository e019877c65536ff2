/*
 * Making the snapshot: its manifest, once all that it names is durable.
 */
#ifndef VARVE_BACKUP_PUBLISH_H
#define VARVE_BACKUP_PUBLISH_H

#include "repo/backup/session.h"

/* What the manifest says besides options and counts. */
struct publication {
	const char *const *paths; /* absolute */
	size_t npaths;
	int64_t time_ns;
	bool has_previous;
	struct id previous;
	const struct tree_entry *root;
};

/**
 * publish(s, pub, watch, out):
 * Put the manifest; ${out} has the counts and gets the snapshot's id.  Return 0; -EINVAL (logged) if a field is out
 * of bounds; -ESTALE if what it relies on was doomed meanwhile (logged): then there is no snapshot; -ENOMEM; what the
 * store returns.
 */
int publish(struct session *s, const struct publication *pub, struct doom_watch *watch, struct backup_result *out);

#endif
