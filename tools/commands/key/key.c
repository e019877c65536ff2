/*
 * varve key
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/commands/key/key_impl.h"
#include "tools/print/json.h"

const char key_details[] =
    "  key list                 the keyslots\n"
    "  key add --role ROLE      a keyslot for an owner, writer, reader or auditor; only the owner can add one;\n"
    "                           a writer's snapshots can be limited to hosts, tags and a time\n"
    "  key remove ID            remove a keyslot\n"
    "  key passwd               replace the keyslot that opened by one with another secret\n"
    "  key revoke WRITER        what this writer signs from now on is rejected; only the owner can revoke\n"
    "  key rotate               new secrets for what is stored from now on, for all who have a keyslot now: who had\n"
    "                           one reads what is there, and nothing new; only the owner can rotate\n"
    "  key rotate ID            replace a keyslot by one with a new signing key, and revoke the old key\n"
    "  key trust                take the repository as it is now, whatever was seen of it here before\n"
    "  key public               the public key that goes with --key-file, for somebody's --recipient; needs\n"
    "                           no repository.  --new-key-file makes the key file\n"
    "The new secret is --new-password-file, --new-key-file, both (two factors), or asked for twice; or the\n"
    "key file of a --recipient.";

const struct cli_option key_options[] = {
	{ "role", 0, "ROLE", "owner, writer, reader or auditor" },
	{ "name", 0, "NAME", "who the keyslot is for" },
	{ "host", 'H', "PATTERN", "a writer's limit: only snapshots of hosts that match one (\"*\", \"?\"); repeats" },
	{ "tag", 't', "TAG", "a writer's limit: only snapshots with some of these tags, and no others; repeats" },
	{ "expires", 0, "TIME", "a writer's limit: only snapshots up to TIME, or for so long (30d)" },
	{ "new-password-file", 0, "FILE", "read the new passphrase from FILE" },
	{ "new-key-file", 0, "FILE", "the new key file (public: to be made)" },
	{ "recipient", 0, "PUBKEY", "for the holder of this public key (64 hexadecimal digits, see public)" },
	{ "dry-run", 'n', NULL, "rotate: only say who would get the new secrets, and who not" },
	{ "kdf-memory", 0, "SIZE", "memory that trying a passphrase takes (64M)" },
	{ "kdf-passes", 0, "N", "passes over it (3)" },
	{ NULL, 0, NULL, NULL },
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

static int take_limit(struct key_args *a, const char *option, const char *value, const char **list, size_t *n)
{
	size_t len = strlen(value);

	if (len == 0 || len > CERT_NAME_MAX)
		return cli_usage(a->cli, "--%s: must have 1 to %d bytes", option, CERT_NAME_MAX);
	if (*n == CERT_LIST_MAX)
		return cli_usage(a->cli, "--%s: at most %d", option, CERT_LIST_MAX);
	list[(*n)++] = value;
	return 0;
}

/* "30d" is that long from now on, where it is that long ago elsewhere; a time without a clock's is its end. */
static int take_expiry(struct key_args *a, const char *value)
{
	int64_t now = when_now_ns(), t;
	size_t digits = strspn(value, "0123456789");
	bool span = digits > 0 && strlen(value) == digits + 1;

	if (when_parse(value, a->cli->utc, now, &t) != 0)
		return cli_usage(a->cli, "--expires %s: neither a time nor a span of time (30d, 4w, 12h)", value);
	a->limits.expires_ns = span ? now + (now - t) : t;
	if (a->limits.expires_ns <= now)
		return cli_usage(a->cli, "--expires %s: is past", value);
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
	} else if (strcmp(option, "host") == 0) {
		return take_limit(a, option, value, a->hosts, &a->limits.nhosts);
	} else if (strcmp(option, "tag") == 0) {
		return take_limit(a, option, value, a->tags, &a->limits.ntags);
	} else if (strcmp(option, "expires") == 0) {
		return take_expiry(a, value);
	} else if (strcmp(option, "new-password-file") == 0) {
		a->fresh.password_file = value;
	} else if (strcmp(option, "new-key-file") == 0) {
		a->fresh.key_file = value;
	} else if (strcmp(option, "dry-run") == 0) {
		a->dry_run = true;
	} else if (strcmp(option, "recipient") == 0) {
		return take_recipient(a, value);
	} else {
		return take_number(a, option, value);
	}
	return 0;
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

