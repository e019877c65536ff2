/*
 * Object reader: every byte of every size, never a wrong one; errors that say what they mean; one fetch a segment
 * however many want it; memory within its bound.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/fixture.h"

#define SEGMENT FIXTURE_SEGMENT_SIZE
#define LEN 5000u
#define CACHE_MIN (4u * 1024 * 1024)
#define SLACK 8192 /* what a segment in memory may take beside its bytes */

/* Store ${n} chunks of ${len} bytes from ${seed} and finish; the bytes are the caller's. */
static uint8_t *store(struct fixture *f, uint64_t seed, uint32_t len, unsigned n, struct id *id)
{
	struct object_writer *w = fixture_writer(f);
	uint8_t *data = malloc((size_t)n * len);

	assert_non_null(data);
	fixture_noise(seed, data, (size_t)n * len);
	assert_int_equal(fixture_store_chunks(f, w, data, len, n, id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	return data;
}

static int read_whole(struct object_reader *r, const struct id *id, uint32_t len)
{
	struct buf b = BUF_INIT;
	int rc = object_read(r, PACK_DATA, id, len, &b);

	assert_true(rc < 0 || b.len == len);
	assert_true(rc == 0 || b.len == 0);
	buf_free(&b);
	return rc;
}

/* Bytes of a chunk that is ${whole} long. */
static int read_part(struct object_reader *r, const struct id *id, uint32_t whole, uint32_t off, uint32_t len,
    uint8_t *out)
{
	const struct object_wanted w = { id, whole };

	return object_read_range(r, &w, off, len, out);
}

/* Also that nobody reads it who takes it for longer or shorter than it is. */
static void check_range(struct object_reader *r, const struct id *id, uint32_t whole, const uint8_t *data, uint32_t off,
    uint32_t len)
{
	uint8_t *out = malloc(len + 1);

	assert_non_null(out);
	out[len] = 0xa5;
	assert_int_equal(read_part(r, id, whole, off, len, out), 0);
	assert_memory_equal(out, data + off, len);
	assert_int_equal(read_part(r, id, whole + 1, off, len, out), -EBADMSG);
	assert_int_equal(read_part(r, id, whole - 1, off, len, out), -EBADMSG);
	assert_int_equal(out[len], 0xa5);
	free(out);
}

/* Ranges about all borders of a chunk and its segments. */
static void check_chunk(struct object_reader *r, const struct id *id, const uint8_t *data, uint32_t len)
{
	static const uint32_t border[] = { 0, 1, 100, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT - 1 };
	struct buf b = BUF_INIT;
	uint8_t byte;

	assert_int_equal(buf_append(&b, "head", 4), 0);
	assert_int_equal(object_read(r, PACK_DATA, id, len, &b), 0);
	assert_int_equal(b.len, 4 + len);
	assert_memory_equal(b.data, "head", 4);
	assert_memory_equal(b.data + 4, data, len);
	assert_int_equal(object_read(r, PACK_DATA, id, len - 1, &b), -EBADMSG);
	assert_int_equal(b.len, 4 + len);
	buf_free(&b);
	for (size_t i = 0; i < sizeof(border) / sizeof(border[0]) && border[i] <= len; i++) {
		check_range(r, id, len, data, border[i], len - border[i]);
		check_range(r, id, len, data, 0, border[i]);
		if (border[i] < len)
			check_range(r, id, len, data, border[i], 1);
	}
	assert_int_equal(read_part(r, id, len, len, 1, &byte), -EBADMSG);
	assert_int_equal(read_part(r, id, len, len + 1, 0, &byte), -EBADMSG);
	assert_int_equal(read_part(r, id, len, UINT32_MAX, UINT32_MAX, &byte), -EBADMSG);
}

static void test_sizes(void **state)
{
	static const uint32_t size[] = { 1, 2, 1000, SEGMENT / 2, SEGMENT / 2 + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1,
		2 * SEGMENT, 3 * SEGMENT, 3 * SEGMENT + 7, 64 * SEGMENT };
	enum { NSIZES = sizeof(size) / sizeof(size[0]) };
	struct fixture *f = *state;
	uint8_t *data[NSIZES];
	struct id id[NSIZES];
	struct object_reader *r;

	for (unsigned i = 0; i < NSIZES; i++)
		data[i] = store(f, i, size[i], 1, &id[i]);
	r = fixture_reader(f);
	for (unsigned i = 0; i < NSIZES; i++) {
		check_chunk(r, &id[i], data[i], size[i]);
		free(data[i]);
	}
	object_reader_free(r);
	object_reader_free(NULL);
}

/* A segment of many chunks is fetched once; a range of a large chunk fetches the segments it touches. */
static void test_sharing(void **state)
{
	struct fixture *f = *state;
	struct object_reader_counters n;
	struct object_reader *r;
	struct id id[3], large;
	uint8_t *small_data = store(f, 1, LEN, 3, id), *large_data = store(f, 2, 4 * SEGMENT, 1, &large);

	r = fixture_reader(f);
	for (unsigned i = 0; i < 3; i++)
		check_range(r, &id[i], LEN, small_data + i * LEN, 0, LEN);
	object_reader_counters(r, &n);
	assert_int_equal(n.segments_opened, 1);
	assert_int_equal(n.segments_shared, 2);
	check_range(r, &large, 4 * SEGMENT, large_data, 2 * SEGMENT, SEGMENT);
	check_range(r, &large, 4 * SEGMENT, large_data, 3 * SEGMENT - 1, 2);
	object_reader_counters(r, &n);
	assert_int_equal(n.segments_opened, 3);
	assert_int_equal(n.segments_shared, 3);
	assert_true(n.cache_bytes >= 3 * LEN + 2 * SEGMENT);
	object_reader_free(r);
	free(small_data);
	free(large_data);
}

/* A flipped bit anywhere in the boxes of one pack: its objects fail, or are right; those of the other are right. */
static void test_damage(void **state)
{
	struct fixture *f = *state;
	struct id id[2], other;
	uint8_t *data = store(f, 1, SEGMENT, 2, id), *other_data;
	char name[STORE_NAME_MAX + 1];
	struct object_reader *r;
	int64_t at;

	fixture_object(f, "packs/", 0, name);
	for (unsigned i = 0; i < 2; i++) {
		at = PACK_HEADER_LEN + 100 + i * SEGMENT;
		fixture_log_clear(f);
		fixture_damage(f, "packs/", 0, at);
		r = fixture_reader(f);
		assert_int_equal(read_whole(r, &id[i], SEGMENT), -EBADMSG);
		assert_true(fixture_logged(f, name));
		assert_true(fixture_logged(f, "authentication failed"));
		check_range(r, &id[1 - i], SEGMENT, data + (1 - i) * SEGMENT, 0, SEGMENT);
		object_reader_free(r);
		fixture_damage(f, "packs/", 0, at);
	}
	fixture_truncate(f, "packs/", 0, PACK_HEADER_LEN + SEGMENT + 100);
	other_data = store(f, 2, LEN, 1, &other);
	r = fixture_reader(f);
	assert_int_equal(read_whole(r, &id[0], SEGMENT), 0);
	assert_int_equal(read_whole(r, &id[1], SEGMENT), -EBADMSG);
	assert_int_equal(store_delete(f->store, name), 0);
	assert_int_equal(read_whole(r, &id[0], SEGMENT), 0);
	fixture_log_clear(f);
	assert_int_equal(read_whole(r, &id[1], SEGMENT), -EBADMSG);
	assert_true(fixture_logged(f, "the pack is missing"));
	assert_true(fixture_logged(f, name));
	assert_int_equal(read_whole(r, &other, LEN), 0);
	object_reader_free(r);
	free(other_data);
	free(data);
}

/* A store that cannot be asked is another matter than damage, and one that recovers is asked again. */
static void test_store_errors(void **state)
{
	static const int errors[] = { -EIO, -ETIMEDOUT };
	struct fixture *f = *state;
	struct object_reader *r;
	struct id id;
	uint8_t *data = store(f, 1, LEN, 1, &id);

	r = fixture_reader(f);
	for (unsigned i = 0; i < 2; i++) {
		struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/",
			.err = errors[i] };

		store_mem_set_faults(f->store, &rule, 1);
		assert_int_equal(read_whole(r, &id, LEN), errors[i]);
		store_mem_set_faults(f->store, NULL, 0);
	}
	check_range(r, &id, LEN, data, 0, LEN);
	object_reader_free(r);
	free(data);
}

/* Put a run that says that ${id} is at ${place}, in the pack that ${place} is in; and load it. */
static void put_lie(struct fixture *f, const struct id *id, const struct place *place)
{
	struct place lie = *place;
	struct run_writer *w;
	struct pack_info info;
	struct id run;

	assert_int_equal(index_pack(f->index, place->pack, &info), 0);
	assert_int_equal(run_begin(f->store, &f->metadata, &w), 0);
	assert_int_equal(run_add_pack(w, &info, &lie.pack), 0);
	assert_int_equal(run_add(w, id, &lie), 0);
	assert_int_equal(run_commit(w, &run, NULL), 0);
	assert_int_equal(index_add_run(f->index, &run, 0), 0);
}

/* Authentic bytes under another chunk's id: only who can compute ids notices. */
static void test_wrong_id(void **state)
{
	static const uint32_t size[] = { LEN, SEGMENT, 3 * SEGMENT };
	struct fixture *f = *state;
	struct object_reader_options opts;
	struct object_reader *r;

	for (unsigned i = 0; i < 3; i++) {
		struct id id, lie = { { (uint8_t)(i + 1) } };
		uint8_t *data = store(f, i, size[i], 1, &id), byte;
		struct place place;

		assert_int_equal(index_lookup(f->index, &id, &place), 0);
		put_lie(f, &lie, &place);
		r = fixture_reader(f);
		fixture_log_clear(f);
		assert_int_equal(read_whole(r, &id, size[i]), 0);
		assert_int_equal(read_whole(r, &lie, size[i]), -EBADMSG);
		assert_true(fixture_logged(f, "not those of its id"));
		assert_int_equal(read_part(r, &lie, size[i], 5, 1, &byte), i < 2 ? -EBADMSG : 0);
		object_reader_free(r);

		fixture_reader_options(f, &opts);
		opts.object_id = NULL;
		assert_int_equal(object_reader_new(&opts, &r), 0);
		assert_int_equal(read_whole(r, &lie, size[i]), 0);
		object_reader_free(r);
		free(data);
	}
}

/* Several at once: all, in order; or nothing, when one of them is not that of its id, or of another length. */
static void test_many(void **state)
{
	static const uint32_t size[] = { 3 * SEGMENT, 10, LEN, SEGMENT, 5 * SEGMENT + 1, SEGMENT - 1 };
	enum { N = sizeof(size) / sizeof(size[0]) };
	struct object_wanted wanted[OBJECT_READ_MAX + 1] = { { .id = NULL } };
	struct buf want = BUF_INIT, got = BUF_INIT;
	struct id id[N], lie[N];
	struct fixture *f = *state;
	struct object_reader *r;
	struct place place;

	for (unsigned i = 0; i < N; i++) {
		uint8_t *data = store(f, i + 1, size[i], 1, &id[i]);

		assert_int_equal(buf_append(&want, data, size[i]), 0);
		free(data);
		assert_int_equal(index_lookup(f->index, &id[i], &place), 0);
		lie[i] = (struct id){ { (uint8_t)(i + 1) } };
		put_lie(f, &lie[i], &place);
		wanted[i] = (struct object_wanted){ .id = &id[i], .len = size[i] };
	}
	r = fixture_reader(f);
	assert_int_equal(object_read_many(r, wanted, 0, &got), 0);
	assert_int_equal(object_read_many(r, wanted, N, &got), 0);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	for (unsigned i = 0; i < N; i++) {
		wanted[i].id = &lie[i];
		fixture_log_clear(f);
		assert_int_equal(object_read_many(r, wanted, N, &got), -EBADMSG);
		assert_true(fixture_logged(f, "not those of its id"));
		wanted[i].id = &id[i];
		wanted[i].len--;
		assert_int_equal(object_read_many(r, wanted, N, &got), -EBADMSG);
		wanted[i].len++;
		assert_int_equal(got.len, want.len);
	}
	assert_int_equal(object_read_many(r, wanted, OBJECT_READ_MAX + 1, &got), -EINVAL);
	object_reader_free(r);
	buf_free(&want);
	buf_free(&got);
}

/* Places that do not fit what is there. */
static void test_wrong_place(void **state)
{
	struct fixture *f = *state;
	struct object_reader *r;
	struct id id, lie = { { 7 } };
	uint8_t *data = store(f, 1, LEN, 1, &id);
	struct place place, wrong;
	uint32_t skip, take, off;
	struct segment *s;

	assert_int_equal(index_lookup(f->index, &id, &place), 0);
	r = fixture_reader(f);
	assert_int_equal(read_whole(r, &id, LEN), 0);

	wrong = place;
	wrong.shared_len++;
	assert_int_equal(object_segment(r, PACK_DATA, &wrong, 0, &s, &skip, &take, &off), -EBADMSG);
	put_lie(f, &lie, &wrong);
	assert_int_equal(read_whole(r, &lie, LEN), -EBADMSG);
	lie.b[0]++;
	wrong = place;
	wrong.offset++;
	put_lie(f, &lie, &wrong);
	assert_int_equal(read_whole(r, &lie, LEN), -EBADMSG);
	lie.b[0]++;
	wrong = place;
	wrong.len--;
	put_lie(f, &lie, &wrong);
	assert_int_equal(read_whole(r, &lie, LEN - 1), -EBADMSG);
	assert_int_equal(read_whole(r, &id, LEN), 0);
	object_reader_free(r);
	free(data);
}

/* A chunk is no tree, and the other way round, in the cache or not. */
static void test_kinds(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_reader *r;
	struct buf b = BUF_INIT;
	struct id chunk, page;
	uint8_t *data;

	assert_int_equal(object_writer_put(w, "page", 4, &page), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	data = store(f, 1, LEN, 1, &chunk);
	r = fixture_reader(f);
	assert_int_equal(object_read(r, PACK_TREE, &chunk, LEN, &b), -EBADMSG);
	assert_int_equal(object_read(r, PACK_DATA, &page, LEN, &b), -EBADMSG);
	assert_true(fixture_logged(f, "the pack is of the other kind"));
	assert_int_equal(b.len, 0);
	assert_int_equal(object_read(r, PACK_DATA, &chunk, LEN, &b), 0);
	assert_int_equal(object_read(r, PACK_TREE, &page, LEN, &b), 0);
	assert_int_equal(object_read(r, PACK_TREE, &chunk, LEN, &b), -EBADMSG);
	assert_int_equal(object_read(r, PACK_DATA, &page, LEN, &b), -EBADMSG);
	assert_int_equal(b.len, LEN + 4);
	buf_free(&b);
	object_reader_free(r);
	free(data);
}

/* The auditor's keys: trees, but no contents, which is said once. */
static void test_auditor(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_reader *r;
	struct buf b = BUF_INIT;
	struct id id[2], page;
	uint8_t *data;

	assert_int_equal(object_writer_put(w, "page", 4, &page), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	data = store(f, 1, SEGMENT, 2, id);
	f->data.can_open = false;
	fixture_log_clear(f);
	r = fixture_reader(f);
	assert_int_equal(read_whole(r, &id[0], SEGMENT), -EACCES);
	assert_int_equal(read_whole(r, &id[1], SEGMENT), -EACCES);
	assert_int_equal(f->scratch->nmessages, 1);
	assert_true(fixture_logged(f, "does not open the contents"));
	assert_int_equal(object_read(r, PACK_TREE, &page, LEN, &b), 0);
	buf_free(&b);
	object_reader_free(r);
	free(data);
}

/* What another machine stored is found at the first miss; an id of nobody is not searched for again and again. */
static void test_refresh(void **state)
{
	struct fixture *f = *state;
	struct store_counters before, after;
	struct object_reader *r;
	struct id id, none = { { 9 } };
	uint8_t *data = store(f, 1, LEN, 1, &id);

	fixture_forget_index(f);
	r = fixture_reader(f);
	check_range(r, &id, LEN, data, 0, LEN);
	store_get_counters(f->store, &before);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(read_whole(r, &none, LEN), -EBADMSG);
	store_get_counters(f->store, &after);
	assert_true(after.lists - before.lists <= 1);
	assert_true(fixture_logged(f, "chunk 09000000..: in no index run"));
	object_reader_free(r);
	free(data);
}

/* If the store cannot be listed, nobody knows that the object is missing. */
static void test_refresh_fails(void **state)
{
	struct fixture *f = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_LIST, .prefix = "", .err = -EIO };
	struct object_reader *r = fixture_reader(f);
	struct id none = { { 9 } };

	store_mem_set_faults(f->store, &rule, 1);
	assert_int_equal(read_whole(r, &none, LEN), -EIO);
	assert_int_equal(read_whole(r, &none, LEN), -EIO);
	assert_true(fixture_logged(f, "cannot be refreshed"));
	object_reader_free(r);
}

/* What is held stays, whatever else is read; what is not makes room. */
static void test_bound(void **state)
{
	enum { COUNT = 800 };
	struct fixture *f = *state;
	struct object_reader_counters n;
	struct object_reader *r;
	struct id *id = malloc(COUNT * sizeof(*id));
	struct segment *held[COUNT];
	struct place place;
	uint32_t skip, take, off;
	uint8_t *data;

	assert_non_null(id);
	data = store(f, 1, SEGMENT, COUNT, id);
	r = fixture_reader(f);
	for (unsigned i = 0; i < COUNT; i++) {
		check_range(r, &id[i], SEGMENT, data + i * SEGMENT, 0, SEGMENT);
		object_reader_counters(r, &n);
		assert_true(n.cache_bytes <= CACHE_MIN);
	}
	assert_true(n.cache_bytes > CACHE_MIN - SEGMENT - SLACK);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(object_place(r, PACK_DATA, &id[i], &place), 0);
		assert_int_equal(object_segment(r, PACK_DATA, &place, 0, &held[i], &skip, &take, &off), 0);
		assert_int_equal(take, SEGMENT);
	}
	object_reader_counters(r, &n);
	assert_true(n.cache_bytes > COUNT * SEGMENT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_memory_equal(held[i]->data, data + i * SEGMENT, SEGMENT);
		segment_put(r, held[i]);
	}
	object_reader_counters(r, &n);
	assert_true(n.cache_bytes <= CACHE_MIN);
	check_range(r, &id[0], SEGMENT, data, 0, SEGMENT);
	object_reader_free(r);
	free(data);
	free(id);
}

#define THREADS 8

struct crowd {
	struct object_reader *r;
	const struct id *id;
	const uint8_t *data;
	unsigned n;
	int expect;
	pthread_barrier_t start;
};

static void *read_one(void *arg)
{
	struct crowd *c = arg;
	uint8_t out[LEN];
	int rc;

	pthread_barrier_wait(&c->start);
	rc = read_part(c->r, c->id, LEN, 0, LEN, out);
	if (rc != c->expect || (rc == 0 && memcmp(out, c->data, LEN) != 0))
		abort();
	return NULL;
}

static void *read_many(void *arg)
{
	struct crowd *c = arg;
	uint32_t x = (uint32_t)(uintptr_t)&x, off;
	uint8_t out[SEGMENT];

	pthread_barrier_wait(&c->start);
	for (unsigned i = 0; i < 3000; i++) {
		x = x * 1664525 + 1013904223;
		unsigned k = (x >> 8) % c->n;
		off = x % SEGMENT;
		if (read_part(c->r, &c->id[k], SEGMENT, off, SEGMENT - off, out) != 0 ||
		    memcmp(out, c->data + k * SEGMENT + off, SEGMENT - off) != 0)
			abort();
	}
	return NULL;
}

static void run_crowd(struct crowd *c, void *(*what)(void *))
{
	pthread_t thread[THREADS];

	pthread_barrier_init(&c->start, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, what, c), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&c->start);
}

