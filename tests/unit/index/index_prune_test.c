/*
 * An index under which a prune goes on, or another process loads, or runs cannot be read: what is known stays right or
 * is found out, and what cannot be known is not called absent.
 *
 * The large runs here are made up: their packs are not in the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "tests/unit/index/indexes.h"

#define LARGE 200000 /* objects of a run that is not loaded for a reader */
#define REAL 1000000 /* the first number of objects that are in a real pack */
#define NREAL 3000

static int resolve(struct indexes *w, uint64_t n, struct place *place)
{
	struct id id;

	packs_id(n, &id);
	return index_resolve(w->x, PACK_DATA, &id, place);
}

/* Is the object in that made-up pack, by what is known without asking the store? */
static bool is_in(struct indexes *w, uint64_t n, uint64_t pack)
{
	struct pack_info info, want;
	struct place place;
	struct id id;

	packs_id(n, &id);
	packs_info(pack, &want);
	return index_find(w->x, &id, &place) == 0 && index_pack(w->x, place.pack, &info) == 0 &&
	    id_equal(&info.id, &want.id);
}

static int doubt(struct indexes *w, uint64_t n, bool gone)
{
	struct place place;
	struct id id;

	packs_id(n, &id);
	assert_int_equal(index_find(w->x, &id, &place), 0);
	return index_doubt(w->x, &id, &place, gone);
}

/* All is loaded, but this process has not asked for that. */
static void load_before(struct indexes *w)
{
	assert_int_equal(index_refresh(w->x), 0);
	indexes_close(w);
	indexes_open(w);
}

static void flip(struct indexes *w, const struct id *id, size_t from_end)
{
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];

	assert_int_equal(store_get_all(w->store, run_name(id, name), 1 << 30, &b), 0);
	b.data[b.len - from_end] ^= 1;
	assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
	buf_free(&b);
}

/* Of a run that would be loaded as a whole: not to be had just now, or damaged, is not absent. */
static void test_unread_run(void **state)
{
	struct indexes *w = *state;
	struct store_fault_rule fault = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .err = -ETIMEDOUT };
	struct id small = indexes_put_run(w, 0, 300, 0, 10), middle = indexes_put_run(w, 1000, 5000, 0, 10);
	char name[RUN_NAME_SIZE];
	struct place place;

	fault.prefix = run_name(&small, name);
	store_mem_set_faults(w->store, &fault, 1);
	assert_int_equal(resolve(w, 7, &place), -ETIMEDOUT);
	assert_int_equal(resolve(w, 1007, &place), 0);
	fault.prefix = "index/";
	store_mem_set_faults(w->store, &fault, 1);
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
	assert_int_equal(resolve(w, 1007, &place), -ETIMEDOUT);
	/* Well again: it is not a matter of minutes. */
	store_mem_set_faults(w->store, NULL, 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_int_equal(resolve(w, 1007, &place), 0);
	assert_int_equal(resolve(w, REAL, &place), -ENOENT);

	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
	flip(w, &middle, 200);
	indexes_log_clear(w);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_int_equal(resolve(w, 1007, &place), -EBADMSG);
	assert_int_equal(resolve(w, 1008, &place), -EBADMSG);
	assert_int_equal(indexes_logged(w, run_name(&middle, name)), 1);
}

/* A run goes between the listing and the reading; what it held is in one that came in between. */
static void test_vanishing(void **state)
{
	static const uint64_t counts[] = { 300, 5000, LARGE };
	struct indexes *w = *state;
	struct store_fault_rule fault = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_GET, .err = -ENOENT, .count = 1,
		.prefix = "index/" };
	struct place place;

	for (unsigned i = 0; i < 3; i++) {
		indexes_put_run(w, i * LARGE, counts[i], 0, 10);
		store_mem_set_faults(w->store, &fault, 1);
		assert_int_equal(resolve(w, i * LARGE + 7, &place), 0);
		store_mem_set_faults(w->store, NULL, 0);
		indexes_close(w);
		assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
		indexes_open(w);
	}
	store_mem_set_faults(w->store, &fault, 1);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).runs, 3);
	/* For ever, in a listing that lags behind: who stores does so again, and who reads does not know. */
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	indexes_open(w);
	fault.count = 0;
	store_mem_set_faults(w->store, &fault, 1);
	assert_int_equal(index_refresh(w->x), 3);
	assert_int_equal(resolve(w, 7, &place), -EIO);
	store_mem_set_faults(w->store, NULL, 0);
	sleep(3); /* runs are listed every two seconds at most */
	assert_int_equal(resolve(w, 7, &place), 0);
}

