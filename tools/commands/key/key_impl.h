/*
 * What the sources of "varve key" share: key.c has options and verbs, key_list.c the list, key_edit.c what changes
 * keyslots, key_revoke.c what ends a writer's key, key_secrets.c what ends the secrets of all.
 */
#ifndef VARVE_TOOLS_KEY_IMPL_H
#define VARVE_TOOLS_KEY_IMPL_H

#include "tools/cli/cli.h"

struct key_args {
	struct cli *cli;
	enum role role;
	const char *name;
	struct access fresh; /* where the new secret comes from */
	struct box_public recipient;
	bool has_recipient;
	struct keyslot_params params;
	const char *hosts[CERT_LIST_MAX], *tags[CERT_LIST_MAX];
	struct cert_limits limits;
	bool dry_run;
};

/* All return an exit status. */
int key_list(struct cli *c, const struct repo *r);
int key_add(struct key_args *a, struct repo *r);
int key_remove(struct key_args *a, struct repo *r, const char *prefix);
int key_passwd(struct key_args *a, struct repo *r);
int key_revoke(struct key_args *a, struct repo *r, const char *writer);
int key_rotate_secrets(const struct key_args *a, struct repo *r);
int key_rotate(struct key_args *a, struct repo *r, const char *prefix);

/* Set the new secret of ${k}, from options or the terminal; borrowed from ${a}.  0, or a negative errno (logged). */
int key_new_secret(struct key_args *a, struct repo_new_keyslot *k);

/* Say that there is a new keyslot. */
void key_print_added(const struct key_args *a, const struct id *id);

/*
 * The keyslot ${s} of ${slots} is removed, or about to be, by the owner: its holder is to get no secrets any more,
 * unless another of them has the same bundle.  0, or a negative errno (logged).
 */
int key_expel(const struct repo *r, const struct repo_keyslot *slots, size_t n, const struct repo_keyslot *s);

/* The keyslot whose id begins with ${prefix}, 4 digits or more. */
int key_find(const struct key_args *a, const struct repo *r, const char *prefix, struct id *out);

#endif
