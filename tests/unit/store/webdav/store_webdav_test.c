/*
 * WebDAV, and read-only any web server: over a server that is strict, one that fails, and ones that lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/parse/listing.h"
#include "repo/store/store_impl.h"
#include "repo/store/web/store_static.h"
#include "repo/store/webdav/store_webdav.h"
#include "tests/lib/fixture.h"
#include "tests/unit/store/webdav/dav.h"

#define NAME "packs/ab/abcd"
#define LEFTOVER "0123456789abcdef0123456789abcdef"

struct rig {
	struct scratch *scratch;
	char root[SCRATCH_PATH_SIZE], url[128], static_url[128];
	struct dav dav;
	struct web *web;
	struct store *store;
	pthread_mutex_t lock; /* of the server's part: held while it answers, and while it is changed (now()) */
	/* For the hooks: what is to go wrong, and how often. */
	const char *method, *what;
	int times;
};

static struct store *open_webdav(struct rig *r, const char *url, bool create)
{
	struct store_options o = { .url = url, .create = create, .deadline_ms = 1500, .log = &r->scratch->log };
	struct store *s = NULL;

	assert_int_equal(store_webdav_open(&o, &s), 0);
	return s;
}

static struct store *open_static(struct rig *r)
{
	struct store_options o = { .url = r->static_url, .deadline_ms = 1500, .log = &r->scratch->log };
	struct store *s = NULL;

	assert_int_equal(store_static_open(&o, &s), 0);
	return s;
}

static bool answer(void *arg, const struct web_request *q)
{
	struct rig *r = arg;
	bool more;

	pthread_mutex_lock(&r->lock);
	more = dav_answer(&r->dav, q);
	pthread_mutex_unlock(&r->lock);
	return more;
}

/* What the server is to do from now on.  ${method} may be NULL: all is well. */
static void now(struct rig *r, bool (*before)(void *, const struct web_request *, bool *),
		bool (*after)(void *, const struct web_request *, bool *), const char *method, const char *what,
		int times)
{
	pthread_mutex_lock(&r->lock);
	r->dav.before = before;
	r->dav.after = after;
	r->method = method;
	r->what = what;
	r->times = times;
	pthread_mutex_unlock(&r->lock);
}

