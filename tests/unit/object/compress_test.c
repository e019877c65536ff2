/*
 * compress.h: what goes in comes out, compressible data is compressed and other data is not, and whatever a store may
 * hand over instead of a segment is refused without a byte written beyond the room for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/object/compress.h"

#define MOST (1024 * 1024)

struct fixture {
	struct compressor *c;
	struct decompressor *d;
	uint8_t *in, *out, *back;
	size_t cap;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->c = compressor_new(COMPRESS_LEVEL_DEFAULT);
	f->d = decompressor_new();
	f->cap = compress_bound(MOST);
	f->in = malloc(MOST);
	f->out = malloc(f->cap);
	f->back = malloc(MOST);
	assert_true(f->c && f->d && f->in && f->out && f->back);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	compressor_free(f->c);
	decompressor_free(f->d);
	free(f->in);
	free(f->out);
	free(f->back);
	free(f);
	return 0;
}

static uint64_t next(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void fill_random(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)next(&seed);
}

/* Lines like those of a log: words, numbers and identifiers that do not come again. */
static void fill_text(uint8_t *p, size_t len, uint64_t seed)
{
	static const char *const words[] = { "error", "opened", "connection", "from", "user", "the", "timeout", "of" };
	char line[128];

	for (size_t i = 0; i < len;) {
		uint64_t r = next(&seed);
		size_t n = (size_t)snprintf(line, sizeof(line), "%u %s %s %016llx %s\n", (unsigned)(r & 0xffff),
		    words[r >> 16 & 7], words[r >> 20 & 7], (unsigned long long)next(&seed), words[r >> 24 & 7]);

		n = n < len - i ? n : len - i;
		memcpy(p + i, line, n);
		i += n;
	}
}

/* Compress ${len} bytes of ${f->in} in memory of exactly the bound, expand, compare; return the stored size. */
static size_t round_trip(struct fixture *f, size_t len)
{
	size_t cap = compress_bound(len), n;
	uint8_t *out = malloc(cap);

	assert_non_null(out);
	assert_true(cap > len);
	n = compress_segment(f->c, f->in, len, out, cap);
	assert_in_range(n, 1, len + 1);
	memset(f->back, 0xee, len);
	assert_int_equal(decompress_segment(f->d, out, n, f->back, len), 0);
	if (len)
		assert_memory_equal(f->back, f->in, len);
	if (out[0] == CODEC_RAW)
		assert_int_equal(n, len + 1);
	else
		assert_true(out[0] == CODEC_ZSTD && n - 1 <= len - (len + 31) / 32);
	free(out);
	return n;
}

static const size_t sizes[] = { 0, 1, 2, 31, 32, 33, 100, 1023, 4096, 32767, 32768, 32769, 65536, 262144, MOST };

#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

static void test_text(void **state)
{
	struct fixture *f = *state;

	fill_text(f->in, MOST, 1);
	for (size_t i = 0; i < NSIZES; i++) {
		size_t n = round_trip(f, sizes[i]);

		if (sizes[i] >= 1023)
			assert_true(n < sizes[i] * 2 / 3);
	}
}

static void test_random(void **state)
{
	struct fixture *f = *state;

	fill_random(f->in, MOST, 2);
	for (size_t i = 0; i < NSIZES; i++)
		assert_int_equal(round_trip(f, sizes[i]), sizes[i] + 1);
}

static void test_zeros(void **state)
{
	struct fixture *f = *state;

	memset(f->in, 0, MOST);
	for (size_t i = 0; i < NSIZES; i++) {
		size_t n = round_trip(f, sizes[i]);

		if (sizes[i] >= 100)
			assert_true(n < 100);
	}
}

static void test_already_compressed(void **state)
{
	struct fixture *f = *state;
	size_t n;

	fill_text(f->in, MOST, 3);
	n = compress_segment(f->c, f->in, MOST, f->out, f->cap);
	assert_in_range(n, 64 * 1024 + 2, MOST / 2);
	memcpy(f->in, f->out + 1, n - 1);
	assert_int_equal(round_trip(f, n - 1), n);
}

/* Text is found wherever it is in random data, if there is enough of it to be worth while. */
static void test_mixed(void **state)
{
	struct fixture *f = *state;
	const size_t len = 256 * 1024;

	for (size_t part = len / 2; part >= len / 6; part = part * 2 / 3) {
		for (size_t at = 0; at <= len - part; at += 9973) {
			fill_random(f->in, len, at);
			fill_text(f->in + at, part, at);
			assert_true(round_trip(f, len) < len - part / 4);
		}
	}
}

/* Each of these has only a little that can be saved, and is tried. */
static void test_text_like(void **state)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct fixture *f = *state;
	const size_t len = 256 * 1024;
	uint64_t seed = 4;

	for (size_t i = 0; i < len; i++)
		f->in[i] = (uint8_t)base64[next(&seed) & 63];
	assert_true(round_trip(f, len) < len * 4 / 5);
	for (size_t i = 0; i < len; i++)
		f->in[i] = (uint8_t)(i % 4 == 3 ? 0 : next(&seed)); /* 24-bit samples in 32-bit words */
	assert_true(round_trip(f, len) < len * 9 / 10);
}

/* Stored compressed from a saving of 1/32 on; below the probe's size, so that it has no say in this. */
static void test_threshold(void **state)
{
	struct fixture *f = *state;
	const size_t len = 16 * 1024;
	size_t n;

	for (size_t zeros = 300; zeros <= 1200; zeros += 50) {
		fill_random(f->in, len, 8);
		memset(f->in + len / 2, 0, zeros);
		n = round_trip(f, len);
		if (zeros < len / 32)
			assert_int_equal(n, len + 1);
		if (zeros > len / 32 + 100)
			assert_in_range(n, len - zeros, len - len / 32 + 1);
	}
}

