/*
 * WebDAV: over a server that is strict, one that fails, and ones that lie.
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

#include "repo/store/store_impl.h"
#include "repo/store/webdav/store_webdav.h"
#include "tests/lib/fixture.h"
#include "tests/unit/store/webdav/dav.h"
#include "tests/unit/store/webdav/dav_rig.h"

#define LEFTOVER "0123456789abcdef0123456789abcdef"

static int times_left(struct dav_rig *r)
{
	int n;

	pthread_mutex_lock(&r->lock);
	n = r->times;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static void make_file(struct dav_rig *r, const char *name, time_t when)
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

static void test_objects(void **state)
{
	struct dav_rig *r = *state;
	struct buf out = BUF_INIT;
	uint64_t size = 0;
	char bytes[8];

	dav_rig_begin(r);
	assert_int_equal(store_get_all(r->store, "config", 100, &out), -ENOENT);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, DAV_RIG_NAME, "abcdef", 6, 0), 0);
	assert_true(dav_rig_exists(r, DAV_RIG_NAME));
	assert_int_equal(store_get(r->store, DAV_RIG_NAME, 2, 3, bytes), 0);
	assert_memory_equal(bytes, "cde", 3);
	assert_int_equal(store_get(r->store, DAV_RIG_NAME, 6, 0, bytes), 0);
	assert_int_equal(r->scratch->nmessages, 0);
	assert_int_equal(store_get(r->store, DAV_RIG_NAME, 5, 3, bytes), -EBADMSG);
	assert_int_equal(store_get(r->store, DAV_RIG_NAME, 9, 3, bytes), -EBADMSG);
	assert_int_equal(store_get(r->store, DAV_RIG_NAME, 7, 0, bytes), -EBADMSG);
	assert_int_equal(r->scratch->nmessages, 3);
	assert_int_equal(store_get(r->store, "keys/none", 0, 1, bytes), -ENOENT);
	assert_int_equal(store_stat(r->store, DAV_RIG_NAME, &size), 0);
	assert_int_equal(size, 6);
	assert_int_equal(store_stat(r->store, "keys/none", &size), -ENOENT);
	assert_int_equal(store_get_all(r->store, DAV_RIG_NAME, 6, &out), 0);
	assert_int_equal(out.len, 6);
	assert_int_equal(store_get_all(r->store, DAV_RIG_NAME, 5, &out), -EBADMSG);
	assert_int_equal(out.len, 6);
	assert_int_equal(store_delete(r->store, DAV_RIG_NAME), 0);
	assert_int_equal(store_delete(r->store, DAV_RIG_NAME), 0);
	assert_false(dav_rig_exists(r, DAV_RIG_NAME));
	buf_free(&out);
}

static void test_excl(void **state)
{
	struct dav_rig *r = *state;

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "one", 3, STORE_EXCL), 0);
	assert_int_equal(store_put(r->store, "config", "two", 3, STORE_EXCL), -EEXIST);
	/* The same name is the same object, unless it is not whole. */
	assert_int_equal(store_put(r->store, "config", "two", 3, 0), 0);
	assert_int_equal(store_put(r->store, "config", "", 0, 0), 0);
	assert_int_equal(store_list(r->store, "", dav_rig_count, r), 0);
	assert_int_equal(r->times, 1);
	assert_int_equal(r->scratch->nmessages, 0);
	/* Nothing is left of what was not wanted. */
	assert_true(dav_rig_exists(r, "tmp"));
	char path[2 * SCRATCH_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/repo/tmp", r->root);
	assert_int_equal(rmdir(path), 0);
}

/* What servers say where a collection is missing. */
static void test_no_parent(void **state)
{
	static const int statuses[] = { 404, 409, 500, 403 };
	struct dav_rig *r = *state;
	char path[2 * SCRATCH_PATH_SIZE], away[2 * SCRATCH_PATH_SIZE];

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		pthread_mutex_lock(&r->lock);
		r->dav.no_parent = statuses[i];
		pthread_mutex_unlock(&r->lock);
		dav_rig_begin(r);
		assert_int_equal(store_put(r->store, "packs/aa", "x", 1, 0), 0);
		assert_int_equal(store_put(r->store, "packs/ab", "x", 1, 0), 0);
		assert_true(dav_rig_exists(r, "packs/aa"));
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
	struct dav_rig *r = *state;

	dav_rig_begin(r);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(store_put(r->store, names[i], "12", 2, 0), 0);
	make_file(r, "tmp/" LEFTOVER, time(NULL));
	make_file(r, "packs/README.txt", time(NULL));
	for (int kind = 0; kind < 3; kind++) {
		if (kind > 0) {
			dav_rig_now_lists(r, kind == 1 ? DAV_INDEX_HTML : DAV_INDEX_JSON, false);
			store_close(r->store);
			r->store = dav_rig_open_static(r);
		}
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			r->times = 0;
			assert_int_equal(store_list(r->store, cases[i].prefix, dav_rig_count, r), 0);
			assert_int_equal(r->times, 2001 * cases[i].n);
			r->times = 0;
			assert_int_equal(store_list_names(r->store, cases[i].prefix, dav_rig_count, r), 0);
			assert_int_equal(r->times % 1000, cases[i].n);
		}
	}
	assert_int_equal(r->scratch->nmessages, 0);
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
	struct dav_rig *r = *state;
	char path[2 * SCRATCH_PATH_SIZE];

	dav_rig_begin(r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc;

		scratch_log_clear(r->scratch);
		dav_rig_now(r, dav_rig_go_wrong, NULL, "MKCOL", cases[i].what, cases[i].times);
		rc = store_put(r->store, "config", "x", 1, 0);
		if (rc != cases[i].rc || !scratch_logged(r->scratch, cases[i].message) ||
		    r->scratch->nmessages != (rc != -EAGAIN))
			fail_msg("%s: %d, %s", r->what, rc, r->scratch->messages);
	}
	/* Who may not make it may use it: it is asked for tmp/ only. */
	snprintf(path, sizeof(path), "%s/repo", r->root);
	assert_int_equal(mkdir(path, 0700), 0);
	scratch_log_clear(r->scratch);
	dav_rig_now(r, dav_rig_go_wrong, NULL, "MKCOL", "403", 1);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EACCES);
	assert_true(scratch_logged(r->scratch, "/repo/tmp/: make collection: the server answered 403"));
	assert_int_equal(r->scratch->nmessages, 1);
}

