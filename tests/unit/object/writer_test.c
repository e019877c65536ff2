/*
 * Object writer: what is stored is found and read, once; runs come as it goes; a store that fails loses nothing and is
 * told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/unit/object/chunks.h"

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_writer_counters n;
	struct chunks *c = chunks_make(1);
	struct store_counters store;

	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_known(w, &c->id[CHUNKS_N - 1]), 1);
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(object_known(w, &c->id[CHUNKS_N - 1]), 1);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, CHUNKS_N);
	assert_int_equal(n.data_bytes, CHUNKS_N * CHUNKS_LEN);
	assert_int_equal(n.tree_objects, 0);
	assert_int_equal(n.packs, fixture_count(f, "packs/"));
	assert_in_range(n.packs, 4, 6);
	assert_int_equal(n.runs, 1);
	assert_int_equal(fixture_count(f, "index/"), 1);
	store_get_counters(f->store, &store);
	assert_true(n.stored_bytes > CHUNKS_N * CHUNKS_LEN && n.stored_bytes < store.put_bytes);
	object_writer_close(w);
	assert_int_equal(chunks_readable(f, c), CHUNKS_N);
	fixture_forget_index(f);
	assert_int_equal(chunks_readable(f, c), CHUNKS_N);
	chunks_free(c);
}

/* The same contents again: by the same writer, by another, by one on another machine. */
static void test_known(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_writer_counters n;
	struct chunks *c = chunks_make(2);

	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, CHUNKS_N);
	assert_int_equal(n.runs, 1);
	object_writer_close(w);

	fixture_forget_index(f);
	assert_int_equal(index_refresh(f->index), 0);
	w = fixture_writer(f);
	assert_int_equal(object_known(w, &c->id[0]), 1);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, 0);
	assert_int_equal(n.packs + n.runs + n.stored_bytes, 0);
	object_writer_close(w);
	object_writer_close(NULL);
	chunks_free(c);
}

static void test_trees(void **state)
{
	enum { PAGES = 100, PAGE = 3000 };
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_reader *r;
	struct object_writer_counters n;
	uint8_t *data = malloc(PAGES * PAGE);
	struct id id[PAGES], again;
	struct buf b = BUF_INIT;

	assert_non_null(data);
	fixture_noise(3, data, PAGES * PAGE);
	assert_int_equal(object_writer_put(w, data, 0, &again), -EINVAL);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(object_writer_put(w, data + i * PAGE, PAGE, &id[i]), 0);
	assert_int_equal(object_writer_put(w, data, PAGE, &again), 0);
	assert_true(id_equal(&again, &id[0]));
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(object_writer_put(w, data, PAGE, &again), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.tree_objects, PAGES);
	assert_int_equal(n.tree_bytes, PAGES * PAGE);
	assert_int_equal(n.data_objects, 0);
	object_writer_close(w);
	assert_int_equal(fixture_count(f, "trees/"), 1);
	assert_int_equal(fixture_count(f, "packs/"), 0);

	r = fixture_reader(f);
	for (unsigned i = 0; i < PAGES; i++) {
		buf_clear(&b);
		assert_int_equal(object_read(r, PACK_TREE, &id[i], PAGE, &b), 0);
		assert_int_equal(b.len, PAGE);
		assert_memory_equal(b.data, data + i * PAGE, PAGE);
	}
	object_reader_free(r);
	buf_free(&b);
	free(data);
}

struct order {
	const struct id *id;
	unsigned next;
};

static int check_order(void *arg, const struct id *id, const struct place *place)
{
	struct order *o = arg;

	(void)place;
	assert_true(id_equal(id, &o->id[o->next]));
	o->next++;
	return 0;
}

