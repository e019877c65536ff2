/*
 * secrets_decode() over arbitrary bytes; what it takes must encode to something that it takes again.
 */
#include <stdlib.h>

#include "repo/crypt/keys/secrets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secrets *s = NULL, *again = NULL;
	struct buf b = BUF_INIT;

	if (crypt_init() != 0 || secrets_decode(data, size, &s) != 0)
		return 0;
	if (s->mask != role_mask(s->role) || secrets_encode(s, &b) != 0 || secrets_decode(b.data, b.len, &again) != 0)
		abort();
	secrets_free(again);
	secrets_free(s);
	buf_wipe(&b);
	return 0;
}
