/*
 * The parent snapshot: a walk through one of its directories beside the source's, and whether what it recorded can be
 * used again.
 */
#ifndef VARVE_BACKUP_PARENT_H
#define VARVE_BACKUP_PARENT_H

#include "repo/object/writer.h"
#include "repo/tree/tree.h"

/* One directory of the parent, read in order of names.  Not thread-safe. */
struct parent_dir {
	struct tree *tree;
	bool exists;          /* there is something to compare with */
	bool open;            /* ${it} holds pages */
	bool ahead;           /* ${next} is an entry that was not asked for yet */
	struct id pages;
	uint64_t pos;         /* where to go on */
	struct tree_iter it;
	struct tree_entry next; /* borrowed from ${it} */
};

/*
 * The directory ${e} of the parent; NULL, or anything but a directory with entries: there is nothing to compare with.
 */
void parent_dir_init(struct parent_dir *p, struct tree *t, const struct tree_entry *e);

/*
 * The entry ${name}, or NULL.  Names must ascend.  Borrowed until the next call.  A page that cannot be read ends it
 * (tree.h logs that).
 */
const struct tree_entry *parent_dir_find(struct parent_dir *p, const char *name, size_t len);

/* Give its pages back; the next call takes them up again. */
void parent_dir_park(struct parent_dir *p);

/**
 * parent_contents_known(t, w, e):
 * Can a new snapshot rely on the contents and xattrs of the parent's entry ${e}: is every object of theirs stored,
 * span lists with all that they name? Any thread.
 */
bool parent_contents_known(struct tree *t, struct object_writer *w, const struct tree_entry *e);

#endif
