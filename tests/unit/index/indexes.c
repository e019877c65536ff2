/*
 * Index for tests.  See indexes.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/mem/store_mem.h"
#include "tests/unit/index/indexes.h"

static void keep_message(void *arg, enum log_level level, const char *message)
{
	struct indexes *w = arg;

	if (level > LOG_LEVEL_WARNING)
		return;
	pthread_mutex_lock(&w->lock);
	buf_printf(&w->messages, "%s\n", message);
	pthread_mutex_unlock(&w->lock);
}

int indexes_setup(void **state)
{
	struct indexes *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	pthread_mutex_init(&w->lock, NULL);
	w->log = (struct log){ keep_message, w, LOG_LEVEL_WARNING };
	/* In memory where there is such a place: these tests open and close, and so sync, thousands of times. */
	strcpy(w->dir, "/dev/shm/varve-index-test-XXXXXX");
	if (!mkdtemp(w->dir)) {
		strcpy(w->dir, "/tmp/varve-index-test-XXXXXX");
		assert_non_null(mkdtemp(w->dir));
	}
	snprintf(w->cache_dir, sizeof(w->cache_dir), "%s/cache", w->dir);
	packs_keys_make(&w->k);
	assert_int_equal(store_mem_open(&w->log, &w->store), 0);
	indexes_open(w);
	*state = w;
	return 0;
}

int indexes_teardown(void **state)
{
	struct indexes *w = *state;

	index_close(w->x);
	store_close(w->store);
	packs_remove_tree(w->dir);
	buf_free(&w->messages);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return 0;
}

void indexes_options(struct indexes *w, struct index_options *out)
{
	*out = (struct index_options){
		.store = w->store,
		.metadata = &w->k.metadata,
		.cache_dir = w->cache_dir,
		.repo_id = w->k.repo_id,
		.segment_size = PACKS_SEGMENT_SIZE,
		.log = &w->log,
	};
}

void indexes_open(struct indexes *w)
{
	struct index_options opts;

	indexes_options(w, &opts);
	assert_int_equal(index_open(&opts, &w->x), 0);
}

void indexes_close(struct indexes *w)
{
	index_close(w->x);
	w->x = NULL;
}

struct index *indexes_open_other(struct indexes *w)
{
	struct index_options o;
	struct index *x;

	indexes_options(w, &o);
	o.cache_dir = NULL;
	assert_int_equal(index_open(&o, &x), 0);
	return x;
}

struct index_stats indexes_stats(struct index *x)
{
	struct index_stats s;

	assert_int_equal(index_stats(x, &s), 0);
	return s;
}

static int count_one(void *arg, const char *name, uint64_t size)
{
	(void)name;
	(void)size;
	++*(unsigned *)arg;
	return 0;
}

unsigned indexes_runs(struct indexes *w)
{
	unsigned n = 0;

	assert_int_equal(store_list(w->store, "index/", count_one, &n), 0);
	return n;
}

struct id indexes_put_run(struct indexes *w, uint64_t first, uint64_t count, uint64_t pack0, uint32_t npacks)
{
	struct packs_run p = { .first = first, .count = count, .pack0 = pack0, .npacks = npacks };

	return packs_put_run(w->store, &w->k.metadata, &p);
}

void indexes_delete_run(struct indexes *w, const struct id *id)
{
	char name[RUN_NAME_SIZE];

	assert_int_equal(store_delete(w->store, run_name(id, name)), 0);
}

/* 1 it is there and right, 0 it is not there, -1 it is wrong. */
static int judge(struct index *x, uint64_t n, uint64_t pack0, uint32_t npacks)
{
	struct pack_info info, want_info;
	struct place place, want;
	struct id id;
	int rc;

	packs_id(n, &id);
	rc = index_lookup(x, &id, &place);
	if (rc == -ENOENT)
		return 0;
	if (rc != 0 || index_pack(x, place.pack, &info) != 0)
		return -1;
	packs_place(n, place.pack, &want);
	packs_info(pack0 + n % npacks, &want_info);
	return packs_same_place(&place, &want) && packs_same_info(&info, &want_info) ? 1 : -1;
}

bool indexes_right(struct index *x, uint64_t first, uint64_t count, uint64_t pack0, uint32_t npacks)
{
	for (uint64_t n = first; n < first + count; n++)
		if (judge(x, n, pack0, npacks) != 1)
			return false;
	return true;
}

bool indexes_right_or_absent(struct index *x, uint64_t first, uint64_t count, uint64_t pack0, uint32_t npacks)
{
	for (uint64_t n = first; n < first + count; n++)
		if (judge(x, n, pack0, npacks) < 0)
			return false;
	return true;
}

bool indexes_absent(struct index *x, uint64_t first, uint64_t count)
{
	struct place place;
	struct id id;

	for (uint64_t n = first; n < first + count; n++) {
		packs_id(n, &id);
		if (index_lookup(x, &id, &place) != -ENOENT)
			return false;
	}
	return true;
}

unsigned indexes_logged(struct indexes *w, const char *text)
{
	const char *p;
	unsigned n = 0;

	pthread_mutex_lock(&w->lock);
	p = w->messages.len > 0 ? (const char *)w->messages.data : "";
	while ((p = strstr(p, text)) != NULL) {
		n++;
		p++;
	}
	pthread_mutex_unlock(&w->lock);
	return n;
}

void indexes_log_clear(struct indexes *w)
{
	pthread_mutex_lock(&w->lock);
	buf_clear(&w->messages);
	pthread_mutex_unlock(&w->lock);
}

char *indexes_file(struct indexes *w, const char *name, char out[160])
{
	char hex[33];

	hex_encode(w->k.repo_id, sizeof(w->k.repo_id), hex);
	snprintf(out, 160, "%s/%s/%s", w->cache_dir, hex, name);
	return out;
}

int indexes_in_child(struct indexes *w, int (*fn)(struct indexes *w, void *arg), void *arg)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(fn(w, arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void indexes_load_some(struct indexes *w)
{
	indexes_put_run(w, 0, INDEXES_COUNT, 0, INDEXES_NPACKS);
	assert_int_equal(index_refresh(w->x), 0);
}

void indexes_write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* Kept, and as it was, or not kept at all? */
static bool large_right_or_absent(struct index *x)
{
	struct buf b = BUF_INIT;
	bool right;

	right = index_kept(x, INDEXES_LARGE, &b) == -ENOENT || b.len == INDEXES_LARGE_LEN;
	for (size_t i = 0; i < b.len && right; i++)
		right = b.data[i] == 0x5a;
	buf_free(&b);
	return right;
}

int indexes_use(struct indexes *w, void *arg)
{
	struct index_options opts;
	struct index *x;
	uint32_t slot;
	struct id id;

	(void)arg;
	indexes_options(w, &opts);
	if (index_open(&opts, &x) != 0)
		return 1;
	if (!indexes_right_or_absent(x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS) || !large_right_or_absent(x))
		return 2;
	if (index_refresh(x) != 0)
		return 3;
	if (!indexes_right(x, 0, INDEXES_COUNT, 0, INDEXES_NPACKS))
		return 4;
	if (!indexes_absent(x, INDEXES_COUNT, 10))
		return 5;
	packs_id(5, &id);
	index_keep(x, "snapshots/x", "data", 4);
	if (index_slot(x, &id, &slot) != 0)
		return 6;
	index_close(x);
	return 0;
}

int indexes_use_quietly(struct indexes *w, void *arg)
{
	int rc = indexes_use(w, arg);

	return rc != 0 ? rc : w->messages.len > 0 ? 7 : 0;
}
