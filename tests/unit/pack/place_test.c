/*
 * Place records.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/pack/place.h"
#include "repo/util/bytes/le.h"
#include "tests/lib/packs.h"

#define SEG (256u * 1024)

static int decode(const struct buf *b, uint32_t segment_size, struct place *out)
{
	struct rd r = rd_init(b->data, b->len);
	int rc = place_decode(&r, segment_size, out);

	if (rc == 0)
		assert_int_equal(r.len, 0);
	return rc;
}

/* What decoding the encoded form of ${p} says. */
static int judge(const struct place *p, uint32_t segment_size)
{
	struct buf b = BUF_INIT;
	struct place got;
	int rc;

	assert_int_equal(place_encode(p, &b), 0);
	rc = decode(&b, segment_size, &got);
	buf_free(&b);
	return rc;
}

static void test_bytes(void **state)
{
	struct place shared = { .offset = 0x01020304, .len = 0x0a0b, .box = { 0x111213 }, .shared_len = 0x31415,
		.shared_skip = 0x2021 };
	struct place own = { .offset = 96, .len = SEG + 1, .nown = 2, .box = { SEG + 17, 18 } };
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(place_encode(&shared, &b), 0);
	assert_int_equal(b.len, 17);
	assert_memory_equal(b.data, "\x04\x03\x02\x01\x0b\x0a\x00\x00\x13\x12\x11\x15\x14\x03\x21\x20\x00", 17);
	buf_clear(&b);
	assert_int_equal(place_encode(&own, &b), 0);
	assert_int_equal(b.len, 14);
	assert_memory_equal(b.data, "\x60\x00\x00\x00\x01\x00\x04\x02\x11\x00\x04\x12\x00\x00", 14);
	buf_free(&b);
}

static void test_round_trip(void **state)
{
	struct buf b = BUF_INIT;
	struct place p, got;

	(void)state;
	for (uint64_t n = 0; n < 5000; n++) {
		packs_place(n, 7, &p);
		buf_clear(&b);
		assert_int_equal(place_encode(&p, &b), 0);
		memset(&got, 0xee, sizeof(got));
		got.pack = 7;
		assert_int_equal(decode(&b, PACKS_SEGMENT_SIZE, &got), 0);
		assert_true(packs_same_place(&p, &got));
		for (size_t cut = 0; cut < b.len; cut++) {
			struct rd r = rd_init(b.data, cut);

			assert_int_equal(place_decode(&r, PACKS_SEGMENT_SIZE, &got), -EBADMSG);
		}
	}
	buf_free(&b);
}

static void test_limits_shared(void **state)
{
	const struct place good = { .offset = 96, .len = 10, .box = { 100 }, .shared_len = 100, .shared_skip = 90 };
	struct place p = good;

	(void)state;
	assert_int_equal(judge(&p, SEG), 0);
	p.len = 11;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p = good;
	p.len = 0;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p = good;
	p.shared_skip = 101;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p = good;
	p.shared_len = SEG;
	assert_int_equal(judge(&p, SEG), 0);
	p.shared_len = SEG + 1;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p = good;
	p.box[0] = 117;
	assert_int_equal(judge(&p, SEG), 0);
	p.box[0] = 118;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p.box[0] = 17;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p = good;
	p.offset = UINT32_MAX - 100;
	assert_int_equal(judge(&p, SEG), 0);
	p.offset++;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
}

static void test_limits_own(void **state)
{
	struct place p = { .offset = 96, .len = 3 * SEG, .nown = 3, .box = { 18, SEG + 17, 500 } };

	(void)state;
	assert_int_equal(judge(&p, SEG), 0);
	p.len++;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p.len = 2 * SEG;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p.len = 2 * SEG + 1;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p.box[2] = 18;
	assert_int_equal(judge(&p, SEG), 0);
	p.box[1] = SEG + 18;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p.box[1] = 18;
	p.offset = UINT32_MAX - 53;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
	p.offset--;
	assert_int_equal(judge(&p, SEG), 0);
	assert_int_equal(judge(&p, 0), -EBADMSG);

	p = (struct place){ .offset = 96, .len = OBJECT_LEN_MAX, .nown = 32 };
	for (unsigned i = 0; i < 32; i++)
		p.box[i] = SEG;
	assert_int_equal(judge(&p, SEG), 0);
	p.len = OBJECT_LEN_MAX + 1;
	p.nown = 33;
	p.box[32] = 18;
	assert_int_equal(judge(&p, SEG), -EBADMSG);
}

/* The most segments that fit, and one more in the record than a place has room for. */
static void test_most_segments(void **state)
{
	uint8_t rec[8 + 3 * 65];
	struct place p;
	struct rd r;

	(void)state;
	le32enc(rec, 96);
	for (unsigned i = 0; i < 65; i++)
		le24enc(rec + 8 + 3 * i, 18);
	le24enc(rec + 4, 64 * 1000);
	rec[7] = 64;
	r = rd_init(rec, sizeof(rec));
	assert_int_equal(place_decode(&r, 1000, &p), 0);
	assert_int_equal(r.len, 3);
	le24enc(rec + 4, 65 * 1000);
	rec[7] = 65;
	r = rd_init(rec, sizeof(rec));
	assert_int_equal(place_decode(&r, 1000, &p), -EBADMSG);
}

static void test_segments(void **state)
{
	struct place p = { .pack = 3, .offset = 1000, .len = 2 * SEG + 5, .nown = 3, .box = { 70, 80, 22 } };
	struct segment_place s;
	uint32_t off, skip, take;

	(void)state;
	place_segment(&p, 0, SEG, &s, &off, &skip, &take);
	assert_int_equal(s.pack, 3);
	assert_int_equal(s.offset, 1000);
	assert_int_equal(s.box, 70);
	assert_int_equal(s.len, SEG);
	assert_int_equal(off, 0);
	assert_int_equal(skip, 0);
	assert_int_equal(take, SEG);
	place_segment(&p, 2, SEG, &s, &off, &skip, &take);
	assert_int_equal(s.offset, 1150);
	assert_int_equal(s.box, 22);
	assert_int_equal(s.len, 5);
	assert_int_equal(off, 2 * SEG);
	assert_int_equal(skip, 0);
	assert_int_equal(take, 5);

	p = (struct place){ .offset = 500, .len = 10, .box = { 99 }, .shared_len = 300, .shared_skip = 40 };
	assert_int_equal(place_nsegments(&p), 1);
	place_segment(&p, 0, SEG, &s, &off, &skip, &take);
	assert_int_equal(s.offset, 500);
	assert_int_equal(s.box, 99);
	assert_int_equal(s.len, 300);
	assert_int_equal(off, 0);
	assert_int_equal(skip, 40);
	assert_int_equal(take, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_limits_shared),
		cmocka_unit_test(test_limits_own),
		cmocka_unit_test(test_most_segments),
		cmocka_unit_test(test_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