/* A pack holds the objects in the order in which they came. */
static void test_order(void **state)
{
	enum { COUNT = 150 };
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct chunks *c = chunks_make(4);
	struct order o = { c->id, 0 };
	struct pack_info info;
	struct place place;

	assert_int_equal(fixture_store_chunks(f, w, c->data, CHUNKS_LEN, COUNT, c->id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_int_equal(fixture_count(f, "packs/"), 1);
	assert_int_equal(index_lookup(f->index, &c->id[0], &place), 0);
	assert_int_equal(index_pack(f->index, place.pack, &info), 0);
	assert_int_equal(pack_read_table(f->store, PACK_DATA, &info.id, &f->metadata, f->config.segment_size, &info,
	    check_order, &o), 0);
	assert_int_equal(o.next, COUNT);
	chunks_free(c);
}

/* Runs come as packs are full; of a writer that dies, what they name is there, and the next need not store it again. */
static void test_runs_as_it_goes(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w;
	struct object_writer_counters n;
	struct chunks *c = chunks_make(5);
	unsigned before;

	f->run_objects = 100;
	w = fixture_writer(f);
	assert_int_equal(chunks_store(f, w, c), 0);
	object_writer_close(w);
	assert_true(fixture_count(f, "index/") >= 1);
	fixture_forget_index(f);
	before = chunks_readable(f, c);
	assert_true(before >= 100 && before < CHUNKS_N);

	w = fixture_writer(f);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, CHUNKS_N - before);
	object_writer_close(w);
	assert_int_equal(chunks_readable(f, c), CHUNKS_N);
	chunks_free(c);
}

/* Whatever put fails: an error, then nothing but that error, a clean end, and a repository that takes the rerun. */
static void fail_put(struct fixture *f, const struct store_fault_rule *rule, struct chunks *c)
{
	struct object_writer *w = fixture_writer(f);
	struct segment_out *s = calloc(1, sizeof(*s));
	struct id id;
	int rc;

	assert_non_null(s);
	s->kind = PACK_DATA;
	store_mem_set_faults(f->store, rule, 1);
	rc = chunks_store(f, w, c);
	if (rc == 0)
		rc = object_writer_put(w, "page", 4, &id);
	if (rc == 0)
		rc = object_writer_finish(w);
	assert_int_equal(rc, rule->fault == STORE_FAULT_NOSPACE ? -ENOSPC : rule->err);
	assert_int_equal(object_writer_put(w, "other", 5, &id), rc);
	assert_int_equal(object_writer_add_segment(w, s), rc);
	assert_int_equal(object_writer_finish(w), rc);
	object_writer_close(w);
	store_mem_set_faults(f->store, NULL, 0);
}

static void test_failing_puts(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w;

	f->run_objects = 300;
	for (unsigned skip = 0; skip < 7; skip++) {
		struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "",
			.skip = skip, .count = 1, .err = -EIO };
		struct chunks *c = chunks_make(100 + skip);

		fail_put(f, &rule, c);
		w = fixture_writer(f);
		assert_int_equal(chunks_store(f, w, c), 0);
		assert_int_equal(object_writer_finish(w), 0);
		object_writer_close(w);
		assert_int_equal(chunks_readable(f, c), CHUNKS_N);
		chunks_free(c);
	}
}

static void test_failing_runs(void **state)
{
	struct fixture *f = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "index/",
		.err = -EACCES };
	struct chunks *c = chunks_make(7);

	fail_put(f, &rule, c);
	assert_int_equal(fixture_count(f, "index/"), 0);
	assert_true(fixture_count(f, "packs/") > 0);
	chunks_free(c);
}

static void test_full_store(void **state)
{
	struct fixture *f = *state;
	struct chunks *c = chunks_make(8);

	for (uint64_t held = 3000; held < CHUNKS_N * CHUNKS_LEN; held += 700000) {
		struct store_fault_rule rule = { .fault = STORE_FAULT_NOSPACE, .prefix = "", .amount = held };

		fail_put(f, &rule, c);
		assert_int_equal(chunks_readable(f, c), 0);
	}
	chunks_free(c);
}

static void test_dry_run(void **state)
{
	struct fixture *f = *state;
	struct object_writer_options opts;
	struct object_writer *w;
	struct object_writer_counters n;
	struct chunks *c = chunks_make(9);
	struct id id;

	fixture_writer_options(f, &opts);
	opts.dry_run = true;
	assert_int_equal(object_writer_open(&opts, &w), 0);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_put(w, "page", 4, &id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, CHUNKS_N);
	assert_int_equal(n.data_bytes, CHUNKS_N * CHUNKS_LEN);
	assert_int_equal(n.tree_objects, 1);
	assert_int_equal(n.stored_bytes + n.packs + n.runs, 0);
	object_writer_close(w);
	assert_int_equal(fixture_count(f, ""), 1);
	chunks_free(c);
}

/* Who lacks a key that sealing or naming needs cannot open a writer. */
static void test_roles(void **state)
{
	struct fixture *f = *state;
	struct object_writer_options opts;
	struct object_writer *w = NULL;

	fixture_writer_options(f, &opts);
	opts.object_id = NULL;
	assert_int_equal(object_writer_open(&opts, &w), -EACCES);
	fixture_writer_options(f, &opts);
	f->data.can_seal = false;
	assert_int_equal(object_writer_open(&opts, &w), -EACCES);
	assert_null(w);
	assert_true(fixture_logged(f, "may not add"));
	f->data.can_seal = true;
	f->data.can_open = false;
	assert_int_equal(object_writer_open(&opts, &w), 0);
	object_writer_close(w);
}

/* Packs that are committed in another order are named in that in which they were filled. */
static void test_order_of_packs(void **state)
{
	struct store_fault_rule slow = { .fault = STORE_FAULT_DELAY, .ops = STORE_OP_PUT, .prefix = "packs/",
		.count = 1, .amount = 300 };
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct chunks *c = chunks_make(11);
	struct place place;
	uint32_t last = 0;

	store_mem_set_faults(f->store, &slow, 1);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	fixture_forget_index(f);
	assert_int_equal(index_refresh(f->index), 0);
	for (unsigned i = 0; i < CHUNKS_N; i++) {
		assert_int_equal(index_lookup(f->index, &c->id[i], &place), 0);
		assert_true(place.pack >= last);
		last = place.pack;
	}
	assert_true(last > 0);
	chunks_free(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		cmocka_unit_test_setup_teardown(test_round_trip, fixture_setup_dir, fixture_teardown),
		TEST(test_known),
		TEST(test_trees),
		TEST(test_order),
		TEST(test_runs_as_it_goes),
		TEST(test_failing_puts),
		TEST(test_failing_runs),
		TEST(test_full_store),
		TEST(test_dry_run),
		TEST(test_roles),
		TEST(test_order_of_packs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
