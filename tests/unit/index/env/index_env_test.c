/*
 * The index's environment on the disk: garbled, cut, exchanged, removed.  Whatever happens, no answer is wrong, nothing
 * crashes, and after a refresh everything is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/index/env/env.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/sanitized.h"
#include "tests/unit/index/indexes.h"

static uint64_t random_below(uint64_t *state, uint64_t n)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return n > 0 ? (z ^ z >> 31) % n : 0;
}

static void read_file(const char *path, struct buf *out)
{
	struct stat st = { 0 };
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	buf_clear(out);
	assert_int_equal(buf_reserve(out, (size_t)st.st_size + 1), 0);
	assert_int_equal(read(fd, out->data, (size_t)st.st_size), st.st_size);
	out->len = (size_t)st.st_size;
	close(fd);
}

/* A file with all that LMDB puts in one: free pages, values that take pages of their own, trees of several levels. */
static void load_richly(struct indexes *w)
{
	uint8_t large[INDEXES_LARGE_LEN];
	struct id gone;

	gone = indexes_put_run(w, 20000, 2000, 500, 20);
	indexes_load_some(w);
	indexes_delete_run(w, &gone);
	assert_int_equal(index_refresh(w->x), 0);
	memset(large, 0x5a, sizeof(large));
	index_keep(w->x, INDEXES_LARGE, large, sizeof(large));
	index_keep(w->x, "snapshots/other", large, 9000);
	index_drop(w->x, "snapshots/other");
}

/* Child: what is there is noticed to be damaged. */
static int use_index_damaged(struct indexes *w, void *arg)
{
	int rc = indexes_use(w, arg);

	return rc != 0 ? rc : indexes_logged(w, "damaged: it is made anew") == 1 ? 0 : 8;
}

static void test_garbled(void **state)
{
	struct indexes *w = *state;
	struct buf good = BUF_INIT, bad = BUF_INIT;
	unsigned rounds = SANITIZED ? 40 : 150, noticed = 0;
	uint64_t seed = 1;
	char data[160];

	load_richly(w);
	indexes_close(w);
	read_file(indexes_file(w, "data.mdb", data), &good);
	for (unsigned i = 0; i < rounds; i++) {
		buf_clear(&bad);
		assert_int_equal(buf_append(&bad, good.data, good.len), 0);
		/* From one bit to many; every third time around the start, where LMDB's roots are. */
		for (unsigned n = i % 5 == 0 ? 1000 : 1 + i % 3; n > 0; n--) {
			size_t at = random_below(&seed, i % 3 == 0 ? 8192 : bad.len);

			bad.data[at] ^= (uint8_t)(1 << random_below(&seed, 8));
		}
		indexes_write_file(data, bad.data, bad.len);
		assert_int_equal(indexes_in_child(w, indexes_use, NULL), 0);
		/* And what it has left behind is sound. */
		assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
		read_file(data, &bad);
		noticed += bad.len != good.len || memcmp(bad.data + 8192, good.data + 8192, 4096) != 0;
	}
	assert_true(noticed > rounds / 4);
	buf_free(&good);
	buf_free(&bad);
}

/* Single bits, close together in the meta pages and further apart in others. */
static void test_single_bits(void **state)
{
	static const size_t pages[] = { 0, 1, 2, 3, 5, 8, 13 };
	struct indexes *w = *state;
	struct buf good = BUF_INIT;
	size_t step;
	char data[160];

	load_richly(w);
	indexes_close(w);
	read_file(indexes_file(w, "data.mdb", data), &good);
	for (size_t p = 0; p < sizeof(pages) / sizeof(pages[0]); p++) {
		for (size_t bit = p; bit < 4096 * 8; bit += step) {
			size_t at = pages[p] * 4096 + bit / 8;

			step = p < 2 && bit < 256 * 8 ? 23 : 797;
			step *= SANITIZED ? 10 : 1;
			assert_true(at < good.len);
			good.data[at] ^= (uint8_t)(1u << bit % 8);
			indexes_write_file(data, good.data, good.len);
			good.data[at] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(indexes_in_child(w, indexes_use, NULL), 0);
		}
	}
	buf_free(&good);
}

static void test_cut(void **state)
{
	struct indexes *w = *state;
	struct buf good = BUF_INIT;
	uint64_t seed = 2;
	char data[160];

	load_richly(w);
	indexes_close(w);
	read_file(indexes_file(w, "data.mdb", data), &good);
	for (unsigned i = 0; i < 60; i++) {
		size_t len = i < 20 ? i * 700 : random_below(&seed, good.len);

		indexes_write_file(data, good.data, len);
		assert_int_equal(indexes_in_child(w, len == 0 ? indexes_use_quietly : use_index_damaged, NULL), 0);
	}
	buf_free(&good);
}

/* Whole pages of zeros, of something else, and in each other's place. */
static void test_pages_exchanged(void **state)
{
	struct indexes *w = *state;
	struct buf good = BUF_INIT, bad = BUF_INIT;
	uint64_t seed = 3;
	char data[160];

	load_richly(w);
	indexes_close(w);
	read_file(indexes_file(w, "data.mdb", data), &good);
	for (unsigned i = 0; i < (SANITIZED ? 30 : 90); i++) {
		size_t a = random_below(&seed, good.len / 4096) * 4096, b = random_below(&seed, good.len / 4096) * 4096;

		buf_clear(&bad);
		assert_int_equal(buf_append(&bad, good.data, good.len), 0);
		if (i % 3 == 0)
			memset(bad.data + a, 0, 4096);
		else if (i % 3 == 1)
			crypt_random(bad.data + a, 4096);
		else
			memcpy(bad.data + a, good.data + b, 4096);
		indexes_write_file(data, bad.data, bad.len);
		assert_int_equal(indexes_in_child(w, indexes_use, NULL), 0);
	}
	buf_free(&good);
	buf_free(&bad);
}

