/*
 * manifest_decode() over arbitrary bytes: what it takes has what must be there, and survives being encoded again; and
 * manifest_open() over the same as an object.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/snapshot/manifest/manifest_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void decode(const uint8_t *data, size_t size)
{
	struct buf again = BUF_INIT;
	struct manifest m, back;

	if (manifest_decode(data, size, &m) != 0)
		return;
	need(m.host != NULL && m.host[0] != '\0' && strlen(m.host) <= MANIFEST_STRING_MAX);
	need(m.root.type == ENTRY_DIR && m.root.name_len == 4 && memcmp(m.root.name, "root", 4) == 0);
	need(m.npaths <= MANIFEST_LIST_MAX && m.ntags <= MANIFEST_LIST_MAX && m.writer == NULL);
	for (uint32_t i = 0; i < m.npaths; i++)
		need(strlen(m.paths[i]) <= MANIFEST_PATH_MAX);
	need(manifest_encode(&m, &again) == 0);
	need(manifest_decode(again.data, again.len, &back) == 0);
	need(back.time_ns == m.time_ns && back.npaths == m.npaths && back.root.below == m.root.below);
	manifest_destroy(&back);
	manifest_destroy(&m);
	buf_free(&again);
}

/* Never genuine, as nobody has the key; the id fits. */
static void open_object(const uint8_t *data, size_t size)
{
	struct seal_domain metadata = { .cipher = CIPHER_XCHACHA20_POLY1305, .can_open = true, .can_seal = true };
	struct secrets s = { .role = ROLE_AUDITOR, .mask = SECRET_METADATA };
	struct manifest m;
	struct id id;

	if (crypt_init() != 0)
		return;
	memset(&s.metadata, 0x22, sizeof(s.metadata));
	metadata.sk = s.metadata;
	crypt_box_public(&metadata.sk, &metadata.pk);
	snapshot_id_make(&s, data, size, 0, &id);
	need(manifest_open(data, size, &id, &s, &metadata, &m) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 4 && memcmp(data, "VARV", 4) == 0)
		open_object(data, size);
	else
		decode(data, size);
	return 0;
}
