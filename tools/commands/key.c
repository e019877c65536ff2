/*
 * varve key
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/cli/identity.h"
#include "tools/print/json.h"

const char key_details[] =
    "  key list                 the keyslots\n"
    "  key add --role ROLE      a keyslot for an owner, writer, reader or auditor; only the owner can add one\n"
    "  key remove ID            remove a keyslot\n"
    "  key passwd               replace the keyslot that opened by one with another secret\n"
    "  key public               the public key that goes with --key-file, for somebody's --recipient; needs\n"
    "                           no repository.  --new-key-file makes the key file\n"
    "The new secret is --new-password-file, --new-key-file, both (two factors), or asked for twice; or the\n"
    "key file of a --recipient.";

const struct cli_option key_options[] = {
	{ "role", 0, "ROLE", "owner, writer, reader or auditor" },
	{ "name", 0, "NAME", "who the keyslot is for" },
	{ "new-password-file", 0, "FILE", "read the new passphrase from FILE" },
	{ "new-key-file", 0, "FILE", "the new key file (public: to be made)" },
	{ "recipient", 0, "PUBKEY", "for the holder of this public key (64 hexadecimal digits, see public)" },
	{ "kdf-memory", 0, "SIZE", "memory that trying a passphrase takes (64M)" },
	{ "kdf-passes", 0, "N", "passes over it (3)" },
	{ NULL, 0, NULL, NULL },
};

struct key_args {
	struct cli *cli;
	enum role role;
	const char *name;
	struct access fresh; /* where the new secret comes from */
	struct box_public recipient;
	bool has_recipient;
	struct keyslot_params params;
};

static int take_number(struct key_args *a, const char *option, const char *value)
{
	uint64_t v;

	if (size_parse(value, &v) != 0 || v > UINT32_MAX)
		return cli_usage(a->cli, "--%s %s: not a number", option, value);
	if (strcmp(option, "kdf-memory") == 0)
		a->params.memory_kib = (uint32_t)(v / 1024);
	else
		a->params.passes = (uint32_t)v;
	return 0;
}

static int take_recipient(struct key_args *a, const char *value)
{
	if (strlen(value) != 2 * sizeof(a->recipient.b) ||
	    hex_decode(value, sizeof(a->recipient.b), a->recipient.b) != 0 ||
	    !crypt_box_public_valid(&a->recipient))
		return cli_usage(a->cli, "--recipient %s: not a public key", value);
	a->has_recipient = true;
	return 0;
}

static int take(void *arg, const char *option, const char *value)
{
	struct key_args *a = arg;

	if (strcmp(option, "role") == 0) {
		if (role_parse(value, &a->role) != 0)
			return cli_usage(a->cli, "--role %s: unknown", value);
	} else if (strcmp(option, "name") == 0) {
		a->name = value;
	} else if (strcmp(option, "new-password-file") == 0) {
		a->fresh.password_file = value;
	} else if (strcmp(option, "new-key-file") == 0) {
		a->fresh.key_file = value;
	} else if (strcmp(option, "recipient") == 0) {
		return take_recipient(a, value);
	} else {
		return take_number(a, option, value);
	}
	return 0;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

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

static void print_slot(const struct key_args *a, const struct repo_keyslot *s)
{
	char hex[ID_HEX_SIZE], when[WHEN_SIZE] = "?";
	const char *role = s->readable ? role_name(s->label.role) : NULL;
	const char *kind = s->sound ? kind_name(s->kind) : "damaged";
	json_value *o;

	if (s->readable)
		when_format(s->label.created_ns, WHEN_HUMAN, a->cli->utc, when);
	if (a->cli->json) {
		o = json_new_object();
		json_set_id(o, "id", &s->id);
		json_set_text(o, "kind", kind);
		json_set_text(o, "role", role);
		json_set_text(o, "name", s->readable ? s->label.name : NULL);
		if (s->readable)
			json_set_time(o, "created", s->label.created_ns, a->cli->utc);
		json_set_bool(o, "current", s->current);
		json_print(o);
	} else {
		printf("%c%.8s  %-8s %-20s %s  ", s->current ? '*' : ' ', id_hex(&s->id, hex),
		    role != NULL ? role : "?", kind, when);
		cli_print_quoted(s->readable ? s->label.name : "");
		putchar('\n');
	}
}

static int list(struct key_args *a, struct repo *r)
{
	struct repo_keyslot *slots;
	size_t n;
	int rc;

	rc = repo_keyslots(r, &slots, &n);
	if (rc != 0)
		return cli_status(a->cli, rc);
	for (size_t i = 0; i < n; i++)
		print_slot(a, &slots[i]);
	free(slots);
	return EXIT_OK;
}

/* --- Adding, removing --------------------------------------------------------------------------------------------- */

static int new_secret(struct key_args *a, struct repo_new_keyslot *k)
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

static void print_added(const struct key_args *a, const struct id *id)
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
	free(slots);
	return *out != '\0' ? out : NULL;
}

