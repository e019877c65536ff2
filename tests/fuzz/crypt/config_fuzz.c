/*
 * config_decode() over arbitrary bytes.  As a fuzzer does not find signatures, each input is also given as the fields
 * of a config that is framed and signed rightly, by the owner whose key seed_crypt.c puts into its seeds.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/config.h"
#include "repo/util/bytes/le.h"

#define HEADER_LEN 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const void *data, size_t size)
{
	struct config c = { 0 };

	if (config_decode(data, size, &c) != 0)
		return;
	if (c.chunk_avg < CHUNK_AVG_MIN || c.chunk_avg > CHUNK_AVG_MAX || c.segment_size > SEGMENT_SIZE_MAX ||
	    c.pack_size > PACK_SIZE_MAX || !crypt_cipher_name(c.cipher))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sign_secret owner;
	struct signature sig;
	struct buf b = BUF_INIT;

	if (crypt_init() != 0)
		return 0;
	decode(data, size);
	memset(&owner, 0x55, sizeof(owner));
	if (size > HEADER_LEN + sizeof(sig) && memcmp(data, "VARVECF1", 8) == 0) {
		size_t len = size - sizeof(sig);

		buf_append(&b, data, len);
		le32enc(b.data + 12, (uint32_t)(len - HEADER_LEN));
		crypt_sign(&owner, CONFIG_CONTEXT, b.data, len, &sig);
		buf_append(&b, &sig, sizeof(sig));
		decode(b.data, b.len);
	}
	buf_free(&b);
	return 0;
}
