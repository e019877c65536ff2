/*
 * Tables of short hashes: sets, or maps to a number, for as many objects as a repository may have.
 *
 * Keys are 64 bits that are uniformly distributed already (of ids, which are keyed hashes); two objects with the same
 * are taken for one, which among 10^8 happens with a probability of 1 in 3,700.  Open addressing, between 3/8 and 3/4
 * full: 11 to 22 bytes a key, with values twice as much.
 *
 * Not thread-safe.
 */
#ifndef VARVE_CHECK_HASH_MAP_H
#define VARVE_CHECK_HASH_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one; set ${with_values} before the first key. */
struct hash_map {
	uint64_t *keys; /* 0: free */
	uint64_t *values;
	size_t n, cap;
	bool with_values;
};

/* Add a key (with a value).  Return 1 if it is new, 0 if it was there (its value stays), -ENOMEM. */
int hash_map_add(struct hash_map *m, uint64_t key, uint64_t value);

/* Is it there?  ${value} may be NULL. */
bool hash_map_get(const struct hash_map *m, uint64_t key, uint64_t *value);

void hash_map_free(struct hash_map *m);

/* A key from a key and something else. */
static inline uint64_t hash_mix(uint64_t key, uint64_t v)
{
	/* The finaliser of splitmix64. */
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
	v = (v ^ v >> 27) * 0x94d049bb133111eb;
	return (key << 7 | key >> 57) ^ (v ^ v >> 31);
}

/* A key from bytes that are not distributed in any way: FNV-1a and a finaliser. */
uint64_t hash_bytes(const void *data, size_t len);

#endif
