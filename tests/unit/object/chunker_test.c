/*
 * chunker.h: cut points are those of the definition, whatever way the bytes are offered; sizes keep to their bounds and
 * their average; an insertion changes chunks only near it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/object/chunker.h"

#define AVG_LEAST (16u * 1024)
#define AVG_MOST (2u * 1024 * 1024)
#define LEN ((size_t)16 * 1024 * 1024)

struct fixture {
	struct chunker c; /* average AVG_LEAST */
	struct hash_key key;
	uint8_t *data;    /* LEN random bytes */
};

static void fill_random(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		for (size_t j = 0; j < 8 && i + j < len; j++)
			p[i + j] = (uint8_t)(z >> 8 * j);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&f->key, 0x11, sizeof(f->key));
	chunker_init(&f->c, &f->key, AVG_LEAST);
	f->data = malloc(LEN);
	assert_non_null(f->data);
	fill_random(f->data, LEN, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->data);
	free(f);
	return 0;
}

/* All cut points (ends of chunks) of ${data}, ending with ${len}; returns how many.  Checks the bounds. */
static size_t cut_all(const struct chunker *c, const uint8_t *data, size_t len, size_t *cuts)
{
	size_t n = 0, at = 0;

	while (at < len) {
		size_t cut = chunker_cut(c, data + at, len - at, true);

		assert_in_range(cut, 1, c->max);
		if (at + cut < len)
			assert_true(cut > c->min);
		at += cut;
		cuts[n++] = at;
	}
	assert_int_equal(at, len);
	return n;
}

static size_t *cut_points(const struct chunker *c, const uint8_t *data, size_t len, size_t *n)
{
	size_t *cuts = malloc((len / c->min + 1) * sizeof(*cuts));

	assert_non_null(cuts);
	*n = cut_all(c, data, len, cuts);
	return cuts;
}

static void test_parameters(void **state)
{
	struct fixture *f = *state;
	struct chunker c;

	assert_int_equal(f->c.min, 4 * 1024);
	assert_int_equal(f->c.avg, 16 * 1024);
	assert_int_equal(f->c.max, 64 * 1024);
	for (size_t avg = AVG_LEAST, bits = 14; avg <= AVG_MOST; avg *= 2, bits++) {
		chunker_init(&c, &f->key, avg);
		assert_int_equal(__builtin_popcountll(c.mask_small), bits + 2);
		assert_int_equal(__builtin_popcountll(c.mask_large), bits - 2);
	}
}

/* By the second implementation that made the vectors of crypt_vectors.h. */
static void test_vector(void **state)
{
	static const size_t want[] = {
		15159, 21005, 14260, 19135, 4174, 13793, 20329, 13005, 27145, 10308, 16513, 13463,
		7471, 14265, 22480, 15177, 18639, 21938, 6268, 13390, 15731, 16025, 13937, 22820,
		17627, 13936, 20326, 14538, 15077, 18216, 15674, 13666, 15305, 3493,
	};
	struct fixture *f = *state;
	size_t at = 0;

	assert_true(f->c.gear[0] == UINT64_C(0x5b1180384eccc248));
	assert_true(f->c.gear[255] == UINT64_C(0xb8f867df0e6b85e0));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(chunker_cut(&f->c, f->data + at, 512 * 1024 - at, true), want[i]);
		at += want[i];
	}
	assert_int_equal(at, 512 * 1024);
}

static void test_average(void **state)
{
	struct fixture *f = *state;
	size_t n, *cuts = cut_points(&f->c, f->data, LEN, &n);

	assert_in_range(LEN / n, AVG_LEAST * 95 / 100, AVG_LEAST * 105 / 100);
	free(cuts);
}

