/*
 * Retain: what a new snapshot relies on is kept from deletion as long as the snapshot's own objects.
 *
 * A store with object locks retains each object for some days from its put; a pack that an earlier backup put would
 * be free to be deleted while this snapshot still needs it.  So its retention is extended.  To spare requests for
 * each pack in each backup it is extended to half a period more than is needed, ten days at most; the local index
 * remembers until when each is retained, and nothing is done while that is a period away.
 */
#ifndef VARVE_BACKUP_RETAIN_H
#define VARVE_BACKUP_RETAIN_H

#include "repo/backup/session.h"

/**
 * retain_relied(s):
 * Extend the retention of the packs that this backup found objects in, of all index runs, the keyslots and the config.
 * Does nothing if the store was opened without locks.  Return 0; -ENOMEM; what the store returns: what could be
 * extended is (up to the first -EIO, -ETIMEDOUT or -ECANCELED, which the others would only repeat), and the rest is
 * tried again by the next backup.
 */
int retain_relied(struct session *s);

#endif
