/*
 * BLAKE2b in lanes against the RFC and against libsodium, in each form that this processor has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/crypt/blake2b_lanes.h"
#include "repo/crypt/crypt.h"
#include "repo/util/bytes/le.h"

#define ROOM (4u * 1024 * 1024)

struct room {
	uint8_t *data;
	uint64_t seed;
};

static uint32_t dice(struct room *r, uint32_t below)
{
	r->seed = r->seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(r->seed >> 33) % below;
}

static int setup(void **state)
{
	struct room *r = malloc(sizeof(*r));

	assert_non_null(r);
	r->seed = 1;
	r->data = malloc(ROOM);
	assert_non_null(r->data);
	for (size_t i = 0; i < ROOM; i++)
		r->data[i] = (uint8_t)dice(r, 256);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct room *r = *state;

	free(r->data);
	free(r);
	return 0;
}

/* --- RFC 7693, appendix E: a hash over hashes of all kinds -------------------------------------------------------- */

static const size_t digests[] = { 20, 32, 48, 64 };
static const size_t inputs[] = { 0, 3, 128, 129, 255, 1024 };

#define GRAND (4 * 6 * 2)

static void selftest_seq(uint8_t *out, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4bad * seed, b = 1, t;

	for (size_t i = 0; i < len; i++) {
		t = a + b;
		a = b;
		b = t;
		out[i] = (uint8_t)(t >> 24);
	}
}

/* Any length of hash and key, which the module has one of: the parameter block, and the key's block before the data. */
static void parameters(struct lanes_message *m, size_t digest, size_t key)
{
	lanes_begin(m);
	m->h[0] ^= 32 ^ digest ^ key << 8;
}

static void test_rfc_selftest(void **state, enum lanes lanes)
{
	static const uint8_t want[32] = { 0xc2, 0x3a, 0x78, 0x00, 0xd9, 0x81, 0x23, 0xbd, 0x10, 0xf5, 0x06, 0xc6, 0x1e,
		0x29, 0xda, 0x56, 0x03, 0xd7, 0x63, 0xb8, 0xbb, 0xad, 0x2e, 0x73, 0x7f, 0x5e, 0x76, 0x5a, 0x7b, 0xcc,
		0xd4, 0x75 };
	static uint8_t data[GRAND][LANES_BLOCK + 1024];
	struct lanes_message m[GRAND], all;
	uint8_t grand[4096], got[32], word[8];
	size_t n = 0, len = 0, skip;

	(void)state;
	memset(data, 0, sizeof(data));
	for (size_t d = 0; d < 4; d++) {
		for (size_t i = 0; i < 6; i++) {
			for (size_t keyed = 0; keyed < 2; keyed++, n++) {
				skip = keyed ? LANES_BLOCK : 0;
				selftest_seq(data[n] + skip, inputs[i], (uint32_t)inputs[i]);
				if (keyed)
					selftest_seq(data[n], digests[d], (uint32_t)digests[d]);
				parameters(&m[n], digests[d], keyed ? digests[d] : 0);
				m[n].data = data[n];
				m[n].len = skip + inputs[i];
				m[n].last = true;
			}
		}
	}
	lanes_run(lanes, m, n);
	for (size_t k = 0; k < n; k++) {
		for (size_t i = 0; i < digests[k / 12]; i++) {
			le64enc(word, m[k].h[i / 8]);
			grand[len++] = word[i % 8];
		}
	}
	lanes_begin(&all);
	all.data = grand;
	all.len = len;
	all.last = true;
	lanes_run(lanes, &all, 1);
	lanes_end(&all, got);
	assert_memory_equal(got, want, sizeof(want));
}

/* Appendix A: BLAKE2b-512 of "abc", in every lane. */
static void test_rfc_abc(void **state, enum lanes lanes)
{
	static const uint8_t want[16] = { 0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d, 0x6a, 0x27, 0x97, 0xb6, 0x9f,
		0x12, 0xf6, 0xe9 };
	struct lanes_message m[8];
	uint8_t got[32];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		parameters(&m[i], 64, 0);
		m[i].data = (const uint8_t *)"abc";
		m[i].len = 3;
		m[i].last = true;
	}
	lanes_run(lanes, m, 8);
	for (size_t i = 0; i < 8; i++) {
		lanes_end(&m[i], got);
		assert_memory_equal(got, want, sizeof(want));
	}
}

/* --- Against libsodium -------------------------------------------------------------------------------------------- */

static void hash_all(enum lanes lanes, const struct hash_key *key, uint8_t *const data[], const size_t len[], size_t n)
{
	struct lanes_message m[LANES_MESSAGES_MAX];
	struct id want, got;

	for (size_t i = 0; i < n; i++) {
		lanes_begin_keyed(&m[i], key->b);
		m[i].data = data[i];
		m[i].len = len[i];
		m[i].last = true;
	}
	lanes_run(lanes, m, n);
	for (size_t i = 0; i < n; i++) {
		lanes_end(&m[i], got.b);
		crypt_object_id(key, data[i], len[i], &want);
		assert_true(id_equal(&got, &want));
	}
}

