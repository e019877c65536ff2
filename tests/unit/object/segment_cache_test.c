/*
 * Segment cache: the right bytes for each key, whatever memory is used again for them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/object/segment/segment_cache.h"

#define SEGMENT 4096u /* above the lengths of make_key() */

/* Keys that differ from one another in one field only. */
static struct segment_key make_key(uint32_t n)
{
	uint32_t scattered = (n + 1) * (n + 1) * (n + 7) * 40503u, len = n % 8 == 0 ? 3000 : 300;

	if (n % 2 == 0)
		return (struct segment_key){ .pack = 0, .offset = scattered, .len = len, .kind = 1 };
	return (struct segment_key){ .pack = scattered, .offset = 0, .len = len, .kind = 1 };
}

/* Whence segments come: their bytes tell the key. */
struct source {
	struct segment_key key;
	uint32_t n; /* that made it */
	unsigned loads;
	int rc;
};

static int load(void *arg, uint8_t *out)
{
	struct source *s = arg;

	s->loads++;
	memset(out, (int)(s->n % 251), s->key.len);
	return s->rc;
}

static struct segment *get(struct segment_cache *c, struct source *src, uint32_t n)
{
	struct segment *s = NULL;

	src->key = make_key(n);
	src->n = n;
	assert_int_equal(segment_cache_get(c, &src->key, load, src, &s), 0);
	assert_int_equal(s->len, src->key.len);
	assert_int_equal(s->data[0], n % 251);
	assert_int_equal(s->data[s->len - 1], n % 251);
	return s;
}

/* Segments of many sizes, far more than there is room and buckets for; some are held meanwhile. */
static void test_contents(void **state)
{
	struct segment_cache *c = segment_cache_new(64 * SEGMENT, SEGMENT);
	struct source src = { .rc = 0 };
	struct segment *held[16] = { NULL };
	struct object_reader_counters n;
	uint32_t x = 1;

	(void)state;
	assert_non_null(c);
	for (unsigned i = 0; i < 20000; i++) {
		x = x * 1664525 + 1013904223;
		segment_cache_put(c, held[i % 16]);
		held[i % 16] = get(c, &src, (x >> 8) % 400);
		segment_cache_counters(c, &n);
		assert_true(n.cache_bytes <= 64 * SEGMENT);
	}
	for (unsigned i = 0; i < 16; i++)
		segment_cache_put(c, held[i]);
	assert_int_equal(n.segments_opened, src.loads);
	assert_int_equal(n.segments_opened + n.segments_shared, 20000);
	assert_true(n.segments_shared > 1000);
	segment_cache_free(c);
	segment_cache_free(NULL);
}

/* The least recently used goes first. */
static void test_order(void **state)
{
	struct segment_cache *c = segment_cache_new(40 * SEGMENT, SEGMENT);
	struct source src = { .rc = 0 };
	unsigned loads;

	(void)state;
	assert_non_null(c);
	for (uint32_t i = 0; i < 1000; i++) {
		segment_cache_put(c, get(c, &src, i));
		loads = src.loads;
		segment_cache_put(c, get(c, &src, 0));
		assert_int_equal(src.loads, loads);
	}
	segment_cache_free(c);
}

static void test_failures(void **state)
{
	struct segment_cache *c = segment_cache_new(8 * SEGMENT, SEGMENT);
	struct source src = { .key = make_key(5), .rc = -EIO };
	struct object_reader_counters n;
	struct segment *s = NULL;

	(void)state;
	assert_non_null(c);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(segment_cache_get(c, &src.key, load, &src, &s), -EIO);
	assert_null(s);
	assert_int_equal(src.loads, 100);
	segment_cache_counters(c, &n);
	assert_int_equal(n.cache_bytes, 0);
	assert_int_equal(n.segments_opened, 0);
	src.rc = 0;
	segment_cache_put(c, get(c, &src, 5));
	segment_cache_put(c, NULL);
	segment_cache_free(c);
}

/* Reading past the cache: what is there is copied, what is not stays away. */
static void test_read(void **state)
{
	struct segment_cache *c = segment_cache_new(8 * SEGMENT, SEGMENT);
	struct source src = { .key = make_key(7), .n = 7, .rc = -EIO };
	struct object_reader_counters n;
	uint8_t out[SEGMENT] = { 0 };

	(void)state;
	assert_non_null(c);
	assert_int_equal(segment_cache_read(c, &src.key, load, &src, out), -EIO);
	src.rc = 0;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(segment_cache_read(c, &src.key, load, &src, out), 0);
	assert_int_equal(out[src.key.len - 1], 7);
	assert_int_equal(out[src.key.len], 0);
	segment_cache_counters(c, &n);
	assert_int_equal(n.segments_opened, 2);
	assert_int_equal(n.cache_bytes, 0);

	segment_cache_put(c, get(c, &src, 7));
	assert_int_equal(src.loads, 4);
	memset(out, 0, sizeof(out));
	assert_int_equal(segment_cache_read(c, &src.key, load, &src, out), 0);
	assert_int_equal(src.loads, 4);
	assert_int_equal(out[0], 7);
	assert_int_equal(out[src.key.len - 1], 7);
	assert_int_equal(out[src.key.len], 0);
	segment_cache_free(c);
}

/* What has been verified is of these bytes, and of no others that come to lie in the same memory. */
static void test_verified(void **state)
{
	struct segment_cache *c = segment_cache_new(3 * SEGMENT, SEGMENT);
	struct source src = { .rc = 0 };
	struct id a = { { 1 } }, b = { { 2 } };
	struct segment *s;

	(void)state;
	assert_non_null(c);
	s = get(c, &src, 1);
	assert_false(segment_verified(s, &a, 0, 10));
	segment_set_verified(s, &a, 0, 10);
	assert_true(segment_verified(s, &a, 0, 10));
	assert_false(segment_verified(s, &a, 1, 10));
	assert_false(segment_verified(s, &a, 0, 11));
	assert_false(segment_verified(s, &b, 0, 10));
	segment_cache_put(c, s);
	s = get(c, &src, 1);
	assert_true(segment_verified(s, &a, 0, 10));
	segment_cache_put(c, s);
	for (uint32_t i = 2; i < 100; i++) {
		s = get(c, &src, i);
		assert_false(segment_verified(s, &a, 0, 10));
		segment_set_verified(s, &a, 0, 10);
		segment_cache_put(c, s);
	}
	s = get(c, &src, 99);
	for (uint32_t i = 0; i < 1000; i++) {
		memcpy(b.b, &i, sizeof(i));
		segment_set_verified(s, &b, i, 1);
		assert_true(segment_verified(s, &b, i, 1));
	}
	segment_cache_put(c, s);
	segment_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
