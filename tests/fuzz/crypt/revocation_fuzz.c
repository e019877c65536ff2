/*
 * revocation_decode() over arbitrary bytes: what it takes has a name and ids in order, and survives being encoded
 * again; and revocation_open() over the same as an object.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void decode(const uint8_t *data, size_t size)
{
	struct buf again = BUF_INIT;
	struct revocation r, back;
	struct id id = { { 0 } };

	if (revocation_decode(data, size, &r) != 0)
		return;
	need(r.name != NULL && r.name[0] != '\0' && strlen(r.name) <= CERT_NAME_MAX && r.keeps.len % ID_LEN == 0);
	if (r.keeps.len > 0)
		memcpy(id.b, r.keeps.data + r.keeps.len - ID_LEN, ID_LEN);
	need(revocation_keeps(&r, &id) == (r.keeps.len > 0));
	need(revocation_encode(&r, &again) == 0);
	need(revocation_decode(again.data, again.len, &back) == 0);
	need(back.time_ns == r.time_ns && back.keeps.len == r.keeps.len && strcmp(back.name, r.name) == 0);
	revocation_destroy(&back);
	revocation_destroy(&r);
	buf_free(&again);
}

/* Never genuine, as nobody has the key. */
static void open_object(const uint8_t *data, size_t size)
{
	struct seal_domain metadata = { .cipher = CIPHER_XCHACHA20_POLY1305, .can_open = true, .can_seal = true };
	struct secrets s = { .role = ROLE_AUDITOR, .mask = SECRET_METADATA };
	struct revocation r;

	if (crypt_init() != 0)
		return;
	memset(&s.metadata, 0x22, sizeof(s.metadata));
	metadata.sk = s.metadata;
	crypt_box_public(&metadata.sk, &metadata.pk);
	need(revocation_open(data, size, &s, &metadata, &r) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 4 && memcmp(data, "VARV", 4) == 0)
		open_object(data, size);
	else
		decode(data, size);
	return 0;
}
