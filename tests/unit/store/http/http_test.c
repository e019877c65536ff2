/*
 * Transfers: what becomes of a request, by a server that answers well.
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
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/http/http.h"
#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/lib/web.h"
#include "tests/unit/store/http/http_rig.h"

static void test_get(void **state)
{
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	char value[64];

	assert_int_equal(buf_append(&out, "before", 6), 0);
	assert_int_equal(http_rig_get(r, "data", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.received, HTTP_RIG_DATA_LEN);
	assert_int_equal(out.len, HTTP_RIG_DATA_LEN + 6);
	assert_memory_equal(out.data, "before", 6);
	assert_memory_equal(out.data + 6, r->data, HTTP_RIG_DATA_LEN);
	assert_true(http_header(&reply, "content-LENGTH", value, sizeof(value)));
	assert_string_equal(value, "307200");
	assert_false(http_header(&reply, "content", value, sizeof(value)));
	http_reply_free(&reply);

	assert_int_equal(http_rig_get(r, "data", &out, HTTP_RIG_DATA_LEN - 1, &reply), -EMSGSIZE);
	assert_non_null(strstr(reply.cause, "longer than 307199 bytes"));
	assert_int_equal(out.len, HTTP_RIG_DATA_LEN + 6);
	http_reply_free(&reply);

	assert_int_equal(http_rig_get(r, "absent", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 404);
	assert_int_equal(reply.error.len, 6);
	assert_memory_equal(reply.error.data, "absent", 6);
	assert_int_equal(out.len, HTTP_RIG_DATA_LEN + 6);
	http_reply_free(&reply);

	assert_int_equal(http_rig_get(r, "long-error", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.error.len, 16 * 1024);
	http_reply_free(&reply);
	buf_free(&out);
}

static void test_ranges(void **state)
{
	static const char *const servers[] = { "data", "rangeless" };
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(http_rig_get_range(r, servers[i], 1000, 100000, &reply), 0);
		assert_int_equal(reply.status, i == 0 ? 206 : 200);
		assert_int_equal(reply.received, 100000);
		assert_memory_equal(r->into, r->data + 1000, 100000);
		http_reply_free(&reply);
		/* The whole, and the last byte. */
		assert_int_equal(http_rig_get_range(r, servers[i], 0, HTTP_RIG_DATA_LEN, &reply), 0);
		assert_int_equal(reply.received, HTTP_RIG_DATA_LEN);
		http_reply_free(&reply);
		assert_int_equal(http_rig_get_range(r, servers[i], HTTP_RIG_DATA_LEN - 1, 1, &reply), 0);
		assert_int_equal(reply.received, 1);
		assert_int_equal(r->into[0], r->data[HTTP_RIG_DATA_LEN - 1]);
		http_reply_free(&reply);
		/* Beyond its end there is less. */
		assert_int_equal(http_rig_get_range(r, servers[i], HTTP_RIG_DATA_LEN - 10, 100, &reply), 0);
		assert_int_equal(reply.received, 10);
		assert_memory_equal(r->into, r->data + HTTP_RIG_DATA_LEN - 10, 10);
		http_reply_free(&reply);
		assert_int_equal(http_rig_get_range(r, servers[i], HTTP_RIG_DATA_LEN + 5, 100, &reply), 0);
		assert_int_equal(reply.status, i == 0 ? 416 : 200);
		assert_int_equal(reply.received, 0);
		http_reply_free(&reply);
	}
}

static void test_head(void **state)
{
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	struct http_request q = { .method = "HEAD", .url = http_rig_url(r, "data") };
	char value[64];

	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_true(http_header(&reply, "Content-Length", value, sizeof(value)));
	assert_string_equal(value, "307200");
	http_reply_free(&reply);
}

static void test_put(void **state)
{
	static const size_t sizes[] = { 0, 1, HTTP_RIG_DATA_LEN };
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	struct http_body body = { .data = r->data };
	struct http_request q = { .method = "PUT", .url = http_rig_url(r, "put"), .body = &body };
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
	assert_int_equal(write(fd, r->data, HTTP_RIG_DATA_LEN), HTTP_RIG_DATA_LEN);
	body = (struct http_body){ .fd = fd, .offset = 1000, .len = 200000 };
	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_int_equal(r->seen.len, 200000);
	assert_memory_equal(r->seen.data, r->data + 1000, 200000);
	http_reply_free(&reply);

	body.offset = HTTP_RIG_DATA_LEN - 1000;
	assert_int_equal(http_perform(r->http, &q, &reply), -EIO);
	assert_string_equal(reply.cause, "read the file to be sent: it is too short");
	http_reply_free(&reply);
	close(fd);
}

