/*
 * Proxies: which one is asked for what, and what is told of those that fail.  Never a part of their URLs: what is wrong
 * with one may have its password taken for something else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/http/http.h"
#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/lib/web.h"

#define DEADLINE_MS 1500 /* a third of it is the least that a request is given */

struct rig {
	struct scratch *scratch;
	struct web *web;
	struct http *http;
	struct store_options options;
};

/* A proxy that connects to nobody, and a server. */
static bool answer(void *arg, const struct web_request *q)
{
	(void)arg;
	if (strcmp(q->target, "http://far.example:81/x") == 0)
		web_answer(q, 203, "", "by way of a proxy", 17);
	else if (strcmp(q->target, "refused.example:443") == 0)
		web_answer(q, 403, "", "not there", 9);
	else if (strcmp(q->target, "other.example:443") == 0)
		web_answer(q, 401, "", "not you", 7);
	else if (strcmp(q->target, "down.example:443") == 0)
		web_answer(q, 502, "", "it is down", 10);
	else if (strcmp(q->method, "CONNECT") == 0)
		web_answer(q, 407, "Proxy-Authenticate: Basic realm=\"x\"\r\n", "", 0);
	else
		web_answer(q, 200, "", "at once", 7);
	return true;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(scratch_setup((void **)&r->scratch), 0);
	r->web = web_start(answer, r);
	r->options = (struct store_options){ .deadline_ms = DEADLINE_MS, .log = &r->scratch->log };
	assert_int_equal(http_open(&r->options, &r->http), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	static const char *const variables[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		"no_proxy" };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	http_close(r->http);
	web_stop(r->web);
	assert_int_equal(scratch_teardown((void **)&r->scratch), 0);
	free(r);
	return 0;
}

/* GET ${url} has to end with ${rc}, and if that is 0 with ${status}; ${told} is the cause, or NULL. */
static void expect(struct rig *r, const char *url, int rc, int status, const char *told)
{
	struct http_request q = { .method = "GET", .url = url };
	struct http_reply reply = { 0 };
	int got = http_perform(r->http, &q, &reply);

	if (got != rc || reply.status != status || (told != NULL && strcmp(reply.cause, told) != 0))
		fail_msg("%s: %d, %d, %s", url, got, reply.status, reply.cause);
	http_reply_free(&reply);
}

static void test_failures(void **state)
{
	static const struct {
		const char *proxy;
		int rc;
	} cases[] = {
		{ "http://pu:sec/retX@127.0.0.1:1", -EINVAL }, { "http://pu:sec#retX@127.0.0.1:1", -EINVAL },
		{ "http://pu:sec?retX@127.0.0.1:1", -EINVAL }, { "http://pu:secretX@127.0.0.1:65536", -EINVAL },
		{ "pu:sec/retX@127.0.0.1:1", -EINVAL }, { "ftp://pu:secretX@127.0.0.1:1", -EINVAL },
		{ "httpq://pu:secretX@127.0.0.1:1", -EINVAL }, { "http://pu:sec retX@127.0.0.1:1", -EINVAL },
		{ "http://secretX.invalid:1", -EHOSTUNREACH }, { "http://pu:secretX@127.0.0.1:1", -EHOSTUNREACH },
		/* Digits before a "/" are a port to curl, and who logs in is the host. */
		{ "http://127.0.0.1:1/secretX@127.0.0.1:1", -EINVAL }, { "127.0.0.1:2#retX@127.0.0.1:1", -EINVAL },
		{ "http://secretX.invalid:12?retX@127.0.0.1:1", -EINVAL },
	};
	struct rig *r = *state;
	struct http_request q = { .method = "GET", .url = "https://far.example/" };
	struct http_reply reply = { 0 };
	int rc;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(setenv("https_proxy", cases[i].proxy, 1), 0);
		rc = http_perform(r->http, &q, &reply);
		if (rc != cases[i].rc || *reply.cause == '\0' || strcasestr(reply.cause, "sec") != NULL ||
		    strcasestr(reply.cause, "retX") != NULL || strstr(reply.cause, "pu:") != NULL ||
		    strstr(reply.cause, "port ") != NULL || strstr(reply.cause, "127.0.0.1") != NULL)
			fail_msg("%s: %d, %s", cases[i].proxy, rc, reply.cause);
		http_reply_free(&reply);
	}
}