/* Much was moved, and the index is too large to be loaded anew for a reader: he finds what he reads. */
static void test_moved(void **state)
{
	struct indexes *w = *state;
	struct id old = indexes_put_run(w, 0, LARGE, 0, 100);
	struct store_counters before, after;
	struct place place;

	indexes_put_run(w, REAL, LARGE, 500, 100);
	load_before(w);
	indexes_put_run(w, 0, LARGE, 1000, 100);
	indexes_delete_run(w, &old);
	assert_true(is_in(w, 7, 7));
	store_get_counters(w->store, &before);
	assert_int_equal(doubt(w, 7, true), 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_true(is_in(w, 7, 1007));
	store_get_counters(w->store, &after);
	assert_true(after.get_bytes - before.get_bytes < 400 * 1024);
	/* The others stay as they were, until they are doubted. */
	assert_int_equal(indexes_stats(w->x).objects, 2 * LARGE - 1);
	assert_true(is_in(w, 8, 8));
	assert_int_equal(doubt(w, 8, true), 0);
	assert_int_equal(resolve(w, 8, &place), 0);
	assert_true(is_in(w, 8, 1008));
	/* Who stores loads anew. */
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).objects, 2 * LARGE);
	assert_true(indexes_right(w->x, 0, LARGE, 1000, 100));
	assert_true(indexes_right(w->x, REAL, LARGE, 500, 100));
}