/* A pack is more than 1 MiB: the server is asked first. */
static void test_put_large(void **state)
{
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	size_t len = 5 * 1024 * 1024;
	uint8_t *data = malloc(len);
	struct http_body body = { .data = data, .len = len };
	struct http_request q = { .method = "PUT", .url = http_rig_url(r, "put"), .body = &body };

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
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	struct http_request q = {
		.method = "PROPFIND", .url = http_rig_url(r, "headers"), .headers = headers, .auth = &auth,
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

static void test_redirects(void **state)
{
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };
	struct buf out = BUF_INIT;
	struct http_request put = { .method = "PUT", .body = &(struct http_body){ .data = "x", .len = 1 } };

	assert_int_equal(http_rig_get(r, "redirect", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(out.len, HTTP_RIG_DATA_LEN);
	assert_int_equal(reply.error.len, 0);
	http_reply_free(&reply);
	assert_int_equal(http_rig_get_range(r, "redirect", 1000, 10, &reply), 0);
	assert_int_equal(reply.status, 206);
	assert_memory_equal(r->into, r->data + 1000, 10);
	http_reply_free(&reply);
	assert_int_equal(http_rig_get(r, "redirect-loop", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	assert_int_equal(http_rig_get(r, "redirect-away", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	assert_int_equal(http_rig_get(r, "redirect-port", &out, HTTP_RIG_DATA_LEN, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	put.url = http_rig_url(r, "redirect");
	assert_int_equal(http_perform(r->http, &put, &reply), 0);
	assert_int_equal(reply.status, 302);
	http_reply_free(&reply);
	buf_free(&out);
}

static void test_connections_kept(void **state)
{
	struct http_rig *r = *state;
	struct http_reply reply = { 0 };

	for (int i = 0; i < 20; i++) {
		assert_int_equal(http_rig_get_range(r, i % 2 == 0 ? "data" : "absent", 0, 100, &reply), 0);
		http_reply_free(&reply);
	}
	assert_int_equal(web_requests(r->web), 20);
	assert_int_equal(web_connections(r->web), 1);
}

#define CALLERS 16

static void *call(void *arg)
{
	struct http_rig *r = arg;
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
	struct http_rig *r = *state;
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

static void reopen(struct http_rig *r)
{
	http_close(r->http);
	r->http = NULL;
	assert_int_equal(http_open(&r->options, &r->http), 0);
}

static void test_rates(void **state)
{
	struct http_rig *r = *state;
	struct http_body body = { .data = r->data, .len = HTTP_RIG_DATA_LEN };
	struct http_request q = { .method = "PUT", .url = http_rig_url(r, "put"), .body = &body };
	struct http_reply reply = { 0 };
	int64_t start;

	r->options.download_rate = r->options.upload_rate = 2 * HTTP_RIG_DATA_LEN;
	reopen(r);
	start = store_now_ms();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(http_rig_get_range(r, "data", 0, HTTP_RIG_DATA_LEN / 4, &reply), 0);
		assert_memory_equal(r->into, r->data, HTTP_RIG_DATA_LEN / 4);
		http_reply_free(&reply);
	}
	/* Half a second, less what is in the bucket at first. */
	assert_in_range(store_now_ms() - start, 250, 3000);
	start = store_now_ms();
	q.url = http_rig_url(r, "put");
	assert_int_equal(http_perform(r->http, &q, &reply), 0);
	assert_memory_equal(r->seen.data, r->data, HTTP_RIG_DATA_LEN);
	http_reply_free(&reply);
	assert_in_range(store_now_ms() - start, 250, 3000);
}

static void test_ca_file(void **state)
{
	struct http_rig *r = *state;
	struct http *h = NULL;

	r->options.ca_file = "/does/not/exist.pem";
	assert_int_equal(http_open(&r->options, &h), -EINVAL);
	assert_null(h);
	assert_true(scratch_logged(r->scratch, "/does/not/exist.pem: read the trusted certificates: No such file"));
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
		cmocka_unit_test_setup_teardown(test_get, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_ranges, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_head, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_put, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_put_large, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_methods_headers_auth, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_redirects, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_connections_kept, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_many_at_a_time, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_rates, http_rig_setup, http_rig_teardown),
		cmocka_unit_test_setup_teardown(test_ca_file, http_rig_setup, http_rig_teardown),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
