/*
 * Index runs: written, read back, looked up in, damaged in every bit, cut at every length, and on stores that fail.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/index/run/run_cursor.h"
#include "repo/store/dir/store_dir.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/packs.h"

static int open_run(struct packs_world *w, const struct id *id, struct run **out)
{
	const struct run_reading how = { w->store, &w->k.metadata, NULL, PACKS_SEGMENT_SIZE };

	return run_open(&how, id, 0, out);
}

/* Look all objects of ${p} up, and some that are not there. */
static void expect_lookups(struct run *r, const struct packs_run *p, uint64_t step)
{
	struct pack_info info, want_info;
	struct place place, want;
	struct id id;

	for (uint64_t n = p->first; n < p->first + p->count; n += step) {
		packs_id(n, &id);
		memset(&place, 0xee, sizeof(place));
		assert_int_equal(run_lookup(r, &id, &place, &info), 0);
		packs_place(n, (uint32_t)(n % p->npacks), &want);
		assert_true(packs_same_place(&place, &want));
		packs_info(p->pack0 + n % p->npacks, &want_info);
		assert_true(packs_same_info(&info, &want_info));
		packs_id(p->first + p->count + n, &id);
		assert_int_equal(run_lookup(r, &id, &place, &info), -ENOENT);
	}
	memset(&id, 0, sizeof(id));
	assert_int_equal(run_lookup(r, &id, &place, &info), -ENOENT);
	memset(&id, 0xff, sizeof(id));
	assert_int_equal(run_lookup(r, &id, &place, &info), -ENOENT);
}

struct seen {
	const struct packs_run *p;
	uint64_t n;
	struct id last;
	uint64_t stop_at;
};

static int see_object(void *arg, const struct id *id, const struct place *place)
{
	struct seen *s = arg;

	assert_true(s->n == 0 || id_compare(id, &s->last) > 0);
	assert_true(place->pack < s->p->npacks);
	s->last = *id;
	return ++s->n == s->stop_at ? 7 : 0;
}

static int see_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct seen *s = arg;
	struct pack_info want;

	assert_int_equal(number, s->n);
	packs_info(s->p->pack0 + number, &want);
	assert_true(packs_same_info(info, &want));
	return ++s->n == s->stop_at ? 7 : 0;
}

static void round_trip(struct packs_world *w, const struct packs_run *p, uint64_t step)
{
	struct id id = packs_put_run(w->store, &w->k.metadata, p);
	struct seen s = { .p = p };
	struct run *r;

	assert_int_equal(open_run(w, &id, &r), 0);
	assert_int_equal(run_nobjects(r), p->count);
	assert_int_equal(run_npacks(r), p->npacks);
	expect_lookups(r, p, step);
	assert_int_equal(run_each_object(r, see_object, &s), 0);
	assert_int_equal(s.n, p->count);
	s = (struct seen){ .p = p };
	assert_int_equal(run_each_pack(r, see_pack, &s), 0);
	assert_int_equal(s.n, p->npacks);
	if (p->count > 10) {
		s = (struct seen){ .p = p, .stop_at = 5 };
		assert_int_equal(run_each_object(r, see_object, &s), 7);
		s = (struct seen){ .p = p, .stop_at = 1 };
		assert_int_equal(run_each_pack(r, see_pack, &s), 7);
	}
	run_close(r);
}

static void test_round_trip(void **state)
{
	struct packs_world *w = *state;
	static const struct packs_run runs[] = {
		{ .first = 0, .count = 1, .npacks = 1 },
		{ .first = 10, .count = 1000, .npacks = 3 },
		{ .first = 5000, .count = 20000, .npacks = 1500, .pack0 = 10 },
		{ .first = 5000, .count = 600, .npacks = 512 },
		{ .first = 5000, .count = 600, .npacks = 513 },
	};

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		round_trip(w, &runs[i], 1 + runs[i].count / 200);
}

static void test_in_a_directory(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .first = 1, .count = 5000, .npacks = 7 };
	char dir[] = "/tmp/varve-run-XXXXXX";

	assert_non_null(mkdtemp(dir));
	store_close(w->store);
	assert_int_equal(store_dir_open(dir, true, NULL, &w->store), 0);
	round_trip(w, &p, 50);
	packs_remove_tree(dir);
}

