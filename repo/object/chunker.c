/*
 * FastCDC over a keyed gear table.  chunker.h says exactly where cuts are; here it is only made fast.
 */
#include "repo/object/chunker.h"

#include "repo/util/bytes/le.h"

#define WINDOW 64            /* bytes that a 64-bit gear hash depends on */
#define GEAR_PER_HASH (ID_LEN / 8)
#define NORMALISATION 2      /* bits by which the masks differ from the average's */

static uint64_t top_bits(unsigned n)
{
	return ~UINT64_C(0) << (64 - n);
}

static void make_gear(struct chunker *c, const struct hash_key *key)
{
	struct hash_key seed;
	struct id block;

	crypt_derive(key->b, CHUNKER_PURPOSE, seed.b);
	for (unsigned i = 0; i < 256; i += GEAR_PER_HASH) {
		uint8_t counter = (uint8_t)(i / GEAR_PER_HASH);

		crypt_object_id(&seed, &counter, 1, &block);
		for (unsigned j = 0; j < GEAR_PER_HASH; j++)
			c->gear[i + j] = le64dec(block.b + 8 * j);
	}
	crypt_wipe(&seed, sizeof(seed));
	crypt_wipe(&block, sizeof(block));
}

void chunker_init(struct chunker *c, const struct hash_key *key, size_t avg)
{
	unsigned bits = (unsigned)__builtin_ctzll(avg);

	c->min = avg / 4;
	c->avg = avg;
	c->max = avg * 4;
	c->mask_small = top_bits(bits + NORMALISATION);
	c->mask_large = top_bits(bits - NORMALISATION);
	make_gear(c, key);
	/* The hash of a run of one byte is minus its entry: no run may look like a cut. */
	for (unsigned i = 0; i < 256; i++)
		if (((0 - c->gear[i]) & c->mask_large) == 0)
			c->gear[i] += UINT64_C(1) << 63;
}

/*
 * Hash the bytes from ${pos} to ${end}, going on from ${*hash} of those before.  Return the first position after a byte
 * where the hash has no bit of ${mask}; or 0, with ${*hash} brought forward.
 *
 * Two bytes at a time, so that the chain from hash to hash is one step for two bytes.  Returning at once, without a
 * word about the hash, keeps compilers from making that chain depend on the tests.
 */
static size_t scan(const struct chunker *c, const uint8_t *data, size_t pos, size_t end, uint64_t mask, uint64_t *hash)
{
	uint64_t h = *hash;

	for (; pos + 2 <= end; pos += 2) {
		uint64_t g1 = c->gear[data[pos]], g2 = c->gear[data[pos + 1]];
		uint64_t h1 = (h << 1) + g1;

		h = (h << 2) + ((g1 << 1) + g2);
		if ((h1 & mask) == 0)
			return pos + 1;
		if ((h & mask) == 0)
			return pos + 2;
	}
	if (pos < end) {
		h = (h << 1) + c->gear[data[pos]];
		if ((h & mask) == 0)
			return pos + 1;
	}
	*hash = h;
	return 0;
}

size_t chunker_cut(const struct chunker *c, const uint8_t *data, size_t len, bool last)
{
	size_t end = len < c->max ? len : c->max;
	size_t normal = c->avg / 16 * 13;
	uint64_t hash = 0;
	size_t cut;

	if (len <= c->min)
		return last ? len : 0;
	if (normal > end)
		normal = end;
	for (size_t i = c->min - WINDOW; i < c->min; i++)
		hash = (hash << 1) + c->gear[data[i]];
	cut = scan(c, data, c->min, normal, c->mask_small, &hash);
	if (cut == 0)
		cut = scan(c, data, normal, end, c->mask_large, &hash);
	if (cut == 0 && (end == c->max || last))
		cut = end;
	return cut;
}