static int add(struct key_args *a, struct repo *r, bool same, struct id *id)
{
	struct repo_new_keyslot k = { .role = a->role, .same_bundle = same };
	char kept[sizeof(((struct keyslot_label *)0)->name)], who[256];
	int rc;

	k.name = a->name;
	if (k.name == NULL && same)
		k.name = current_name(r, kept, sizeof(kept));
	if (k.name == NULL)
		k.name = identity_user_at_host(who, sizeof(who));
	rc = new_secret(a, &k);
	if (rc == 0)
		rc = repo_add_keyslot(r, &k, id);
	access_destroy(&a->fresh);
	if (rc == 0)
		print_added(a, id);
	return cli_status(a->cli, rc);
}

/* An id prefix of 4 digits or more. */
static int find_slot(struct key_args *a, struct repo *r, const char *prefix, struct id *out)
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
	free(slots);
	if (hits == 1)
		return EXIT_OK;
	cli_error(a->cli, "%s: %s", prefix, hits == 0 ? "no such keyslot" : "several keyslots' ids begin so");
	return EXIT_FAILED;
}

static int remove_slot(struct key_args *a, struct repo *r, const char *prefix)
{
	struct id id;
	int rc;

	rc = find_slot(a, r, prefix, &id);
	return rc == EXIT_OK ? cli_status(a->cli, repo_remove_keyslot(r, &id)) : rc;
}

/* The new keyslot first, so that there is always one that opens. */
static int change_secret(struct key_args *a, struct repo *r)
{
	struct id id;
	int rc;

	rc = add(a, r, true, &id);
	return rc == EXIT_OK ? cli_status(a->cli, repo_remove_keyslot(r, &r->keyslot)) : rc;
}

/* --- Recipients --------------------------------------------------------------------------------------------------- */

/* The key file is the one in use, or one that is made now.  There need be no repository. */
static int show_public(struct key_args *a)
{
	struct access *access = a->fresh.key_file != NULL ? &a->fresh : &a->cli->access;
	char hex[2 * sizeof(struct box_public) + 1];
	struct box_public pk;
	json_value *o;
	int rc = 0;

	a->fresh.log = &a->cli->log;
	if (a->fresh.key_file != NULL)
		rc = access_make_key_file(a->fresh.key_file, a->fresh.log);
	if (rc == 0)
		rc = access_recipient(access, &pk);
	access_destroy(access);
	if (rc != 0)
		return cli_status(a->cli, rc);
	hex_encode(pk.b, sizeof(pk.b), hex);
	if (a->cli->json) {
		o = json_new_object();
		json_set_text(o, "public", hex);
		json_print(o);
	} else {
		puts(hex);
	}
	return EXIT_OK;
}

static int run(struct key_args *a, int n, char **args)
{
	struct id id;
	struct repo *r;
	int rc;

	if (strcmp(args[0], "public") == 0)
		return show_public(a);
	rc = cli_open(a->cli, &r);
	if (rc != 0)
		return rc;
	if (strcmp(args[0], "list") == 0)
		rc = list(a, r);
	else if (strcmp(args[0], "add") == 0)
		rc = add(a, r, false, &id);
	else if (strcmp(args[0], "remove") == 0)
		rc = remove_slot(a, r, args[n - 1]);
	else
		rc = change_secret(a, r);
	repo_close(r);
	return rc;
}

int cmd_key(struct cli *c, int argc, char **argv)
{
	static const struct { const char *verb; int nargs; } verbs[] = {
		{ "list", 1 }, { "add", 1 }, { "remove", 2 }, { "passwd", 1 },
		{ "public", 1 },
	};
	struct key_args a = { .cli = c };
	char **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n == 0)
		return cli_usage(c, "list, add, remove, passwd or public?");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(args[0], verbs[i].verb) != 0)
			continue;
		if (n != verbs[i].nargs)
			return cli_usage(c, "%s: %s", args[0], n < verbs[i].nargs ? "a keyslot's id is needed" :
			    "one argument too many");
		if (i == 1 && a.role == 0)
			return cli_usage(c, "add: --role is needed");
		if (a.has_recipient && (a.fresh.password_file != NULL || a.fresh.key_file != NULL))
			return cli_usage(c, "--recipient goes with no other secret");
		return run(&a, n, args);
	}
	return cli_usage(c, "%s: not list, add, remove, passwd or public", args[0]);
}
