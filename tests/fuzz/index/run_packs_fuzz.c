/*
 * Pack block of an index run, as it is after opening.
 */
#include <stdlib.h>

#include "repo/index/run/run.h"

#define FIRST 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *arg, uint32_t number, const struct pack_info *info)
{
	uint32_t *n = arg;

	if (number != FIRST + (*n)++ || (info->kind != PACK_DATA && info->kind != PACK_TREE))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t n = 0;

	if (run_parse_packs(data, size, FIRST, check, &n) == 0 && n * 120 != size)
		abort();
	return 0;
}
