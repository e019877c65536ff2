/*
 * Transfers: what becomes of a request, by a server that answers well and by ones that do not.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/http/http.h"
#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/lib/web.h"

#define DATA_LEN (300 * 1024)
#define DEADLINE_MS 1500 /* a third of it is the least that a request is given */

struct rig {
	struct scratch *scratch;
	struct web *web;
	struct http *http;
	struct store_options options;
	atomic_int cancel;
	uint8_t data[DATA_LEN];
	struct buf seen; /* by the server: bodies */
	char url[256];
	uint8_t into[DATA_LEN];
};

/* Asks for /WHAT; the server does WHAT. */
static bool answer(void *arg, const struct web_request *q);

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(scratch_setup((void **)&r->scratch), 0);
	fixture_noise(1, r->data, DATA_LEN);
	r->web = web_start(answer, r);
	r->options = (struct store_options){
		.deadline_ms = DEADLINE_MS, .cancel = &r->cancel, .log = &r->scratch->log,
	};
	assert_int_equal(http_open(&r->options, &r->http), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	http_close(r->http);
	web_stop(r->web);
	buf_free(&r->seen);
	assert_int_equal(scratch_teardown((void **)&r->scratch), 0);
	free(r);
	return 0;
}

static const char *url_of(struct rig *r, const char *what)
{
	snprintf(r->url, sizeof(r->url), "%s/%s", web_url(r->web), what);
	return r->url;
}

static bool answer_range_wrong(const struct rig *r, const struct web_request *q)
{
	static const struct {
		const char *what, *range;
		size_t len;
	} wrong[] = {
		{ "/range-none", "", 100 },
		{ "/range-other", "Content-Range: bytes 0-99/307200\r\n", 100 },
		{ "/range-short", "Content-Range: bytes 1000-1049/307200\r\n", 50 },
		{ "/range-long", "Content-Range: bytes 1000-1199/307200\r\n", 200 },
		{ "/range-backward", "Content-Range: bytes 1000-999/307200\r\n", 0 },
		{ "/range-garbage", "Content-Range: pages 1-2/3\r\n", 100 },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (strcmp(q->target, wrong[i].what) == 0) {
			web_answer(q, 206, wrong[i].range, r->data + 1000, wrong[i].len);
			return true;
		}
	}
	web_answer(q, 404, "", "absent", 6);
	return true;
}

