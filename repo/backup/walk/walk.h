/*
 * Walker: goes through the sources depth-first in order of names, compares with the parent snapshot, and fills jobs.
 */
#ifndef VARVE_BACKUP_WALK_H
#define VARVE_BACKUP_WALK_H

#include "repo/backup/walk/roots.h"
#include "repo/backup/session.h"

/**
 * walk_sources(s, top):
 * The producer's work for a backup of sources.  Return 0, or the error that ends the backup; the queue's end is the
 * caller's to say.
 */
int walk_sources(struct session *s, const struct root *top);

#endif
