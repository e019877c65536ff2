/*
 * New secrets for all who are to have them.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/rotate.h"
#include "tools/commands/key/key_impl.h"
#include "tools/print/json.h"

/* Why a keyslot's holder does not get the new secrets; NULL: he does. */
static const char *why_not(const struct repo_keyslot *s)
{
	if (s->renewal == RENEWAL_GRANTED)
		return NULL;
	if (s->renewal == RENEWAL_REVOKED)
		return "revoked";
	return s->sound ? "not granted" : "damaged";
}

/* What the owner has signed, not what the label says. */
static void print_slot(const struct repo_keyslot *s)
{
	const char *why = why_not(s);
	char hex[ID_HEX_SIZE];

	printf("%c %.8s  %-8s ", why == NULL ? '+' : '-', id_hex(&s->id, hex),
	    s->renewal == RENEWAL_NONE ? "?" : role_name(s->grant.role));
	cli_print_quoted(s->grant.name);
	if (why != NULL)
		printf("  %s", why);
	putchar('\n');
}

static json_value *json_slot(const struct repo_keyslot *s)
{
	json_value *o = json_new_object();

	json_set_id(o, "id", &s->id);
	if (s->renewal != RENEWAL_NONE) {
		json_set_text(o, "role", role_name(s->grant.role));
		json_set_text(o, "name", s->grant.name);
	}
	json_set_bool(o, "renewed", why_not(s) == NULL);
	if (why_not(s) != NULL)
		json_set_text(o, "why", why_not(s));
	return o;
}

static void print_json(const struct repo_rotation *rot, bool dry_run)
{
	json_value *o = json_new_object(), *slots = json_new_array();

	json_set_u64(o, "generation", rot->number);
	if (!dry_run)
		json_set_id(o, "id", &rot->id);
	json_set_bool(o, "dry_run", dry_run);
	for (size_t i = 0; i < rot->nslots; i++)
		json_append(slots, json_slot(&rot->slots[i]));
	json_set_value(o, "keyslots", slots);
	json_print(o);
}

static void print_text(const struct repo_rotation *rot, bool dry_run)
{
	size_t left_out = 0;

	for (size_t i = 0; i < rot->nslots; i++) {
		print_slot(&rot->slots[i]);
		left_out += why_not(&rot->slots[i]) != NULL;
	}
	printf("generation %u of the secrets %smade, for %zu keyslot%s", rot->number, dry_run ? "would be " : "",
	    rot->nslots - left_out, rot->nslots - left_out == 1 ? "" : "s");
	if (left_out > 0)
		printf("; %zu left out", left_out);
	putchar('\n');
}

int key_rotate_secrets(const struct key_args *a, struct repo *r)
{
	struct repo_rotation rot;
	int rc = repo_rotate(r, a->dry_run, &rot);

	if (rc == 0 && a->cli->json)
		print_json(&rot, a->dry_run);
	else if (rc == 0)
		print_text(&rot, a->dry_run);
	repo_rotation_free(&rot);
	return cli_status(a->cli, rc);
}
