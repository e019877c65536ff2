/*
 * A prune under a reader and a writer: objects move from one pack to another while the index of this machine, or what
 * it has learned, still has the old one.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/fixture.h"

#define SEGMENT FIXTURE_SEGMENT_SIZE
#define LEN 5000u
#define COUNT 20u
#define READERS 8

/* Chunks that are stored: some that share segments, and one with segments of its own. */
struct chunks {
	uint8_t *data, *large;
	struct id id[COUNT], large_id;
};

static void store_with(struct fixture *f, struct object_writer *w, struct chunks *c)
{
	assert_int_equal(fixture_store_chunks(f, w, c->data, LEN, COUNT, c->id), 0);
	assert_int_equal(fixture_store_chunks(f, w, c->large, 3 * SEGMENT, 1, &c->large_id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
}

static void store(struct fixture *f, struct chunks *c)
{
	c->data = malloc(COUNT * LEN);
	c->large = malloc((size_t)3 * SEGMENT);
	assert_non_null(c->data);
	assert_non_null(c->large);
	fixture_noise(1, c->data, COUNT * LEN);
	fixture_noise(2, c->large, (size_t)3 * SEGMENT);
	store_with(f, fixture_writer(f), c);
}

static void free_chunks(struct chunks *c)
{
	free(c->data);
	free(c->large);
}

/* Another machine, which knows nothing, puts all into a new pack. */
static void copy(struct fixture *f, struct chunks *c)
{
	struct index *mine = f->index, *theirs;
	struct index_options opts = {
		.store = f->store, .metadata = &f->metadata, .repo_id = f->config.repo_id,
		.segment_size = f->config.segment_size, .log = f->log,
	};

	assert_int_equal(index_open(&opts, &theirs), 0);
	f->index = theirs;
	store_with(f, fixture_writer(f), c);
	f->index = mine;
	index_close(theirs);
}

/* Another machine copies all to a new pack and deletes the old run and the old pack; or only does the latter. */
static void prune(struct fixture *f, struct chunks *c, bool with_copy)
{
	char pack[STORE_NAME_MAX + 1], run[STORE_NAME_MAX + 1];

	fixture_object(f, "packs/", 0, pack);
	fixture_object(f, "index/", 0, run);
	if (with_copy)
		copy(f, c);
	assert_int_equal(store_delete(f->store, run), 0);
	assert_int_equal(store_delete(f->store, pack), 0);
}

static int read_chunk(struct object_reader *r, const struct id *id, const uint8_t *want, uint32_t len)
{
	struct buf b = BUF_INIT;
	int rc = object_read(r, PACK_DATA, id, len, &b);

	if (rc == 0)
		assert_memory_equal(b.data, want, len);
	buf_free(&b);
	return rc;
}

/* By each of the ways to read; nothing is complained of. */
static void expect_readable(struct fixture *f, struct object_reader *r, const struct chunks *c)
{
	const struct object_wanted wanted[2] = { { &c->id[3], LEN }, { &c->large_id, 3 * SEGMENT } };
	const struct object_wanted part = { &c->id[1], LEN };
	struct buf b = BUF_INIT;
	uint8_t byte;

	object_prefetch(r, c->id, OBJECT_PREFETCH_MAX);
	assert_int_equal(object_read_range(r, &part, 100, 1, &byte), 0);
	assert_int_equal(byte, c->data[LEN + 100]);
	assert_int_equal(object_read_many(r, wanted, 2, &b), 0);
	assert_memory_equal(b.data, c->data + 3 * LEN, LEN);
	assert_memory_equal(b.data + LEN, c->large, 3 * SEGMENT);
	buf_free(&b);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(read_chunk(r, &c->id[i], c->data + (size_t)i * LEN, LEN), 0);
	assert_int_equal(read_chunk(r, &c->large_id, c->large, 3 * SEGMENT), 0);
	assert_false(fixture_logged(f, "pack"));
}

/* A mount that has been up for weeks. */
static void test_reader(void **state)
{
	struct fixture *f = *state;
	struct object_reader *r;
	struct chunks c;

	store(f, &c);
	r = fixture_reader(f);
	prune(f, &c, true);
	expect_readable(f, r, &c);
	prune(f, &c, true);
	object_reader_free(r);
	r = fixture_reader(f);
	expect_readable(f, r, &c);
	object_reader_free(r);
	free_chunks(&c);
}

/* Copies upon copies that have gone, of which runs are left: the one that is there is found all the same. */
static void test_dangling(void **state)
{
	char first[STORE_NAME_MAX + 1], pack[STORE_NAME_MAX + 1];
	struct fixture *f = *state;
	struct object_reader *r;
	struct chunks c;

	store(f, &c);
	fixture_object(f, "packs/", 0, first);
	for (unsigned i = 0; i < 5; i++) {
		copy(f, &c);
		assert_int_equal(index_refresh(f->index), 0);
	}
	r = fixture_reader(f);
	for (unsigned i = fixture_count(f, "packs/"); i-- > 0;)
		if (strcmp(fixture_object(f, "packs/", i, pack), first) != 0)
			assert_int_equal(store_delete(f->store, pack), 0);
	assert_int_equal(fixture_count(f, "packs/"), 1);
	expect_readable(f, r, &c);
	object_reader_free(r);
	free_chunks(&c);
}

/* One of several who read the same at the same time. */
struct one {
	struct object_reader *r;
	const struct chunks *c;
	pthread_barrier_t *barrier;
	int rc;
};

static void *read_one(void *arg)
{
	struct one *o = arg;
	struct buf b = BUF_INIT;

	pthread_barrier_wait(o->barrier);
	o->rc = object_read(o->r, PACK_DATA, &o->c->id[0], LEN, &b);
	if (o->rc == 0 && memcmp(b.data, o->c->data, LEN) != 0)
		o->rc = -EBADMSG;
	buf_free(&b);
	return NULL;
}

/* Of many who want what has moved one looks for it, which takes its time; the others wait for that. */
static void test_together(void **state)
{
	const struct store_fault_rule slow[2] = {
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_GET, .prefix = "packs/", .amount = 200 },
		{ .fault = STORE_FAULT_DELAY, .ops = STORE_OP_LIST, .prefix = "index/", .amount = 200 },
	};
	struct fixture *f = *state;
	pthread_barrier_t barrier;
	pthread_t thread[READERS];
	struct one one[READERS];
	struct object_reader *r;
	struct chunks c;

	store(f, &c);
	r = fixture_reader(f);
	prune(f, &c, true);
	store_mem_set_faults(f->store, slow, 2);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, READERS), 0);
	for (unsigned i = 0; i < READERS; i++) {
		one[i] = (struct one){ r, &c, &barrier, -1 };
		assert_int_equal(pthread_create(&thread[i], NULL, read_one, &one[i]), 0);
	}
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&barrier);
	store_mem_set_faults(f->store, NULL, 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(one[i].rc, 0);
	expect_readable(f, r, &c);
	object_reader_free(r);
	free_chunks(&c);
}

