/*
 * What all stores have in common: URLs, names, semantics, counters.  Each of the latter runs over each kind of store.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/scratch.h"

struct each {
	struct scratch *scratch;
	struct store *store;
};

static int open_store(const char *url, bool create, const struct log *log, struct store **out)
{
	return store_open(&(struct store_options){ .url = url, .create = create, .log = log }, out);
}

static int setup_dir(void **state)
{
	struct each *e = calloc(1, sizeof(*e));
	char path[SCRATCH_PATH_SIZE];

	assert_int_equal(scratch_setup((void **)&e->scratch), 0);
	scratch_path(e->scratch, "store", path);
	assert_int_equal(open_store(path, true, &e->scratch->log, &e->store), 0);
	*state = e;
	return 0;
}

static int setup_mem(void **state)
{
	struct each *e = calloc(1, sizeof(*e));

	assert_int_equal(scratch_setup((void **)&e->scratch), 0);
	assert_int_equal(store_mem_open(&e->scratch->log, &e->store), 0);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct each *e = *state;

	store_close(e->store);
	assert_int_equal(scratch_teardown((void **)&e->scratch), 0);
	free(e);
	return 0;
}

static void test_urls_refused(void **state)
{
	static const struct {
		const char *url;
		int err;
		const char *message;
	} cases[] = {
		{ "", -EINVAL, "empty" },
		{ "file://", -EINVAL, "file:///path" },
		{ "file://host/path", -EINVAL, "file:///path" },
		{ "file:///tmp/%", -EINVAL, "hexadecimal" },
		{ "file:///tmp/%4", -EINVAL, "hexadecimal" },
		{ "file:///tmp/%zz", -EINVAL, "hexadecimal" },
		{ "file:///tmp/%00", -EINVAL, "hexadecimal" },
		{ "ftp://host/path", -EPROTONOSUPPORT, "ftp://: this program has no store" },
		{ "swift+https://user:geheim@host/p", -EPROTONOSUPPORT, "swift+https://: this program has no store" },
		{ "/does/not/exist", -ENOENT, "/does/not/exist: open: No such file" },
		{ "does-not:exist", -ENOENT, "does-not:exist: open: No such file" },
		{ "1x://path", -ENOENT, "1x://path: open: No such file" },
		{ "./s3://path", -ENOENT, "./s3://path: open: No such file" },
		{ "/dev/null", -ENOTDIR, "/dev/null: open: Not a directory" },
		{ "/dev/null/x", -ENOTDIR, "/dev/null/x: open: Not a directory" },
	};
	struct scratch *s = *state;
	struct store *store = NULL;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scratch_log_clear(s);
		if (open_store(cases[i].url, false, &s->log, &store) != cases[i].err)
			fail_msg("\"%s\"", cases[i].url);
		assert_null(store);
		assert_int_equal(s->nmessages, 1);
		if (!scratch_logged(s, cases[i].message))
			fail_msg("\"%s\": %s", cases[i].url, s->messages);
		assert_false(scratch_logged(s, "geheim"));
	}
	assert_int_equal(open_store("ftp://x", true, &s->log, &store), -EPROTONOSUPPORT);
	assert_int_equal(open_store("/does/not/exist", true, &s->log, &store), -ENOENT);
	assert_int_equal(open_store("/dev/null", true, &s->log, &store), -ENOTDIR);
	assert_int_equal(open_store("/dev/null", true, NULL, &store), -ENOTDIR);
	assert_null(store);
}

static void test_urls(void **state)
{
	static const struct {
		const char *prefix, *name;
		const char *real;
	} cases[] = {
		{ "", "plain", "plain" },
		{ "", "with:colon", "with:colon" },
		{ "", "plain///", "plain" },
		{ "", "a%20b", "a%20b" },
		{ "file://", "plain", "plain" },
		{ "FILE://", "plain", "plain" },
		{ "file://", "s%70ace%20d%2fplain", "space d/plain" },
	};
	char path[SCRATCH_PATH_SIZE], real[SCRATCH_PATH_SIZE], url[SCRATCH_PATH_SIZE + 8];
	struct scratch *s = *state;
	struct store *store;
	size_t i;

	assert_int_equal(mkdir(scratch_path(s, "space d", path), 0700), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(url, sizeof(url), "%s%s", cases[i].prefix, scratch_path(s, cases[i].name, path));
		assert_int_equal(open_store(url, true, &s->log, &store), 0);
		assert_string_equal(store_local_path(store), scratch_path(s, cases[i].real, real));
		assert_string_equal(store_url(store), real);
		store_close(store);
		assert_int_equal(open_store(url, false, &s->log, &store), 0);
		store_close(store);
	}
	store_close(NULL);
	assert_int_equal(s->nmessages, 0);
}

static void test_bad_names(void **state)
{
	static const char *const names[] = {
		"", "/", "/config", "config/", "packs//ab", "packs/ab/", "..", "../x", "packs/../x", "./x", "packs/.",
		"Config", "packs/AB/cd", "a b", "a-b", "a_b", "a.b", "a\nb", "\xc3\xa4", "a/b/c/d", "tmp", "tmp/x",
		"tmp/x/y", "packs/ab/c\\d",
	};
	struct each *e = *state;
	struct store_put *p;
	struct buf b = BUF_INIT;
	uint64_t size = 0;
	char byte;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		scratch_log_clear(e->scratch);
		assert_int_equal(store_get(e->store, names[i], 0, 1, &byte), -EINVAL);
		assert_int_equal(store_get_all(e->store, names[i], 1, &b), -EINVAL);
		assert_int_equal(store_stat(e->store, names[i], &size), -EINVAL);
		assert_int_equal(store_delete(e->store, names[i]), -EINVAL);
		assert_int_equal(store_put(e->store, names[i], "x", 1, 0), -EINVAL);
		assert_int_equal(store_put_begin(e->store, &p), 0);
		assert_int_equal(store_put_commit(p, names[i], STORE_EXCL), -EINVAL);
		assert_int_equal(e->scratch->nmessages, 6);
		assert_true(scratch_logged(e->scratch, "not a valid object name"));
	}
}

/* Neither of the two has archives or locks. */
static void test_no_archives(void **state)
{
	struct each *e = *state;
	enum store_class class = STORE_ARCHIVED;

	assert_int_equal(store_put(e->store, "packs/ab/abcd", "x", 1, 0), 0);
	assert_int_equal(store_thaw(e->store, "packs/ab/abcd", 7), -ENOTSUP);
	assert_int_equal(store_thaw_state(e->store, "packs/ab/abcd", &class), 0);
	assert_int_equal(class, STORE_READABLE);
	assert_int_equal(store_retain_days(e->store), 0);
	assert_int_equal(store_retain(e->store, "packs/ab/abcd", INT64_MAX), -ENOTSUP);
	assert_int_equal(e->scratch->nmessages, 0);
	assert_int_equal(store_thaw(e->store, "a/../b", 7), -EINVAL);
	assert_int_equal(store_thaw_state(e->store, "a/../b", &class), -EINVAL);
	assert_int_equal(store_retain(e->store, "a/../b", 0), -EINVAL);
	assert_int_equal(e->scratch->nmessages, 3);
}