static bool answer(void *arg, const struct web_request *q)
{
	struct rig *r = arg;
	const char *what = q->target + 1;
	char text[400], other[256];

	if (strcmp(what, "data") == 0) {
		web_serve(q, r->data, DATA_LEN);
	} else if (strcmp(what, "rangeless") == 0) {
		web_answer(q, 200, "", r->data, DATA_LEN);
	} else if (strcmp(what, "put") == 0) {
		buf_clear(&r->seen);
		buf_append(&r->seen, q->body.data, q->body.len);
		web_answer(q, 201, "", "", 0);
	} else if (strcmp(what, "truncated") == 0) {
		web_print(q, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", DATA_LEN);
		web_write(q, r->data, DATA_LEN / 2);
		return false;
	} else if (strcmp(what, "truncated-range") == 0) {
		web_print(q, "HTTP/1.1 206 OK\r\nContent-Range: bytes 1000-1099/9999\r\nConnection: close\r\n\r\n");
		web_write(q, r->data, 99);
		return false;
	} else if (strcmp(what, "stall") == 0) {
		web_stall(q);
		return false;
	} else if (strcmp(what, "stall-later") == 0) {
		web_print(q, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", DATA_LEN);
		web_write(q, r->data, DATA_LEN / 2);
		web_stall(q);
		return false;
	} else if (strcmp(what, "slow") == 0) {
		usleep(200000);
		web_answer(q, 200, "", "slow", 4);
	} else if (strcmp(what, "hang-up") == 0) {
		return false;
	} else if (strcmp(what, "garbage") == 0) {
		web_print(q, "220 mail.example.org ESMTP\r\n\r\n");
		return false;
	} else if (strcmp(what, "endless-headers") == 0) {
		web_print(q, "HTTP/1.1 200 OK\r\n");
		for (int i = 0; i < 2000; i++)
			web_print(q, "X-Filler-%d: %0100d\r\n", i, i);
		web_print(q, "Content-Length: 0\r\n\r\n");
	} else if (strcmp(what, "busy") == 0) {
		web_answer(q, 503, "Retry-After: 7\r\n", "come later", 10);
	} else if (strcmp(what, "long-error") == 0) {
		web_answer(q, 500, "", r->data, 100 * 1024);
	} else if (strcmp(what, "redirect") == 0) {
		web_answer(q, 302, "Location: /data\r\n", "elsewhere", 9);
	} else if (strcmp(what, "redirect-loop") == 0) {
		web_answer(q, 302, "Location: /redirect-loop\r\n", "", 0);
	} else if (strcmp(what, "redirect-away") == 0) {
		web_answer(q, 302, "Location: http://localhost:1/data?sig=geheim\r\n", "", 0);
	} else if (strcmp(what, "redirect-port") == 0) {
		web_answer(q, 302, "Location: http://127.0.0.1:1/data\r\n", "", 0);
	} else if (strcmp(what, "headers") == 0) {
		snprintf(text, sizeof(text), "X-Authorization: %s\r\nX-Encoding: %s\r\nX-Mine: %s\r\n",
			 web_header(q, "Authorization", other) != NULL ? other : "none",
			 web_header(q, "Accept-Encoding", (char[256]){ 0 }) != NULL ? "asked" : "none",
			 web_header(q, "X-Test", (char[256]){ 0 }) != NULL ? "there" : "none");
		web_answer(q, 200, text, q->method, strlen(q->method));
	} else {
		return answer_range_wrong(r, q);
	}
	return true;
}

static int get(struct rig *r, const char *what, struct buf *out, size_t max, struct http_reply *reply)
{
	struct http_request q = { .method = "GET", .url = url_of(r, what), .append = out, .max = max };

	return http_perform(r->http, &q, reply);
}

static int get_range(struct rig *r, const char *what, uint64_t off, uint64_t len, struct http_reply *reply)
{
	struct http_request q = {
		.method = "GET", .url = url_of(r, what), .into = r->into, .max = sizeof(r->into),
		.ranged = true, .range_off = off, .range_len = len,
	};

	return http_perform(r->http, &q, reply);
}

static void test_get(void **state)
{
	struct rig *r = *state;
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	char value[64];

	assert_int_equal(buf_append(&out, "before", 6), 0);
	assert_int_equal(get(r, "data", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.received, DATA_LEN);
	assert_int_equal(out.len, DATA_LEN + 6);
	assert_memory_equal(out.data, "before", 6);
	assert_memory_equal(out.data + 6, r->data, DATA_LEN);
	assert_true(http_header(&reply, "content-LENGTH", value, sizeof(value)));
	assert_string_equal(value, "307200");
	assert_false(http_header(&reply, "content", value, sizeof(value)));
	http_reply_free(&reply);

	assert_int_equal(get(r, "data", &out, DATA_LEN - 1, &reply), -EMSGSIZE);
	assert_non_null(strstr(reply.cause, "longer than 307199 bytes"));
	assert_int_equal(out.len, DATA_LEN + 6);
	http_reply_free(&reply);

	assert_int_equal(get(r, "absent", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 404);
	assert_int_equal(reply.error.len, 6);
	assert_memory_equal(reply.error.data, "absent", 6);
	assert_int_equal(out.len, DATA_LEN + 6);
	http_reply_free(&reply);

	assert_int_equal(get(r, "long-error", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.error.len, 16 * 1024);
	http_reply_free(&reply);
	buf_free(&out);
}

static void test_ranges(void **state)
{
	static const char *const servers[] = { "data", "rangeless" };
	struct rig *r = *state;
	struct http_reply reply = { 0 };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(get_range(r, servers[i], 1000, 100000, &reply), 0);
		assert_int_equal(reply.status, i == 0 ? 206 : 200);
		assert_int_equal(reply.received, 100000);
		assert_memory_equal(r->into, r->data + 1000, 100000);
		http_reply_free(&reply);
		/* The whole, and the last byte. */
		assert_int_equal(get_range(r, servers[i], 0, DATA_LEN, &reply), 0);
		assert_int_equal(reply.received, DATA_LEN);
		http_reply_free(&reply);
		assert_int_equal(get_range(r, servers[i], DATA_LEN - 1, 1, &reply), 0);
		assert_int_equal(reply.received, 1);
		assert_int_equal(r->into[0], r->data[DATA_LEN - 1]);
		http_reply_free(&reply);
		/* Beyond its end there is less. */
		assert_int_equal(get_range(r, servers[i], DATA_LEN - 10, 100, &reply), 0);
		assert_int_equal(reply.received, 10);
		assert_memory_equal(r->into, r->data + DATA_LEN - 10, 10);
		http_reply_free(&reply);
		assert_int_equal(get_range(r, servers[i], DATA_LEN + 5, 100, &reply), 0);
		assert_int_equal(reply.status, i == 0 ? 416 : 200);
		assert_int_equal(reply.received, 0);
		http_reply_free(&reply);
	}
}

static void test_ranges_wrong(void **state)
{
	static const char *const wrong[] = {
		"range-none", "range-other", "range-short", "range-long", "range-backward", "range-garbage",
	};
	struct rig *r = *state;
	struct http_reply reply = { 0 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (get_range(r, wrong[i], 1000, 100, &reply) != -EPROTO ||
		    strstr(reply.cause, "asked for bytes 1000-1099") == NULL)
			fail_msg("%s: %s", wrong[i], reply.cause);
		http_reply_free(&reply);
	}
	assert_int_equal(get_range(r, "truncated-range", 1000, 100, &reply), -EPIPE);
	assert_string_equal(reply.cause, "the reply ended after 99 of 100 bytes");
	http_reply_free(&reply);
}

static void test_head(void **state)
{
	struct rig *r = *state;
	struct http_reply reply = { 0 };
	struct http_request q = { .method = "HEAD", .url = url_of(r, "data") };
	char value[64];

	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_true(http_header(&reply, "Content-Length", value, sizeof(value)));
	assert_string_equal(value, "307200");
	http_reply_free(&reply);
}

static void test_put(void **state)
{
	static const size_t sizes[] = { 0, 1, DATA_LEN };
	struct rig *r = *state;
	struct http_reply reply = { 0 };
	struct http_body body = { .data = r->data };
	struct http_request q = { .method = "PUT", .url = url_of(r, "put"), .body = &body };
	char path[SCRATCH_PATH_SIZE];
	int fd;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		body.len = sizes[i];
		assert_int_equal(http_perform(r->http, &q, &reply), 0);
		assert_int_equal(reply.status, 201);
		assert_int_equal(r->seen.len, sizes[i]);
		assert_int_equal(sizes[i] > 0 ? memcmp(r->seen.data, r->data, sizes[i]) : 0, 0);
		http_reply_free(&reply);
	}

	fd = open(scratch_path(r->scratch, "body", path), O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, r->data, DATA_LEN), DATA_LEN);
	body = (struct http_body){ .fd = fd, .offset = 1000, .len = 200000 };
	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_int_equal(r->seen.len, 200000);
	assert_memory_equal(r->seen.data, r->data + 1000, 200000);
	http_reply_free(&reply);

	body.offset = DATA_LEN - 1000;
	assert_int_equal(http_perform(r->http, &q, &reply), -EIO);
	assert_string_equal(reply.cause, "read the file to be sent: it is too short");
	http_reply_free(&reply);
	close(fd);
}

/* A pack is more than 1 MiB: the server is asked first. */
static void test_put_large(void **state)
{
	struct rig *r = *state;
	struct http_reply reply = { 0 };
	size_t len = 5 * 1024 * 1024;
	uint8_t *data = malloc(len);
	struct http_body body = { .data = data, .len = len };
	struct http_request q = { .method = "PUT", .url = url_of(r, "put"), .body = &body };

	assert_non_null(data);
	fixture_noise(2, data, len);
	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_int_equal(r->seen.len, len);
	assert_memory_equal(r->seen.data, data, len);
	http_reply_free(&reply);
	free(data);
}

static void test_methods_headers_auth(void **state)
{
	static const char *const headers[] = { "X-Test: 1", NULL };
	const struct http_auth auth = { .kind = HTTP_AUTH_BASIC, .user = "ann", .password = "a:b c" };
	struct rig *r = *state;
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	struct http_request q = {
		.method = "PROPFIND", .url = url_of(r, "headers"), .headers = headers, .auth = &auth,
		.append = &out, .max = 100,
	};
	char value[64];

	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_int_equal(out.len, 8);
	assert_memory_equal(out.data, "PROPFIND", 8);
	assert_true(http_header(&reply, "X-Authorization", value, sizeof(value)));
	assert_string_equal(value, "Basic YW5uOmE6YiBj");
	assert_true(http_header(&reply, "X-Encoding", value, sizeof(value)));
	assert_string_equal(value, "none");
	assert_true(http_header(&reply, "X-Mine", value, sizeof(value)));
	assert_string_equal(value, "there");
	http_reply_free(&reply);
	buf_free(&out);
}

static int64_t measure_ms(struct rig *r, const char *what, int expected)
{
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	int64_t start = store_now_ms();
	int rc;

	rc = get(r, what, &out, DATA_LEN, &reply);
	if (rc != expected)
		fail_msg("%s: %d, %s", what, rc, reply.cause);
	assert_int_equal(out.len, 0);
	http_reply_free(&reply);
	buf_free(&out);
	return store_now_ms() - start;
}

static void test_failures(void **state)
{
	struct rig *r = *state;
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
	struct rig *r = *state;
	int64_t ms;

	ms = measure_ms(r, "stall", -ETIMEDOUT);
	assert_in_range(ms, DEADLINE_MS / 3 - 10, DEADLINE_MS);
	ms = measure_ms(r, "stall-later", -ETIMEDOUT);
	assert_in_range(ms, DEADLINE_MS / 3 - 10, DEADLINE_MS);
}

#define STALLED 64 /* as many as may be under way */

static void *stall(void *arg)
{
	struct rig *r = arg;
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
	struct rig *r = *state;
	pthread_t thread[STALLED];
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	int64_t start = store_now_ms();
	void *rc;

	for (int i = 0; i < STALLED; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, stall, r), 0);
	usleep(100000);
	assert_int_equal(get(r, "data", &out, DATA_LEN, &reply), 0);
	assert_in_range(store_now_ms() - start, DEADLINE_MS / 3 - 10, 20000);
	for (int i = 0; i < STALLED; i++) {
		pthread_join(thread[i], &rc);
		assert_int_equal((intptr_t)rc, -ETIMEDOUT);
	}
	http_reply_free(&reply);
	buf_free(&out);
}

static void *cancel_soon(void *arg)
{
	struct rig *r = arg;

	usleep(50000);
	atomic_store(&r->cancel, 1);
	return NULL;
}

static void test_cancel(void **state)
{
	struct rig *r = *state;
	pthread_t thread;
	int64_t ms;

	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, r), 0);
	ms = measure_ms(r, "stall", -ECANCELED);
	assert_in_range(ms, 0, DEADLINE_MS / 3 - 50);
	pthread_join(thread, NULL);
	measure_ms(r, "data", -ECANCELED);
}

