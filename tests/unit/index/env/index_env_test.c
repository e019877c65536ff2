/*
 * The index's environment on the disk: garbled, cut, exchanged, removed, full, not to be had, shared by processes and
 * threads, and left behind by processes that were killed.  Whatever happens, no answer is wrong, nothing crashes, and
 * after a refresh everything is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/index/env/env.h"
#include "repo/store/mem/store_mem.h"
#include "repo/util/bytes/le.h"
#include "tests/lib/sanitized.h"
#include "tests/unit/index/indexes.h"

/* The objects of most tests here. */
#define COUNT 3000
#define NPACKS 50

static uint64_t random_below(uint64_t *state, uint64_t n)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return n > 0 ? (z ^ z >> 31) % n : 0;
}

static void load_some(struct indexes *w)
{
	indexes_put_run(w, 0, COUNT, 0, NPACKS);
	assert_int_equal(index_refresh(w->x), 0);
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

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

#define LARGE "snapshots/large"
#define LARGE_LEN 20000

/* A file with all that LMDB puts in one: free pages, values that take pages of their own, trees of several levels. */
static void load_richly(struct indexes *w)
{
	uint8_t large[LARGE_LEN];
	struct id gone;

	gone = indexes_put_run(w, 20000, 2000, 500, 20);
	load_some(w);
	indexes_delete_run(w, &gone);
	assert_int_equal(index_refresh(w->x), 0);
	memset(large, 0x5a, sizeof(large));
	index_keep(w->x, LARGE, large, sizeof(large));
	index_keep(w->x, "snapshots/other", large, 9000);
	index_drop(w->x, "snapshots/other");
}

/* Kept, and as it was, or not kept at all? */
static bool large_right_or_absent(struct index *x)
{
	struct buf b = BUF_INIT;
	bool right;

	right = index_kept(x, LARGE, &b) == -ENOENT || b.len == LARGE_LEN;
	for (size_t i = 0; i < b.len && right; i++)
		right = b.data[i] == 0x5a;
	buf_free(&b);
	return right;
}

/* Child: open what is there, and see that nothing is wrong, and after a refresh nothing missing. */
static int use_index(struct indexes *w, void *arg)
{
	struct index_options opts;
	struct index *x;
	uint32_t slot;
	struct id id;

	(void)arg;
	indexes_options(w, &opts);
	if (index_open(&opts, &x) != 0)
		return 1;
	if (!indexes_right_or_absent(x, 0, COUNT, 0, NPACKS) || !large_right_or_absent(x))
		return 2;
	if (index_refresh(x) != 0)
		return 3;
	if (!indexes_right(x, 0, COUNT, 0, NPACKS))
		return 4;
	if (!indexes_absent(x, COUNT, 10))
		return 5;
	packs_id(5, &id);
	index_keep(x, "snapshots/x", "data", 4);
	if (index_slot(x, &id, &slot) != 0)
		return 6;
	index_close(x);
	return 0;
}

/* Child: the same, and no warning: what was there before is simply used. */
static int use_index_quietly(struct indexes *w, void *arg)
{
	int rc = use_index(w, arg);

	return rc != 0 ? rc : w->messages.len > 0 ? 7 : 0;
}

/* Child: what is there is noticed to be damaged. */
static int use_index_damaged(struct indexes *w, void *arg)
{
	int rc = use_index(w, arg);

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
		write_file(data, bad.data, bad.len);
		assert_int_equal(indexes_in_child(w, use_index, NULL), 0);
		/* And what it has left behind is sound. */
		assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
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
			write_file(data, good.data, good.len);
			good.data[at] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(indexes_in_child(w, use_index, NULL), 0);
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

		write_file(data, good.data, len);
		assert_int_equal(indexes_in_child(w, len == 0 ? use_index_quietly : use_index_damaged, NULL), 0);
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
		write_file(data, bad.data, bad.len);
		assert_int_equal(indexes_in_child(w, use_index, NULL), 0);
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

	load_some(w);
	indexes_close(w);
	for (unsigned i = 0; i < 8; i++) {
		crypt_random(noise, sizeof(noise));
		write_file(indexes_file(w, files[i % 2], path), noise, i < 4 ? sizeof(noise) : i);
		assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
	}
}

/* Another repository's environment under the name of this one's. */
static void test_exchanged(void **state)
{
	struct indexes *w = *state;
	char mine[160], theirs[160];
	struct packs_keys k = w->k;

	load_some(w);
	indexes_close(w);
	indexes_file(w, "", theirs);
	packs_keys_make(&w->k);
	store_close(w->store);
	assert_int_equal(store_mem_open(&w->log, &w->store), 0);
	assert_int_equal(rename(theirs, indexes_file(w, "", mine)), 0);
	indexes_open(w);
	assert_int_equal(indexes_logged(w, "of another version or repository: it is made anew"), 1);
	assert_true(indexes_absent(w->x, 0, COUNT));
	load_some(w);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	assert_memory_not_equal(k.repo_id, w->k.repo_id, 16);
	indexes_close(w);
	indexes_log_clear(w);
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
}

static void test_removed_in_use(void **state)
{
	struct indexes *w = *state;
	char path[160];

	load_some(w);
	packs_remove_tree(w->cache_dir);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	indexes_put_run(w, COUNT + 100, 500, 7, 3);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, COUNT + 100, 500, 7, 3));
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	/* One file of it only: the child finds what does not belong together, and keeps away. */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const files[] = { "lock.mdb", "state", "data.mdb" };

		indexes_close(w);
		indexes_open(w);
		assert_int_equal(unlink(indexes_file(w, files[i], path)), 0);
		assert_int_equal(indexes_in_child(w, use_index, NULL), 0);
		assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	}
	assert_int_equal(w->messages.len, 0);
}