static void test_other_files_garbled(void **state)
{
	static const char *const files[] = { "lock.mdb", "state" };
	struct indexes *w = *state;
	uint8_t noise[100000];
	char path[160];

	indexes_load_some(w);
	indexes_close(w);
	for (unsigned i = 0; i < 8; i++) {
		crypt_random(noise, sizeof(noise));
		indexes_write_file(indexes_file(w, files[i % 2], path), noise, i < 4 ? sizeof(noise) : i);
		assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
	}
}

/* Another repository's environment under the name of this one's. */
static void test_exchanged(void **state)
{
	struct indexes *w = *state;
	char mine[160], theirs[160];
	struct packs_keys k = w->k;

	indexes_load_some(w);
	indexes_close(w);
	indexes_file(w, "", theirs);
	packs_keys_make(&w->k);
	store_close(w->store);
	assert_int_equal(store_mem_open(&w->log, &w->store), 0);
	assert_int_equal(rename(theirs, indexes_file(w, "", mine)), 0);
	indexes_open(w);
	assert_int_equal(indexes_logged(w, "of another version or repository: it is made anew"), 1);
	assert_true(indexes_absent(w->x, 0, INDEXES_COUNT));
	indexes_load_some(w);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	assert_memory_not_equal(k.repo_id, w->k.repo_id, 16);
	indexes_close(w);
	indexes_log_clear(w);
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
}

static void test_removed_in_use(void **state)
{
	struct indexes *w = *state;
	char path[160];

	indexes_load_some(w);
	packs_remove_tree(w->cache_dir);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	indexes_put_run(w, INDEXES_COUNT + 100, 500, 7, 3);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, INDEXES_COUNT + 100, 500, 7, 3));
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	/* One file of it only: the child finds what does not belong together, and keeps away. */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const files[] = { "lock.mdb", "state", "data.mdb" };

		indexes_close(w);
		indexes_open(w);
		assert_int_equal(unlink(indexes_file(w, files[i], path)), 0);
		assert_int_equal(indexes_in_child(w, indexes_use, NULL), 0);
		assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	}
	assert_int_equal(w->messages.len, 0);
}

static void test_remove(void **state)
{
	struct indexes *w = *state;
	char path[160];

	indexes_load_some(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), -EBUSY);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	assert_int_equal(access(indexes_file(w, "", path), F_OK), -1);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
}

/* A record that means nothing, written as records are: so it is only noticed when it is read. */
static void test_bad_record(void **state)
{
	struct indexes *w = *state;
	struct env_options eo = { .cache_dir = w->cache_dir, .repo_id = w->k.repo_id, .log = &w->log };
	struct lmdb_txn *txn;
	struct env *env;
	struct id id;

	indexes_load_some(w);
	indexes_close(w);
	assert_int_equal(env_open(&eo, &env), 0);
	packs_id(1234, &id);
	assert_int_equal(env_write(env, &txn), 0);
	assert_int_equal(lmdb_put(txn, ENV_OBJECTS, id.b, ID_LEN, "nonsense", 8), 0);
	assert_int_equal(lmdb_commit(txn), 0);
	env_close(env);

	indexes_open(w);
	assert_int_equal(w->messages.len, 0);
	assert_true(indexes_right(w->x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS));
	assert_int_equal(indexes_logged(w, "damaged: going on with a temporary one"), 1);
	assert_int_equal(indexes_logged(w, "\n"), 1);
	indexes_close(w);
	indexes_log_clear(w);
	assert_int_equal(indexes_in_child(w, use_index_damaged, NULL), 0);
	assert_int_equal(indexes_in_child(w, indexes_use_quietly, NULL), 0);
}

/* Numbers of packs that were given out stay right when the environment is replaced. */
static void test_numbers_kept(void **state)
{
	struct indexes *w = *state;
	struct env_options eo = { .cache_dir = w->cache_dir, .repo_id = w->k.repo_id, .log = &w->log };
	struct pack_info before, after;
	struct place place;
	struct lmdb_txn *txn;
	struct env *env;
	struct id id;

	indexes_put_run(w, 0, 500, 900, 20);
	assert_int_equal(index_refresh(w->x), 0);
	indexes_load_some(w);
	indexes_close(w);
	assert_int_equal(env_open(&eo, &env), 0);
	packs_id(5, &id);
	assert_int_equal(env_write(env, &txn), 0);
	assert_int_equal(lmdb_put(txn, ENV_OBJECTS, id.b, ID_LEN, "", 0), 0);
	assert_int_equal(lmdb_commit(txn), 0);
	env_close(env);

	indexes_open(w);
	packs_id(INDEXES_COUNT - 1, &id);
	assert_int_equal(index_lookup(w->x, &id, &place), 0);
	assert_int_equal(index_pack(w->x, place.pack, &before), 0);
	packs_id(5, &id);
	assert_int_equal(index_lookup(w->x, &id, &(struct place){ 0 }), 0);
	assert_int_equal(indexes_logged(w, "going on with a temporary one"), 1);
	assert_int_equal(index_pack(w->x, place.pack, &after), 0);
	assert_true(packs_same_info(&before, &after));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_garbled),
		TEST(test_single_bits),
		TEST(test_cut),
		TEST(test_pages_exchanged),
		TEST(test_other_files_garbled),
		TEST(test_exchanged),
		TEST(test_removed_in_use),
		TEST(test_remove),
		TEST(test_bad_record),
		TEST(test_numbers_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