/* The sizes crowd around the average: that is what normalisation is for. */
static void test_distribution(void **state)
{
	struct fixture *f = *state;
	size_t n, at_max = 0, near = 0, *cuts = cut_points(&f->c, f->data, LEN, &n);

	for (size_t i = 0; i < n; i++) {
		size_t len = cuts[i] - (i ? cuts[i - 1] : 0);

		at_max += len == f->c.max;
		near += len >= AVG_LEAST / 2 && len <= AVG_LEAST * 2;
	}
	assert_in_range(at_max, 0, n / 100);
	assert_in_range(near, n * 85 / 100, n);
	free(cuts);
}

static void test_all_averages(void **state)
{
	struct fixture *f = *state;
	struct chunker c;

	for (size_t avg = AVG_LEAST; avg <= AVG_MOST; avg *= 2) {
		size_t n, *cuts;

		chunker_init(&c, &f->key, avg);
		cuts = cut_points(&c, f->data, LEN, &n);
		assert_in_range(n, LEN / avg * 3 / 4, LEN / avg * 4 / 3 + 1);
		free(cuts);
	}
}

/* Hash of the 64 bytes that end at ${end}, by the definition. */
static uint64_t window_hash(const struct chunker *c, const uint8_t *end)
{
	uint64_t h = 0;

	for (unsigned j = 0; j < 64; j++)
		h += c->gear[end[-1 - (int)j]] << j;
	return h;
}

/*
 * A cut just behind the minimum depends on bytes before it.  For each place that the definition would cut at, chunks
 * are begun so that it comes 1, 2, 3, ... bytes after their minimum.
 */
static void test_window(void **state)
{
	struct fixture *f = *state;
	unsigned found = 0;

	for (size_t at = 100000; at < LEN - 100 && found < 20; at++) {
		if (window_hash(&f->c, f->data + at) & f->c.mask_small)
			continue;
		found++;
		for (size_t k = 1; k <= 70; k++) {
			size_t start = at - f->c.min - k, cut = chunker_cut(&f->c, f->data + start, LEN - start, true);

			assert_in_range(cut, f->c.min + 1, f->c.min + k);
			assert_int_equal(window_hash(&f->c, f->data + start + cut) & f->c.mask_small, 0);
		}
	}
	assert_int_equal(found, 20);
}

/* The same cuts however little is offered at first, and never a cut that more bytes would take back. */
static void test_offered(void **state)
{
	static const size_t steps[] = { 1, 7, 4096, 4097, 10000, 65535, 65536, 1 << 20 };
	const size_t len = 200 * 1024;
	struct fixture *f = *state;
	size_t n, *cuts = cut_points(&f->c, f->data, len, &n);

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		size_t at = 0, have = 0, i = 0;

		/* Small steps take many scans: one or two chunks of those will do. */
		while (at < len && (steps[s] > 1000 || i < 1)) {
			size_t cut = chunker_cut(&f->c, f->data + at, have, at + have == len);

			if (cut == 0) {
				assert_true(have < f->c.max && at + have < len);
				have += steps[s] < len - at - have ? steps[s] : len - at - have;
				continue;
			}
			assert_int_equal(at + cut, cuts[i++]);
			at += cut;
			have -= cut;
		}
	}
	free(cuts);
}

/* What is behind the cut does not matter, nor what comes before the chunk. */
static void test_independent(void **state)
{
	struct fixture *f = *state;
	size_t cut = chunker_cut(&f->c, f->data, LEN, false);
	uint8_t *copy = malloc(cut);

	assert_non_null(copy);
	assert_in_range(cut, 1, f->c.max);
	memcpy(copy, f->data, cut);
	assert_int_equal(chunker_cut(&f->c, copy, cut, false), cut);
	assert_int_equal(chunker_cut(&f->c, copy, cut, true), cut);
	assert_int_equal(chunker_cut(&f->c, copy, cut - 1, false), 0);
	assert_int_equal(chunker_cut(&f->c, copy, cut - 1, true), cut - 1);
	free(copy);
}