static void test_empty(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .npacks = 0 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p);
	struct seen s = { .p = &p };
	struct pack_info info;
	struct place place;
	struct run *r;
	size_t n;

	assert_int_equal(open_run(w, &id, &r), 0);
	assert_int_equal(run_nobjects(r), 0);
	assert_int_equal(run_lookup(r, &id, &place, &info), -ENOENT);
	assert_int_equal(run_each_object(r, see_object, &s), 0);
	assert_int_equal(run_each_pack(r, see_pack, &s), 0);
	assert_int_equal(s.n, 0);
	run_replaced(r, &n);
	assert_int_equal(n, 0);
	run_close(r);
	run_close(NULL);
}

static void test_replaced(void **state)
{
	struct packs_world *w = *state;
	struct id old[3];
	struct packs_run p = { .count = 3, .npacks = 1, .replaced = old, .nreplaced = 3 };
	const struct id *got;
	struct run *r;
	struct id id;
	size_t n;

	for (unsigned i = 0; i < 3; i++)
		packs_id(1000 + i, &old[i]);
	id = packs_put_run(w->store, &w->k.metadata, &p);
	assert_int_equal(open_run(w, &id, &r), 0);
	got = run_replaced(r, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(got, old, sizeof(old));
	run_close(r);
}

static void test_writer_refuses(void **state)
{
	struct packs_world *w = *state;
	struct seal_domain blind = w->k.metadata;
	struct place place;
	struct pack_info info;
	struct run_writer *rw;
	uint32_t number;
	struct id id = { { 5 } };

	packs_place(0, 0, &place);
	packs_info(0, &info);
	assert_int_equal(run_begin(w->store, &w->k.metadata, &rw), 0);
	assert_int_equal(run_add(rw, &id, &place), -EINVAL); /* no such pack yet */
	assert_int_equal(run_add_pack(rw, &info, &number), 0);
	assert_int_equal(run_add(rw, &id, &place), 0);
	assert_int_equal(run_add(rw, &id, &place), -EINVAL); /* again */
	id.b[0] = 4;
	assert_int_equal(run_add(rw, &id, &place), -EINVAL); /* below */
	run_abort(rw);
	run_abort(NULL);
	blind.can_seal = false;
	assert_int_equal(run_begin(w->store, &blind, &rw), -EACCES);
}

/* Ids that agree in all that the footer has of them, spread over several blocks. */
static void test_ties(void **state)
{
	struct packs_world *w = *state;
	struct pack_info info;
	struct place place, got;
	struct run_writer *rw;
	struct run *r;
	uint32_t number;
	struct id id = { { 9 } }, run;

	packs_place(1, 0, &place);
	packs_info(0, &info);
	assert_int_equal(run_begin(w->store, &w->k.metadata, &rw), 0);
	assert_int_equal(run_add_pack(rw, &info, &number), 0);
	for (unsigned i = 0; i < 5000; i++) {
		id.b[30] = (uint8_t)(i >> 8);
		id.b[31] = (uint8_t)i;
		place.offset = 96 + i;
		assert_int_equal(run_add(rw, &id, &place), 0);
	}
	assert_int_equal(run_commit(rw, &run, NULL), 0);
	assert_int_equal(open_run(w, &run, &r), 0);
	for (unsigned i = 0; i < 5000; i += 13) {
		id.b[30] = (uint8_t)(i >> 8);
		id.b[31] = (uint8_t)i;
		id.b[20] = 0;
		assert_int_equal(run_lookup(r, &id, &got, &info), 0);
		assert_int_equal(got.offset, 96 + i);
		id.b[20] = 1;
		assert_int_equal(run_lookup(r, &id, &got, &info), -ENOENT);
	}
	run_close(r);
}

/* What a lookup asks of the store: its block and its pack's, and nothing the second time. */
static void test_lookup_requests(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .count = 20000, .npacks = 3 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p);
	struct store_counters before, after;
	struct pack_info info;
	struct place place;
	struct run *r;

	store_get_counters(w->store, &before);
	assert_int_equal(open_run(w, &id, &r), 0);
	store_get_counters(w->store, &after);
	assert_int_equal(after.gets - before.gets, 1);
	assert_int_equal(after.stats - before.stats, 1);
	packs_id(77, &id);
	before = after;
	assert_int_equal(run_lookup(r, &id, &place, &info), 0);
	store_get_counters(w->store, &after);
	assert_int_equal(after.gets - before.gets, 2);
	assert_true(after.get_bytes - before.get_bytes < 2 * RUN_BLOCK_LEN);
	before = after;
	assert_int_equal(run_lookup(r, &id, &place, &info), 0);
	store_get_counters(w->store, &after);
	assert_int_equal(after.gets, before.gets);
	run_close(r);
}

/*
 * A run whose size is known is opened with one request, one that was kept with none, and a small one is read by that.
 */
