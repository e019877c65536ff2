/*
 * Records of doomed packs, and the watch that writers keep on them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/doomed/watch.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/fixture.h"
#include "tests/lib/packs.h"

#define GRACE 86400

static struct doomed_place place_of(struct fixture *f)
{
	return (struct doomed_place){ .store = f->store, .metadata = &f->metadata, .repo_id = f->config.repo_id,
		.log = f->log };
}

/* A record of ${n} made-up packs from ${first} on. */
static struct id put_record(struct fixture *f, uint64_t first, uint32_t n)
{
	struct doomed_place at = place_of(f);
	struct doomed_record rec = { .stage = STAGE_DOOMED, .grace_s = GRACE, .boot_ns = 77, .n = n };

	rec.ids = calloc(n + 1, sizeof(*rec.ids));
	assert_non_null(rec.ids);
	for (uint32_t i = 0; i < n; i++)
		packs_id(first + i, &rec.ids[i]);
	assert_int_equal(doomed_put(&at, &rec), 0);
	doomed_record_destroy(&rec);
	return rec.id;
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct doomed_place at = place_of(f);
	struct doomed_set set;
	struct id id, first, other;

	assert_int_equal(doomed_load(&at, &set), 0);
	assert_int_equal(set.n, 0);
	doomed_set_destroy(&set);
	first = put_record(f, 0, 8);
	other = put_record(f, 100, 1);
	assert_int_equal(doomed_load(&at, &set), 0);
	assert_int_equal(set.n, 2);
	assert_int_equal(set.nblocked, 9);
	for (uint64_t i = 0; i < 8; i++) {
		packs_id(i, &id);
		assert_true(doomed_blocks(&set, &id));
	}
	packs_id(8, &id);
	assert_false(doomed_blocks(&set, &id));
	assert_false(doomed_is_spent(&set, &first));
	for (size_t i = 0; i < 2; i++) {
		assert_true(id_equal(&set.record[i].id, &first) || id_equal(&set.record[i].id, &other));
		assert_int_equal(set.record[i].boot_ns, 77);
		assert_int_equal(set.record[i].grace_s, GRACE);
	}
	doomed_set_destroy(&set);
}

static void test_spent(void **state)
{
	struct fixture *f = *state;
	struct doomed_place at = place_of(f);
	struct id first = put_record(f, 0, 2), other = put_record(f, 10, 2), ids[1] = { first };
	struct doomed_record rec = { .stage = STAGE_SPENT, .grace_s = GRACE, .n = 1, .ids = ids };
	struct doomed_set set;

	assert_int_equal(doomed_put(&at, &rec), 0);
	assert_int_equal(doomed_load(&at, &set), 0);
	assert_int_equal(set.n, 3);
	assert_int_equal(set.nblocked, 4); /* it blocks no packs of its own, and frees none */
	assert_true(doomed_is_spent(&set, &first));
	assert_false(doomed_is_spent(&set, &other));
	doomed_set_destroy(&set);
}

static void test_without_key(void **state)
{
	struct fixture *f = *state;
	struct doomed_place at = { .store = f->store, .log = f->log };
	struct doomed_set set;
	struct id id;

	put_record(f, 0, 2);
	assert_int_equal(doomed_load(&at, &set), 0);
	packs_id(1, &id);
	assert_true(doomed_blocks(&set, &id));
	doomed_set_destroy(&set);
}

/* Every single bit counts. */
static void test_damage(void **state)
{
	struct fixture *f = *state;
	struct doomed_place at = place_of(f);
	struct id id = put_record(f, 0, 3);
	struct doomed_record rec;
	char name[DOOMED_NAME_SIZE];
	struct buf b = BUF_INIT;
	struct doomed_set set;

	assert_int_equal(store_get_all(f->store, doomed_name(&id, name), 4096, &b), 0);
	for (size_t i = 0; i < 8 * b.len; i++) {
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_not_equal(doomed_decode(&at, b.data, b.len, &id, &rec), 0);
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t len = 0; len < b.len; len++)
		assert_int_not_equal(doomed_decode(&at, b.data, len, &id, &rec), 0);
	assert_int_equal(doomed_decode(&at, b.data, b.len, &id, &rec), 0);
	doomed_record_destroy(&rec);
	buf_free(&b);
	fixture_damage(f, "doomed/", 0, -1);
	assert_int_equal(doomed_load(&at, &set), -EBADMSG);
	assert_true(fixture_logged(f, name));
}

