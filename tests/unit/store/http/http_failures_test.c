/*
 * Transfers: what becomes of a request, by servers that do not answer, or not well; and of one that is cancelled.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/http/http.h"
#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/lib/web.h"
#include "tests/unit/store/http/http_rig.h"

static void test_ranges_wrong(void **state)
{
	static const char *const wrong[] = {
		"range-none", "range-other", "range-short", "range-long", "range-backward", "range-garbage",
	};
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (http_rig_get_range(r, wrong[i], 1000, 100, &reply) != -EPROTO ||
		    strstr(reply.cause, "asked for bytes 1000-1099") == NULL)
			fail_msg("%s: %s", wrong[i], reply.cause);
		http_reply_free(&reply);
	}
	assert_int_equal(http_rig_get_range(r, "truncated-range", 1000, 100, &reply), -EPIPE);
	assert_string_equal(reply.cause, "the reply ended after 99 of 100 bytes");
	http_reply_free(&reply);
}

static int64_t measure_ms(struct http_rig *r, const char *what, int expected)
{
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	int64_t start = store_now_ms();
	int rc;

	rc = http_rig_get(r, what, &out, HTTP_RIG_DATA_LEN, &reply);
	if (rc != expected)
		fail_msg("%s: %d, %s", what, rc, reply.cause);
	assert_int_equal(out.len, 0);
	http_reply_free(&reply);
	buf_free(&out);
	return store_now_ms() - start;
}

static void test_failures(void **state)
{
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	struct http_request q = { .method = "GET", .url = "http://127.0.0.1:1/" };

	measure_ms(r, "truncated", -EPIPE);
	measure_ms(r, "hang-up", -EPIPE);
	measure_ms(r, "garbage", -EPROTO);
	measure_ms(r, "endless-headers", -EPROTO);

	assert_int_equal(http_perform(r->http, &q, &reply), -EHOSTUNREACH);
	assert_non_null(strstr(reply.cause, "127.0.0.1 port 1"));
	http_reply_free(&reply);
	q.url = "http://no-such-host.invalid/";
	assert_int_equal(http_perform(r->http, &q, &reply), -EHOSTUNREACH);
	assert_non_null(strstr(reply.cause, "no-such-host.invalid"));
	http_reply_free(&reply);
	q.url = "http://";
	assert_int_equal(http_perform(r->http, &q, &reply), -EINVAL);
	http_reply_free(&reply);
	q.url = "gopher://127.0.0.1/";
	assert_int_equal(http_perform(r->http, &q, &reply), -EINVAL);
	http_reply_free(&reply);
	/* Without a file of known hosts nobody would be verified. */
	q.url = "sftp://127.0.0.1/";
	q.auth = &(struct http_auth){ .kind = HTTP_AUTH_SSH, .user = "ann" };
	assert_int_equal(http_perform(r->http, &q, &reply), -EINVAL);
	http_reply_free(&reply);
}

static void test_stalls(void **state)
{
	struct http_rig *r = *state;
	int64_t ms;

	ms = measure_ms(r, "stall", -ETIMEDOUT);
	assert_in_range(ms, HTTP_RIG_DEADLINE_MS / 3 - 10, HTTP_RIG_DEADLINE_MS);
	ms = measure_ms(r, "stall-later", -ETIMEDOUT);
	assert_in_range(ms, HTTP_RIG_DEADLINE_MS / 3 - 10, HTTP_RIG_DEADLINE_MS);
}

#define STALLED 64 /* as many as may be under way */

static void *stall(void *arg)
{
	struct http_rig *r = arg;
	struct http_reply reply = { 0 };
	char url[128];
	struct http_request q = { .method = "GET", .url = url };
	intptr_t rc;

	snprintf(url, sizeof(url), "%s/stall", web_url(r->web));
	rc = http_perform(r->http, &q, &reply);
	http_reply_free(&reply);
	return (void *)rc;
}

/* When all of them are given up, who has waited for a place starts at once. */
static void test_stalls_make_room(void **state)
{
	struct http_rig *r = *state;
	pthread_t thread[STALLED];
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	int64_t start = store_now_ms();
	void *rc;

	for (int i = 0; i < STALLED; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, stall, r), 0);
	usleep(100000);
	assert_int_equal(http_rig_get(r, "data", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_in_range(store_now_ms() - start, HTTP_RIG_DEADLINE_MS / 3 - 10, 20000);
	for (int i = 0; i < STALLED; i++) {
		pthread_join(thread[i], &rc);
		assert_int_equal((intptr_t)rc, -ETIMEDOUT);
	}
	http_reply_free(&reply);
	buf_free(&out);
}

static void *cancel_soon(void *arg)
{
	struct http_rig *r = arg;

	usleep(50000);
	atomic_store(&r->cancel, 1);
	return NULL;
}

static void test_cancel(void **state)
{
	struct http_rig *r = *state;
	pthread_t thread;
	int64_t ms;

	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, r), 0);
	ms = measure_ms(r, "stall", -ECANCELED);
	assert_in_range(ms, 0, HTTP_RIG_DEADLINE_MS / 3 - 50);
	pthread_join(thread, NULL);
	measure_ms(r, "data", -ECANCELED);
}

