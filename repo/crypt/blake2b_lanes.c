/*
 * BLAKE2b in lanes.  See blake2b_lanes.h; names as in RFC 7693, section 3.
 *
 * The rounds are written once, for whatever type of word: a vector of 8 or 4 lanes, or one word.  Vectors are those of
 * the compiler, and only the functions with a target attribute are compiled for more than the processor that the
 * program is built for.
 *
 * Lanes go together over as many blocks as the shortest of them has, without looking at anything in between; then that
 * lane is given the next message.  The last block of a message, which may be a part of one, is hashed on its own.
 */
#include "repo/crypt/blake2b_lanes.h"

#include <string.h>

#include "repo/util/bytes/le.h"

#define WIDTH_MAX 8

static const uint64_t iv[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

static const uint8_t sigma[10][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

/* --- The rounds, of v[16] and m[16] ------------------------------------------------------------------------------- */

#define ROTATE(x, n) ((x) >> (n) | (x) << (64 - (n)))

#define MIX(a, b, c, d, x, y)               \
	do {                                \
		v[a] += v[b] + (x);         \
		v[d] ^= v[a];               \
		v[d] = ROTATE(v[d], 32);    \
		v[c] += v[d];               \
		v[b] ^= v[c];               \
		v[b] = ROTATE(v[b], 24);    \
		v[a] += v[b] + (y);         \
		v[d] ^= v[a];               \
		v[d] = ROTATE(v[d], 16);    \
		v[c] += v[d];               \
		v[b] ^= v[c];               \
		v[b] = ROTATE(v[b], 63);    \
	} while (0)

#define ROUND(s)                                                  \
	do {                                                      \
		MIX(0, 4, 8, 12, m[(s)[0]], m[(s)[1]]);           \
		MIX(1, 5, 9, 13, m[(s)[2]], m[(s)[3]]);           \
		MIX(2, 6, 10, 14, m[(s)[4]], m[(s)[5]]);          \
		MIX(3, 7, 11, 15, m[(s)[6]], m[(s)[7]]);          \
		MIX(0, 5, 10, 15, m[(s)[8]], m[(s)[9]]);          \
		MIX(1, 6, 11, 12, m[(s)[10]], m[(s)[11]]);        \
		MIX(2, 7, 8, 13, m[(s)[12]], m[(s)[13]]);         \
		MIX(3, 4, 9, 14, m[(s)[14]], m[(s)[15]]);         \
	} while (0)

/* Written out, as the indices are to be constants: a loop would be left one by some compilers. */
#define ROUNDS()                  \
	do {                      \
		ROUND(sigma[0]);  \
		ROUND(sigma[1]);  \
		ROUND(sigma[2]);  \
		ROUND(sigma[3]);  \
		ROUND(sigma[4]);  \
		ROUND(sigma[5]);  \
		ROUND(sigma[6]);  \
		ROUND(sigma[7]);  \
		ROUND(sigma[8]);  \
		ROUND(sigma[9]);  \
		ROUND(sigma[0]);  \
		ROUND(sigma[1]);  \
	} while (0)

/* --- One message -------------------------------------------------------------------------------------------------- */

/* ${f}: all bits, in the last block. */
static void compress(struct lanes_message *s, const uint8_t *block, uint64_t f)
{
	uint64_t v[16], m[16];

	for (unsigned i = 0; i < 16; i++)
		m[i] = le64dec(block + 8 * i);
	for (unsigned i = 0; i < 8; i++) {
		v[i] = s->h[i];
		v[8 + i] = iv[i];
	}
	v[12] ^= s->t;
	v[14] ^= f;
	ROUNDS();
	for (unsigned i = 0; i < 8; i++)
		s->h[i] ^= v[i] ^ v[8 + i];
}

static void run_1(struct lanes_message *const m[], size_t nblocks)
{
	for (; nblocks > 0; nblocks--) {
		m[0]->t += LANES_BLOCK;
		compress(m[0], m[0]->data, 0);
		m[0]->data += LANES_BLOCK;
	}
}

static void finish(struct lanes_message *m)
{
	uint8_t block[LANES_BLOCK] = { 0 };

	if (!m->last)
		return;
	if (m->len > 0)
		memcpy(block, m->data, m->len);
	m->t += m->len;
	compress(m, block, UINT64_MAX);
}

void lanes_begin(struct lanes_message *m)
{
	memcpy(m->h, iv, sizeof(iv));
	m->h[0] ^= 0x01010000 ^ 32;
	m->t = 0;
}

void lanes_begin_keyed(struct lanes_message *m, const uint8_t key[32])
{
	uint8_t block[LANES_BLOCK] = { 0 };

	lanes_begin(m);
	m->h[0] ^= 32 << 8;
	m->t = LANES_BLOCK;
	memcpy(block, key, 32);
	compress(m, block, 0);
	explicit_bzero(block, sizeof(block));
}

void lanes_end(const struct lanes_message *m, uint8_t out[32])
{
	for (unsigned i = 0; i < 4; i++)
		le64enc(out + 8 * i, m->h[i]);
}

/* --- Lanes -------------------------------------------------------------------------------------------------------- */

/* Hash ${nblocks} blocks, none of them a last one, of as many messages as the function has lanes. */
typedef void run_fn(struct lanes_message *const m[], size_t nblocks);

#if defined(__x86_64__)

/* gcc puts vectors of 64 bytes at any place of the address sanitizer's stack (its bug 110027). */
#define UNCHECKED __attribute__((no_sanitize("address")))

#define INLINE static inline UNCHECKED __attribute__((always_inline))

/* For loops over vectors, which are to stay in registers.  clang does that by itself. */
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define SHUFFLE __builtin_shufflevector

typedef uint64_t word4 __attribute__((vector_size(32)));
typedef uint64_t word8 __attribute__((vector_size(64)));

/* Rows become columns: four words of four messages, word by word. */
INLINE void transpose4(word4 r[4])
{
	word4 a = SHUFFLE(r[0], r[1], 0, 4, 2, 6), b = SHUFFLE(r[0], r[1], 1, 5, 3, 7);
	word4 c = SHUFFLE(r[2], r[3], 0, 4, 2, 6), d = SHUFFLE(r[2], r[3], 1, 5, 3, 7);

	r[0] = SHUFFLE(a, c, 0, 1, 4, 5);
	r[1] = SHUFFLE(b, d, 0, 1, 4, 5);
	r[2] = SHUFFLE(a, c, 2, 3, 6, 7);
	r[3] = SHUFFLE(b, d, 2, 3, 6, 7);
}

/* Eight of eight: pairs of words, pairs of pairs, halves. */
INLINE void transpose8(word8 r[8])
{
	word8 t[8];

	UNROLL
	for (unsigned i = 0; i < 8; i += 2) {
		t[i] = SHUFFLE(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
		t[i + 1] = SHUFFLE(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
	}
	UNROLL
	for (unsigned k = 0; k < 4; k++) {
		unsigned i = k + (k & 2); /* 0, 1, 4, 5 */

		r[i] = SHUFFLE(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
		r[i + 2] = SHUFFLE(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
	}
	UNROLL
	for (unsigned i = 0; i < 4; i++) {
		t[i] = SHUFFLE(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
		t[i + 4] = SHUFFLE(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
	}
	memcpy(r, t, sizeof(t));
}

/* v[16] and m[16] hold all lanes by now; onto h[8], with t bytes hashed. */
#define COMPRESS()                                           \
	do {                                                 \
		UNROLL                               \
		for (unsigned i = 0; i < 8; i++) {           \
			v[i] = h[i];                         \
			v[8 + i] = (h[i] & 0) + iv[i];       \
		}                                            \
		v[12] ^= t;                                  \
		ROUNDS();                                    \
		UNROLL                               \
		for (unsigned i = 0; i < 8; i++)             \
			h[i] ^= v[i] ^ v[8 + i];             \
	} while (0)

INLINE void run_4(struct lanes_message *const l[], size_t nblocks)
{
	word4 h[8], v[16], m[16], t;
	const uint8_t *p[4];

	UNROLL
	for (unsigned j = 0; j < 4; j++) {
		memcpy(&h[j], l[j]->h, sizeof(h[j]));
		memcpy(&h[4 + j], l[j]->h + 4, sizeof(h[j]));
		t[j] = l[j]->t;
		p[j] = l[j]->data;
	}
	transpose4(h);
	transpose4(h + 4);
	for (; nblocks > 0; nblocks--) {
		UNROLL
		for (unsigned j = 0; j < 4; j++) {
			UNROLL
			for (unsigned k = 0; k < 4; k++)
				memcpy(&m[4 * k + j], p[j] + sizeof(m[0]) * k, sizeof(m[0]));
			p[j] += LANES_BLOCK;
		}
		UNROLL
		for (unsigned k = 0; k < 4; k++)
			transpose4(m + 4 * k);
		t += LANES_BLOCK;
		COMPRESS();
	}
	transpose4(h);
	transpose4(h + 4);
	UNROLL
	for (unsigned j = 0; j < 4; j++) {
		memcpy(l[j]->h, &h[j], sizeof(h[j]));
		memcpy(l[j]->h + 4, &h[4 + j], sizeof(h[j]));
		l[j]->t = t[j];
		l[j]->data = p[j];
	}
}

INLINE void run_8(struct lanes_message *const l[], size_t nblocks)
{
	word8 h[8], v[16], m[16], t;
	const uint8_t *p[8];

	UNROLL
	for (unsigned j = 0; j < 8; j++) {
		memcpy(&h[j], l[j]->h, sizeof(h[j]));
		t[j] = l[j]->t;
		p[j] = l[j]->data;
	}
	transpose8(h);
	for (; nblocks > 0; nblocks--) {
		UNROLL
		for (unsigned j = 0; j < 8; j++) {
			memcpy(&m[j], p[j], sizeof(m[0]));
			memcpy(&m[8 + j], p[j] + sizeof(m[0]), sizeof(m[0]));
			p[j] += LANES_BLOCK;
		}
		transpose8(m);
		transpose8(m + 8);
		t += LANES_BLOCK;
		COMPRESS();
	}
	transpose8(h);
	UNROLL
	for (unsigned j = 0; j < 8; j++) {
		memcpy(l[j]->h, &h[j], sizeof(h[j]));
		l[j]->t = t[j];
		l[j]->data = p[j];
	}
}

UNCHECKED __attribute__((target("avx2")))
static void run_4_avx2(struct lanes_message *const l[], size_t nblocks)
{
	run_4(l, nblocks);
}

UNCHECKED __attribute__((target("avx512f,avx512vl")))
static void run_4_avx512(struct lanes_message *const l[], size_t nblocks)
{
	run_4(l, nblocks);
}

UNCHECKED __attribute__((target("avx512f,avx512vl")))
static void run_8_avx512(struct lanes_message *const l[], size_t nblocks)
{
	run_8(l, nblocks);
}

enum lanes lanes_best(void)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
		return LANES_AVX512;
	return __builtin_cpu_supports("avx2") ? LANES_AVX2 : LANES_NONE;
}

/* The function for ${live} messages, and how many lanes it has. */
static run_fn *choose(enum lanes lanes, unsigned live, unsigned *width)
{
	*width = live == 1 || lanes == LANES_NONE ? 1 : live <= 4 || lanes == LANES_AVX2 ? 4 : 8;
	if (*width == 1)
		return run_1;
	if (*width == 8)
		return run_8_avx512;
	return lanes == LANES_AVX2 ? run_4_avx2 : run_4_avx512;
}

#else

enum lanes lanes_best(void)
{
	return LANES_NONE;
}

static run_fn *choose(enum lanes lanes, unsigned live, unsigned *width)
{
	(void)lanes;
	(void)live;
	*width = 1;
	return run_1;
}

#endif

/* --- Which message goes where ------------------------------------------------------------------------------------- */

struct schedule {
	struct lanes_message *wait[LANES_MESSAGES_MAX]; /* the longest last */
	size_t nwait;
	struct lanes_message *lane[WIDTH_MAX];
	unsigned live;
};

static size_t whole_blocks(const struct lanes_message *m)
{
	return (m->last && m->len > 0 ? m->len - 1 : m->len) / LANES_BLOCK;
}

/* The longest first, as those that are left over at the end leave lanes idle. */
static void line_up(struct schedule *s, struct lanes_message *messages, size_t n)
{
	size_t at;

	for (size_t i = 0; i < n; i++) {
		for (at = i; at > 0 && s->wait[at - 1]->len > messages[i].len; at--)
			s->wait[at] = s->wait[at - 1];
		s->wait[at] = &messages[i];
	}
	s->nwait = n;
}

static void fill_lanes(struct schedule *s, unsigned most)
{
	struct lanes_message *m;

	while (s->live < most && s->nwait > 0) {
		m = s->wait[--s->nwait];
		if (whole_blocks(m) > 0)
			s->lane[s->live++] = m;
		else
			finish(m);
	}
}

/* Go on with all lanes until the first message is at its end. */
static void run_live(struct schedule *s, enum lanes lanes)
{
	struct lanes_message *lane[WIDTH_MAX], idle[WIDTH_MAX];
	size_t nblocks = SIZE_MAX, n;
	unsigned width, live = 0;
	run_fn *run = choose(lanes, s->live, &width);

	for (unsigned j = 0; j < width; j++) {
		lane[j] = j < s->live ? s->lane[j] : &idle[j];
		if (j >= s->live)
			idle[j] = *s->lane[0];
		n = whole_blocks(lane[j]);
		nblocks = n < nblocks ? n : nblocks;
	}
	run(lane, nblocks);
	for (unsigned j = 0; j < s->live; j++) {
		s->lane[j]->len -= nblocks * LANES_BLOCK;
		if (whole_blocks(s->lane[j]) > 0)
			s->lane[live++] = s->lane[j];
		else
			finish(s->lane[j]);
	}
	s->live = live;
}

void lanes_run(enum lanes lanes, struct lanes_message *messages, size_t n)
{
	unsigned most = lanes == LANES_AVX512 ? 8 : lanes == LANES_AVX2 ? 4 : 1;
	struct schedule s = { .live = 0 };

	line_up(&s, messages, n);
	for (fill_lanes(&s, most); s.live > 0; fill_lanes(&s, most))
		run_live(&s, lanes);
}