static void test_another_repository(void **state)
{
	struct fixture *f = *state;
	static const uint8_t other[16] = "another one";
	struct doomed_place at = place_of(f);
	struct doomed_set set;

	put_record(f, 0, 1);
	at.repo_id = other;
	assert_int_equal(doomed_load(&at, &set), -EBADMSG);
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;
	struct doomed_place at = place_of(f);
	struct doomed_record rec = { .stage = STAGE_DOOMED, .n = DOOMED_IDS_MAX + 1 };

	assert_int_equal(doomed_put(&at, &rec), -EINVAL);
	at.metadata = NULL;
	rec.n = 0;
	assert_int_equal(doomed_put(&at, &rec), -EACCES);
}

/* --- Watch -------------------------------------------------------------------------------------------------------- */

static struct doom_watch *open_watch(struct fixture *f, struct fake_clock *c)
{
	const struct doom_watch_options o = { .at = place_of(f), .index = f->index, .grace_s = GRACE,
		.clock = &c->clock };
	struct doom_watch *w = NULL;

	assert_int_equal(doom_watch_open(&o, &w), 0);
	assert_int_equal(index_refresh(f->index), 0);
	assert_int_equal(doom_watch_map(w), 0);
	return w;
}

/* A pack in the store that a run names; returns its number. */
static uint32_t put_pack(struct fixture *f, uint64_t first, struct pack_info *info)
{
	struct packs_keys k = { .data = f->data, .metadata = f->metadata };
	struct run_writer *w;
	struct place place;
	uint32_t number;
	struct id id, run;

	*info = packs_put_pack(f->store, &k, PACK_DATA, first, 1);
	assert_int_equal(run_begin(f->store, &f->metadata, &w), 0);
	assert_int_equal(run_add_pack(w, info, &number), 0);
	packs_id(first, &id);
	memset(&place, 0, sizeof(place));
	place.offset = PACK_HEADER_LEN;
	place.len = place.shared_len = 100;
	place.box[0] = 60;
	assert_int_equal(run_add(w, &id, &place), 0);
	assert_int_equal(run_commit(w, &run, NULL), 0);
	assert_int_equal(index_refresh(f->index), 0);
	assert_int_equal(index_lookup(f->index, &id, &place), 0);
	return place.pack;
}

static void doom(struct fixture *f, const struct pack_info *info)
{
	struct doomed_place at = place_of(f);
	struct id ids[1] = { info->id };
	struct doomed_record rec = { .stage = STAGE_DOOMED, .grace_s = GRACE, .n = 1, .ids = ids };

	assert_int_equal(doomed_put(&at, &rec), 0);
}

static void test_watch_blocks(void **state)
{
	struct fixture *f = *state;
	struct fake_clock c;
	struct pack_info a, b;
	uint32_t na = put_pack(f, 1, &a), nb = put_pack(f, 2, &b);
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	doom(f, &a);
	w = open_watch(f, &c);
	assert_int_equal(doom_watch_take(w, na), 0);
	assert_int_equal(doom_watch_take(w, nb), 1);
	assert_true(doom_watch_blocks(w, &a.id) && !doom_watch_blocks(w, &b.id));
	assert_true(doom_watch_is_recent(w));
	doom(f, &b);
	/* In time: nothing is asked. */
	fake_clock_pass(&c, 12 * FAKE_HOUR - 1);
	assert_int_equal(doom_watch_look(w), 0);
	assert_int_equal(doom_watch_take(w, nb), 1);
	fake_clock_pass(&c, 1);
	assert_int_equal(doom_watch_look(w), -ESTALE);
	assert_true(fixture_logged(f, "doomed meanwhile"));
	assert_int_equal(doom_watch_take(w, nb), 0);
	doom_watch_close(w);
}

