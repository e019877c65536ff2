/*
 * The sum over a table's records: that of a 64-bit hash of each, so that it can be kept up to date record by record.
 * It finds damage; it is no defence against somebody who computes it.
 */
#ifndef VARVE_INDEX_LMDB_SUM_H
#define VARVE_INDEX_LMDB_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "repo/util/bytes/le.h"

#define LMDB_SUM_TABLE "sums" /* table name -> sum, le64 */

/* One step: for a given ${h} no two words give the same, and for a given word no two ${h}. */
static inline uint64_t lmdb_mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static inline uint64_t lmdb_hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t last = 0;

	h = lmdb_mix(h, len);
	for (; len >= 8; p += 8, len -= 8)
		h = lmdb_mix(h, le64dec(p));
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << 8 * i;
	return lmdb_mix(h, last);
}

static inline uint64_t lmdb_record_sum(const void *key, size_t keylen, const void *data, size_t len)
{
	uint64_t h = lmdb_hash(lmdb_hash(0, key, keylen), data, len);

	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

#endif
