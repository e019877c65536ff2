/*
 * Rotation of a repository's secrets: a new generation (crypt/generation.h) for all who hold a keyslot and are to stay.
 *
 * What is sealed from then on opens for them only.  What is there stays as it is, and opens for whoever could open it
 * before.  Names do not change: the object-id key, and what is derived from the first metadata secret to name things,
 * are for ever, so that what is stored is found again.  They tell nobody anything who sees only the store, as ids are
 * nowhere in it but sealed.
 */
#ifndef VARVE_ROTATE_H
#define VARVE_ROTATE_H

#include "repo/repo.h"

struct repo_rotation {
	struct repo_keyslot *slots; /* all there are (repo_keyslots()); those with RENEWAL_GRANTED have been renewed */
	size_t nslots;
	uint32_t number;            /* of the new generation */
	struct id id;
};

/**
 * repo_rotate(r, dry_run, out), repo_rotation_free(out):
 * Make a new generation, for the owner who does this and for all keyslots that have a grant of the owner and were not
 * expelled.  The change is one object that is put: it is made or it is not.  ${dry_run}: only say for whom.  ${out} is
 * the caller's to free, also on failure.  Return 0; -EPERM if this is not the owner's key, or one that was expelled
 * itself; -EINVAL if it has no grant; -ENOSPC if there are GENERATIONS_MAX; -EFBIG; -ENOMEM; what the store returns.
 * Failures are logged.
 */
int repo_rotate(struct repo *r, bool dry_run, struct repo_rotation *out);
void repo_rotation_free(struct repo_rotation *out);

/**
 * repo_expel(r, g):
 * The holder of the bundle with the grant ${g} gets no secrets of later generations any more, even if somebody puts his
 * keyslot back: its public key is revoked.  Needs the owner's key.  Return 0; -EPERM; -ENOMEM; what the store returns.
 * Failures are logged.
 */
int repo_expel(const struct repo *r, const struct grant *g);

/* Has he been expelled, or has his signing key been revoked, as far as is known? */
bool repo_expelled(const struct repo *r, const struct grant *g);

#endif
