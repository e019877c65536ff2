/*
 * MD5, after RFC 1321.
 */
#include "repo/util/bytes/md5.h"

#include <string.h>

#include "repo/util/bytes/le.h"

#define BLOCK 64

/* 3.4: floor(2^32 * |sin(i + 1)|), and by how much each step rotates. */
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint8_t turns[4][4] = { { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 } };

/* The function of a round, and which word of the block its step ${i} adds. */
static inline uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0:
		return d ^ (b & (c ^ d));
	case 1:
		return c ^ (d & (b ^ c));
	case 2:
		return b ^ c ^ d;
	default:
		return c ^ (b | ~d);
	}
}

static inline unsigned word_of(unsigned round, unsigned i)
{
	static const uint8_t factor[4] = { 1, 5, 3, 7 }, start[4] = { 0, 1, 5, 0 };

	return (i * factor[round] + start[round]) % 16;
}

/* Inlined for each round, so that all but the arithmetic is gone at compile time. */
static inline __attribute__((always_inline)) void run_round(unsigned round, uint32_t v[4], const uint32_t word[16])
{
	uint32_t a = v[0], b = v[1], c = v[2], d = v[3], sum;
	unsigned turn;

#pragma GCC unroll 16
	for (unsigned i = 0; i < 16; i++) {
		sum = a + mix(round, b, c, d) + word[word_of(round, i)] + sines[16 * round + i];
		turn = turns[round][i % 4];
		a = d;
		d = c;
		c = b;
		b += sum << turn | sum >> (32 - turn);
	}
	v[0] = a;
	v[1] = b;
	v[2] = c;
	v[3] = d;
}

static void take_block(struct md5 *m, const uint8_t *block)
{
	uint32_t v[4], word[16];

	for (unsigned i = 0; i < 16; i++)
		word[i] = le32dec(block + (size_t)4 * i);
	memcpy(v, m->state, sizeof(v));
	run_round(0, v, word);
	run_round(1, v, word);
	run_round(2, v, word);
	run_round(3, v, word);
	for (unsigned i = 0; i < 4; i++)
		m->state[i] += v[i];
}

void md5_init(struct md5 *m)
{
	*m = (struct md5){ .state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 } };
}

void md5_update(struct md5 *m, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t held = m->len % BLOCK, take;

	m->len += len;
	if (held > 0) {
		take = len < BLOCK - held ? len : BLOCK - held;
		memcpy(m->block + held, p, take);
		p += take;
		len -= take;
		if (held + take < BLOCK)
			return;
		take_block(m, m->block);
	}
	for (; len >= BLOCK; p += BLOCK, len -= BLOCK)
		take_block(m, p);
	if (len > 0)
		memcpy(m->block, p, len);
}

void md5_final(struct md5 *m, uint8_t out[MD5_LEN])
{
	static const uint8_t padding[BLOCK] = { 0x80 };
	uint8_t bits[8];
	size_t held = m->len % BLOCK;

	le64enc(bits, m->len * 8);
	md5_update(m, padding, held < BLOCK - 8 ? BLOCK - 8 - held : 2 * BLOCK - 8 - held);
	md5_update(m, bits, sizeof(bits));
	for (unsigned i = 0; i < 4; i++)
		le32enc(out + (size_t)4 * i, m->state[i]);
}