static void test_open_requests(void **state)
{
	struct packs_world *w = *state;
	const struct run_reading how = { w->store, &w->k.metadata, NULL, PACKS_SEGMENT_SIZE };
	const struct id old = { { 7 } };
	struct packs_run large = { .count = 20000, .npacks = 3, .replaced = &old, .nreplaced = 1 };
	struct packs_run small = { .count = 500, .npacks = 3 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &large);
	struct store_counters before, after;
	struct buf end = BUF_INIT;
	struct run *r;
	uint64_t size;
	size_t n;

	store_get_counters(w->store, &before);
	assert_int_equal(open_run(w, &id, &r), 0);
	size = run_size(r);
	run_close(r);
	assert_int_equal(run_open(&how, &id, size, &r), 0);
	store_get_counters(w->store, &after);
	assert_int_equal(after.stats - before.stats, 1);
	assert_int_equal(after.gets - before.gets, 2);
	assert_int_equal(run_end(r, &end), 0);
	run_trim(r);
	expect_lookups(r, &large, 1000);
	run_close(r);

	before = after;
	store_get_counters(w->store, &before);
	assert_int_equal(run_open_kept(&how, &id, end.data, end.len, &r), 0);
	assert_int_equal(run_size(r), size);
	assert_int_equal(run_nobjects(r), 20000);
	assert_true(id_equal(run_replaced(r, &n), &old) && n == 1);
	store_get_counters(w->store, &after);
	assert_int_equal(after.gets, before.gets);
	expect_lookups(r, &large, 1000);
	run_close(r);
	for (size_t i = 0; i < end.len; i++) {
		end.data[i] ^= 1;
		assert_int_not_equal(run_open_kept(&how, &id, end.data, end.len, &r), 0);
		end.data[i] ^= 1;
		assert_int_equal(run_open_kept(&how, &id, end.data, i, &r), -EBADMSG);
	}
	buf_free(&end);

	id = packs_put_run(w->store, &w->k.metadata, &small);
	store_get_counters(w->store, &before);
	assert_int_equal(open_run(w, &id, &r), 0);
	assert_true(run_size(r) <= RUN_SMALL);
	expect_lookups(r, &small, 1);
	store_get_counters(w->store, &after);
	assert_int_equal(after.gets - before.gets, 1);
	run_close(r);
}

/* Read all of a run.  0 or the first error; what was given out must be right in any case. */
static int read_all(struct packs_world *w, const struct id *id, const struct packs_run *p)
{
	struct seen s = { .p = p };
	struct run *r;
	int rc;

	rc = open_run(w, id, &r);
	if (rc < 0)
		return rc;
	rc = run_each_pack(r, see_pack, &s);
	s = (struct seen){ .p = p };
	if (rc == 0)
		rc = run_each_object(r, see_object, &s);
	if (rc == 0)
		assert_int_equal(s.n, p->count);
	for (uint64_t n = p->first; n < p->first + p->count; n++) {
		struct pack_info info, want_info;
		struct place place, want;
		struct id obj;

		packs_id(n, &obj);
		if (run_lookup(r, &obj, &place, &info) == 0) {
			packs_place(n, (uint32_t)(n % p->npacks), &want);
			packs_info(p->pack0 + n % p->npacks, &want_info);
			assert_true(packs_same_place(&place, &want));
			assert_true(packs_same_info(&info, &want_info));
		} else {
			assert_int_not_equal(rc, 0);
		}
	}
	run_close(r);
	return rc;
}

static void test_every_bit(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .first = 3, .count = 3, .npacks = 2 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p);
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];
	int rc;

	run_name(&id, name);
	assert_int_equal(store_get_all(w->store, name, 1 << 20, &b), 0);
	assert_int_equal(read_all(w, &id, &p), 0);
	for (size_t i = 0; i < b.len * 8; i++) {
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
		rc = read_all(w, &id, &p);
		assert_true(rc == -EBADMSG || ((i / 8 == 7 || i / 8 == b.len - 1) && rc == -EPROTONOSUPPORT));
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	buf_free(&b);
}

static void test_every_length(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .first = 3, .count = 20, .npacks = 2 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p);
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];

	run_name(&id, name);
	assert_int_equal(store_get_all(w->store, name, 1 << 20, &b), 0);
	assert_int_equal(buf_u8(&b, 0), 0);
	for (size_t len = 0; len <= b.len; len++) {
		if (len == b.len - 1)
			continue;
		assert_int_equal(store_mem_replace(w->store, name, b.data, len), 0);
		assert_int_equal(read_all(w, &id, &p), -EBADMSG);
	}
	buf_free(&b);
}

