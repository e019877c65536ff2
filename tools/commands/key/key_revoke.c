/*
 * Ending a writer's key: revoking it, and putting another in its place.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/revoke.h"
#include "repo/util/text/when.h"
#include "tools/commands/key/key_impl.h"
#include "tools/print/json.h"

/* --- Revoking ----------------------------------------------------------------------------------------------------- */

static void print_revoked(const struct cli *c, const struct repo_writer *w, const struct id *id, size_t keeps)
{
	char hex[2 * sizeof(w->key.b) + 1];
	json_value *o;

	if (c->json) {
		o = json_new_object();
		json_set_id(o, "revocation", id);
		json_set_text(o, "writer", (hex_encode(w->key.b, sizeof(w->key.b), hex), hex));
		json_set_text(o, "name", w->name);
		json_set_u64(o, "snapshots_kept", keeps);
		json_print(o);
	} else {
		fputs("writer ", stdout);
		cli_print_quoted(w->name);
		printf(" revoked; %zu snapshot%s stay%s\n", keeps, keeps == 1 ? "" : "s", keeps == 1 ? "s" : "");
	}
}

static int end_key(const struct cli *c, const struct repo *r, const struct repo_writer *w)
{
	struct id id;
	size_t keeps;
	int rc = repo_revoke(r, w, &id, &keeps);

	if (rc == 0)
		print_revoked(c, w, &id, keeps);
	return cli_status(c, rc);
}

int key_revoke(struct key_args *a, struct repo *r, const char *writer)
{
	struct repo_writer w;
	int rc = repo_find_writer(r, writer, &w);

	if (rc != 0)
		return cli_status(a->cli, rc);
	if (w.own) {
		cli_error(a->cli, "%s: is the key that this very keyslot signs with: rotate it, or use another owner's",
		    writer);
		return EXIT_FAILED;
	}
	return end_key(a->cli, r, &w);
}

/* --- Rotating ----------------------------------------------------------------------------------------------------- */

/* What the new keyslot is like: as the old one, but for what the options say. */
static int plan(struct key_args *a, const struct repo_keyslot *s, struct repo_new_keyslot *k)
{
	*k = (struct repo_new_keyslot){ .role = s->label.role, .name = a->name != NULL ? a->name : s->label.name };
	if (s->certified) {
		k->limits = (struct cert_limits){
			.hosts = (const char *const *)s->cert.hosts, .nhosts = s->cert.nhosts,
			.tags = (const char *const *)s->cert.tags, .ntags = s->cert.ntags,
			.expires_ns = a->limits.expires_ns != 0 ? a->limits.expires_ns : s->cert.expires_ns,
		};
		if (k->limits.expires_ns != 0 && k->limits.expires_ns <= when_now_ns())
			return cli_usage(a->cli, "rotate: the old key has expired: --expires is needed");
	}
	/* Who is known by a public key need not be asked for another secret. */
	if (s->kind == KEYSLOT_RECIPIENT && a->fresh.password_file == NULL && a->fresh.key_file == NULL &&
	    !a->has_recipient) {
		a->recipient = s->recipient;
		a->has_recipient = true;
	}
	return EXIT_OK;
}

/* The new keyslot first, then the end of the old key, then of its keyslot: what is cut short can be done again. */
static int replace(struct key_args *a, struct repo *r, const struct repo_keyslot *slots, size_t n,
    const struct repo_keyslot *s)
{
	struct repo_new_keyslot k;
	struct repo_writer w = { .key = s->cert.key };
	struct id id;
	int rc = plan(a, s, &k);

	if (rc != EXIT_OK)
		return rc;
	rc = key_new_secret(a, &k);
	if (rc == 0)
		rc = repo_add_keyslot(r, &k, &id);
	access_destroy(&a->fresh);
	if (rc != 0)
		return cli_status(a->cli, rc);
	key_print_added(a, &id);
	if (s->certified) {
		snprintf(w.name, sizeof(w.name), "%s", s->cert.name);
		rc = end_key(a->cli, r, &w);
		if (rc != EXIT_OK)
			return rc;
	}
	rc = key_expel(r, slots, n, s);
	return cli_status(a->cli, rc == 0 ? repo_remove_keyslot(r, &s->id) : rc);
}

int key_rotate(struct key_args *a, struct repo *r, const char *prefix)
{
	const struct repo_keyslot *s = NULL;
	struct repo_keyslot *slots;
	struct id id;
	size_t n;
	int rc = key_find(a, r, prefix, &id);

	if (rc != EXIT_OK)
		return rc;
	rc = repo_keyslots(r, &slots, &n);
	if (rc != 0)
		return cli_status(a->cli, rc);
	for (size_t i = 0; i < n; i++) {
		if (id_equal(&slots[i].id, &id) && slots[i].readable)
			s = &slots[i];
	}
	if (s != NULL) {
		rc = replace(a, r, slots, n, s);
	} else {
		cli_error(a->cli, "%s: the keyslot cannot be read", prefix);
		rc = EXIT_FAILED;
	}
	repo_keyslots_free(slots, n);
	return rc;
}