static int times_left(struct rig *r)
{
	int n;

	pthread_mutex_lock(&r->lock);
	n = r->times;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static void now_lists(struct rig *r, enum dav_index index, bool quota)
{
	pthread_mutex_lock(&r->lock);
	r->dav.index = index;
	r->dav.quota = quota;
	pthread_mutex_unlock(&r->lock);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(scratch_setup((void **)&r->scratch), 0);
	scratch_path(r->scratch, "files", r->root);
	assert_int_equal(mkdir(r->root, 0700), 0);
	r->dav = (struct dav){ .root = r->root, .arg = r };
	pthread_mutex_init(&r->lock, NULL);
	r->web = web_start(answer, r);
	snprintf(r->url, sizeof(r->url), "webdav+%s/a%%20b", web_url(r->web));
	snprintf(r->static_url, sizeof(r->static_url), "%s/repo", web_url(r->web));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	store_close(r->store);
	web_stop(r->web);
	pthread_mutex_destroy(&r->lock);
	assert_int_equal(scratch_teardown((void **)&r->scratch), 0);
	free(r);
	return 0;
}

/* The store's directory is "repo" here; names with blanks are nginx's to try (tests/71-store-webdav.sh). */
static void begin(struct rig *r)
{
	snprintf(r->url, sizeof(r->url), "webdav+%s/repo", web_url(r->web));
	r->store = open_webdav(r, r->url, true);
}

static bool exists(struct rig *r, const char *name)
{
	char path[2 * SCRATCH_PATH_SIZE];
	struct stat st;

	snprintf(path, sizeof(path), "%s/repo/%s", r->root, name);
	return stat(path, &st) == 0;
}

static void make_file(struct rig *r, const char *name, time_t when)
{
	struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
	char path[2 * SCRATCH_PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s/repo/%s", r->root, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

/* Number of files in the server's tmp/. */
static int count(void *arg, const char *name, uint64_t size)
{
	struct rig *r = arg;

	(void)name;
	r->times += 1 + (int)size * 1000;
	return 0;
}

static void test_objects(void **state)
{
	struct rig *r = *state;
	struct buf out = BUF_INIT;
	uint64_t size = 0;
	char bytes[8];

	begin(r);
	assert_int_equal(store_get_all(r->store, "config", 100, &out), -ENOENT);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, NAME, "abcdef", 6, 0), 0);
	assert_true(exists(r, NAME));
	assert_int_equal(store_get(r->store, NAME, 2, 3, bytes), 0);
	assert_memory_equal(bytes, "cde", 3);
	assert_int_equal(store_get(r->store, NAME, 6, 0, bytes), 0);
	assert_int_equal(r->scratch->nmessages, 0);
	assert_int_equal(store_get(r->store, NAME, 5, 3, bytes), -EBADMSG);
	assert_int_equal(store_get(r->store, NAME, 9, 3, bytes), -EBADMSG);
	assert_int_equal(store_get(r->store, NAME, 7, 0, bytes), -EBADMSG);
	assert_int_equal(r->scratch->nmessages, 3);
	assert_int_equal(store_get(r->store, "keys/none", 0, 1, bytes), -ENOENT);
	assert_int_equal(store_stat(r->store, NAME, &size), 0);
	assert_int_equal(size, 6);
	assert_int_equal(store_stat(r->store, "keys/none", &size), -ENOENT);
	assert_int_equal(store_get_all(r->store, NAME, 6, &out), 0);
	assert_int_equal(out.len, 6);
	assert_int_equal(store_get_all(r->store, NAME, 5, &out), -EBADMSG);
	assert_int_equal(out.len, 6);
	assert_int_equal(store_delete(r->store, NAME), 0);
	assert_int_equal(store_delete(r->store, NAME), 0);
	assert_false(exists(r, NAME));
	buf_free(&out);
}

static void test_excl(void **state)
{
	struct rig *r = *state;

	begin(r);
	assert_int_equal(store_put(r->store, "config", "one", 3, STORE_EXCL), 0);
	assert_int_equal(store_put(r->store, "config", "two", 3, STORE_EXCL), -EEXIST);
	/* The same name is the same object, unless it is not whole. */
	assert_int_equal(store_put(r->store, "config", "two", 3, 0), 0);
	assert_int_equal(store_put(r->store, "config", "", 0, 0), 0);
	assert_int_equal(store_list(r->store, "", count, r), 0);
	assert_int_equal(r->times, 1);
	assert_int_equal(r->scratch->nmessages, 0);
	/* Nothing is left of what was not wanted. */
	assert_true(exists(r, "tmp"));
	char path[2 * SCRATCH_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/repo/tmp", r->root);
	assert_int_equal(rmdir(path), 0);
}

/* What servers say where a collection is missing. */
static void test_no_parent(void **state)
{
	static const int statuses[] = { 404, 409, 500, 403 };
	struct rig *r = *state;
	char path[2 * SCRATCH_PATH_SIZE], away[2 * SCRATCH_PATH_SIZE];

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		pthread_mutex_lock(&r->lock);
		r->dav.no_parent = statuses[i];
		pthread_mutex_unlock(&r->lock);
		begin(r);
		assert_int_equal(store_put(r->store, "packs/aa", "x", 1, 0), 0);
		assert_int_equal(store_put(r->store, "packs/ab", "x", 1, 0), 0);
		assert_true(exists(r, "packs/aa"));
		store_close(r->store);
		r->store = NULL;
		snprintf(path, sizeof(path), "%s/repo", r->root);
		snprintf(away, sizeof(away), "%s/repo%zu", r->root, i);
		assert_int_equal(rename(path, away), 0);
	}
	assert_int_equal(r->scratch->nmessages, 0);
}

static void test_list(void **state)
{
	static const char *const names[] = { "config", "keys/aa", "packs/ab/abcd", "packs/ab/abce", "packs/cd/cdef" };
	static const struct {
		const char *prefix;
		int n;
	} cases[] = { { "", 5 }, { "keys/", 1 }, { "packs/", 3 }, { "packs/ab/", 2 }, { "snapshots/", 0 } };
	struct rig *r = *state;

	begin(r);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(store_put(r->store, names[i], "12", 2, 0), 0);
	make_file(r, "tmp/" LEFTOVER, time(NULL));
	make_file(r, "packs/README.txt", time(NULL));
	for (int kind = 0; kind < 3; kind++) {
		if (kind > 0) {
			now_lists(r, kind == 1 ? DAV_INDEX_HTML : DAV_INDEX_JSON, false);
			store_close(r->store);
			r->store = open_static(r);
		}
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			r->times = 0;
			assert_int_equal(store_list(r->store, cases[i].prefix, count, r), 0);
			assert_int_equal(r->times, 2001 * cases[i].n);
			r->times = 0;
			assert_int_equal(store_list_names(r->store, cases[i].prefix, count, r), 0);
			assert_int_equal(r->times % 1000, cases[i].n);
		}
	}
	assert_int_equal(r->scratch->nmessages, 0);
}