static void nothing_closed(struct store *s)
{
	(void)s;
}

static void test_failed(void **state)
{
	static const struct store_ops ops = { .close = nothing_closed };
	static const struct {
		int status, err;
		const char *message;
	} cases[] = {
		{ 408, -EAGAIN, "the server answered 408" }, { 429, -EAGAIN, "429" }, { 500, -EAGAIN, "500" },
		{ 502, -EAGAIN, "502" }, { 503, -EAGAIN, "get keys/ab: the server answered 503" },
		{ 504, -EAGAIN, "504" }, { 404, -ENOENT, "" }, { 410, -ENOENT, "" },
		{ 401, -EACCES, "u://h/p/keys/ab: get: the server answered 401, no or wrong credentials" },
		{ 403, -EACCES, "access denied" }, { 507, -ENOSPC, "no space" }, { 413, -ENOSPC, "too large" },
		{ 302, -EIO, "302, a redirection to http://elsewhere/x that is not followed" }, { 418, -EIO, "418" },
	};
	static const char redirect[] = "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/x?sig=geheim\r\n\r\n";
	struct http_rig *r = *state;
	struct http_reply reply = { .cause = "it broke" };
	struct store s = { 0 };
	char cause[100];

	r->scratch->log.max = LOG_LEVEL_DEBUG;
	assert_int_equal(store_init(&s, &ops, &r->scratch->log, "u://h/p", NULL), 0);
	assert_int_equal(buf_append(&reply.headers, redirect, sizeof(redirect) - 1), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scratch_log_clear(r->scratch);
		reply.status = cases[i].status;
		assert_int_equal(http_failed(&s, 0, &reply, "get", "keys/ab"), cases[i].err);
		if (!scratch_logged(r->scratch, cases[i].message))
			fail_msg("%d: %s", cases[i].status, r->scratch->messages);
		assert_int_equal(r->scratch->nmessages, cases[i].err == -ENOENT ? 0 : 1);
		assert_false(scratch_logged(r->scratch, "geheim"));
	}
	assert_int_equal(http_failed(&s, -EPIPE, &reply, "get", "keys/ab"), -EAGAIN);
	store_last_trouble(&s, cause, sizeof(cause));
	assert_string_equal(cause, "get keys/ab: it broke");
	assert_int_equal(http_failed(&s, -EPROTO, &reply, "get", "keys/ab"), -EIO);
	assert_int_equal(http_failed(&s, -EPERM, &reply, "get", "keys/ab"), -EACCES);
	assert_int_equal(http_failed(&s, -ECANCELED, &reply, "get", "keys/ab"), -ECANCELED);
	assert_int_equal(http_failed(&s, -EACCES, &reply, "get", "keys/ab"), -EACCES);
	buf_free(&reply.headers);
	store_destroy(&s);
}

static void test_retry_after(void **state)
{
	struct http_reply reply = { 0 };
	char date[64];
	time_t soon = time(NULL) + 20;
	struct tm tm;

	(void)state;
	assert_int_equal(http_retry_after(&reply), 0);
	buf_printf(&reply.headers, "HTTP/1.1 503 x\r\nRetry-After:  7 \r\n\r\n");
	assert_int_equal(http_retry_after(&reply), 7000);
	buf_clear(&reply.headers);
	buf_printf(&reply.headers, "HTTP/2 503\r\nretry-after: 99999999999\r\n\r\n");
	assert_int_equal(http_retry_after(&reply), 3600 * 1000);
	buf_clear(&reply.headers);
	buf_printf(&reply.headers, "retry-after: soon\r\n");
	assert_int_equal(http_retry_after(&reply), 0);
	buf_clear(&reply.headers);
	buf_printf(&reply.headers, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n");
	assert_int_equal(http_retry_after(&reply), 0);
	buf_clear(&reply.headers);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&soon, &tm));
	buf_printf(&reply.headers, "Retry-After: %s\r\n", date);
	assert_in_range(http_retry_after(&reply), 10000, 20000);
	http_reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranges_wrong, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_failures, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_stalls, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_stalls_make_room, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_cancel, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_failed, http_rig_setup, http_rig_teardown),
		cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