/* What is really gone is an error that says so, and neither absent nor an endless search. */
static void test_lost(void **state)
{
	struct fixture *f = *state;
	struct object_reader *r;
	struct chunks c;
	uint8_t byte;

	store(f, &c);
	r = fixture_reader(f);
	prune(f, &c, false);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(read_chunk(r, &c.id[i], c.data, LEN), -EBADMSG);
		assert_int_equal(object_read_range(r, &(struct object_wanted){ &c.id[i], LEN }, 0, 1, &byte), -EBADMSG);
	}
	object_reader_free(r);
	free_chunks(&c);
}

/* While it cannot be told where it is now: neither absent nor damaged, and well again afterwards. */
static void test_unreachable(void **state)
{
	struct store_fault_rule fault = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_LIST | STORE_OP_GET,
		.prefix = "index/", .err = -ETIMEDOUT };
	struct fixture *f = *state;
	struct object_reader *r;
	struct chunks c;

	store(f, &c);
	r = fixture_reader(f);
	prune(f, &c, true);
	store_mem_set_faults(f->store, &fault, 1);
	assert_int_equal(read_chunk(r, &c.id[0], c.data, LEN), -ETIMEDOUT);
	assert_int_equal(read_chunk(r, &c.id[0], c.data, LEN), -ETIMEDOUT);
	store_mem_set_faults(f->store, NULL, 0);
	fixture_log_clear(f);
	sleep(3); /* runs are listed every two seconds at most */
	expect_readable(f, r, &c);
	object_reader_free(r);
	free_chunks(&c);
}