/* A listing of keys/ that has no more than a status for ${href}. */
static void answer_refused(const struct web_request *q, const char *href, const char *status)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text), "<multistatus xmlns=\"DAV:\"><response><href>/repo/keys/</href></response>"
	    "<response><href>%s</href><status>HTTP/1.1 %s x</status></response></multistatus>", href, status);
	web_answer(q, 207, "", text, (size_t)n);
}

/* Do ${what} to the next ${times} requests of the method. */
static bool go_wrong(void *arg, const struct web_request *q, bool *more)
{
	struct rig *r = arg;

	if (r->times == 0 || strcmp(q->method, r->method) != 0)
		return false;
	r->times--;
	if (strcmp(r->what, "busy") == 0)
		web_answer(q, 503, "Retry-After: 3\r\n", "", 0);
	else if (strcmp(r->what, "gone") == 0)
		web_answer(q, 404, "", "", 0);
	else if (strcmp(r->what, "full") == 0)
		web_answer(q, 507, "", "", 0);
	else if (strcmp(r->what, "not-dav") == 0)
		web_answer(q, 200, "", "<html>", 6);
	else if (strcmp(r->what, "not-xml") == 0)
		web_answer(q, 207, "", "<a><b></a>", 10);
	else if (strcmp(r->what, "partly") == 0)
		web_answer(q, 207, "", "<multistatus/>", 14);
	else if (strncmp(r->what, "part ", 5) == 0)
		answer_refused(q, "/repo/keys/aa", r->what + 5);
	else if (*r->what >= '3' && *r->what <= '5')
		web_answer(q, atoi(r->what), "", "", 0);
	else if (strcmp(r->what, "later") == 0)
		web_answer(q, 202, "", "", 0);
	else if (strncmp(r->what, "member ", 7) == 0)
		answer_refused(q, "/repo/keys/aa", r->what + 7);
	else if (strncmp(r->what, "itself ", 7) == 0)
		answer_refused(q, "/repo/keys/", r->what + 7);
	else if (strcmp(r->what, "other-xml") == 0)
		web_answer(q, 207, "", "<a><b/></a>", 11);
	else
		*more = false;
	return true;
}

