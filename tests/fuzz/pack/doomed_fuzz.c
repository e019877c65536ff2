/*
 * A record of doomed packs, as it is read without a key.
 */
#include <stdlib.h>

#include "repo/doomed/doomed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct doomed_place at = { .store = NULL };
	struct doomed_record rec;
	struct id id = { { 0 } };
	uint64_t n;

	if (doomed_decode(&at, data, size, &id, &rec) != 0)
		return 0;
	n = rec.n;
	if (n > DOOMED_IDS_MAX || 64 + n * ID_LEN + CRYPT_BLOB_OVERHEAD != size)
		abort();
	doomed_record_destroy(&rec);
	return 0;
}
