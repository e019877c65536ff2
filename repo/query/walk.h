/*
 * Walk over a snapshot's tree in order of path, without recursion: for ls, find, stats, dump as tar.
 */
#ifndef VARVE_QUERY_WALK_H
#define VARVE_QUERY_WALK_H

#include "repo/tree/tree.h"

struct tree_walk;

enum walk_event {
	WALK_ENTRY = 1, /* an entry; a directory's entries follow unless tree_walk_skip() */
	WALK_LEAVE = 2, /* a directory has ended */
	WALK_DAMAGED = 3, /* a directory cannot be read (further): ${err}; the walk goes on after it */
};

struct walk_item {
	enum walk_event event;
	const struct tree_entry *entry; /* borrowed until the next call */
	const char *path;               /* from the walk's root, "" for the root itself; borrowed until the next call */
	size_t path_len;
	unsigned depth;                 /* 0: the root */
	uint64_t number;                /* preorder number below the snapshot's root, if the walk began there */
	int err;
};

/* Begin at ${root} (borrowed, with its page, until the end).  Return 0 or -ENOMEM. */
int tree_walk_begin(struct tree *t, const struct tree_entry *root, struct tree_walk **out);

/* Next event: 1, 0 at the end, -ENOMEM.  Memory: one page a level of depth. */
int tree_walk_next(struct tree_walk *w, struct walk_item *out);

/* After WALK_ENTRY of a directory: do not enter it (no WALK_LEAVE follows). */
void tree_walk_skip(struct tree_walk *w);
void tree_walk_end(struct tree_walk *w);

#endif