/* Of what is asked of it, to make the repository's collection and tmp/ in it. */
static void test_collections(void **state)
{
	static const struct {
		const char *what;
		int times, rc; /* so many MKCOLs are answered so: the first is for the repository's own */
		const char *message;
	} cases[] = {
		{ "301", 1, -EIO, "tmp/: make collection: the server answered 409: the collection above it is" },
		{ "405", 1, -EIO, "tmp/: make collection: the server answered 409" },
		{ "403", 1, -EACCES, "/repo/: make collection: the server answered 403" },
		{ "409", 1, -EIO, "/repo/: make collection: the server answered 409: the collection above it is" },
		{ "507", 1, -ENOSPC, "/repo/: make collection: the server answered 507" },
		{ "415", 1, -EIO, "/repo/: make collection: the server answered 415" },
		{ "partly", 1, -EIO, "/repo/: make collection: the server answered 207" },
		{ "503", 1, -EAGAIN, "" },
	};
	struct rig *r = *state;
	char path[2 * SCRATCH_PATH_SIZE];

	begin(r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc;

		scratch_log_clear(r->scratch);
		now(r, go_wrong, NULL, "MKCOL", cases[i].what, cases[i].times);
		rc = store_put(r->store, "config", "x", 1, 0);
		if (rc != cases[i].rc || !scratch_logged(r->scratch, cases[i].message) ||
		    r->scratch->nmessages != (rc != -EAGAIN))
			fail_msg("%s: %d, %s", r->what, rc, r->scratch->messages);
	}
	/* Who may not make it may use it: it is asked for tmp/ only. */
	snprintf(path, sizeof(path), "%s/repo", r->root);
	assert_int_equal(mkdir(path, 0700), 0);
	scratch_log_clear(r->scratch);
	now(r, go_wrong, NULL, "MKCOL", "403", 1);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EACCES);
	assert_true(scratch_logged(r->scratch, "/repo/tmp/: make collection: the server answered 403"));
	assert_int_equal(r->scratch->nmessages, 1);
}

static int found(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)name;
	(void)size;
	return 1;
}

/* Take the repository from the server's sight, as a disk that is not mounted is; or bring it back. */
static void hide(struct rig *r, bool hidden)
{
	char here[2 * SCRATCH_PATH_SIZE], away[2 * SCRATCH_PATH_SIZE];

	snprintf(here, sizeof(here), "%s/repo", r->root);
	snprintf(away, sizeof(away), "%s/away", r->root);
	if (hidden) {
		assert_int_equal(rename(here, away), 0);
		assert_int_equal(mkdir(here, 0700), 0);
	} else {
		assert_int_equal(rmdir(here), 0);
		assert_int_equal(rename(away, here), 0);
	}
}

/* Whether WebDAV or read-only: what a server does not see is not absent. */
static void try_hidden(struct rig *r)
{
	struct buf out = BUF_INIT;
	uint64_t size;
	char c;

	assert_int_equal(store_get_all(r->store, "config", 10, &out), 0);
	assert_int_equal(store_list(r->store, "doomed/", count, r), 0);
	for (int hidden = 1; hidden >= 0; hidden--) {
		hide(r, hidden);
		assert_int_equal(store_get(r->store, "packs/ab/none", 0, 1, &c), hidden ? -EAGAIN : -ENOENT);
		assert_int_equal(store_get_all(r->store, "packs/ab/none", 9, &out), hidden ? -EAGAIN : -ENOENT);
		assert_int_equal(store_stat(r->store, "packs/cd/none", &size), hidden ? -EAGAIN : -ENOENT);
		assert_int_equal(store_list(r->store, "packs/ef/", count, r), hidden ? -EAGAIN : 0);
		assert_int_equal(store_list(r->store, "doomed/", count, r), hidden ? -EAGAIN : 0);
		buf_clear(&out);
		assert_int_equal(store_get_all(r->store, "config", 10, &out), hidden ? -EAGAIN : 0);
	}
	assert_int_equal(r->times, 0);
	assert_int_equal(r->scratch->nmessages, 0);
	buf_free(&out);
}

static void test_hidden(void **state)
{
	struct rig *r = *state;

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, NAME, "x", 1, 0), 0);
	store_close(r->store);
	r->store = open_webdav(r, r->url, false);
	try_hidden(r);
	hide(r, true);
	assert_int_equal(store_delete(r->store, NAME), -EAGAIN);
	/* Nothing may be written below where the disk belongs. */
	assert_int_equal(store_put(r->store, "packs/ab/other", "x", 1, 0), -EAGAIN);
	assert_false(exists(r, "tmp"));
	hide(r, false);
	assert_int_equal(store_delete(r->store, "packs/ab/other"), 0);
	assert_int_equal(store_put(r->store, "packs/ab/other", "x", 1, 0), 0);

	store_close(r->store);
	now_lists(r, DAV_INDEX_HTML, false);
	r->store = open_static(r);
	try_hidden(r);
}

