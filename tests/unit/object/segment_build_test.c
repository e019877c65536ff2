/*
 * Segment builder: what is grouped, what stands alone, where it is cut, and that it all expands again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fixture.h"

#define SEGMENT 16384u

static struct id small_id(uint32_t n)
{
	struct id id = { { 0 } };

	memcpy(id.b, &n, sizeof(n));
	return id;
}

static struct segment_builder *new_builder(uint32_t segment_size)
{
	struct segment_builder *b = segment_builder_new(PACK_DATA, segment_size, 3);

	assert_non_null(b);
	return b;
}

static void free_list(struct segment_out *list)
{
	struct segment_out *next;

	for (; list != NULL; list = next) {
		next = list->next;
		segment_out_free(list);
	}
}

/* All boxes of a segment, expanded. */
static uint8_t *expand(const struct segment_out *s, uint32_t segment_size)
{
	struct decompressor *d = decompressor_new();
	uint8_t *plain = malloc(s->plain_len);
	uint32_t done = 0, n;
	size_t pos = 0;

	assert_non_null(d);
	assert_non_null(plain);
	for (unsigned i = 0; i < s->nboxes; i++) {
		n = s->plain_len - done < segment_size ? s->plain_len - done : segment_size;
		assert_true(s->box_len[i] <= n + 1);
		assert_int_equal(decompress_segment(d, s->bytes.data + pos, s->box_len[i], plain + done, n), 0);
		done += n;
		pos += s->box_len[i] + CRYPT_TAG_LEN;
	}
	assert_int_equal(done, s->plain_len);
	assert_int_equal(pos, s->bytes.len);
	decompressor_free(d);
	return plain;
}

/* One object alone: what becomes of it. */
static struct segment_out *build_one(uint32_t len, uint32_t segment_size, uint8_t *data)
{
	struct segment_builder *b = new_builder(segment_size);
	struct segment_out *list = NULL;
	struct id id = small_id(len);
	uint8_t *plain;

	fixture_text(len, data, len);
	assert_int_equal(segment_builder_add(b, &id, data, len, &list), 0);
	assert_int_equal(segment_builder_pending(b), list == NULL ? len : 0);
	assert_int_equal(segment_builder_flush(b, &list), 0);
	assert_int_equal(segment_builder_pending(b), 0);
	assert_non_null(list);
	assert_null(list->next);
	assert_int_equal(list->kind, PACK_DATA);
	assert_int_equal(list->plain_len, len);
	assert_int_equal(list->nobjects, 1);
	assert_int_equal(list->objects[0].skip, 0);
	assert_int_equal(list->objects[0].len, len);
	assert_true(id_equal(&list->objects[0].id, &id));
	plain = expand(list, segment_size);
	assert_memory_equal(plain, data, len);
	free(plain);
	segment_builder_free(b);
	return list;
}

static void test_sizes(void **state)
{
	static const struct { uint32_t len; bool own; unsigned nboxes; } want[] = {
		{ 1, false, 1 }, { 100, false, 1 }, { SEGMENT / 2, false, 1 }, { SEGMENT / 2 + 1, true, 1 },
		{ SEGMENT - 1, true, 1 }, { SEGMENT, true, 1 }, { SEGMENT + 1, true, 2 },
		{ 2 * SEGMENT, true, 2 }, { 5 * SEGMENT - 1, true, 5 }, { 64 * SEGMENT, true, 64 },
	};
	uint8_t *data = malloc(64 * SEGMENT);
	struct segment_out *s;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		s = build_one(want[i].len, SEGMENT, data);
		assert_int_equal(s->own, want[i].own);
		assert_int_equal(s->nboxes, want[i].nboxes);
		segment_out_free(s);
	}
	free(data);
}