/* Another copy, in a run that is loaded, and has been all the time. */
static void test_other_copy(void **state)
{
	struct indexes *w = *state;
	struct id run[2] = { indexes_put_run(w, 0, LARGE, 0, 100), indexes_put_run(w, 0, LARGE, 500, 100) };
	struct place place;
	unsigned first;

	load_before(w);
	first = is_in(w, 7, 7) ? 0 : 1;
	assert_true(is_in(w, 7, 7 + 500 * first));
	indexes_delete_run(w, &run[first]);
	assert_int_equal(doubt(w, 7, true), 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_true(is_in(w, 7, 7 + 500 * (1 - first)));
}

/* Is the object now found in that made-up pack, the one where it was having gone? */
static bool moves_to(struct indexes *w, uint64_t n, uint64_t pack)
{
	struct place place;

	return doubt(w, n, true) == 0 && resolve(w, n, &place) == 0 && is_in(w, n, pack);
}

/*
 * A run that names what a prune has deleted: it was put late, by somebody who began earlier.  It is asked first, as it
 * is the largest, and is passed over for those that are right.
 */
static void test_dangling(void **state)
{
	struct indexes *w = *state;
	struct place place;

	indexes_put_run(w, 0, LARGE, 500, 100);
	assert_int_equal(index_refresh(w->x), 0);
	indexes_put_run(w, 0, LARGE + 20000, 700, 100);
	assert_int_equal(index_refresh(w->x), 0);
	indexes_put_run(w, 0, LARGE + 40000, 0, 100);
	load_before(w);
	assert_true(is_in(w, 7, 7));
	assert_true(moves_to(w, 7, 707));
	assert_true(moves_to(w, 7, 507));
	/* Of another object in there, too, by whoever comes first. */
	assert_int_equal(resolve(w, 107, &place), 0);
	assert_true(is_in(w, 107, 507));
	/* All of them are gone: any will do to say so. */
	assert_int_equal(doubt(w, 7, true), 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_int_equal(doubt(w, 7, true), -ENOENT);
}

/* The pack has gone, and another thread has found that out just now, and looks for the object: so does this one. */
static void test_doubted_by_another(void **state)
{
	struct indexes *w = *state;
	struct place place;
	struct id id;

	indexes_put_run(w, 0, 3000, 0, 10);
	load_before(w);
	packs_id(7, &id);
	assert_int_equal(index_find(w->x, &id, &place), 0);
	assert_int_equal(index_doubt(w->x, &id, &place, true), 0);
	assert_int_equal(index_doubt(w->x, &id, &place, true), 0);
}

/*
 * A listing is not of one moment: it lacks the run that was being replaced, and the one that replaces it, which was put
 * behind where the listing was.
 */
static void test_torn_listing(void **state)
{
	static const uint64_t counts[] = { 300, 5000, LARGE };
	struct indexes *w = *state;
	struct store_fault_rule fault = { .fault = STORE_FAULT_HIDE, .count = 1 };
	struct store_counters before, after;
	char name[RUN_NAME_SIZE];
	struct place place;
	struct id id;

	for (unsigned i = 0; i < 3; i++) {
		id = indexes_put_run(w, i * LARGE, counts[i], 0, 10);
		fault.prefix = run_name(&id, name);
		store_mem_set_faults(w->store, &fault, 1);
		assert_int_equal(resolve(w, i * LARGE + 7, &place), 0);
		store_mem_set_faults(w->store, NULL, 0);
		indexes_close(w);
		assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
		indexes_open(w);
	}
	/* What is in none is looked for twice, and not again for each of a million files. */
	store_get_counters(w->store, &before);
	for (uint64_t n = 0; n < 5; n++)
		assert_int_equal(resolve(w, REAL + n, &place), -ENOENT);
	store_get_counters(w->store, &after);
	assert_in_range(after.lists - before.lists, 2, 6);
}

/* The pack is lost, and no prune was it: there is no end of looking for it. */
static void test_lost(void **state)
{
	struct indexes *w = *state;
	struct place place;

	indexes_put_run(w, 0, LARGE, 0, 100);
	load_before(w);
	assert_int_equal(doubt(w, 7, true), 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_true(is_in(w, 7, 7));
	assert_int_equal(doubt(w, 7, true), -ENOENT);
	/* A place that is not known to be wrong is not forgotten if it was loaded. */
	assert_int_equal(doubt(w, 8, false), -ENOENT);
	assert_true(is_in(w, 8, 8));
}

/* A small index is loaded anew at once. */
static void test_small(void **state)
{
	struct indexes *w = *state;
	struct id old = indexes_put_run(w, 0, 3000, 0, 10);
	struct place place;

	load_before(w);
	indexes_put_run(w, 0, 2000, 1000, 10);
	indexes_delete_run(w, &old);
	assert_int_equal(doubt(w, 7, true), 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_true(indexes_right(w->x, 0, 2000, 1000, 10));
	assert_true(indexes_absent(w->x, 2000, 1000));
}

/* Another process loads, over a slow network: who only reads does without, and who has put a run goes on. */
static void test_locked(void **state)
{
	struct indexes *w = *state;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ((off_t)1 << 50) + 2, .l_len = 1 };
	struct place place;
	struct id small;
	char path[160];
	int fd;

	small = indexes_put_run(w, 0, 300, 0, 10);
	indexes_put_run(w, 1000, 5000, 0, 10);
	fd = open(indexes_file(w, "data.mdb", path), O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(resolve(w, 7, &place), 0);
	assert_int_equal(resolve(w, 1007, &place), 0);
	assert_int_equal(resolve(w, REAL, &place), -ENOENT);
	assert_int_equal(indexes_stats(w->x).objects, 0);
	assert_true(index_add_run(w->x, &small, 0) > 0);
	close(fd);
	assert_int_equal(index_add_run(w->x, &small, 0), 0);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(indexes_stats(w->x).objects, 5300);
}

/* A manifest has told a wrong key of a pack: it is not believed for ever. */
static void test_wrong_key(void **state)
{
	struct indexes *w = *state;
	struct pack_info info, told, known;
	struct index_options opts;
	struct buf record = BUF_INIT;
	uint64_t nruns, nobjects;
	struct place place;
	struct id id;

	indexes_put_run(w, 0, LARGE, 0, 100);
	info = packs_put_pack(w->store, &w->k, PACK_DATA, REAL, NREAL);
	indexes_options(w, &opts);
	assert_int_equal(index_rebuild_runs(&opts, false, &nruns, &nobjects), 0);
	told = info;
	told.wrapped[5] ^= 1;
	packs_place(REAL, 0, &place);
	assert_int_equal(place_encode(&place, &record), 0);
	packs_id(REAL, &id);
	assert_int_equal(index_learn(w->x, &id, &told, record.data, record.len), 0);
	assert_int_equal(index_find(w->x, &id, &place), 0);
	assert_int_equal(index_pack(w->x, place.pack, &known), 0);
	assert_true(packs_same_info(&known, &told));
	assert_int_equal(index_doubt(w->x, &id, &place, false), 0);
	assert_int_equal(resolve(w, REAL, &place), 0);
	assert_int_equal(index_pack(w->x, place.pack, &known), 0);
	assert_true(packs_same_info(&known, &info));
	buf_free(&record);
}

/* A run that was put late names a pack that is gone, and is asked first: another one knows better. */
static void test_late_run(void **state)
{
	struct indexes *w = *state;
	struct id late = indexes_put_run(w, 0, 5000, 0, 1), other = indexes_put_run(w, 0, 100, 50, 1);
	struct place place;

	/* Of runs that are loaded at once the first one's places count. */
	while (id_compare(&other, &late) < 0) {
		indexes_delete_run(w, &other);
		other = indexes_put_run(w, 0, 100, 50, 1);
	}
	assert_int_equal(resolve(w, 5, &place), 0);
	assert_true(is_in(w, 5, 0));
	assert_int_equal(doubt(w, 5, true), 0);
	assert_int_equal(resolve(w, 5, &place), 0);
	assert_true(is_in(w, 5, 50));
	/* What no other run names is said to be there, so that the pack is called missing, and not the object. */
	assert_int_equal(resolve(w, 4000, &place), 0);
	assert_true(is_in(w, 4000, 0));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_unread_run),
		TEST(test_vanishing),
		TEST(test_moved),
		TEST(test_other_copy),
		TEST(test_dangling),
		TEST(test_doubted_by_another),
		TEST(test_torn_listing),
		TEST(test_lost),
		TEST(test_small),
		TEST(test_locked),
		TEST(test_wrong_key),
		TEST(test_late_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
