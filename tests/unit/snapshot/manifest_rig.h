/*
 * For tests of manifests: secrets of an owner, and a manifest that has everything.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_MANIFEST_RIG_H
#define VARVE_TEST_MANIFEST_RIG_H

#include "repo/snapshot/manifest/manifest.h"
#include "repo/util/text/when.h"

#define MANIFEST_RIG_TIME (1704119400 * NS_PER_SEC + 123456789)

struct manifest_rig {
	struct config config;
	struct secrets *owner;
	struct seal_domain metadata;
};

/* As cmocka's setup and teardown of a group, with *state a struct manifest_rig. */
int manifest_rig_setup(void **state);
int manifest_rig_teardown(void **state);

/* The entry of its root. */
struct tree_entry manifest_rig_root(void);

/* Replace a string of a manifest. */
void manifest_rig_set_string(char **out, const char *s);

/* One in which every field is set, to be destroyed by the caller. */
void manifest_rig_make(struct manifest *m);

/* A sealed manifest of ${s}. */
int manifest_rig_seal(struct manifest_rig *e, const struct secrets *s, struct buf *out, struct id *id);

/* Open the sealed ${object} with the secrets ${s}. */
int manifest_rig_open(struct manifest_rig *e, const struct buf *object, const struct id *id, const struct secrets *s,
    struct manifest *out);

#endif