static void test_levels(void **state)
{
	static const int levels[] = { 1, 3, 9, 19 };
	struct fixture *f = *state;
	size_t n, last = MOST;

	fill_text(f->in, 262144, 5);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct compressor *c = compressor_new(levels[i]);

		assert_non_null(c);
		n = compress_segment(c, f->in, 262144, f->out, f->cap);
		assert_int_equal(decompress_segment(f->d, f->out, n, f->back, 262144), 0);
		assert_memory_equal(f->back, f->in, 262144);
		assert_true(n < last + last / 8); /* higher levels are hardly worse */
		last = n;
		compressor_free(c);
	}
	compressor_free(NULL);
	decompressor_free(NULL);
}

/* Any other length than the right one is refused, and memory behind ${len} is left alone. */
static void test_wrong_length(void **state)
{
	struct fixture *f = *state;
	const size_t len = 5000;

	fill_text(f->in, len, 6);
	for (unsigned raw = 0; raw < 2; raw++) {
		size_t n = compress_segment(f->c, f->in, len, f->out, f->cap);

		assert_int_equal(f->out[0], raw ? CODEC_RAW : CODEC_ZSTD);
		for (size_t want = len - 300; want <= len + 300; want++) {
			uint8_t *back = malloc(want);

			assert_non_null(back);
			assert_int_equal(decompress_segment(f->d, f->out, n, back, want), want == len ? 0 : -EBADMSG);
			free(back);
		}
		assert_int_equal(decompress_segment(f->d, f->out, n, NULL, 0), -EBADMSG);
		assert_int_equal(decompress_segment(f->d, f->out, n - 1, f->back, len), -EBADMSG);
		f->out[n] = 0;
		assert_int_equal(decompress_segment(f->d, f->out, n + 1, f->back, len), -EBADMSG);
		fill_random(f->in, len, 6);
	}
}

static void test_malformed(void **state)
{
	static const uint8_t skippable[] = { CODEC_ZSTD, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0 };
	/* Magic, descriptor: single segment, 4-byte content size; nearly 4 GiB, and no block. */
	static const uint8_t huge[] = { CODEC_ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0xff };
	/* The same with a 2^41 byte window instead of single segment, content size 5 and a raw block of "hello". */
	static const uint8_t window[] = {
		CODEC_ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0x80, 0xff, 5, 0, 0, 0, 0x29, 0, 0, 'h', 'e', 'l', 'l', 'o',
	};
	/* No content size: window descriptor only, then the raw block. */
	static const uint8_t no_size[] = {
		CODEC_ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00, 0x29, 0, 0, 'h', 'e', 'l', 'l', 'o',
	};
	/* As it should be: the least single-segment frame, one-byte content size. */
	static const uint8_t good[] = {
		CODEC_ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 0x29, 0, 0, 'h', 'e', 'l', 'l', 'o',
	};
	struct fixture *f = *state;
	uint8_t two[2 * sizeof(good)], codec;

	assert_int_equal(decompress_segment(f->d, good, sizeof(good), f->back, 5), 0);
	assert_memory_equal(f->back, "hello", 5);
	assert_int_equal(decompress_segment(f->d, skippable, sizeof(skippable), f->back, 0), -EBADMSG);
	assert_int_equal(decompress_segment(f->d, huge, sizeof(huge), f->back, MOST), -EBADMSG);
	assert_int_equal(decompress_segment(f->d, window, sizeof(window), f->back, 5), -EBADMSG);
	assert_int_equal(decompress_segment(f->d, no_size, sizeof(no_size), f->back, 5), -EBADMSG);
	memcpy(two, good, sizeof(good)); /* two frames */
	memcpy(two + sizeof(good), good + 1, sizeof(good) - 1);
	assert_int_equal(decompress_segment(f->d, two, sizeof(two) - 1, f->back, 10), -EBADMSG);
	assert_int_equal(decompress_segment(f->d, two, sizeof(two) - 1, f->back, 5), -EBADMSG);
	memcpy(two + sizeof(good), skippable + 1, sizeof(skippable) - 1); /* a frame and something to skip */
	assert_int_equal(
	    decompress_segment(f->d, two, sizeof(good) + sizeof(skippable) - 1, f->back, 5), -EBADMSG);
	assert_int_equal(decompress_segment(f->d, good, 0, f->back, 0), -EBADMSG);
	for (size_t n = 1; n < sizeof(good); n++)
		assert_int_equal(decompress_segment(f->d, good, n, f->back, 5), -EBADMSG);
	for (unsigned c = 2; c < 256; c++) {
		codec = (uint8_t)c;
		assert_int_equal(decompress_segment(f->d, &codec, 1, f->back, 0), -EPROTONOSUPPORT);
	}
}

/* Damage that gets past the authentication of segments is not possible; it would do no harm here all the same. */
static void test_damaged(void **state)
{
	struct fixture *f = *state;
	const size_t len = 3000;
	uint8_t *back = malloc(len), *seg;
	size_t n;

	assert_non_null(back);
	fill_text(f->in, len, 7);
	n = compress_segment(f->c, f->in, len, f->out, f->cap);
	seg = malloc(n);
	assert_non_null(seg);
	memcpy(seg, f->out, n);
	for (size_t i = 1; i < n; i++) {
		seg[i] ^= (uint8_t)(1u << i % 8);
		(void)decompress_segment(f->d, seg, n, back, len);
		seg[i] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(decompress_segment(f->d, seg, n, back, len), 0);
	assert_memory_equal(back, f->in, len);
	free(seg);
	free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_already_compressed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_like, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threshold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