static void test_single_flight(void **state)
{
	struct fixture *f = *state;
	struct store_fault_rule slow[] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "packs/", .amount = 300 },
		{ .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .prefix = "packs/", .count = 1, .err = -EIO },
	};
	struct store_counters before, after;
	struct object_reader_counters n;
	struct id id;
	uint8_t *data = store(f, 1, LEN, 1, &id);
	struct crowd c = { .r = fixture_reader(f), .id = &id, .data = data, .n = 1 };

	store_get_counters(f->store, &before);
	store_mem_set_faults(f->store, slow, 2);
	c.expect = -EIO;
	run_crowd(&c, read_one);
	store_get_counters(f->store, &after);
	assert_int_equal(after.gets - before.gets, 1);
	c.expect = 0;
	run_crowd(&c, read_one);
	store_get_counters(f->store, &after);
	assert_int_equal(after.gets - before.gets, 2);
	object_reader_counters(c.r, &n);
	assert_int_equal(n.segments_opened, 1);
	assert_int_equal(n.segments_shared, THREADS - 1);
	object_reader_free(c.r);
	free(data);
}

/* Eight threads over three times what the cache holds. */
static void test_threads(void **state)
{
	enum { COUNT = 768 };
	struct fixture *f = *state;
	struct object_reader_counters n;
	struct id *id = malloc(COUNT * sizeof(*id));
	struct crowd c = { .id = id, .n = COUNT };
	uint8_t *data;

	assert_non_null(id);
	data = store(f, 1, SEGMENT, COUNT, id);
	c.data = data;
	c.r = fixture_reader(f);
	run_crowd(&c, read_many);
	object_reader_counters(c.r, &n);
	assert_int_equal(n.segments_opened + n.segments_shared, THREADS * 3000);
	assert_true(n.cache_bytes <= CACHE_MIN);
	object_reader_free(c.r);
	free(data);
	free(id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sizes),
		TEST(test_sharing),
		TEST(test_damage),
		TEST(test_store_errors),
		TEST(test_wrong_id),
		TEST(test_many),
		TEST(test_wrong_place),
		TEST(test_kinds),
		TEST(test_auditor),
		TEST(test_refresh),
		TEST(test_refresh_fails),
		TEST(test_bound),
		TEST(test_single_flight),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
