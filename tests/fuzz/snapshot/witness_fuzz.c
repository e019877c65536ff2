/*
 * witness_state_decode() over arbitrary bytes with their hash behind them: what it takes is encoded to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/snapshot/witness/witness_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT, again = BUF_INIT;
	struct witness_state s;
	struct id hash;

	if (crypt_init() != 0 || buf_append(&b, data, size) != 0)
		goto out;
	crypt_hash(data, size, &hash);
	if (buf_append(&b, hash.b, ID_LEN) != 0 || witness_state_decode(b.data, b.len, &s) != 0)
		goto out;
	if (witness_state_encode(&s, &again) != 0 || again.len != b.len || memcmp(again.data, b.data, b.len) != 0)
		abort();
	witness_state_free(&s);
out:
	buf_free(&b);
	buf_free(&again);
	return 0;
}