static void test_name_lengths(void **state)
{
	struct each *e = *state;
	char name[STORE_NAME_MAX + 2];

	memset(name, 'a', sizeof(name));
	name[STORE_NAME_MAX + 1] = '\0';
	assert_int_equal(store_put(e->store, name, "x", 1, 0), -EINVAL);
	name[STORE_NAME_MAX] = '\0';
	assert_int_equal(store_put(e->store, name, "x", 1, 0), 0);
	name[100] = name[200] = '/';
	assert_int_equal(store_put(e->store, name, "x", 1, 0), 0);
	name[200] = 'a';
	name[150] = '/';
	assert_int_equal(store_put(e->store, name, "x", 1, 0), 0);
	assert_int_equal(store_put(e->store, "0", "x", 1, 0), 0);
	assert_int_equal(store_put(e->store, "tmpx", "x", 1, 0), 0);
	assert_int_equal(store_put(e->store, "packs/tmp", "x", 1, 0), 0);
}

static int no_entry(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)size;
	fail_msg("%s was listed", name);
	return 0;
}

static void test_bad_prefixes(void **state)
{
	static const char *const prefixes[] = {
		"/", "packs", "/packs/", "packs//", "packs/a", "../", "tmp/", "a/b/c/d/",
	};
	struct each *e = *state;
	size_t i;

	assert_int_equal(store_put(e->store, "packs/a", "x", 1, 0), 0);
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		assert_int_equal(store_list(e->store, prefixes[i], no_entry, NULL), -EINVAL);
	assert_int_equal(store_list(e->store, "keys/", no_entry, NULL), 0);
	assert_int_equal(store_list(e->store, "packs/b/", no_entry, NULL), 0);
}