static void test_short(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(chunker_cut(&f->c, f->data, 0, false), 0);
	assert_int_equal(chunker_cut(&f->c, f->data, 0, true), 0);
	assert_int_equal(chunker_cut(&f->c, f->data, 1, false), 0);
	assert_int_equal(chunker_cut(&f->c, f->data, 1, true), 1);
	assert_int_equal(chunker_cut(&f->c, f->data, f->c.min, false), 0);
	assert_int_equal(chunker_cut(&f->c, f->data, f->c.min, true), f->c.min);
	assert_int_equal(chunker_cut(&f->c, f->data, f->c.min + 1, true), f->c.min + 1);
}

/* A run of any byte is cut at the maximum, with any key. */
static void test_runs(void **state)
{
	struct fixture *f = *state;
	struct hash_key key;
	struct chunker c;

	memset(f->data, 0, 128 * 1024);
	for (unsigned k = 0; k < 300; k++) {
		memset(&key, 0, sizeof(key));
		key.b[0] = (uint8_t)k;
		key.b[1] = (uint8_t)(k >> 8);
		chunker_init(&c, &key, AVG_LEAST);
		assert_int_equal(chunker_cut(&c, f->data, 128 * 1024, false), c.max);
	}
	for (unsigned b = 1; b < 256; b++) {
		memset(f->data, (int)b, 128 * 1024);
		assert_int_equal(chunker_cut(&f->c, f->data, 128 * 1024, false), f->c.max);
		assert_int_equal(chunker_cut(&f->c, f->data, f->c.max, false), f->c.max);
		assert_int_equal(chunker_cut(&f->c, f->data, f->c.max - 1, false), 0);
	}
}

/* Chunks of ${b} that are in ${a}, whose ends are at the same distance from the end of the data. */
static size_t common_ends(const size_t *a, size_t na, const size_t *b, size_t nb)
{
	size_t i = na, j = nb, n = 0;

	while (i > 0 && j > 0 && a[na - 1] - a[i - 1] == b[nb - 1] - b[j - 1]) {
		i--;
		j--;
		n++;
	}
	return n;
}

/* Some bytes put in near the beginning: the cut points come back to the old ones within a few chunks. */
static void test_resync(void **state)
{
	static const size_t inserts[] = { 1, 2, 3, 100, 5000, 70000 };
	const size_t len = LEN / 2, place = 100000;
	struct fixture *f = *state;
	size_t n, *cuts = cut_points(&f->c, f->data, len, &n);
	uint8_t *edited = malloc(LEN);

	assert_non_null(edited);
	for (size_t i = 0; i < sizeof(inserts) / sizeof(inserts[0]); i++) {
		size_t m, *moved;

		memcpy(edited, f->data, place);
		fill_random(edited + place, inserts[i], 99 + i);
		memcpy(edited + place + inserts[i], f->data + place, len - place);
		moved = cut_points(&f->c, edited, len + inserts[i], &m);
		assert_int_equal(moved[0], cuts[0]); /* before the change nothing moves */
		assert_int_equal(moved[3], cuts[3]);
		assert_in_range(common_ends(cuts, n, moved, m), n - 20, n);
		free(moved);
	}
	free(edited);
	free(cuts);
}

static void test_keyed(void **state)
{
	struct fixture *f = *state;
	size_t n, m, same = 0, *a, *b;
	struct chunker other;

	f->key.b[31] ^= 1;
	chunker_init(&other, &f->key, AVG_LEAST);
	a = cut_points(&f->c, f->data, LEN, &n);
	b = cut_points(&other, f->data, LEN, &m);
	for (size_t i = 0, j = 0; i < n - 1 && j < m - 1;) {
		same += a[i] == b[j];
		if (a[i] <= b[j])
			i++;
		else
			j++;
	}
	assert_in_range(same, 0, 5);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parameters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(test_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_average, setup, teardown),
		cmocka_unit_test_setup_teardown(test_distribution, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_averages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_independent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resync, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keyed, setup, teardown),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
