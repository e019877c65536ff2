/*
 * For tests of trees: a repository in memory, directories that are made by hand, and the tree that reads them.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_TREE_RIG_H
#define VARVE_TEST_TREE_RIG_H

#include "repo/tree/dir_build.h"
#include "repo/tree/tree.h"
#include "tests/lib/fixture.h"

#define TREE_RIG_CHUNK 4000u /* bytes of a chunk of the test file */

struct tree_rig {
	struct fixture f;
	struct object_writer *w;
	struct object_reader *r;
	struct tree *t;
};

/* As cmocka's setup and teardown, with *state a struct tree_rig. */
int tree_rig_setup(void **state);
int tree_rig_teardown(void **state);

/* What was put is durable and found; a new writer for what follows. */
void tree_rig_publish(struct tree_rig *e);

/* Store a tree object; for the builders of directories and span lists, with a struct tree_rig as ${arg}. */
int tree_rig_put(void *arg, const void *data, size_t len, struct id *id);

/* An entry of that type and name; both are borrowed. */
struct tree_entry tree_rig_entry(uint8_t type, const char *name);

/* Make it the directory of the page ${root}. */
void tree_rig_set_dir(struct tree_entry *e, const struct id *root, uint64_t below);

/* As tree_path(). */
int tree_rig_path(struct tree_rig *env, const struct tree_entry *root, const char *path, struct tree_hit *out);

/* A file of ${n} chunks with a hole after every second, and its bytes as they should be read. */
struct tree_rig_file {
	struct tree_entry e;
	struct span_builder *spans;
	uint8_t *bytes;
	size_t size;
};

/* Store it.  To be given to tree_rig_free_file(). */
void tree_rig_make_file(struct tree_rig *env, unsigned n, struct tree_rig_file *c);
void tree_rig_free_file(struct tree_rig_file *c);

#endif