static void test_refusals(void **state)
{
	struct rig *r = *state;
	char proxy[256];

	snprintf(proxy, sizeof(proxy), "http://pu:secretX@%s", web_url(r->web) + strlen("http://"));
	assert_int_equal(setenv("https_proxy", proxy, 1), 0);
	expect(r, "https://far.example/", -EACCES, 0,
	    "the proxy wants credentials, or others than it was given (it answered 407)");
	expect(r, "https://other.example/", -EACCES, 0,
	    "the proxy wants credentials, or others than it was given (it answered 401)");
	expect(r, "https://refused.example/", -EACCES, 0,
	    "the proxy refuses to connect to this server (it answered 403)");
	expect(r, "https://down.example/", -EPIPE, 0, NULL);
}

static void test_variables(void **state)
{
	static const char *const variables[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		assert_int_equal(setenv(variables[i], "http://127.0.0.2:2", 1), 0);
		expect(r, "https://127.0.0.1:1/", -EHOSTUNREACH, 0, "cannot connect to the proxy: Connection refused");
		/* By plain http to this machine: not there, where somebody could listen. */
		expect(r, web_url(r->web), 0, 200, NULL);
		assert_int_equal(unsetenv(variables[i]), 0);
	}
	assert_int_equal(setenv("HTTP_PROXY", "http://127.0.0.2:2", 1), 0);
	expect(r, "http://127.0.0.3:1/", -EHOSTUNREACH, 0, NULL);
	assert_int_equal(unsetenv("HTTP_PROXY"), 0);
	/* To another machine, by the whole URL. */
	assert_int_equal(setenv("http_proxy", web_url(r->web), 1), 0);
	expect(r, "http://far.example:81/x", 0, 203, NULL);
}

/* What could not be reached without a proxy is told as it is, whatever there is of proxies. */
static void test_none(void **state)
{
	static const char *const urls[] = { "https://127.0.0.1:1/", "https://[::1]:1/", "https://LOCALHOST:1/" };
	struct rig *r = *state;
	struct http_request q = { .method = "GET" };
	struct http_reply reply = { 0 };

	assert_int_equal(setenv("https_proxy", "http://127.0.0.1:2/secretX@127.0.0.1:2", 1), 0);
	assert_int_equal(setenv("no_proxy", "*", 1), 0);
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		q.url = urls[i];
		assert_int_equal(http_perform(r->http, &q, &reply), -EHOSTUNREACH);
		if (strstr(reply.cause, "port 1 ") == NULL)
			fail_msg("%s: %s", urls[i], reply.cause);
		http_reply_free(&reply);
	}
}

/* --- SOCKS (RFC 1928, 1929) --------------------------------------------------------------------------------------- */

struct socks {
	int listener;
	const char *answers; /* one to each message, of two bytes each; the last is of ten */
};

static void *serve_socks(void *arg)
{
	struct socks *s = arg;
	int fd = accept(s->listener, NULL, NULL);
	const char *at = s->answers;
	char in[512];

	for (size_t left = strlen(at) / 2; left > 0 && read(fd, in, sizeof(in)) > 0; left--, at += 2) {
		uint8_t out[10] = { (uint8_t)(at[0] - '0'), (uint8_t)(at[1] == 'X' ? 0xff : at[1] - '0'), 0, 1 };

		if (write(fd, out, out[0] == 5 && at != s->answers ? sizeof(out) : 2) < 0)
			break;
	}
	while (read(fd, in, sizeof(in)) > 0)
		;
	close(fd);
	return NULL;
}

static void expect_socks(struct rig *r, const char *answers, int rc, const char *told)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct socks s = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answers = answers };
	socklen_t len = sizeof(a);
	pthread_t thread;
	char proxy[128];

	assert_int_equal(bind(s.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s.listener, 1), 0);
	assert_int_equal(getsockname(s.listener, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve_socks, &s), 0);
	snprintf(proxy, sizeof(proxy), "socks5h://pu:secretX@127.0.0.1:%d", ntohs(a.sin_port));
	assert_int_equal(setenv("all_proxy", proxy, 1), 0);
	expect(r, "https://far.example/", rc, 0, told);
	pthread_join(thread, NULL);
	close(s.listener);
}

static void test_socks(void **state)
{
	static const char wants[] = "the proxy wants credentials, or others than it was given";
	struct rig *r = *state;

	expect_socks(r, "5X", -EACCES, wants);
	expect_socks(r, "5211", -EACCES, wants);
	expect_socks(r, "521052", -EACCES, "the proxy refuses to connect to this server");
	expect_socks(r, "521055", -EHOSTUNREACH, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_variables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
