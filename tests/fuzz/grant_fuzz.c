/*
 * grant_open() over arbitrary bytes, and over the same as fields signed rightly: what it takes survives being made
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/grant.h"
#include "repo/crypt/signed_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t repo_id[16];

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void open_grant(const void *data, size_t size, const struct sign_secret *owner)
{
	struct grant g, back;
	struct sign_public pk;
	struct buf b = BUF_INIT;

	crypt_sign_public(owner, &pk);
	if (grant_open(data, size, repo_id, &pk, &g) != 0)
		return;
	need(role_name(g.role) != NULL && strlen(g.name) <= CERT_NAME_MAX);
	need(grant_sign(&g, repo_id, owner, &b) == 0);
	need(grant_open(b.data, b.len, repo_id, &pk, &back) == 0);
	need(back.role == g.role && back.signs == g.signs && strcmp(back.name, g.name) == 0);
	need(memcmp(&back.renewal, &g.renewal, sizeof(g.renewal)) == 0);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sign_secret owner;
	struct buf b = BUF_INIT;

	if (crypt_init() != 0)
		return 0;
	memset(&owner, 0x55, sizeof(owner));
	open_grant(data, size, &owner);
	if (size > sizeof(struct signature)) {
		need(buf_append(&b, data, size - sizeof(struct signature)) == 0);
		need(signed_fields_seal(&owner, GRANT_CONTEXT, repo_id, &b) == 0);
		open_grant(b.data, b.len, &owner);
	}
	buf_free(&b);
	return 0;
}