static void test_remove(void **state)
{
	struct indexes *w = *state;
	char path[160];

	load_some(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), -EBUSY);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	indexes_close(w);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	assert_int_equal(access(indexes_file(w, "", path), F_OK), -1);
	assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
}

/* Child: be killed somewhere while loading. */
static int be_killed(struct indexes *w, void *arg)
{
	const unsigned *microseconds = arg;
	struct index_options opts;
	struct index *x;
	pid_t me = getpid();

	indexes_options(w, &opts);
	if (fork() == 0) {
		usleep(*microseconds);
		kill(me, SIGKILL);
		_exit(0);
	}
	if (index_open(&opts, &x) != 0)
		return 1;
	for (;;) {
		uint32_t slot;
		struct id id;

		if (index_refresh(x) != 0)
			return 2;
		crypt_random(&id, sizeof(id));
		index_slot(x, &id, &slot);
	}
}

static void test_killed(void **state)
{
	struct indexes *w = *state;

	indexes_put_run(w, 0, COUNT, 0, NPACKS);
	indexes_close(w);
	for (unsigned us = 100, i = 0; i < 40; us += us / 6, i += SANITIZED ? 4 : 1) {
		if (i % 8 == 0)
			assert_int_equal(index_remove(w->cache_dir, w->k.repo_id), 0);
		assert_int_equal(indexes_in_child(w, be_killed, &us), 1000 + SIGKILL);
		assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
	}
}

/* Loads of several processes at once: of all runs, and of runs that come and go. */
static int load_beside_others(struct indexes *w, void *arg)
{
	const unsigned *n = arg;
	struct index_options opts;
	struct index *x;
	char name[RUN_NAME_SIZE];
	struct id mine;

	indexes_options(w, &opts);
	if (index_open(&opts, &x) != 0)
		return 1;
	for (unsigned i = 0; i < 15; i++) {
		/* The store is in each process's memory: what one adds, the others do not have. */
		mine = indexes_put_run(w, 10000 * (*n + 1), 1000, 1000 * *n, 5);
		if (index_refresh(x) != 0 || !indexes_right(x, 0, COUNT, 0, NPACKS))
			return 2;
		store_delete(w->store, run_name(&mine, name));
		if (!indexes_right_or_absent(x, 10000 * (*n + 1), 1000, 1000 * *n, 5))
			return 3;
	}
	index_close(x);
	return w->messages.len > 0 ? 4 : 0;
}

static void test_processes(void **state)
{
	struct indexes *w = *state;
	pid_t pid[4];
	int status;

	indexes_put_run(w, 0, COUNT, 0, NPACKS);
	for (unsigned i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_int_not_equal(pid[i], -1);
		if (pid[i] == 0)
			_exit(load_beside_others(w, &i));
	}
	for (unsigned i = 0; i < 2000; i++)
		assert_true(indexes_right_or_absent(w->x, i, 1, 0, NPACKS));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	/* They have loaded it for us, too, but for what their own stores had not. */
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	indexes_close(w);
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
}

/* Threads that look up while another loads, adds and drops runs. */
struct threads {
	struct indexes *w;
	_Atomic bool stop;
	_Atomic unsigned wrong, rounds;
};