static void test_life(void **state)
{
	struct each *e = *state;
	struct buf b = BUF_INIT;
	uint64_t size;
	char text[8];

	assert_int_equal(store_get(e->store, "packs/ab/abcd", 0, 1, text), -ENOENT);
	assert_int_equal(store_get_all(e->store, "packs/ab/abcd", 10, &b), -ENOENT);
	assert_int_equal(store_stat(e->store, "packs/ab/abcd", &size), -ENOENT);
	assert_int_equal(store_delete(e->store, "packs/ab/abcd"), 0);
	assert_int_equal(e->scratch->nmessages, 0);

	assert_int_equal(store_put(e->store, "packs/ab/abcd", "hello", 5, 0), 0);
	assert_int_equal(store_stat(e->store, "packs/ab/abcd", &size), 0);
	assert_int_equal(size, 5);
	memset(text, 'x', sizeof(text));
	assert_int_equal(store_get(e->store, "packs/ab/abcd", 1, 3, text), 0);
	assert_memory_equal(text, "ellxxxxx", 8);
	assert_int_equal(store_get(e->store, "packs/ab/abcd", 0, 5, text), 0);
	assert_memory_equal(text, "helloxxx", 8);
	assert_int_equal(buf_append(&b, ">", 1), 0);
	assert_int_equal(store_get_all(e->store, "packs/ab/abcd", 5, &b), 0);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, ">hello", 6);

	assert_int_equal(store_delete(e->store, "packs/ab/abcd"), 0);
	assert_int_equal(store_get(e->store, "packs/ab/abcd", 1, 3, text), -ENOENT);
	assert_int_equal(store_stat(e->store, "packs/ab/abcd", &size), -ENOENT);
	assert_int_equal(store_delete(e->store, "packs/ab/abcd"), 0);
	assert_int_equal(e->scratch->nmessages, 0);
	buf_free(&b);
}