/* Who has not found a config is told honestly that there is nothing: it may be about to make one. */
static void test_nothing_there(void **state)
{
	struct rig *r = *state;
	struct buf out = BUF_INIT;
	uint64_t size;

	begin(r);
	assert_int_equal(store_list(r->store, "", count, r), 0);
	assert_int_equal(store_list(r->store, "keys/", count, r), -EAGAIN);
	assert_int_equal(store_get_all(r->store, "config", 10, &out), -ENOENT);
	assert_int_equal(store_list(r->store, "keys/", count, r), 0);
	assert_int_equal(store_stat(r->store, "keys/aa", &size), -ENOENT);
	assert_int_equal(store_delete(r->store, "keys/aa"), 0);
	buf_free(&out);
}

/* One 404 is no answer if the next one differs: a proxy says so while its server restarts. */
static void test_restarting(void **state)
{
	static const struct {
		const char *method;
		int times, rc, after;
	} cases[] = {
		{ "PROPFIND", 1, -EAGAIN, 1 }, { "PROPFIND", 2, -EAGAIN, 1 }, { "GET", 1, -EAGAIN, 0 },
		{ "HEAD", 1, -EAGAIN, 0 }, { "DELETE", 1, -EAGAIN, 0 },
	};
	struct rig *r = *state;
	uint64_t size;
	char c;

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, NAME, "x", 1, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int round = 0; round < 2; round++) {
			int rc;

			now(r, round == 0 ? go_wrong : NULL, NULL, cases[i].method, "gone", cases[i].times);
			rc = strcmp(r->method, "PROPFIND") == 0 ? store_list_names(r->store, "packs/", found, r) :
			     strcmp(r->method, "GET") == 0 ? store_get(r->store, NAME, 0, 1, &c) :
			     strcmp(r->method, "HEAD") == 0 ? store_stat(r->store, NAME, &size) :
			     store_delete(r->store, NAME);
			if (rc != (round == 0 ? cases[i].rc : cases[i].after))
				fail_msg("%s, %d: %d, %s", r->method, round, rc, r->scratch->messages);
		}
	}
	assert_false(exists(r, NAME));
	assert_int_equal(r->scratch->nmessages, 0);
}

static void test_info(void **state)
{
	struct rig *r = *state;
	struct store_info info = { 0 };

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_info(r->store, &info), -ENOSYS);
	now_lists(r, DAV_INDEX_NONE, true);
	assert_int_equal(store_info(r->store, &info), 0);
	assert_int_equal(info.free_bytes, 1000);
	assert_int_equal(info.total_bytes, 1234);
	assert_int_equal(r->scratch->nmessages, 0);
}

static void test_credentials(void **state)
{
	struct rig *r = *state;
	char url[128];

	r->dav.password = "YW5uOmdlaGVpbQ==";
	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EACCES);
	assert_true(scratch_logged(r->scratch, "the server answered 401, no or wrong credentials"));
	store_close(r->store);
	snprintf(url, sizeof(url), "webdav+http://ann:geheim@%s/repo", web_url(r->web) + strlen("http://"));
	r->store = open_webdav(r, url, true);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_null(strstr(store_url(r->store), "geheim"));
	store_close(r->store);
	setenv("VARVE_WEBDAV_USER", "ann", 1);
	setenv("VARVE_WEBDAV_PASSWORD", "geheim", 1);
	r->store = open_webdav(r, r->url, false);
	unsetenv("VARVE_WEBDAV_USER");
	unsetenv("VARVE_WEBDAV_PASSWORD");
	assert_int_equal(store_put(r->store, "keys/aa", "x", 1, 0), 0);
	assert_false(scratch_logged(r->scratch, "geheim"));
}

