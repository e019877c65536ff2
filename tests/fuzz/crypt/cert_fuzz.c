/*
 * cert_open() over arbitrary bytes, and over the same as fields signed rightly.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/secrets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const char *s)
{
	if (s && (s[0] == '\0' || strlen(s) > CERT_NAME_MAX))
		abort();
}

static void open_cert(const void *data, size_t size, const struct sign_public *owner)
{
	struct cert c;

	if (cert_open(data, size, owner, &c) != 0)
		return;
	if (!c.name)
		abort();
	check_string(c.name);
	if (c.nhosts > CERT_LIST_MAX || c.ntags > CERT_LIST_MAX)
		abort();
	for (uint32_t i = 0; i < c.nhosts; i++) {
		check_string(c.hosts[i]);
		cert_host_matches(c.hosts[i], c.name);
	}
	for (uint32_t i = 0; i < c.ntags; i++)
		check_string(c.tags[i]);
	cert_destroy(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sign_secret owner;
	struct sign_public pk;
	struct signature sig;
	struct buf b = BUF_INIT;

	if (crypt_init() != 0)
		return 0;
	memset(&owner, 0x55, sizeof(owner));
	crypt_sign_public(&owner, &pk);
	open_cert(data, size, &pk);
	if (size >= sizeof(sig)) {
		buf_append(&b, data, size - sizeof(sig));
		crypt_sign(&owner, CERT_CONTEXT, b.data, b.len, &sig);
		buf_append(&b, &sig, sizeof(sig));
		open_cert(b.data, b.len, &pk);
	}
	buf_free(&b);
	return 0;
}
