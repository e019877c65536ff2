/*
 * Difference of two trees: a merge of two sorted walks that does not enter directories whose page ids are equal.
 */
#ifndef VARVE_QUERY_DIFF_H
#define VARVE_QUERY_DIFF_H

#include "repo/tree/tree.h"

enum diff_change {
	DIFF_ADDED = 1,
	DIFF_REMOVED = 2,
	DIFF_CONTENT = 4, /* file contents, symlink target, device number */
	DIFF_META = 8,    /* mode, owner, mtime, xattrs, link count */
	DIFF_TYPE = 16,
};

/*
 * One difference; ${a} or ${b} is NULL where the path is missing.  ${path} is borrowed for the call.  Non-zero ends
 * it.
 */
typedef int diff_fn(void *arg, unsigned change, const char *path, const struct tree_entry *a,
    const struct tree_entry *b);

/*
 * Compare; added and removed directories are reported with everything below them.  Return 0, what ${fn} returned,
 * errors of tree.h.
 */
int diff_trees(struct tree *t, const struct tree_entry *a, const struct tree_entry *b, diff_fn *fn, void *arg);

#endif
