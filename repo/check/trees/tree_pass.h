/*
 * The pass over all trees: what its parts share.
 */
#ifndef VARVE_CHECK_TREE_PASS_H
#define VARVE_CHECK_TREE_PASS_H

#include "repo/check/check_impl.h"

/* A directory that is to be visited. */
struct dir_ref {
	struct id id;
	uint64_t below; /* as its entry says */
};

struct tree_pass {
	struct check *c;
	struct dir_ref *pending; /* a stack; each distinct directory is in it once at most */
	size_t n, cap;
	struct buf xattrs;
};

/**
 * object_enter(c, kind, id, len):
 * Follow a reference to an object, which says that it has ${len} bytes (0: nothing of that); if it is the first such
 * one, find out whether the object is where the index says, and so long.  Return 1 if it is and can be read as far as
 * is known; 0 if it cannot, which is damage with a finding then; -ENOMEM, -EIO.
 */
int object_enter(struct check *c, enum pack_kind kind, const struct id *id, uint32_t len);

/* A tree object that should be there could not be read: make it a finding.  ${rc} is not 0; return 0 or -ENOMEM. */
int tree_object_damaged(struct check *c, const struct id *id, int rc);

/* Tree object ${id} contradicts what refers to it. */
int tree_contradicts(struct check *c, const struct id *id, const char *what);

/* Follow a reference that says something of what it leads to: 1 if nobody has followed the same before, 0, -ENOMEM. */
int reference_enter(struct check *c, uint64_t key);

/* Check all that is recorded of the contents of file ${e} (spans.c).  Return 0 or as above. */
int check_contents(struct check *c, const struct tree_entry *e);

/* Tell how many objects are in no run, if any are. */
void tell_unindexed(struct check *c);

#endif
