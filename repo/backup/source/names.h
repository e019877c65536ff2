/*
 * Names of users and groups, looked up once each.  Not thread-safe.
 */
#ifndef VARVE_BACKUP_NAMES_H
#define VARVE_BACKUP_NAMES_H

#include "repo/tree/entry.h"

struct names;

/* NULL without memory. */
struct names *names_new(void);
void names_free(struct names *n);

/* Set ${e->user} and ${e->group} by its uid and gid (empty if they have none).  Borrowed until the next call. */
void names_fill(struct names *n, struct tree_entry *e);

#endif
