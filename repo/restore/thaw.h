/*
 * Thaw: have what a restore needs brought back from an archive class of the store (Glacier and its like), and wait.
 */
#ifndef VARVE_RESTORE_THAW_H
#define VARVE_RESTORE_THAW_H

#include <stdatomic.h>

#include "repo/repo.h"
#include "repo/util/text/match.h"

#define THAW_DAYS_DEFAULT 7 /* that packs stay readable */

struct thaw_options {
	const struct match_list *include, *exclude; /* as for the restore; NULL: all, nothing */
	unsigned days;                              /* to stay readable; 0: the default */
	unsigned poll_s;                            /* seconds between looks, at most; 0: one minute */
	const atomic_int *cancel;                   /* NULL: none */
	/* So many of the packs are not readable yet; after each look.  May be NULL. */
	void (*waiting)(void *arg, uint64_t frozen, uint64_t packs);
	void *arg;
};

/**
 * restore_thaw(r, root, path, opts):
 * Find the data packs that hold the contents of the files at and below ${path}, ask the store for those that are
 * archived, and return when all are readable.  Memory: a bit a pack of the repository, and 4 bytes a pack that is
 * waited for.  Return 0; -ENOENT if the snapshot has no such path; -EINTR if cancelled: what was asked for comes
 * anyway; -EBADMSG if part of the tree cannot be read; what index and store return.
 */
int restore_thaw(struct repo *r, const struct tree_entry *root, const char *path, const struct thaw_options *opts);

#endif