static void test_largest(void **state)
{
	uint8_t *data = malloc(OBJECT_LEN_MAX + 1);
	struct segment_builder *b = new_builder(OBJECT_LEN_MAX / PLACE_SEGMENTS_MAX);
	struct segment_out *list = NULL, *s;
	struct id id = small_id(1);

	(void)state;
	assert_non_null(data);
	s = build_one(OBJECT_LEN_MAX, OBJECT_LEN_MAX / PLACE_SEGMENTS_MAX, data);
	assert_int_equal(s->nboxes, PLACE_SEGMENTS_MAX);
	segment_out_free(s);
	assert_int_equal(segment_builder_add(b, &id, data, OBJECT_LEN_MAX + 1, &list), -EINVAL);
	assert_int_equal(segment_builder_add(b, &id, data, 0, &list), -EINVAL);
	segment_builder_free(b);
	b = new_builder(SEGMENT);
	assert_int_equal(segment_builder_add(b, &id, data, 64 * SEGMENT + 1, &list), -EINVAL);
	assert_null(list);
	segment_builder_free(b);
	free(data);
}

/* Incompressible data may not need more than one byte a box. */
static void test_noise(void **state)
{
	uint32_t len = 3 * SEGMENT + 5;
	uint8_t *data = malloc(len), *plain;
	struct segment_builder *b = new_builder(SEGMENT);
	struct segment_out *list = NULL;
	struct id id = small_id(1);

	(void)state;
	assert_non_null(data);
	fixture_noise(7, data, len);
	assert_int_equal(segment_builder_add(b, &id, data, len, &list), 0);
	assert_non_null(list);
	assert_int_equal(list->bytes.len, len + 4 * (1 + CRYPT_TAG_LEN));
	plain = expand(list, SEGMENT);
	assert_memory_equal(plain, data, len);
	free(plain);
	free_list(list);
	segment_builder_free(b);
	free(data);
}

/* Objects gathered in order until the next does not fit; large ones between them pass by. */
static void test_grouping(void **state)
{
	enum { N = 40, LEN = 1000 };
	uint8_t *data = malloc(N * LEN + SEGMENT), *plain;
	struct segment_builder *b = new_builder(SEGMENT);
	struct segment_out *list = NULL, *s;
	uint32_t next = 0;
	struct id id;

	(void)state;
	assert_non_null(data);
	fixture_text(1, data, N * LEN + SEGMENT);
	for (uint32_t i = 0; i < N; i++) {
		id = small_id(i);
		assert_int_equal(segment_builder_add(b, &id, data + i * LEN, LEN, &list), 0);
		if (i != 10)
			continue;
		id = small_id(1000);
		assert_int_equal(segment_builder_pending(b), 11 * LEN);
		assert_int_equal(segment_builder_add(b, &id, data + N * LEN, SEGMENT, &list), 0);
		assert_int_equal(segment_builder_pending(b), 11 * LEN);
		assert_non_null(list);
		assert_true(list->own);
	}
	assert_int_equal(segment_builder_flush(b, &list), 0);
	assert_int_equal(segment_builder_flush(b, &list), 0);
	for (s = list->next; s != NULL; s = s->next) {
		assert_false(s->own);
		assert_int_equal(s->nobjects, s->next != NULL ? 16 : N - 32);
		plain = expand(s, SEGMENT);
		for (unsigned i = 0; i < s->nobjects; i++, next++) {
			id = small_id(next);
			assert_true(id_equal(&s->objects[i].id, &id));
			assert_int_equal(s->objects[i].len, LEN);
			assert_memory_equal(plain + s->objects[i].skip, data + next * LEN, LEN);
		}
		free(plain);
	}
	assert_int_equal(next, N);
	free_list(list);
	segment_builder_free(b);
	free(data);
}

/* Tiny objects: a segment's list of them is bounded too. */
static void test_tiny(void **state)
{
	enum { N = 20000 };
	struct segment_builder *b = new_builder(1024 * 1024);
	struct segment_out *list = NULL;
	unsigned n = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct id id = small_id(i);

		assert_int_equal(segment_builder_add(b, &id, "x", 1, &list), 0);
	}
	assert_int_equal(segment_builder_flush(b, &list), 0);
	for (struct segment_out *s = list; s != NULL; s = s->next) {
		assert_true(s->nobjects <= 8192);
		n += s->nobjects;
	}
	assert_int_equal(n, N);
	free_list(list);
	segment_builder_free(b);
	segment_builder_free(NULL);
	segment_out_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_grouping),
		cmocka_unit_test(test_tiny),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