/* What was doomed without concerning us is heeded from then on. */
static void test_watch_goes_on(void **state)
{
	struct fixture *f = *state;
	struct fake_clock c;
	struct pack_info a, b;
	uint32_t na = put_pack(f, 1, &a), nb = put_pack(f, 2, &b);
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	assert_int_equal(doom_watch_take(w, na), 1);
	assert_int_equal(doom_watch_own(w, &a), 0);
	doom(f, &b);
	fake_clock_pass(&c, 20 * FAKE_HOUR);
	assert_false(doom_watch_is_recent(w));
	assert_int_equal(doom_watch_look(w), 0);
	assert_true(doom_watch_is_recent(w));
	assert_int_equal(doom_watch_take(w, nb), 0);
	assert_int_equal(doom_watch_take(w, na), 1);
	fake_clock_pass(&c, 11 * FAKE_HOUR);
	assert_int_equal(doom_watch_look(w), 0);
	doom_watch_close(w);
}

static void test_watch_gone(void **state)
{
	struct fixture *f = *state;
	char name[PACK_NAME_SIZE];
	struct fake_clock c;
	struct pack_info a;
	uint32_t na = put_pack(f, 1, &a);
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	assert_int_equal(doom_watch_take(w, na), 1);
	assert_int_equal(store_delete(f->store, pack_name(a.kind, &a.id, name)), 0);
	assert_int_equal(doom_watch_look_back(w), 0);
	fake_clock_pass(&c, 18 * FAKE_HOUR);
	assert_int_equal(doom_watch_look_back(w), -ESTALE);
	assert_true(fixture_logged(f, "gone meanwhile"));
	doom_watch_close(w);
}

/* A pack of one's own counts as well; a machine that slept notices by the other clock. */
static void test_watch_own(void **state)
{
	struct fixture *f = *state;
	struct fake_clock c;
	struct pack_info a;
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	put_pack(f, 1, &a);
	assert_int_equal(doom_watch_own(w, &a), 0);
	doom(f, &a);
	assert_int_equal(doom_watch_look(w), 0);
	c.now.real_ns += 13 * FAKE_HOUR;
	assert_int_equal(doom_watch_look(w), -ESTALE);
	doom_watch_close(w);
	doom_watch_close(NULL);
}

/* After a whole grace nobody knows what has come and gone. */
static void test_watch_slept(void **state)
{
	struct fixture *f = *state;
	struct fake_clock c;
	struct pack_info a;
	uint32_t na = put_pack(f, 1, &a);
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	assert_int_equal(doom_watch_take(w, na), 1);
	fake_clock_pass(&c, 23 * FAKE_HOUR);
	assert_int_equal(doom_watch_look(w), 0);
	fake_clock_pass(&c, 24 * FAKE_HOUR);
	assert_int_equal(doom_watch_look(w), -ESTALE);
	assert_int_equal(doom_watch_look_back(w), -ESTALE);
	assert_true(fixture_logged(f, "too much time"));
	doom_watch_close(w);
}

static unsigned records(struct fixture *f)
{
	return fixture_count(f, "doomed/");
}

