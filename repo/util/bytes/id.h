/*
 * 256-bit ids of everything that is named by a hash: objects (chunks, tree pages, span-list pages), packs, index runs,
 * snapshots, keyslots.  Passed as a struct, never as a bare pointer to bytes.
 */
#ifndef VARVE_UTIL_ID_H
#define VARVE_UTIL_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ID_LEN 32
#define ID_HEX_SIZE (2 * ID_LEN + 1) /* with the NUL */

struct id {
	uint8_t b[ID_LEN];
};

static inline bool id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_LEN) == 0;
}

static inline int id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, ID_LEN);
}

/* Hash for tables: ids are uniformly distributed, so their first bytes do. */
static inline uint64_t id_hash(const struct id *a)
{
	uint64_t h;

	memcpy(&h, a->b, sizeof(h));
	return h;
}

bool id_is_zero(const struct id *a);

/**
 * hex_encode(in, len, out):
 * Write ${2 * len} lower-case hexadecimal digits and a NUL to ${out}.
 */
void hex_encode(const uint8_t *in, size_t len, char *out);

/* The value of a hexadecimal digit of either case, or -1. */
int hex_digit(char c);

/**
 * hex_decode(in, len, out):
 * Decode exactly ${2 * len} lower-case hexadecimal digits.  Return 0, or -EINVAL (${out} then undefined) if there is
 * anything else before that; what follows is not looked at.
 */
int hex_decode(const char *in, size_t len, uint8_t *out);

/* Write the 64 digits of ${id} and a NUL to ${out}; return ${out}, so that it can stand in a printf's arguments. */
char *id_hex(const struct id *id, char out[ID_HEX_SIZE]);

/* Parse exactly 64 digits and the string's end.  Return 0 or -EINVAL. */
int id_parse(const char *hex, struct id *out);

#endif
