/*
 * Pages in the cache (tree.c), for the files of this folder that walk over them.
 */
#ifndef VARVE_TREE_NODE_H
#define VARVE_TREE_NODE_H

#include <errno.h>

#include "repo/tree/tree.h"

struct tree_node {
	struct tree_node *next; /* in its bucket; or in a list of nodes to be freed */
	struct tree_node *newer, *older; /* among the idle ones, while nobody holds it */
	unsigned held;
	bool is_spans; /* which of the two it is never changes: the id is the hash of the bytes */
	struct id id;
	struct buf bytes;
	union {
		struct tree_page page;
		struct span_page spans;
	};
};

/* As tree_hold_page(), tree_hold_spans(); the page is in the node. */
int node_hold_page(struct tree *t, const struct id *id, struct tree_node **out);
int node_hold_spans(struct tree *t, const struct id *id, struct tree_node **out);

/* The root page of the directory ${dir}, which has one: with as many entries as that entry says, or -EBADMSG. */
int node_hold_dir(struct tree *t, const struct tree_entry *dir, struct tree_node **out);

/* Log that tree object ${id} is not what it should be. */
void node_log_damage(struct tree *t, const struct id *id, const char *what);

/* The same; return -EBADMSG (seen by the compiler, who then knows what is set and what is not). */
static inline int node_damaged(struct tree *t, const struct id *id, const char *what)
{
	node_log_damage(t, id, what);
	return -EBADMSG;
}

/* An upper bound of the names in a page, copied as the page it stands in is given back before. */
struct name_limit {
	uint16_t len; /* 0: none */
	char name[ENTRY_NAME_MAX];
};

/* Narrow ${limit} to what record ${i} of ${p} says of the pages before it; nothing if there is no such record. */
void name_limit_set(struct name_limit *limit, const struct tree_page *p, uint32_t i);

/**
 * node_hold_child(t, parent, i, limit, out):
 * Hold the page that record ${i} of ${parent} refers to, if it is what the reference says: one level lower, begins with
 * its name, ends below ${limit}, has as many entries as there is room for.  Errors of tree.h.
 */
int node_hold_child(struct tree *t, const struct tree_page *parent, uint32_t i, const struct name_limit *limit,
    struct tree_node **out);

#endif
