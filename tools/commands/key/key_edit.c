/*
 * Adding, removing and replacing keyslots.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/rotate.h"
#include "tools/cli/identity.h"
#include "tools/commands/key/key_impl.h"
#include "tools/print/json.h"

int key_new_secret(struct key_args *a, struct repo_new_keyslot *k)
{
	/* The environment holds the secret in use, not the new one: only files named for it, or the terminal. */
	unsetenv("VARVE_PASSWORD_FILE");
	unsetenv("VARVE_KEY_FILE");
	unsetenv("VARVE_PASSWORD_COMMAND");
	unsetenv("VARVE_PASSWORD");
	a->fresh.log = &a->cli->log;
	k->params = a->params;
	if (a->has_recipient) {
		k->params.recipient = &a->recipient;
		return 0;
	}
	return access_new_credentials(&a->fresh, &k->cred);
}

void key_print_added(const struct key_args *a, const struct id *id)
{
	char hex[ID_HEX_SIZE];
	json_value *o;

	if (a->cli->json) {
		o = json_new_object();
		json_set_id(o, "id", id);
		json_print(o);
	} else {
		printf("keyslot %.8s added\n", id_hex(id, hex));
	}
}

/* The name of the keyslot that opened; NULL if it cannot be read, or is empty. */
static const char *current_name(const struct repo *r, char *out, size_t size)
{
	struct repo_keyslot *slots;
	size_t n;

	*out = '\0';
	if (repo_keyslots(r, &slots, &n) != 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (slots[i].current && slots[i].readable)
			snprintf(out, size, "%s", slots[i].label.name);
	}
	repo_keyslots_free(slots, n);
	return *out != '\0' ? out : NULL;
}

static int add(struct key_args *a, struct repo *r, bool same, struct id *id)
{
	struct repo_new_keyslot k = { .role = a->role, .limits = a->limits, .same_bundle = same };
	char kept[sizeof(((struct keyslot_label *)0)->name)], who[256];
	int rc;

	k.name = a->name;
	if (k.name == NULL && same)
		k.name = current_name(r, kept, sizeof(kept));
	if (k.name == NULL)
		k.name = identity_user_at_host(who, sizeof(who));
	rc = key_new_secret(a, &k);
	if (rc == 0)
		rc = repo_add_keyslot(r, &k, id);
	access_destroy(&a->fresh);
	if (rc == 0)
		key_print_added(a, id);
	return cli_status(a->cli, rc);
}

int key_find(const struct key_args *a, const struct repo *r, const char *prefix, struct id *out)
{
	struct repo_keyslot *slots;
	char hex[ID_HEX_SIZE];
	size_t n, hits = 0;
	int rc;

	if (strlen(prefix) < 4)
		return cli_usage(a->cli, "%s: at least 4 digits of a keyslot's id are needed", prefix);
	rc = repo_keyslots(r, &slots, &n);
	if (rc != 0)
		return cli_status(a->cli, rc);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(id_hex(&slots[i].id, hex), prefix, strlen(prefix)) == 0) {
			*out = slots[i].id;
			hits++;
		}
	}
	repo_keyslots_free(slots, n);
	if (hits == 1)
		return EXIT_OK;
	cli_error(a->cli, "%s: %s", prefix, hits == 0 ? "no such keyslot" : "several keyslots' ids begin so");
	return EXIT_FAILED;
}

int key_expel(const struct repo *r, const struct repo_keyslot *slots, size_t n, const struct repo_keyslot *s)
{
	if (!(r->secrets->mask & SECRET_OWNER) || s->renewal != RENEWAL_GRANTED)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (&slots[i] != s && slots[i].renewal == RENEWAL_GRANTED &&
		    memcmp(&slots[i].grant.renewal, &s->grant.renewal, sizeof(s->grant.renewal)) == 0)
			return 0;
	}
	return repo_expel(r, &s->grant);
}

/* The holder is expelled first: where the store keeps keyslots for some time, that is what counts. */
static int remove_for_good(const struct repo *r, const struct id *id)
{
	struct repo_keyslot *slots;
	size_t n;
	int rc = repo_keyslots(r, &slots, &n);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++) {
		/* An owner's after it has been removed, as the last one stays. */
		bool owner = slots[i].renewal == RENEWAL_GRANTED && slots[i].grant.role == ROLE_OWNER;

		if (!id_equal(&slots[i].id, id))
			continue;
		if (!owner)
			rc = key_expel(r, slots, n, &slots[i]);
		if (rc == 0)
			rc = repo_remove_keyslot(r, id);
		if (rc == 0 && owner)
			rc = key_expel(r, slots, n, &slots[i]);
	}
	repo_keyslots_free(slots, n);
	return rc;
}

int key_remove(struct key_args *a, struct repo *r, const char *prefix)
{
	struct id id;
	int rc;

	rc = key_find(a, r, prefix, &id);
	return rc == EXIT_OK ? cli_status(a->cli, remove_for_good(r, &id)) : rc;
}

int key_add(struct key_args *a, struct repo *r)
{
	struct id id;

	return add(a, r, false, &id);
}

/* The new keyslot first, so that there is always one that opens. */
int key_passwd(struct key_args *a, struct repo *r)
{
	struct id id;
	int rc;

	rc = add(a, r, true, &id);
	return rc == EXIT_OK ? cli_status(a->cli, repo_remove_keyslot(r, &r->keyslot)) : rc;
}