static void test_http_refused(void **state)
{
	static const struct {
		const char *url;
		int err;
	} cases[] = {
		{ "webdav+http://example.org/repo", -EINVAL },
		{ "webdav+http://example.org/repo?insecure=no", -EINVAL },
		{ "webdav+http://127.0.0.1.example.org/", -EINVAL },
		{ "webdav+https://example.org/?secure=yes", -EINVAL },
		{ "webdav+http://example.org/repo?insecure=yes", 0 }, { "webdav+http://localhost/", 0 },
		{ "webdav+http://[::1]/", 0 }, { "webdav+https://example.org/", 0 },
	};
	struct rig *r = *state;
	struct store *s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_options o = { .url = cases[i].url, .log = &r->scratch->log };

		s = NULL;
		if (store_webdav_open(&o, &s) != cases[i].err)
			fail_msg("%s: %s", cases[i].url, r->scratch->messages);
		store_close(s);
	}
	assert_int_equal(r->scratch->nmessages, 4);
}

static void test_leftovers(void **state)
{
	struct rig *r = *state;
	time_t now = time(NULL);

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	make_file(r, "tmp/" LEFTOVER, now - 25 * 3600);
	make_file(r, "tmp/f" LEFTOVER, now - 25 * 3600);
	make_file(r, "tmp/a123456789abcdef0123456789abcdef", now - 23 * 3600);
	store_close(r->store);
	r->store = open_webdav(r, r->url, false);
	assert_int_equal(store_put(r->store, "keys/aa", "x", 1, 0), 0);
	assert_false(exists(r, "tmp/" LEFTOVER));
	assert_true(exists(r, "tmp/f" LEFTOVER));
	assert_true(exists(r, "tmp/a123456789abcdef0123456789abcdef"));
	assert_true(scratch_logged(r->scratch, "tmp/" LEFTOVER ": removed, left by a writer"));
}

static void test_put_again(void **state)
{
	static const struct {
		const char *method, *what;
		bool after; /* it was done, but the answer is lost */
	} cases[] = {
		{ "PUT", "busy", false }, { "PUT", "cut", false }, { "PUT", "cut", true }, { "MOVE", "busy", false },
		{ "MOVE", "cut", false }, { "MOVE", "cut", true }, { "MKCOL", "busy", false }, { "MKCOL", "cut", true },
	};
	struct rig *r = *state;
	struct buf out = BUF_INIT;
	char name[32];
	int rc;

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	store_close(r->store);
	r->store = open_webdav(r, r->url, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_put *p = NULL;

		now(r, cases[i].after ? NULL : go_wrong, cases[i].after ? go_wrong : NULL, cases[i].method,
		    cases[i].what, 1);
		snprintf(name, sizeof(name), "packs/%zu/a%zu", i, i);
		assert_int_equal(store_put_begin(r->store, &p), 0);
		assert_int_equal(store_put_append(p, name, strlen(name)), 0);
		rc = store_put_commit(p, name, 0);
		/* What is cut on a connection that was kept is tried once more on a new one, by curl. */
		if (rc != -EAGAIN && (rc != 0 || strcmp(r->what, "cut") != 0))
			fail_msg("%s %s: %d, %s", r->method, r->what, rc, r->scratch->messages);
		assert_int_equal(times_left(r), 0);
		if (rc == -EAGAIN)
			assert_int_equal(store_put_commit(p, name, 0), 0);
		buf_clear(&out);
		assert_int_equal(store_get_all(r->store, name, 100, &out), 0);
		assert_int_equal(out.len, strlen(name));
		assert_memory_equal(out.data, name, out.len);
	}
	buf_free(&out);
	assert_int_equal(r->scratch->nmessages, 0);
}