static void test_empty_object(void **state)
{
	struct each *e = *state;
	struct buf b = BUF_INIT;
	uint64_t size = 1;
	char c;

	assert_int_equal(store_put(e->store, "config", NULL, 0, 0), 0);
	assert_int_equal(store_stat(e->store, "config", &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(store_get_all(e->store, "config", 0, &b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(store_get(e->store, "config", 0, 0, &c), 0);
	assert_int_equal(store_get(e->store, "config", 1, 0, &c), -EBADMSG);
	assert_int_equal(store_get(e->store, "config", 0, 1, &c), -EBADMSG);
	buf_free(&b);
}

static void test_too_short(void **state)
{
	struct each *e = *state;
	struct buf b = BUF_INIT;
	char text[8];

	assert_int_equal(store_put(e->store, "index/ab", "hello", 5, 0), 0);
	assert_int_equal(store_get(e->store, "index/ab", 0, 6, text), -EBADMSG);
	assert_int_equal(store_get(e->store, "index/ab", 5, 1, text), -EBADMSG);
	assert_int_equal(store_get(e->store, "index/ab", 4711, 1, text), -EBADMSG);
	assert_int_equal(store_get(e->store, "index/ab", INT64_MAX, 1, text), -EBADMSG);
	assert_int_equal(store_get(e->store, "index/ab", UINT64_MAX, 2, text), -EBADMSG);
	assert_int_equal(e->scratch->nmessages, 5);
	assert_true(scratch_logged(e->scratch, "/index/ab: read"));
	assert_int_equal(store_get(e->store, "index/ab", 5, 0, text), 0);

	scratch_log_clear(e->scratch);
	assert_int_equal(buf_append(&b, "kept", 4), 0);
	assert_int_equal(store_get_all(e->store, "index/ab", 4, &b), -EBADMSG);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "kept", 4);
	assert_true(scratch_logged(e->scratch, "/index/ab: has 5 bytes, and can only have 4"));
	buf_free(&b);
}

/* Have the system forget what it has of an object's bytes, if it is a file. */
static void evict(struct each *e, const char *name)
{
	char path[SCRATCH_PATH_SIZE * 2];
	int fd;

	if (store_local_path(e->store) == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%s", store_local_path(e->store), name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

/* What is read once is the same, wherever it is put, and nothing behind the room is touched. */
static void test_get_once(void **state)
{
	enum { LEN = 2000000, PAGE = 4096 };
	static const struct { uint64_t off; size_t len, at, slack; } reads[] = {
		{ 0, LEN, 0, PAGE }, { 0, LEN, 0, 0 }, { 4096, 1000000, 0, PAGE }, { 4096, 1048576, 0, 0 },
		{ 5, 1000000, 5, PAGE }, { 8192, 1000000, 17, 100 }, { LEN - 300000, 300000, 0, PAGE },
		{ 1998848, LEN - 1998848, 0, PAGE }, { LEN, 0, 0, 0 },
	};
	struct each *e = *state;
	uint8_t *whole = malloc(LEN), *room = aligned_alloc(PAGE, LEN / PAGE * PAGE + 4 * PAGE), *to;
	size_t end;

	assert_non_null(whole);
	assert_non_null(room);
	for (size_t i = 0; i < LEN; i++)
		whole[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_int_equal(store_put(e->store, "packs/ab/abcd", whole, LEN, 0), 0);
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		to = room + reads[i].at;
		end = reads[i].len + reads[i].slack;
		to[end] = 0x5a;
		evict(e, "packs/ab/abcd");
		assert_int_equal(store_get_once(e->store, "packs/ab/abcd", reads[i].off, reads[i].len, to, end), 0);
		assert_memory_equal(to, whole + reads[i].off, reads[i].len);
		assert_int_equal(to[end], 0x5a);
	}
	assert_int_equal(store_get_once(e->store, "packs/ab/abcd", LEN - 300000, 300001, room, 400000), -EBADMSG);
	assert_int_equal(store_get_once(e->store, "packs/ab/abce", 0, 1, room, 1), -ENOENT);
	assert_int_equal(store_get_once(e->store, "../x", 0, 1, room, 1), -EINVAL);
	free(room);
	free(whole);
}

static void test_second_put(void **state)
{
	struct each *e = *state;
	struct buf b = BUF_INIT;

	assert_int_equal(store_put(e->store, "config", "one", 3, STORE_EXCL), 0);
	assert_int_equal(store_put(e->store, "config", "two2", 4, STORE_EXCL), -EEXIST);
	assert_int_equal(store_get_all(e->store, "config", 100, &b), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "one", 3);

	/* The same size: the same object, and the first stays. */
	assert_int_equal(store_put(e->store, "config", "two", 3, 0), 0);
	buf_clear(&b);
	assert_int_equal(store_get_all(e->store, "config", 100, &b), 0);
	assert_memory_equal(b.data, "one", 3);

	/* But if it is said to be damaged. */
	assert_int_equal(store_put(e->store, "config", "two", 3, STORE_REPLACE), 0);
	buf_clear(&b);
	assert_int_equal(store_get_all(e->store, "config", 100, &b), 0);
	assert_memory_equal(b.data, "two", 3);

	/* Another size: the first was damaged. */
	assert_int_equal(store_put(e->store, "config", "three", 5, 0), 0);
	buf_clear(&b);
	assert_int_equal(store_get_all(e->store, "config", 100, &b), 0);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "three", 5);
	assert_int_equal(e->scratch->nmessages, 0);

	assert_int_equal(store_delete(e->store, "config"), 0);
	assert_int_equal(store_put(e->store, "config", "four", 4, STORE_EXCL), 0);
	buf_free(&b);
}

static void test_put_in_parts(void **state)
{
	struct each *e = *state;
	struct buf b = BUF_INIT;
	struct store_put *p, *q;
	uint64_t size;

	assert_int_equal(store_put_begin(e->store, &p), 0);
	assert_int_equal(store_put_begin(e->store, &q), 0);
	assert_int_equal(store_put_append(p, "abc", 3), 0);
	assert_int_equal(store_put_append(q, "ABC", 3), 0);
	assert_int_equal(store_put_append(p, "", 0), 0);
	assert_int_equal(store_put_append(p, "def", 3), 0);
	assert_int_equal(store_list(e->store, "", no_entry, NULL), 0);
	assert_int_equal(store_put_commit(p, "packs/aa/aa", 0), 0);
	store_put_abort(q);
	assert_int_equal(store_get_all(e->store, "packs/aa/aa", 100, &b), 0);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "abcdef", 6);
	assert_int_equal(store_stat(e->store, "packs/aa/bb", &size), -ENOENT);
	store_put_abort(NULL);
	buf_free(&b);
}

struct listing {
	unsigned n;
	uint64_t bytes;
	bool seen[600];
	int stop_after; /* 0: never */
};

static int list_entry(void *arg, const char *name, uint64_t size)
{
	struct listing *l = arg;
	const char *number = strrchr(name, '/');
	int i = atoi(number == NULL ? "599" : number + 1);

	assert_false(l->seen[i]);
	l->seen[i] = true;
	l->n++;
	l->bytes += size;
	return l->stop_after > 0 && (int)l->n == l->stop_after ? 4711 : 0;
}

static void list_expect(struct store *s, const char *prefix, unsigned n)
{
	struct listing l = { .n = 0 };

	assert_int_equal(store_list(s, prefix, list_entry, &l), 0);
	assert_int_equal(l.n, n);
}

static void test_list(void **state)
{
	struct each *e = *state;
	struct listing l = { .n = 0 };
	uint64_t bytes = 2;
	char name[64];
	int i;

	for (i = 0; i < 500; i++) {
		if (i < 400)
			snprintf(name, sizeof(name), "%s/%02x/%d", i < 300 ? "packs" : "trees", i % 50, i);
		else
			snprintf(name, sizeof(name), "index/%d", i);
		assert_int_equal(store_put(e->store, name, name, (size_t)i % 7, 0), 0);
		bytes += (uint64_t)i % 7;
	}
	assert_int_equal(store_put(e->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(e->store, "packs2/598", "x", 1, 0), 0);

	assert_int_equal(store_list(e->store, "", list_entry, &l), 0);
	assert_int_equal(l.n, 502);
	assert_int_equal(l.bytes, bytes);
	list_expect(e->store, "packs/", 300);
	list_expect(e->store, "trees/", 100);
	list_expect(e->store, "index/", 100);
	list_expect(e->store, "packs/07/", 6);
	list_expect(e->store, "packs/99/", 0);

	memset(&l, 0, sizeof(l));
	l.stop_after = 3;
	assert_int_equal(store_list(e->store, "packs/", list_entry, &l), 4711);
	assert_int_equal(l.n, 3);
}

static int delete_entry(void *arg, const char *name, uint64_t size)
{
	struct store *s = arg;

	(void)size;
	assert_int_equal(store_put(s, "seen/x", "x", 1, 0), 0);
	return store_delete(s, name);
}

/* A listing's function may use the store that is listed. */
static void test_list_and_delete(void **state)
{
	struct each *e = *state;
	char name[64];
	int i;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "packs/%02x/%d", i % 3, i);
		assert_int_equal(store_put(e->store, name, "x", 1, 0), 0);
	}
	assert_int_equal(store_list(e->store, "packs/", delete_entry, e->store), 0);
	assert_int_equal(store_list(e->store, "packs/", no_entry, NULL), 0);
	list_expect(e->store, "seen/", 1);
}

static void test_counters(void **state)
{
	struct each *e = *state;
	struct store_counters c;
	struct buf b = BUF_INIT;
	struct store_info info = { 1, 1 };
	uint64_t size;
	char text[8];

	assert_int_equal(store_put(e->store, "config", "12345", 5, 0), 0);
	assert_int_equal(store_put(e->store, "index/1", "123", 3, 0), 0);
	assert_int_equal(store_put(e->store, "index/1", "123", 3, STORE_EXCL), -EEXIST);
	assert_int_equal(store_get(e->store, "config", 0, 2, text), 0);
	assert_int_equal(store_get(e->store, "config", 9, 2, text), -EBADMSG);
	assert_int_equal(store_get_all(e->store, "config", 9, &b), 0);
	assert_int_equal(store_stat(e->store, "config", &size), 0);
	assert_int_equal(store_list(e->store, "keys/", no_entry, NULL), 0);
	assert_int_equal(store_delete(e->store, "config"), 0);
	assert_int_equal(store_stat(e->store, "Bad", &size), -EINVAL);
	store_get_counters(e->store, &c);
	assert_int_equal(c.puts, 3);
	assert_int_equal(c.put_bytes, 8);
	assert_int_equal(c.gets, 3);
	assert_int_equal(c.get_bytes, 7);
	assert_int_equal(c.stats, 1);
	assert_int_equal(c.lists, 1);
	assert_int_equal(c.deletes, 1);
	assert_int_equal(store_info(e->store, &info), 0);
	assert_true(info.total_bytes >= info.free_bytes);
	assert_true((info.total_bytes > 0) == (store_local_path(e->store) != NULL));
	buf_free(&b);
}

/* An implementation that fails in the middle of an object. */
static int fail_midway(struct store *s, const char *name, size_t max, struct buf *out)
{
	(void)s;
	(void)name;
	(void)max;
	assert_int_equal(buf_append(out, "half", 4), 0);
	return -EIO;
}

static void test_no_half(void **state)
{
	static const struct store_ops ops = { .get_all = fail_midway };
	struct store store = { .ops = &ops };
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_append(&b, "kept", 4), 0);
	assert_int_equal(store_get_all(&store, "config", 100, &b), -EIO);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "kept", 4);
	buf_free(&b);
}

#define EACH(test) \
	cmocka_unit_test_setup_teardown(test, setup_dir, teardown), \
	cmocka_unit_test_setup_teardown(test, setup_mem, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_urls_refused, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_urls, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_no_half),
		EACH(test_bad_names),
		EACH(test_no_archives),
		EACH(test_name_lengths),
		EACH(test_bad_prefixes),
		EACH(test_life),
		EACH(test_empty_object),
		EACH(test_too_short),
		EACH(test_get_once),
		EACH(test_second_put),
		EACH(test_put_in_parts),
		EACH(test_list),
		EACH(test_list_and_delete),
		EACH(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
