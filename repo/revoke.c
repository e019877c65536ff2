/*
 * Revoking the keys of writers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/revoke.h"
#include "repo/util/text/when.h"

#define PREFIX_MIN 4 /* digits of a keyslot's id */

/* --- Who is meant ------------------------------------------------------------------------------------------------- */

struct search {
	const char *text;
	struct sign_public key; /* if ${text} is one */
	bool is_key;
	struct repo_writer found;
	unsigned n;             /* different keys */
	bool signs_nothing;     /* a keyslot is meant that has no signing key */
};

static void add_found(struct search *s, const struct sign_public *key, const char *name)
{
	if (s->n > 0 && memcmp(s->found.key.b, key->b, sizeof(key->b)) == 0)
		return;
	s->found.key = *key;
	snprintf(s->found.name, sizeof(s->found.name), "%s", name);
	s->n++;
}

static bool is_meant(const struct search *s, const struct sign_public *key, const char *name)
{
	return s->is_key ? memcmp(s->key.b, key->b, sizeof(key->b)) == 0 : strcmp(s->text, name) == 0;
}

static int search_keyslots(const struct repo *r, struct search *s)
{
	struct repo_keyslot *slots;
	char hex[ID_HEX_SIZE];
	size_t n, len = strlen(s->text);
	int rc = repo_keyslots(r, &slots, &n);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		const struct repo_keyslot *k = &slots[i];
		bool by_id = len >= PREFIX_MIN && len <= 2 * ID_LEN && strncmp(id_hex(&k->id, hex), s->text, len) == 0;

		if (k->certified && (by_id || is_meant(s, &k->cert.key, k->cert.name)))
			add_found(s, &k->cert.key, k->cert.name);
		else if (by_id || (k->readable && !k->certified && strcmp(k->label.name, s->text) == 0))
			s->signs_nothing = true;
	}
	repo_keyslots_free(slots, n);
	return 0;
}

static int search_snapshots(const struct repo *r, struct search *s)
{
	struct catalog *c;
	struct manifest m;
	int rc = repo_catalog(r, &c);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < catalog_count(c); i++) {
		if (catalog_manifest(c, i, &m) != 0)
			continue;
		if (is_meant(s, &m.writer_key, m.writer))
			add_found(s, &m.writer_key, m.writer);
		manifest_destroy(&m);
	}
	catalog_free(c);
	return 0;
}

static bool is_own(const struct repo *r, const struct sign_public *key)
{
	struct sign_public own;

	if (!(r->secrets->mask & SECRET_SIGNING))
		return false;
	crypt_sign_public(&r->secrets->signing, &own);
	return memcmp(own.b, key->b, sizeof(own.b)) == 0;
}

int repo_find_writer(const struct repo *r, const char *text, struct repo_writer *out)
{
	struct search s = { .text = text };
	int rc;

	s.is_key = strlen(text) == 2 * sizeof(s.key.b) && hex_decode(text, sizeof(s.key.b), s.key.b) == 0;
	rc = search_keyslots(r, &s);
	if (rc == 0 && s.n == 0 && !s.signs_nothing)
		rc = search_snapshots(r, &s);
	if (rc != 0)
		return rc;
	if (s.n == 1) {
		*out = s.found;
		out->own = is_own(r, &out->key);
		return 0;
	}
	if (s.n > 1)
		log_error(r->log, "%s: there are several keys of that name: give a keyslot's id, or the public key",
		    text);
	else if (s.signs_nothing)
		log_error(r->log, "%s: has no key to sign with: there is nothing to revoke", text);
	else
		log_error(r->log, "%s: no such writer", text);
	return s.n > 1 ? -ENOTUNIQ : s.signs_nothing ? -EINVAL : -ENOENT;
}

/* --- Revoking ----------------------------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

/* The ids of what stays good. */
static int collect(const struct repo *r, const struct sign_public *key, struct buf *ids)
{
	struct catalog *c;
	struct manifest m;
	int rc = repo_catalog(r, &c), rc2;

	for (size_t i = 0; rc == 0 && i < catalog_count(c); i++) {
		rc2 = catalog_manifest(c, i, &m);
		if (rc2 == -ENOMEM)
			rc = rc2;
		else if (rc2 != -EKEYREJECTED && (rc2 != 0 || memcmp(m.writer_key.b, key->b, sizeof(key->b)) == 0))
			rc = buf_append(ids, catalog_at(c, i)->id.b, ID_LEN);
		if (rc2 == 0)
			manifest_destroy(&m);
	}
	if (rc == 0 && ids->len > 0)
		qsort(ids->data, ids->len / ID_LEN, ID_LEN, compare_ids);
	catalog_free(c);
	return rc;
}

static int may_revoke(const struct repo *r)
{
	if (!(r->secrets->mask & SECRET_OWNER)) {
		log_error(r->log, "only the owner's key can revoke another, this one has the role \"%s\"",
		    role_name(r->secrets->role));
		return -EPERM;
	}
	return 0;
}

int repo_revoke_key(const struct repo *r, const struct repo_writer *w, const struct buf *keeps, struct id *id)
{
	struct revocation v = { .key = w->key, .time_ns = when_now_ns() };
	char name[REVOCATION_NAME_SIZE];
	struct buf object = BUF_INIT;
	int rc = may_revoke(r);

	if (rc != 0)
		return rc;
	v.name = strdup(w->name);
	rc = v.name == NULL ? -ENOMEM : keeps != NULL ? buf_append(&v.keeps, keeps->data, keeps->len) : 0;
	if (rc != 0)
		goto out;
	rc = revocation_seal(&v, r->secrets, r->metadata, &object, id);
	if (rc != 0)
		log_error(r->log, "revocation: %s", ERR(rc));
	if (rc == 0)
		rc = store_put(r->store, revocation_object_name(id, name), object.data, object.len, 0);
	if (rc == 0)
		rc = revocations_refresh(r->revocations);
out:
	revocation_destroy(&v);
	buf_free(&object);
	return rc;
}

int repo_revoke(const struct repo *r, const struct repo_writer *w, struct id *id, size_t *keeps)
{
	struct buf ids = BUF_INIT;
	int rc = may_revoke(r);

	if (rc == 0)
		rc = collect(r, &w->key, &ids);
	if (rc == 0)
		rc = repo_revoke_key(r, w, &ids, id);
	*keeps = ids.len / ID_LEN;
	buf_free(&ids);
	return rc;
}