static void test_info(void **state)
{
	struct dav_rig *r = *state;
	struct store_info info = { 0 };

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_info(r->store, &info), -ENOSYS);
	dav_rig_now_lists(r, DAV_INDEX_NONE, true);
	assert_int_equal(store_info(r->store, &info), 0);
	assert_int_equal(info.free_bytes, 1000);
	assert_int_equal(info.total_bytes, 1234);
	assert_int_equal(r->scratch->nmessages, 0);
}

static void test_credentials(void **state)
{
	struct dav_rig *r = *state;
	char url[128];

	r->dav.password = "YW5uOmdlaGVpbQ==";
	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EACCES);
	assert_true(scratch_logged(r->scratch, "the server answered 401, no or wrong credentials"));
	store_close(r->store);
	snprintf(url, sizeof(url), "webdav+http://ann:geheim@%s/repo", web_url(r->web) + strlen("http://"));
	r->store = dav_rig_open(r, url, true);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_null(strstr(store_url(r->store), "geheim"));
	store_close(r->store);
	setenv("VARVE_WEBDAV_USER", "ann", 1);
	setenv("VARVE_WEBDAV_PASSWORD", "geheim", 1);
	r->store = dav_rig_open(r, r->url, false);
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
	struct dav_rig *r = *state;
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
	struct dav_rig *r = *state;
	time_t dav_rig_now = time(NULL);

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	make_file(r, "tmp/" LEFTOVER, dav_rig_now - 25 * 3600);
	make_file(r, "tmp/f" LEFTOVER, dav_rig_now - 25 * 3600);
	make_file(r, "tmp/a123456789abcdef0123456789abcdef", dav_rig_now - 23 * 3600);
	store_close(r->store);
	r->store = dav_rig_open(r, r->url, false);
	assert_int_equal(store_put(r->store, "keys/aa", "x", 1, 0), 0);
	assert_false(dav_rig_exists(r, "tmp/" LEFTOVER));
	assert_true(dav_rig_exists(r, "tmp/f" LEFTOVER));
	assert_true(dav_rig_exists(r, "tmp/a123456789abcdef0123456789abcdef"));
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
	struct dav_rig *r = *state;
	struct buf out = BUF_INIT;
	char name[32];
	int rc;

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	store_close(r->store);
	r->store = dav_rig_open(r, r->url, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store_put *p = NULL;

		dav_rig_now(r, cases[i].after ? NULL : dav_rig_go_wrong, cases[i].after ? dav_rig_go_wrong : NULL,
		    cases[i].method,
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
	struct dav_rig *r = *state;
	uint64_t size;
	char byte;
	int rc;

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, "keys/bb", "x", 1, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scratch_log_clear(r->scratch);
		/* Curl tries a kept connection's again. */
		dav_rig_now(r, dav_rig_go_wrong, NULL, cases[i].method, cases[i].what,
		    strcmp(cases[i].what, "cut") == 0 ||
		    strcmp(cases[i].what, "403 403") == 0 ? 2 : 1);
		rc = strcmp(r->method, "PUT") == 0 || strcmp(r->method, "MOVE") == 0 ?
		     store_put(r->store, "keys/aa", "x", 1, 0) :
		     strcmp(r->method, "PROPFIND") == 0 ? store_list(r->store, "keys/", dav_rig_count, r) :
		     strcmp(r->method, "DELETE") == 0 ? store_delete(r->store, "keys/aa") :
		     strcmp(r->method, "GET") == 0 ? store_get(r->store, "config", 0, 1, &byte) :
		     store_stat(r->store, "config", &size);
		if (rc != cases[i].err || !scratch_logged(r->scratch, cases[i].message))
			fail_msg("%s %s: %d, %s", r->method, r->what, rc, r->scratch->messages);
		assert_int_equal(r->scratch->nmessages, rc == -EAGAIN || rc == 0 ? 0 : 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_objects, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_excl, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_list, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_no_parent, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_collections, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_info, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_credentials, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_http_refused, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_leftovers, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_put_again, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_failures, dav_rig_setup, dav_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
