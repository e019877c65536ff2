/*
 * varve init
 */
#include <string.h>

#include "repo/util/text/when.h"
#include "tools/commands/commands.h"
#include "tools/cli/identity.h"
#include "tools/print/json.h"

const char init_details[] =
    "The place must be empty or not exist yet.  The secret is a passphrase (asked for twice if none is\n"
    "given), a key file of at least 32 bytes, or both together.  Without it nobody can read the\n"
    "repository, and nobody can help.";

const struct cli_option init_options[] = {
	{ "cipher", 0, "NAME", "xchacha20-poly1305 (default) or aes256-gcm" },
	{ "chunk-avg", 0, "SIZE", "average size of a chunk of a large file (512K)" },
	{ "pack-size", 0, "SIZE", "size of the objects in the store (32M)" },
	{ "grace", 0, "D", "least time from dooming data to deleting it: 30min, 24h, 7d (24h)" },
	{ "kdf-memory", 0, "SIZE", "memory that trying a passphrase takes (64M)" },
	{ "kdf-passes", 0, "N", "passes over it (3)" },
	{ NULL, 0, NULL, NULL },
};

struct init_args {
	struct cli *cli;
	struct repo_init_params params;
};

static int take_size(struct cli *c, const char *option, const char *value, uint32_t *out)
{
	uint64_t v;

	if (size_parse(value, &v) != 0 || v > UINT32_MAX)
		return cli_usage(c, "--%s %s: not a size", option, value);
	*out = (uint32_t)v;
	return 0;
}

static int take(void *arg, const char *option, const char *value)
{
	struct init_args *a = arg;
	uint64_t seconds = 0;
	uint32_t bytes = 0;
	int rc = 0;

	if (strcmp(option, "cipher") == 0) {
		if (crypt_cipher_parse(value, &a->params.cipher) != 0)
			rc = cli_usage(a->cli, "--cipher %s: unknown", value);
	} else if (strcmp(option, "chunk-avg") == 0) {
		rc = take_size(a->cli, option, value, &a->params.chunk_avg);
	} else if (strcmp(option, "pack-size") == 0) {
		rc = take_size(a->cli, option, value, &a->params.pack_size);
	} else if (strcmp(option, "grace") == 0) {
		if (duration_parse(value, &seconds) != 0 || seconds == 0 || seconds > GRACE_MAX)
			rc = cli_usage(a->cli, "--grace %s: not a duration from 1s to 366d", value);
		a->params.grace_s = (uint32_t)seconds;
	} else if (strcmp(option, "kdf-memory") == 0) {
		rc = take_size(a->cli, option, value, &bytes);
		a->params.keyslot.memory_kib = bytes / 1024;
	} else if (strcmp(option, "kdf-passes") == 0) {
		rc = take_size(a->cli, option, value, &a->params.keyslot.passes);
	}
	return rc;
}

static void report(struct cli *c, const struct repo *r)
{
	char hex[2 * sizeof(r->config.repo_id) + 1];
	json_value *o;

	hex_encode(r->config.repo_id, sizeof(r->config.repo_id), hex);
	if (c->json) {
		o = json_new_object();
		json_set_text(o, "repository", store_url(r->store));
		json_set_text(o, "id", hex);
		json_set_id(o, "keyslot", &r->keyslot);
		json_set_text(o, "cipher", crypt_cipher_name(r->config.cipher));
		json_print(o);
	} else {
		printf("repository %s created at %s\n", hex, store_url(r->store));
	}
}

int cmd_init(struct cli *c, int argc, char **argv)
{
	struct init_args a = { .cli = c };
	struct repo_options ro;
	struct repo *r = NULL;
	char owner[256], **args;
	int n, rc;

	rc = cli_parse(c, argc, argv, take, &a, &n, &args);
	if (rc != 0)
		return rc < 0 ? EXIT_OK : rc;
	if (n > 0 && c->access.repo_url == NULL) {
		c->access.repo_url = args[0];
		n--;
	}
	if (n > 0)
		return cli_usage(c, "one argument too many: %s", args[n]);
	rc = cli_repo_options(c, &ro);
	if (rc != 0)
		return rc;
	ro.credentials = access_new_credentials;
	a.params.owner_name = identity_user_at_host(owner, sizeof(owner));
	rc = repo_init(&ro, &a.params, &r);
	if (rc != 0)
		return cli_status(c, rc);
	report(c, r);
	repo_close(r);
	return EXIT_OK;
}
