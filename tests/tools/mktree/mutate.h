/*
 * Inside of mutate: what is common to all changes, and the list of them.
 */
#ifndef VARVE_TEST_MUTATE_H
#define VARVE_TEST_MUTATE_H

#include <sys/stat.h>

#include "tests/tools/mktree/gen.h"

struct mutation {
	int root;
	struct rng rng;
	char **path; /* relative to root, of everything but the root */
	size_t count, cap;
	uint64_t made, number;
};

/* What a change was asked to work on. */
struct victim {
	const char *path;
	struct stat st;
};

/* One kind of change.  Returns false if what it happened to pick is not fit for it. */
typedef bool (*change_fn)(struct mutation *m);

/* Both end with NULL. */
extern const change_fn mutations_usual[], mutations_sneaky[];

/* Add a path (taken over) to the list. */
void mutation_add(struct mutation *m, char *path);
char *mutation_join(const char *dir, const char *name);

/* Pick something of the type ${type} (S_IFMT bits; 0 for any) that is still there. */
bool mutation_pick(struct mutation *m, mode_t type, struct victim *v);

/* A regular file that is not too large to be rewritten. */
bool mutation_pick_file(struct mutation *m, struct victim *v, bool with_content);

/* A path that is not there yet, anywhere or beside ${path} (malloc, the caller's). */
char *mutation_new_path(struct mutation *m, const char *what);
char *mutation_sibling_path(struct mutation *m, const char *path, const char *what);

/* Count and print a change if it was ${done}, and return that. */
bool mutation_tell(struct mutation *m, const char *what, const char *path, bool done);

#endif
