/*
 * Writers of a repository, and taking away what they were certified for.
 */
#ifndef VARVE_REVOKE_H
#define VARVE_REVOKE_H

#include "repo/repo.h"

/* Who signs snapshots. */
struct repo_writer {
	struct sign_public key;
	char name[CERT_NAME_MAX + 1];
	bool own; /* it is the key that the repository was opened with */
};

/**
 * repo_find_writer(r, text, out):
 * The writer that is meant by ${text}: the beginning of a keyslot's id (4 digits or more), a name, or a public key in
 * hexadecimal; by the keyslots, and if none of them is it, by who has signed the snapshots.  Return 0; -ENOENT if there
 * is none, -ENOTUNIQ if there are several keys, -EINVAL for a keyslot of a role that signs nothing; what the store
 * returns.  Failures are logged.
 */
int repo_find_writer(const struct repo *r, const char *text, struct repo_writer *out);

/**
 * repo_revoke(r, w, id, keeps):
 * Revoke the key: what it has signed until now, as far as it is in the store and accepted, stays good (${*keeps}
 * snapshots), and nothing else.  A snapshot that cannot be read is kept too, as nobody can tell who has signed it.
 * Needs the owner's key.  Return 0; -EPERM; -ENOMEM; what the store returns.  Failures are logged.
 */
int repo_revoke(const struct repo *r, const struct repo_writer *w, struct id *id, size_t *keeps);

/* The same with the ids of what stays good, ascending (NULL: nothing). */
int repo_revoke_key(const struct repo *r, const struct repo_writer *w, const struct buf *keeps, struct id *id);

#endif