/* All short lengths, and those around blocks, in groups of each size, at odd addresses. */
static void test_lengths(void **state, enum lanes lanes)
{
	const struct hash_key key = { { 7, 1 } };
	uint8_t *data[LANES_MESSAGES_MAX];
	size_t len[LANES_MESSAGES_MAX], next = 1;
	struct room *r = *state;

	for (size_t n = 1; n <= 40; n++) {
		for (size_t i = 0; i < n; i++) {
			len[i] = next;
			data[i] = r->data + i * 5000 + next % 67;
			next = next < 300 ? next + 1 : next < 4000 ? next + 127 + next % 3 : 1;
		}
		hash_all(lanes, &key, data, len, n);
	}
}

static void test_random(void **state, enum lanes lanes)
{
	static const uint32_t below[] = { 10, 129, 5000, 300000, 1000000 };
	uint8_t *data[LANES_MESSAGES_MAX];
	size_t len[LANES_MESSAGES_MAX], n;
	struct room *r = *state;
	struct hash_key key;

	for (unsigned round = 0; round < 30; round++) {
		n = 1 + dice(r, LANES_MESSAGES_MAX);
		crypt_random(&key, sizeof(key));
		for (size_t i = 0; i < n; i++) {
			len[i] = 1 + dice(r, below[dice(r, round % 5 + 1)]);
			data[i] = r->data + dice(r, ROOM - (uint32_t)len[i]);
		}
		hash_all(lanes, &key, data, len, n);
	}
}

/* Streams in pieces, not all of them in every call. */
static void test_pieces(void **state, enum lanes lanes)
{
	struct lanes_message m[12] = { { .last = false } }, part[12];
	size_t len[12], at[12] = { 0 }, which[12], left = 12, n;
	struct room *r = *state;
	struct id want, got;

	for (size_t i = 0; i < 12; i++) {
		lanes_begin(&m[i]);
		len[i] = i == 11 ? 0 : i == 10 ? 2048 : dice(r, 200000);
	}
	while (left > 0) {
		for (size_t i = n = 0; i < 12; i++) {
			size_t piece = (size_t)(1 + dice(r, 64)) * LANES_BLOCK;

			if (m[i].last || dice(r, 4) == 0)
				continue;
			m[i].last = len[i] - at[i] <= piece;
			m[i].data = r->data + i * 7 + at[i];
			m[i].len = m[i].last ? len[i] - at[i] : piece;
			at[i] += m[i].len;
			left -= m[i].last;
			which[n] = i;
			part[n++] = m[i];
		}
		lanes_run(lanes, part, n);
		for (size_t i = 0; i < n; i++)
			m[which[i]] = part[i];
	}
	for (size_t i = 0; i < 12; i++) {
		lanes_end(&m[i], got.b);
		crypt_hash(r->data + i * 7, len[i], &want);
		assert_true(id_equal(&got, &want));
	}
}

/* --- Each form ---------------------------------------------------------------------------------------------------- */

#define EACH_FORM(test)                                                                  \
	static void test##_each(void **state)                                            \
	{                                                                                \
		for (enum lanes lanes = LANES_NONE; lanes <= lanes_best(); lanes++)      \
			test(state, lanes);                                              \
	}

EACH_FORM(test_rfc_selftest)
EACH_FORM(test_rfc_abc)
EACH_FORM(test_lengths)
EACH_FORM(test_random)
EACH_FORM(test_pieces)

/* What callers use: any number, empty ones among them. */
static void test_object_ids(void **state)
{
	const struct hash_key key = { { 9 } };
	struct hash_job jobs[200] = { { .len = 0 } };
	struct id ids[200], want;
	struct room *r = *state;

	for (size_t n = 0; n <= 200; n += n < 10 ? 1 : 19) {
		for (size_t i = 0; i < n; i++) {
			jobs[i].len = dice(r, 5) == 0 ? 0 : dice(r, 3000);
			jobs[i].data = jobs[i].len > 0 ? r->data + dice(r, 1000) : NULL;
			jobs[i].out = &ids[i];
		}
		crypt_object_ids(&key, jobs, n);
		for (size_t i = 0; i < n; i++) {
			crypt_object_id(&key, jobs[i].data, jobs[i].len, &want);
			assert_true(id_equal(&ids[i], &want));
		}
	}
}

static void test_streams(void **state)
{
	struct hash_stream s[70];
	struct hash_piece pieces[70];
	struct room *r = *state;
	struct id want, got;

	for (size_t i = 0; i < 70; i++) {
		hash_stream_init(&s[i]);
		pieces[i] = (struct hash_piece){ .stream = &s[i], .data = r->data + i, .len = 4 * HASH_BLOCK };
	}
	hash_streams_update(pieces, 70);
	for (size_t i = 0; i < 70; i++) {
		pieces[i].data = r->data + i + 4 * HASH_BLOCK;
		pieces[i].len = 1 + i * 10;
		pieces[i].last = true;
	}
	hash_streams_update(pieces, 70);
	for (size_t i = 0; i < 70; i++) {
		hash_stream_final(&s[i], &got);
		crypt_hash(r->data + i, 4 * HASH_BLOCK + 1 + i * 10, &want);
		assert_true(id_equal(&got, &want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_selftest_each),
		cmocka_unit_test(test_rfc_abc_each),
		cmocka_unit_test(test_lengths_each),
		cmocka_unit_test(test_random_each),
		cmocka_unit_test(test_pieces_each),
		cmocka_unit_test(test_object_ids),
		cmocka_unit_test(test_streams),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