static void test_failures(void **state)
{
	static const struct {
		const char *method, *what;
		int err;
		const char *message;
	} cases[] = {
		{ "PUT", "full", -ENOSPC, "no space left" },
		{ "PUT", "403", -EACCES, "keys/aa: put: the server answered 403, access denied" },
		{ "PUT", "500", -EAGAIN, "" },
		{ "PROPFIND", "not-dav", -EIO, "it does not speak WebDAV here" },
		{ "PROPFIND", "not-xml", -EIO, "XML is malformed" },
		{ "PROPFIND", "other-xml", -EIO, "about other paths" },
		{ "PROPFIND", "member 403", -EACCES, "keys/aa: list: the server answered 403" },
		{ "PROPFIND", "member 500", -EIO, "the listing is not whole" },
		{ "PROPFIND", "itself 403", -EACCES, "the listing is not whole" },
		{ "PROPFIND", "itself 404", -EIO, "the listing is not whole" },
		{ "PUT", "partly", -EIO, "the server answered 207" },
		{ "DELETE", "part 423", -EIO, "keys/aa: delete: the server answered 423" },
		{ "DELETE", "part 403", -EACCES, "keys/aa: delete: the server answered 403" },
		{ "MOVE", "part 507", -ENOSPC, "keys/aa: put: the server answered 507" },
		{ "MOVE", "part 503", -EAGAIN, "" },
		{ "MOVE", "part 404", -EIO, "the server answered 207, which is no success, and 404 of a part" },
		{ "MOVE", "partly", -EIO, "the server answered 207" },
		{ "MOVE", "403", 0, "" },
		{ "MOVE", "403 403", -EAGAIN, "" },
		{ "MOVE", "500", -EAGAIN, "" },
		{ "DELETE", "partly", -EIO, "the server answered 207" },
		{ "MOVE", "later", -EAGAIN, "" },
		{ "DELETE", "later", -EAGAIN, "" },
		{ "PROPFIND", "busy", -EAGAIN, "" },
		{ "DELETE", "busy", -EAGAIN, "" },
		{ "GET", "busy", -EAGAIN, "" },
		{ "HEAD", "cut", -EAGAIN, "" },
	};
	struct rig *r = *state;
	uint64_t size;
	char byte;
	int rc;

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, "keys/bb", "x", 1, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scratch_log_clear(r->scratch);
		/* Curl tries a kept connection's again. */
		now(r, go_wrong, NULL, cases[i].method, cases[i].what, strcmp(cases[i].what, "cut") == 0 ||
		    strcmp(cases[i].what, "403 403") == 0 ? 2 : 1);
		rc = strcmp(r->method, "PUT") == 0 || strcmp(r->method, "MOVE") == 0 ?
		     store_put(r->store, "keys/aa", "x", 1, 0) :
		     strcmp(r->method, "PROPFIND") == 0 ? store_list(r->store, "keys/", count, r) :
		     strcmp(r->method, "DELETE") == 0 ? store_delete(r->store, "keys/aa") :
		     strcmp(r->method, "GET") == 0 ? store_get(r->store, "config", 0, 1, &byte) :
		     store_stat(r->store, "config", &size);
		if (rc != cases[i].err || !scratch_logged(r->scratch, cases[i].message))
			fail_msg("%s %s: %d, %s", r->method, r->what, rc, r->scratch->messages);
		assert_int_equal(r->scratch->nmessages, rc == -EAGAIN || rc == 0 ? 0 : 1);
	}
}

/* What a server for single-page applications does: all that is not there is the start page. */
static bool start_page(void *arg, const struct web_request *q, bool *more)
{
	struct rig *r = arg;

	if (q->target[strlen(q->target) - 1] != '/')
		return false;
	*more = true;
	web_answer(q, r->what != NULL ? atoi(r->what) : 200, "Content-Type: text/html\r\n",
	    "<a href=\"start\">x</a>", 21);
	return true;
}

static void test_static_without_listings(void **state)
{
	static const char *const answers[] = { NULL, "403", "404" };
	struct rig *r = *state;
	struct buf out = BUF_INIT;

	begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, "keys/aa", "x", 1, 0), 0);
	store_close(r->store);
	r->store = open_static(r);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		scratch_log_clear(r->scratch);
		now(r, start_page, NULL, NULL, answers[i], 0);
		assert_int_equal(store_list(r->store, "keys/", count, r), -EIO);
		assert_int_equal(r->scratch->nmessages, 1);
		assert_true(scratch_logged(r->scratch, "the server makes no listings of directories"));
	}
	assert_int_equal(store_get_all(r->store, "config", 10, &out), 0);
	buf_free(&out);

	/* One whose listing has the directory, and no page for it. */
	now(r, NULL, NULL, NULL, NULL, 0);
	now_lists(r, DAV_INDEX_HTML, false);
	assert_int_equal(store_list(r->store, "keys/", count, r), 0);
	assert_int_equal(r->times, 1001);
	assert_int_equal(store_list(r->store, "doomed/", count, r), 0);
}