/* --- Trust -------------------------------------------------------------------------------------------------------- */

/* What was seen before has been dropped: all that there is now takes its place. */
static int trust(struct cli *c, struct repo *r)
{
	struct catalog *cat;
	struct manifest m;
	size_t n = 0;
	int rc = repo_catalog(r, &cat);

	if (rc != 0)
		return cli_status(c, rc);
	for (size_t i = 0; i < catalog_count(cat); i++) {
		if (catalog_manifest(cat, i, &m) != 0)
			continue;
		n++;
		manifest_destroy(&m);
	}
	catalog_free(cat);
	if (!c->quiet)
		printf("%zu snapshot%s taken as they are\n", n, n == 1 ? "" : "s");
	return EXIT_OK;
}

static int run(struct key_args *a, int n, char **args)
{
	struct repo *r;
	int rc;

	if (strcmp(args[0], "public") == 0)
		return show_public(a);
	a->cli->trust = strcmp(args[0], "trust") == 0;
	rc = cli_open(a->cli, &r);
	if (rc != 0)
		return rc;
	if (strcmp(args[0], "list") == 0)
		rc = key_list(a->cli, r);
	else if (strcmp(args[0], "add") == 0)
		rc = key_add(a, r);
	else if (strcmp(args[0], "remove") == 0)
		rc = key_remove(a, r, args[n - 1]);
	else if (strcmp(args[0], "revoke") == 0)
		rc = key_revoke(a, r, args[n - 1]);
	else if (strcmp(args[0], "rotate") == 0 && n == 1)
		rc = key_rotate_secrets(a, r);
	else if (strcmp(args[0], "rotate") == 0)
		rc = key_rotate(a, r, args[n - 1]);
	else if (a->cli->trust)
		rc = trust(a->cli, r);
	else
		rc = key_passwd(a, r);
	repo_close(r);
	return rc;
}

static int options_suit(const struct key_args *a, const char *verb, int n)
{
	const struct cert_limits *l = &a->limits;
	bool adds = strcmp(verb, "add") == 0, rotates = strcmp(verb, "rotate") == 0;
	bool signs = adds && (a->role == ROLE_WRITER || a->role == ROLE_OWNER);

	if (adds && a->role == 0)
		return cli_usage(a->cli, "add: --role is needed");
	if (!signs && (l->nhosts > 0 || l->ntags > 0 || (l->expires_ns != 0 && !rotates)))
		return cli_usage(a->cli, "--host, --tag and --expires limit what a new writer may publish");
	if (a->dry_run && !(rotates && n == 1))
		return cli_usage(a->cli, "--dry-run goes with rotate without a keyslot's id");
	if (rotates && n == 1 && (l->expires_ns != 0 || a->name != NULL || a->has_recipient ||
	    a->fresh.password_file != NULL || a->fresh.key_file != NULL))
		return cli_usage(a->cli, "rotate: whose? A keyslot's id is needed with these options");
	if (a->has_recipient && (a->fresh.password_file != NULL || a->fresh.key_file != NULL))
		return cli_usage(a->cli, "--recipient goes with no other secret");
	return 0;
}

int cmd_key(struct cli *c, int argc, char **argv)
{
	static const struct { const char *verb; int least, most; } verbs[] = {
		{ "list", 1, 1 }, { "add", 1, 1 }, { "remove", 2, 2 }, { "passwd", 1, 1 },
		{ "public", 1, 1 }, { "revoke", 2, 2 }, { "rotate", 1, 2 }, { "trust", 1, 1 },
	};
	struct key_args a = { .cli = c };
	char **args;
	int n, rc;

	a.limits.hosts = a.hosts;
	a.limits.tags = a.tags;
	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n == 0)
		return cli_usage(c, "list, add, remove, passwd, revoke, rotate, trust or public?");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(args[0], verbs[i].verb) != 0)
			continue;
		if (n < verbs[i].least || n > verbs[i].most)
			return cli_usage(c, "%s: %s", args[0], n < verbs[i].least ? "whose? A keyslot's id is needed" :
			    "one argument too many");
		rc = options_suit(&a, args[0], n);
		return rc == 0 ? run(&a, n, args) : rc;
	}
	return cli_usage(c, "%s: not list, add, remove, passwd, revoke, rotate, trust or public", args[0]);
}
