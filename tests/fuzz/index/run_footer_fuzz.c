/*
 * Footer of an index run, as it is after opening.  The first 4 bytes are the run's length.  What is accepted must keep
 * every box within the run.
 */
#include <stdlib.h>

#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct run_block *b, uint32_t n, uint64_t run_len)
{
	for (uint32_t i = 0; i < n; i++) {
		if (b[i].offset < RUN_FIXED_LEN || b[i].box <= CRYPT_TAG_LEN || b[i].offset + b[i].box > run_len ||
		    b[i].box > RUN_BLOCK_MAX + CRYPT_TAG_LEN || b[i].nrecords == 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_footer *f = NULL;
	uint64_t run_len;

	if (size < 4)
		return 0;
	run_len = le32dec(data);
	if (run_parse_footer(data + 4, size - 4, run_len, &f) != 0)
		return 0;
	check(f->object_block, f->nobject_blocks, run_len);
	check(f->pack_block, f->npack_blocks, run_len);
	run_footer_free(f);
	return 0;
}