static void test_static_read_only(void **state)
{
	struct rig *r = *state;

	r->store = open_static(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EROFS);
	assert_int_equal(store_delete(r->store, "config"), -EROFS);
	assert_true(scratch_logged(r->scratch, "a store at an https:// URL is read-only"));
	assert_int_equal(r->scratch->nmessages, 2);
	assert_int_equal(web_requests(r->web), 0);
}

/* --- Pages -------------------------------------------------------------------------------------------------------- */

static int join(void *arg, const struct listing_entry *e)
{
	struct buf *out = arg;

	if (e->size != LISTING_NO_SIZE)
		return buf_printf(out, "%s%s=%llu ", e->name, e->directory ? "/" : "", (unsigned long long)e->size);
	return buf_printf(out, "%s%s ", e->name, e->directory ? "/" : "");
}

static void test_html(void **state)
{
	static const struct {
		const char *page, *names;
	} cases[] = {
		{ "<a href=\"ab\">x</a> <A HREF='cd/'> <a href=ef> <a\nhref = \"gh\">", "ab cd/ ef " },
		{ "<a href=\"./ab/\"><a href=\"/p/q/cd\"><a href=\"/p/other\"><a href=\"http://h/ab\">", "ab/ cd " },
		{ "<a href=\"../\"><a href=\"?C=N\"><a href=\"a/b\"><a href=\"A\"><a href=\"a.txt\"><a href=\"a%62\">",
		  "" },
		{ "<a xhref=\"ab\"><a href=\"\"><a href=\"/\"><a href=\"unterminated", "" },
		{ "href=\"ab\" =", "" },
		{ " href=ab", "ab " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].page);
		char *exact = malloc(len); /* no NUL behind it */
		struct buf out = BUF_INIT;

		assert_non_null(exact);
		memcpy(exact, cases[i].page, len);
		assert_int_equal(listing_html(exact, len, "/p/q/", join, &out), 0);
		assert_int_equal(buf_u8(&out, 0), 0);
		assert_string_equal((char *)out.data, cases[i].names);
		buf_free(&out);
		free(exact);
	}
}

static void test_json(void **state)
{
	static const struct {
		const char *page;
		int rc;
		const char *names;
	} cases[] = {
		{ "[]", 0, "" },
		{ " [ {\"name\":\"ab\",\"type\":\"file\",\"size\":12}, {\"type\":\"directory\",\"name\":\"cd\"} ]\n", 0,
		  "ab=12 cd/ " },
		{ "[{\"name\":\"cd/\",\"is_dir\":true,\"size\":4096},{\"name\":\"A\"},{}]", 0, "cd/=4096 " },
		{ "[{\"name\":\"a\\\"b\"},{\"name\":\"x\",\"size\":-1},{\"name\":\"y\",\"size\":1e3},"
		  "{\"name\":[]}]", 0, "x y " },
		{ "", -EBADMSG, "" }, { "{}", -EBADMSG, "" }, { "[", -EBADMSG, "" }, { "[{", -EBADMSG, "" },
		{ "[{\"name\":\"ab\"}", -EBADMSG, "" }, { "[{\"name\":\"ab", -EBADMSG, "" },
		{ "[{\"name\":\"ab\\", -EBADMSG, "" },
		{ "[{\"name\":\"y\",\"size\":99999999999999999999}]", -EBADMSG, "" },
		{ "[{\"name\"}]", -EBADMSG, "" }, { "[1]", -EBADMSG, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].page);
		char *exact = malloc(len + 1);
		struct buf out = BUF_INIT;

		assert_non_null(exact);
		memcpy(exact + 1, cases[i].page, len);
		if (listing_json(exact + 1, len, join, &out) != cases[i].rc)
			fail_msg("%s", cases[i].page);
		assert_int_equal(buf_u8(&out, 0), 0);
		assert_string_equal((char *)out.data, cases[i].names);
		buf_free(&out);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_excl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restarting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credentials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leftovers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_static_without_listings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_static_read_only, setup, teardown),
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