static void test_redirects(void **state)
{
	struct rig *r = *state;
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	struct http_request put = { .method = "PUT", .body = &(struct http_body){ .data = "x", .len = 1 } };

	assert_int_equal(get(r, "redirect", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(out.len, DATA_LEN);
	assert_int_equal(reply.error.len, 0);
	http_reply_free(&reply);
	assert_int_equal(get_range(r, "redirect", 1000, 10, &reply), 0);
	assert_int_equal(reply.status, 206);
	assert_memory_equal(r->into, r->data + 1000, 10);
	http_reply_free(&reply);
	assert_int_equal(get(r, "redirect-loop", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	assert_int_equal(get(r, "redirect-away", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	assert_int_equal(get(r, "redirect-port", &out, DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	put.url = url_of(r, "redirect");
	assert_int_equal(http_perform(r->http, &put, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	buf_free(&out);
}

static void test_connections_kept(void **state)
{
	struct rig *r = *state;
	struct http_reply reply = { 0 };

	for (int i = 0; i < 20; i++) {
		assert_int_equal(get_range(r, i % 2 == 0 ? "data" : "absent", 0, 100, &reply), 0);
		http_reply_free(&reply);
	}
	assert_int_equal(web_requests(r->web), 20);
	assert_int_equal(web_connections(r->web), 1);
}

#define CALLERS 16

static void *call(void *arg)
{
	struct rig *r = arg;
	struct http_reply reply = { 0 };
	uint8_t out[4];
	char url[128];
	struct http_request q = { .method = "GET", .url = url, .into = out, .max = sizeof(out) };
	intptr_t bad = 0;

	snprintf(url, sizeof(url), "%s/slow", web_url(r->web));
	for (int i = 0; i < 3; i++) {
		bad += http_perform(r->http, &q, &reply) != 0 || reply.received != 4 || memcmp(out, "slow", 4) != 0;
		http_reply_free(&reply);
	}
	return (void *)bad;
}

/* Each answer takes 200 ms: one after the other they would take 9.6 seconds. */
static void test_many_at_a_time(void **state)
{
	struct rig *r = *state;
	pthread_t thread[CALLERS];
	int64_t start = store_now_ms();
	void *bad;

	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, call, r), 0);
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	assert_true(store_now_ms() - start < 4800);
	assert_int_equal(web_requests(r->web), 3 * CALLERS);
	assert_true(web_connections(r->web) <= CALLERS);
}

static void reopen(struct rig *r)
{
	http_close(r->http);
	r->http = NULL;
	assert_int_equal(http_open(&r->options, &r->http), 0);
}

static void test_rates(void **state)
{
	struct rig *r = *state;
	struct http_body body = { .data = r->data, .len = DATA_LEN };
	struct http_request q = { .method = "PUT", .url = url_of(r, "put"), .body = &body };
	struct http_reply reply = { 0 };
	int64_t start;

	r->options.download_rate = r->options.upload_rate = 2 * DATA_LEN;
	reopen(r);
	start = store_now_ms();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(get_range(r, "data", 0, DATA_LEN / 4, &reply), 0);
		assert_memory_equal(r->into, r->data, DATA_LEN / 4);
		http_reply_free(&reply);
	}
	/* Half a second, less what is in the bucket at first. */
	assert_in_range(store_now_ms() - start, 250, 3000);
	start = store_now_ms();
	q.url = url_of(r, "put");
	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_memory_equal(r->seen.data, r->data, DATA_LEN);
	http_reply_free(&reply);
	assert_in_range(store_now_ms() - start, 250, 3000);
}

static void test_ca_file(void **state)
{
	struct rig *r = *state;
	struct http *h = NULL;

	r->options.ca_file = "/does/not/exist.pem";
	assert_int_equal(http_open(&r->options, &h), -EINVAL);
	assert_null(h);
	assert_true(scratch_logged(r->scratch, "/does/not/exist.pem: read the trusted certificates: No such file"));
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
	struct rig *r = *state;
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

static void test_escape(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(http_escape(&out, "a/b c\xc3\xa4~=%:", "/:"), 0);
	assert_int_equal(buf_u8(&out, 0), 0);
	assert_string_equal((char *)out.data, "a/b%20c%C3%A4~%3D%25:");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_methods_headers_auth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalls_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_redirects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ca_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed, setup, teardown),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