static void *look_up_on(void *arg)
{
	struct threads *t = arg;

	while (!t->stop) {
		if (!indexes_right(t->w->x, 0, 200, 0, NPACKS) ||
		    !indexes_right_or_absent(t->w->x, 50000, 100, 90, 3))
			t->wrong++;
		t->rounds++;
	}
	return NULL;
}

static void *refresh_on(void *arg)
{
	struct threads *t = arg;

	while (!t->stop)
		if (index_refresh(t->w->x) != 0)
			t->wrong++;
	return NULL;
}

static void test_threads(void **state)
{
	struct indexes *w = *state;
	struct threads t = { .w = w };
	pthread_t thread[6];

	load_some(w);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, i < 4 ? look_up_on : refresh_on, &t), 0);
	for (unsigned i = 0; i < 30; i++) {
		struct id id = indexes_put_run(w, 50000, 1000, 90, 3);

		assert_int_equal(index_refresh(w->x), 0);
		indexes_delete_run(w, &id);
		assert_int_equal(index_refresh(w->x), 0);
	}
	while (t.rounds < 20)
		usleep(1000);
	t.stop = true;
	for (unsigned i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(t.wrong, 0);
	assert_int_equal(w->messages.len, 0);
}

/* More readers at a time than are kept for the next. */
static int look_up_deeply(void *arg, const struct id *id, const struct place *place)
{
	struct indexes *w = arg;
	struct place again;

	(void)place;
	return index_lookup(w->x, id, &again);
}

static void *each_object(void *arg)
{
	struct indexes *w = arg;

	return index_each_object(w->x, look_up_deeply, w) == 0 ? NULL : arg;
}

static void test_many_threads(void **state)
{
	struct indexes *w = *state;
	pthread_t thread[100];
	void *bad;

	load_some(w);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, each_object, w), 0);
	for (unsigned i = 0; i < 100; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
}

/* Twice in one process: the second is for itself, and right as well. */
static void test_twice(void **state)
{
	struct indexes *w = *state;
	struct index_options opts;
	struct index *second;

	load_some(w);
	indexes_options(w, &opts);
	assert_int_equal(index_open(&opts, &second), 0);
	assert_int_equal(indexes_logged(w, "is open in this process already: using a temporary one"), 1);
	assert_int_equal(index_refresh(second), 0);
	assert_true(indexes_right(second, 0, COUNT, 0, NPACKS));
	index_close(second);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	indexes_put_run(w, 20000, 100, 0, 3);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 20000, 100, 0, 3));
	indexes_close(w);
	indexes_log_clear(w);
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
}

static void test_no_cache_dir(void **state)
{
	struct indexes *w = *state;
	struct index_options opts;

	indexes_close(w);
	indexes_options(w, &opts);
	opts.cache_dir = NULL;
	assert_int_equal(index_open(&opts, &w->x), 0);
	load_some(w);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	assert_int_equal(w->messages.len, 0);
}

/* Places that cannot be used, each with one warning. */
static void test_unusable(void **state)
{
	struct indexes *w = *state;
	char path[160], file[160];

	for (unsigned i = 0; i < 4; i++) {
		indexes_close(w);
		indexes_log_clear(w);
		packs_remove_tree(w->cache_dir);
		indexes_file(w, "", path);
		path[strlen(path) - 1] = '\0';
		if (i == 0)
			write_file(w->cache_dir, "a file", 6);
		if (i > 0)
			assert_int_equal(mkdir(w->cache_dir, 0700), 0);
		if (i == 1)
			write_file(path, "a file", 6);
		if (i >= 2)
			assert_int_equal(mkdir(path, 0700), 0);
		if (i == 2)
			assert_int_equal(chmod(path, 0777), 0);
		if (i == 3)
			assert_int_equal(mkdir(indexes_file(w, "data.mdb", file), 0700), 0);
		indexes_open(w);
		assert_int_equal(indexes_logged(w, "using a temporary one"), 1);
		assert_int_equal(indexes_logged(w, "\n"), 1);
		indexes_put_run(w, 0, COUNT, 0, NPACKS);
		assert_int_equal(index_refresh(w->x), 0);
		assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	}
	if (geteuid() == 0) {
		indexes_close(w);
		indexes_log_clear(w);
		packs_remove_tree(w->cache_dir);
		assert_int_equal(mkdir(w->cache_dir, 0700) | mkdir(path, 0700) | chown(path, 12345, 12345), 0);
		indexes_open(w);
		assert_int_equal(indexes_logged(w, "belongs to somebody else"), 1);
		assert_int_equal(indexes_logged(w, "\n"), 1);
	}
}