static void test_watch_tells(void **state)
{
	struct fixture *f = *state;
	struct doomed_place at = place_of(f);
	struct fake_clock c;
	struct pack_info a, b;
	uint32_t na = put_pack(f, 1, &a);
	struct doomed_set set;
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	assert_int_equal(doom_watch_take(w, na), 1);
	assert_int_equal(doom_watch_own(w, &a), 0);
	put_pack(f, 2, &b);
	assert_int_equal(doom_watch_own(w, &b), 0);
	fake_clock_pass(&c, FAKE_HOUR / 2);
	assert_int_equal(doom_watch_tell(w), 0);
	assert_int_equal(records(f), 0);
	fake_clock_pass(&c, FAKE_HOUR / 4);
	assert_int_equal(doom_watch_tell(w), 0);
	assert_int_equal(records(f), 1);
	assert_int_equal(doomed_load(&at, &set), 0);
	assert_int_equal(set.record[0].stage, STAGE_NEEDED);
	assert_int_equal(set.record[0].n, 2);
	assert_int_equal(set.nblocked, 0);
	doomed_set_destroy(&set);
	fake_clock_pass(&c, 5 * FAKE_HOUR);
	assert_int_equal(doom_watch_tell(w), 0);
	assert_int_equal(records(f), 1);
	/* Once more; what it said before is taken back. */
	fake_clock_pass(&c, FAKE_HOUR);
	assert_int_equal(doom_watch_tell(w), 0);
	assert_int_equal(records(f), 1);
	doom_watch_end(w);
	assert_int_equal(records(f), 0);
	doom_watch_close(w);
}

/* What is doomed already is needed in vain. */
static void test_watch_tells_too_late(void **state)
{
	struct fixture *f = *state;
	struct fake_clock c;
	struct pack_info a;
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	put_pack(f, 1, &a);
	assert_int_equal(doom_watch_own(w, &a), 0);
	doom(f, &a);
	fake_clock_pass(&c, 12 * FAKE_HOUR);
	assert_int_equal(doom_watch_tell(w), -ESTALE);
	assert_int_equal(records(f), 1);
	doom_watch_close(w);
}

/* Without permission it goes on without. */
static void test_watch_mute(void **state)
{
	const struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "doomed/",
		.err = -EACCES };
	struct fixture *f = *state;
	struct fake_clock c;
	struct pack_info a;
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	put_pack(f, 1, &a);
	assert_int_equal(doom_watch_own(w, &a), 0);
	store_mem_set_faults(f->store, &rule, 1);
	fake_clock_pass(&c, FAKE_HOUR);
	assert_int_equal(doom_watch_tell(w), 0);
	store_mem_set_faults(f->store, NULL, 0);
	fake_clock_pass(&c, FAKE_HOUR);
	assert_int_equal(doom_watch_tell(w), 0);
	assert_int_equal(records(f), 0);
	doom_watch_end(w);
	doom_watch_close(w);
}

/* Who may not take back what it has said goes on saying what it needs. */
static void test_watch_stuck(void **state)
{
	const struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_DELETE, .prefix = "doomed/",
		.err = -EACCES };
	struct fixture *f = *state;
	struct fake_clock c;
	struct store_counters before, after;
	struct pack_info a;
	struct doom_watch *w;

	fake_clock_init(&c, 1);
	w = open_watch(f, &c);
	put_pack(f, 1, &a);
	assert_int_equal(doom_watch_own(w, &a), 0);
	store_mem_set_faults(f->store, &rule, 1);
	store_get_counters(f->store, &before);
	for (unsigned n = 1; n <= 4; n++) {
		fake_clock_pass(&c, 6 * FAKE_HOUR);
		assert_int_equal(doom_watch_tell(w), 0);
		assert_int_equal(records(f), n);
	}
	doom_watch_end(w);
	assert_int_equal(records(f), 4);
	store_get_counters(f->store, &after);
	assert_int_equal(after.deletes - before.deletes, 1);
	store_mem_set_faults(f->store, NULL, 0);
	doom_watch_close(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_spent),
		TEST(test_without_key),
		TEST(test_damage),
		TEST(test_another_repository),
		TEST(test_too_many),
		TEST(test_watch_blocks),
		TEST(test_watch_goes_on),
		TEST(test_watch_gone),
		TEST(test_watch_own),
		TEST(test_watch_slept),
		TEST(test_watch_tells),
		TEST(test_watch_tells_too_late),
		TEST(test_watch_mute),
		TEST(test_watch_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
