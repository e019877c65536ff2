/*
 * The list of keyslots: who has a key, of which kind, and what a writer's certificate limits it to.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/commands/key/key_impl.h"
#include "tools/print/json.h"

static const char *kind_name(enum keyslot_kind kind)
{
	switch (kind) {
	case KEYSLOT_PASSPHRASE:
		return "passphrase";
	case KEYSLOT_KEY_FILE:
		return "key-file";
	case KEYSLOT_BOTH:
		return "passphrase+key-file";
	case KEYSLOT_RECIPIENT:
		return "recipient";
	default:
		return "damaged";
	}
}

static void json_certificate(const struct cli *c, json_value *o, const struct repo_keyslot *s)
{
	char hex[2 * sizeof(s->cert.key.b) + 1];

	hex_encode(s->cert.key.b, sizeof(s->cert.key.b), hex);
	json_set_text(o, "writer", hex);
	json_set_texts(o, "hosts", s->cert.hosts, s->cert.nhosts);
	json_set_texts(o, "tags", s->cert.tags, s->cert.ntags);
	if (s->cert.expires_ns != 0)
		json_set_time(o, "expires", s->cert.expires_ns, c->utc);
	if (s->revoked)
		json_set_time(o, "revoked", s->revoked_ns, c->utc);
}

static void print_json(const struct cli *c, const struct repo_keyslot *s, const char *kind, const char *role)
{
	json_value *o = json_new_object();

	json_set_id(o, "id", &s->id);
	json_set_text(o, "kind", kind);
	json_set_text(o, "role", role);
	json_set_text(o, "name", s->readable ? s->label.name : NULL);
	if (s->readable)
		json_set_time(o, "created", s->label.created_ns, c->utc);
	if (s->certified)
		json_certificate(c, o, s);
	json_set_bool(o, "current", s->current);
	json_print(o);
}

static void print_joined(const char *what, char *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		fputs(i == 0 ? what : ",", stdout);
		cli_print_quoted(list[i]);
	}
}

/* Behind the name, as most have none. */
static void print_limits(const struct cli *c, const struct repo_keyslot *s)
{
	const struct cert *cert = &s->cert;
	bool expired = cert->expires_ns != 0 && cert->expires_ns < when_now_ns();
	char when[WHEN_SIZE];

	print_joined("  host ", cert->hosts, cert->nhosts);
	print_joined("  tag ", cert->tags, cert->ntags);
	if (cert->expires_ns != 0)
		printf("  %s %s", expired ? "expired" : "expires",
		    when_format(cert->expires_ns, WHEN_HUMAN, c->utc, when));
	if (s->revoked)
		printf("  revoked %s", when_format(s->revoked_ns, WHEN_HUMAN, c->utc, when));
}

static void print_text(const struct cli *c, const struct repo_keyslot *s, const char *kind, const char *role)
{
	char hex[ID_HEX_SIZE], when[WHEN_SIZE] = "?";

	if (s->readable)
		when_format(s->label.created_ns, WHEN_HUMAN, c->utc, when);
	printf("%c%.8s  %-8s %-20s %s  ", s->current ? '*' : ' ', id_hex(&s->id, hex), role != NULL ? role : "?", kind,
	    when);
	cli_print_quoted(s->readable ? s->label.name : "");
	if (s->certified)
		print_limits(c, s);
	putchar('\n');
}

int key_list(struct cli *c, const struct repo *r)
{
	struct repo_keyslot *slots;
	size_t n;
	int rc;

	rc = repo_keyslots(r, &slots, &n);
	if (rc != 0)
		return cli_status(c, rc);
	for (size_t i = 0; i < n; i++) {
		const struct repo_keyslot *s = &slots[i];
		const char *role = s->readable ? role_name(s->label.role) : NULL;
		const char *kind = s->sound ? kind_name(s->kind) : "damaged";

		if (c->json)
			print_json(c, s, kind, role);
		else
			print_text(c, s, kind, role);
	}
	repo_keyslots_free(slots, n);
	return EXIT_OK;
}
