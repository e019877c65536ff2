/*
 * The feeder: walks over what is to be restored, makes directories, and queues everything else.
 */
#ifndef VARVE_RESTORE_FEED_H
#define VARVE_RESTORE_FEED_H

#include "repo/restore/session.h"

/**
 * feed(rs, root, target):
 * Walk over ${root}, a directory or a single entry, and queue it for ${target}, whose feeder's share ends here.
 * Returns when all is queued, or the restore was stopped.
 */
void feed(struct restore *rs, const struct tree_entry *root, struct outdir *target);

#endif