static void test_strangers(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .count = 3, .npacks = 1 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p), absent = { { 1 } };
	struct seal_domain blind = w->k.metadata;
	struct run_reading how = { w->store, &w->k.metadata, NULL, PACKS_SEGMENT_SIZE };
	struct packs_keys other;
	struct run *r;

	packs_keys_make(&other);
	how.metadata = &other.metadata;
	assert_int_equal(run_open(&how, &id, 0, &r), -EBADMSG);
	blind.can_open = false;
	how.metadata = &blind;
	assert_int_equal(run_open(&how, &id, 0, &r), -EACCES);
	assert_int_equal(open_run(w, &absent, &r), -ENOENT);
}

/* The store fails at each request of a reader in turn, and recovers. */
static void test_failing_reads(void **state)
{
	struct packs_world *w = *state;
	struct packs_run p = { .count = 5000, .npacks = 600 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p);
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET | STORE_OP_STAT,
		.prefix = "index/", .count = 1, .err = -EIO };
	unsigned failed = 0;

	for (rule.skip = 0; rule.skip < 20; rule.skip++) {
		struct seen s = { .p = &p };
		struct run *r;
		int rc;

		store_mem_set_faults(w->store, &rule, 1);
		rc = open_run(w, &id, &r);
		if (rc == 0) {
			rc = run_each_pack(r, see_pack, &s);
			s = (struct seen){ .p = &p };
			if (rc == 0)
				rc = run_each_object(r, see_object, &s);
			run_close(r);
		}
		assert_true(rc == 0 || rc == -EIO);
		failed += rc == -EIO;
	}
	assert_true(failed >= 5); /* size, end, two blocks of packs, the objects */
	store_mem_set_faults(w->store, NULL, 0);
	assert_int_equal(read_all(w, &id, &p), 0);
}

static void test_full_store(void **state)
{
	struct packs_world *w = *state;
	struct store_fault_rule full = { .fault = STORE_FAULT_NOSPACE, .ops = STORE_OP_PUT, .prefix = "" };
	struct pack_info info;
	struct place place;
	struct run_writer *rw;
	uint32_t number;
	struct id id;
	int rc = -ENOSPC;

	packs_info(0, &info);
	packs_place(0, 0, &place);
	for (full.amount = 0; rc == -ENOSPC; full.amount += 50) {
		store_mem_set_faults(w->store, &full, 1);
		rc = run_begin(w->store, &w->k.metadata, &rw);
		if (rc < 0)
			continue;
		assert_int_equal(run_add_pack(rw, &info, &number), 0);
		packs_id(1, &id);
		assert_int_equal(run_add(rw, &id, &place), 0);
		rc = run_commit(rw, &id, NULL);
	}
	assert_int_equal(rc, 0);
	assert_true(full.amount > 400);
}

/* Many threads on one run, each with blocks of its own in mind. */
static void *look_up_many(void *arg)
{
	const struct packs_run p = { .count = 20000, .npacks = 1500 };

	expect_lookups(arg, &p, 397);
	return NULL;
}

static void test_threads(void **state)
{
	struct packs_world *w = *state;
	const struct packs_run p = { .count = 20000, .npacks = 1500 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p);
	pthread_t t[4];
	struct run *r;

	assert_int_equal(open_run(w, &id, &r), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, look_up_many, r), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	run_close(r);
}

static void test_cursor_windows(void **state)
{
	struct packs_world *w = *state;
	const struct packs_run p = { .count = 30000, .npacks = 1500 };
	struct id id = packs_put_run(w->store, &w->k.metadata, &p), last = { { 0 } };
	struct place place = { 0 };
	struct run_cursor *c;
	struct run *r;
	uint64_t n = 0;

	assert_int_equal(open_run(w, &id, &r), 0);
	assert_int_equal(run_cursor_open(r, 0, &c), 0);
	while (run_cursor_next(c, &id, &place) == 1) {
		assert_true(n == 0 || id_compare(&last, &id) < 0);
		last = id;
		n++;
	}
	assert_int_equal(n, p.count);
	assert_int_equal(run_cursor_next(c, &id, &place), 0);
	run_cursor_close(c);
	run_cursor_close(NULL);
	run_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_in_a_directory, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_empty, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_replaced, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_writer_refuses, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_ties, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_lookup_requests, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_open_requests, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_every_bit, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_every_length, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_strangers, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_failing_reads, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_full_store, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_threads, packs_setup, packs_teardown),
		cmocka_unit_test_setup_teardown(test_cursor_windows, packs_setup, packs_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