/* A backup relies on what the runs of now say, and on nothing else that this machine has loaded before. */
static void test_writer(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w;
	struct object_reader *r;
	struct chunks c;

	store(f, &c);
	prune(f, &c, true);
	assert_int_equal(index_refresh(f->index), 0);
	w = fixture_writer(f);
	assert_int_equal(object_known(w, &c.id[5]), 1);
	object_writer_close(w);
	prune(f, &c, false);
	assert_int_equal(index_refresh(f->index), 0);
	w = fixture_writer(f);
	assert_int_equal(object_known(w, &c.id[5]), 0);
	assert_int_equal(object_known(w, &c.large_id), 0);
	store_with(f, w, &c);
	r = fixture_reader(f);
	expect_readable(f, r, &c);
	object_reader_free(r);
	free_chunks(&c);
}

/* A pack is lost without a prune: a reader who finds that out has the next backup store again what he wanted. */
static void test_heals(void **state)
{
	char pack[STORE_NAME_MAX + 1];
	struct fixture *f = *state;
	struct object_writer *w;
	struct object_reader *r;
	struct chunks c;

	store(f, &c);
	r = fixture_reader(f);
	assert_int_equal(store_delete(f->store, fixture_object(f, "packs/", 0, pack)), 0);
	assert_int_equal(read_chunk(r, &c.id[5], c.data, LEN), -EBADMSG);
	assert_true(fixture_logged(f, "the pack is missing"));
	w = fixture_writer(f);
	assert_int_equal(object_known(w, &c.id[5]), 0);
	object_writer_close(w);
	object_reader_free(r);
	free_chunks(&c);
}

/* A manifest has told another pack's key: that opens, but not what is in this one.  The runs know better. */
static void test_wrong_key(void **state)
{
	struct fixture *f = *state;
	struct pack_info info[2];
	struct buf record = BUF_INIT;
	struct object_reader *r;
	struct place place[2];
	struct chunks c;
	struct id other;
	uint8_t data[LEN];
	struct object_writer *w;

	store(f, &c);
	fixture_noise(3, data, LEN);
	w = fixture_writer(f);
	assert_int_equal(fixture_store_chunks(f, w, data, LEN, 1, &other), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(index_lookup(f->index, i == 0 ? &c.id[0] : &other, &place[i]), 0);
		assert_int_equal(index_pack(f->index, place[i].pack, &info[i]), 0);
	}
	assert_false(id_equal(&info[0].id, &info[1].id));
	memcpy(info[0].wrapped, info[1].wrapped, sizeof(info[0].wrapped));
	assert_int_equal(place_encode(&place[0], &record), 0);
	fixture_forget_index(f);
	assert_int_equal(index_learn(f->index, &c.id[0], &info[0], record.data, record.len), 0);
	r = fixture_reader(f);
	assert_int_equal(read_chunk(r, &c.id[0], c.data, LEN), 0);
	assert_int_equal(read_chunk(r, &c.id[7], c.data + 7 * LEN, LEN), 0);
	object_reader_free(r);
	buf_free(&record);
	free_chunks(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reader),
		TEST(test_dangling),
		TEST(test_together),
		TEST(test_lost),
		TEST(test_unreachable),
		TEST(test_writer),
		TEST(test_heals),
		TEST(test_wrong_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
