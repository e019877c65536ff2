/*
 * Levels: the directories that are being built, from the root down to the one that entries are added to now.
 *
 * Not thread-safe.
 */
#ifndef VARVE_BACKUP_LEVELS_H
#define VARVE_BACKUP_LEVELS_H

#include "repo/tree/dir_build.h"

struct level {
	struct dir_builder *builder; /* NULL: no entry yet */
	size_t memory;               /* of it, as the levels count it */
	struct tree_entry e;         /* the directory's own entry */
	uint8_t *strings;            /* what ${e} points to */
	bool partial;                /* something of it could not be read */
	bool made_up;                /* the rest is the user's: as in struct item */
	char change;
	size_t path_len;
};

struct levels {
	tree_put_fn *put;
	void *arg;
	struct level *level;
	size_t depth, cap;
	size_t memory;               /* of all builders */
};

/* ${put} takes finished pages; ${arg} is borrowed until levels_destroy(). */
void levels_init(struct levels *l, tree_put_fn *put, void *arg);
void levels_destroy(struct levels *l);

/* Free what a level holds. */
void level_destroy(struct level *l);

/* The directory being built.  There must be one; valid until the next enter. */
struct level *levels_top(struct levels *l);

/* Begin a directory; its entry is copied.  Return 0 or -ENOMEM. */
int levels_enter(struct levels *l, const struct tree_entry *e);

/* Add an entry to the directory being built; names must ascend.  Return as dir_builder_add(). */
int levels_add(struct levels *l, const struct tree_entry *e);

/**
 * levels_leave(l, done):
 * End it: ${done} is the caller's (level_destroy()), its entry complete.  The one above is being built again.  Return
 * as dir_builder_finish(), but 0 for both kinds of success.
 */
int levels_leave(struct levels *l, struct level *done);

#endif
