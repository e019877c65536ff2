/*
 * Whether the writer's certificate covers the snapshot that a backup is to make: told before anything is read, as
 * readers would reject its manifest.
 */
#ifndef VARVE_BACKUP_ENTITLED_H
#define VARVE_BACKUP_ENTITLED_H

#include "repo/backup/backup.h"

/**
 * entitled(r, opts, time_ns):
 * May the key of ${r} make a snapshot of ${opts}' host and tags and of that time, now?  Return 0; -EACCES (logged, with
 * the reason) if not: a role that cannot sign, a certificate that has expired by this machine's clock or at the
 * snapshot's time, or is for other hosts or tags; -EBADMSG, -ENOMEM.
 */
int entitled(const struct repo *r, const struct backup_options *opts, int64_t time_ns);

/* Has its key not been revoked, as far as was seen when the catalog was loaded last?  0, or -EACCES (logged). */
int not_revoked(const struct repo *r);

#endif