/* A small disk: from one on which nothing fits to one that has room for all. */
static void test_full(void **state)
{
	static const char *const sizes[] = { "size=4k", "size=76k", "size=128k", "size=200k", "size=300k", "size=400k",
		"size=600k", "size=800k", "size=1m", "size=20m" };
	struct indexes *w = *state;
	unsigned warned = 0, quiet = 0;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t slot, again;
		struct id id;

		indexes_close(w);
		indexes_log_clear(w);
		assert_true(mkdir(w->cache_dir, 0700) == 0 || errno == EEXIST);
		if (mount("tmpfs", w->cache_dir, "tmpfs", 0, sizes[i]) < 0) {
			indexes_open(w);
			skip();
		}
		indexes_open(w);
		packs_id(77, &id);
		assert_int_equal(index_slot(w->x, &id, &slot), 0);
		for (unsigned k = 0; k < 5; k++) {
			indexes_put_run(w, k * COUNT, COUNT, 0, NPACKS);
			assert_int_equal(index_refresh(w->x), 0);
			assert_true(indexes_right(w->x, 0, (k + 1) * COUNT, 0, NPACKS));
			assert_int_equal(index_slot(w->x, &id, &again), 0);
			assert_int_equal(slot, again);
		}
		assert_in_range(indexes_logged(w, "\n"), 0, 1);
		warned += indexes_logged(w, "temporary one");
		quiet += w->messages.len == 0;
		/* Unmounted while it is open, if need be. */
		umount2(w->cache_dir, MNT_DETACH);
	}
	assert_true(warned >= 4);
	assert_true(quiet >= 1);
}

/* Child: with one GiB of address space beyond what the process has by now. */
static int use_little_space(struct indexes *w, void *arg)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;
	struct rlimit limit;

	if (!f || fscanf(f, "%lu", &pages) != 1)
		return 98;
	fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * (unsigned long)sysconf(_SC_PAGESIZE) + (1ul << 30);
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return 99;
	return use_index_quietly(w, arg);
}

static void test_address_space(void **state)
{
	struct indexes *w = *state;

	if (SANITIZED)
		skip();
	load_some(w);
	indexes_close(w);
	assert_int_equal(indexes_in_child(w, use_little_space, NULL), 0);
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
}

/* A record that means nothing, written as records are: so it is only noticed when it is read. */
static void test_bad_record(void **state)
{
	struct indexes *w = *state;
	struct env_options eo = { .cache_dir = w->cache_dir, .repo_id = w->k.repo_id, .log = &w->log };
	struct lmdb_txn *txn;
	struct env *env;
	struct id id;

	load_some(w);
	indexes_close(w);
	assert_int_equal(env_open(&eo, &env), 0);
	packs_id(1234, &id);
	assert_int_equal(env_write(env, &txn), 0);
	assert_int_equal(lmdb_put(txn, ENV_OBJECTS, id.b, ID_LEN, "nonsense", 8), 0);
	assert_int_equal(lmdb_commit(txn), 0);
	env_close(env);

	indexes_open(w);
	assert_int_equal(w->messages.len, 0);
	assert_true(indexes_right(w->x, 0, COUNT, 0, NPACKS));
	assert_int_equal(indexes_logged(w, "damaged: going on with a temporary one"), 1);
	assert_int_equal(indexes_logged(w, "\n"), 1);
	indexes_close(w);
	indexes_log_clear(w);
	assert_int_equal(indexes_in_child(w, use_index_damaged, NULL), 0);
	assert_int_equal(indexes_in_child(w, use_index_quietly, NULL), 0);
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
	load_some(w);
	indexes_close(w);
	assert_int_equal(env_open(&eo, &env), 0);
	packs_id(5, &id);
	assert_int_equal(env_write(env, &txn), 0);
	assert_int_equal(lmdb_put(txn, ENV_OBJECTS, id.b, ID_LEN, "", 0), 0);
	assert_int_equal(lmdb_commit(txn), 0);
	env_close(env);

	indexes_open(w);
	packs_id(COUNT - 1, &id);
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
		TEST(test_killed),
		TEST(test_processes),
		TEST(test_threads),
		TEST(test_many_threads),
		TEST(test_twice),
		TEST(test_no_cache_dir),
		TEST(test_unusable),
		TEST(test_full),
		TEST(test_address_space),
		TEST(test_bad_record),
		TEST(test_numbers_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
