/*
 * Rotation of the secrets.  See rotate.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/generation.h"
#include "repo/revoke.h"
#include "repo/rotate.h"
#include "repo/util/text/when.h"

/* --- Who stays ---------------------------------------------------------------------------------------------------- */

/* Revocations name 32 bytes; whether of a key to sign with or of this one, they are random and do not meet. */
static struct sign_public renewal_as_revoked(const struct grant *g)
{
	struct sign_public key;

	memcpy(key.b, g->renewal.b, sizeof(key.b));
	return key;
}

bool repo_expelled(const struct repo *r, const struct grant *g)
{
	const struct sign_public renewal = renewal_as_revoked(g);

	return r->revocations != NULL && (revocations_find(r->revocations, &renewal, NULL) ||
	    (g->signs && revocations_find(r->revocations, &g->signing, NULL)));
}

int repo_expel(const struct repo *r, const struct grant *g)
{
	struct repo_writer w = { .key = renewal_as_revoked(g) };
	struct id id;

	strcpy(w.name, g->name[0] != '\0' ? g->name : role_name(g->role));
	return repo_revoke_key(r, &w, NULL, &id);
}

/* The grants, each once, the own one first. */
static int gather(const struct repo_rotation *rot, const struct grant *own, struct grant **out, size_t *n)
{
	struct grant *members = calloc(rot->nslots + 1, sizeof(*members));

	if (members == NULL)
		return -ENOMEM;
	members[0] = *own;
	*n = 1;
	for (size_t i = 0; i < rot->nslots; i++) {
		const struct repo_keyslot *s = &rot->slots[i];
		size_t k = 0;

		while (k < *n && memcmp(&members[k].renewal, &s->grant.renewal, sizeof(own->renewal)) != 0)
			k++;
		if (s->renewal == RENEWAL_GRANTED && k == *n)
			members[(*n)++] = s->grant;
	}
	*out = members;
	return 0;
}

/* The grant of the key that does it, if it may. */
static int own_grant(const struct repo *r, struct grant *out)
{
	const struct secrets *s = r->secrets;
	int rc;

	if (!(s->mask & SECRET_OWNER)) {
		log_error(r->log, "only the owner's key can rotate the secrets, this one has the role \"%s\"",
		    role_name(s->role));
		return -EPERM;
	}
	rc = s->grant.len > 0 ? grant_open(s->grant.data, s->grant.len, s->repo_id, &s->owner_public, out) : -EINVAL;
	if (rc != 0) {
		log_error(r->log, "this keyslot has no grant: rotate with one that \"key add --role owner\" has made");
		return -EINVAL;
	}
	if (!repo_expelled(r, out))
		return 0;
	log_error(r->log, "this owner's key was revoked by another owner's: it would be left out");
	return -EPERM;
}

/* --- The change --------------------------------------------------------------------------------------------------- */

/* It is opened before it is put, as everybody will have to. */
static int take_in(struct repo *r, const struct buf *object, const struct id *id)
{
	struct generation_secrets fresh;
	struct generation g;
	int rc = generation_open(object->data, object->len, r->secrets, &g);

	if (rc == 0)
		rc = generation_secrets(&g, r->secrets, id, &fresh);
	if (rc == 0)
		rc = secrets_add_generation(r->secrets, &fresh);
	crypt_wipe(&fresh, sizeof(fresh));
	return rc;
}

static int make(struct repo *r, const struct grant *members, size_t n, struct repo_rotation *out)
{
	char name[GENERATION_NAME_SIZE];
	struct buf object = BUF_INIT;
	int rc = generation_new(r->secrets, members, n, when_now_ns(), &object, &out->id);

	if (rc == 0)
		rc = take_in(r, &object, &out->id);
	if (rc == -ENOSPC)
		log_error(r->log, "the secrets have been rotated %d times, which is as often as can be: go on in a new "
		    "repository", GENERATIONS_MAX);
	else if (rc != 0)
		log_error(r->log, "new generation: %s", ERR(rc));
	if (rc == 0)
		rc = store_put(r->store, generation_object_name(&out->id, name), object.data, object.len, 0);
	if (rc == 0)
		generations_keep(r->generations, &out->id, object.data, object.len);
	buf_free(&object);
	return rc;
}

int repo_rotate(struct repo *r, bool dry_run, struct repo_rotation *out)
{
	struct grant *members = NULL, own;
	size_t n = 0;
	int rc;

	memset(out, 0, sizeof(*out));
	/* Brings the revocations up to date. */
	rc = repo_keyslots(r, &out->slots, &out->nslots);
	if (rc == 0)
		rc = own_grant(r, &own);
	if (rc == 0)
		rc = gather(out, &own, &members, &n);
	if (rc == 0)
		out->number = secrets_newest(r->secrets) + 1;
	if (rc == 0 && !dry_run)
		rc = make(r, members, n, out);
	free(members);
	return rc;
}

void repo_rotation_free(struct repo_rotation *out)
{
	repo_keyslots_free(out->slots, out->nslots);
	memset(out, 0, sizeof(*out));
}
