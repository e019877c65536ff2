/*
 * Transfers to test with.  See http_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/unit/store/http/http_rig.h"

int http_rig_setup(void **state)
{
	struct http_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(scratch_setup((void **)&r->scratch), 0);
	fixture_noise(1, r->data, HTTP_RIG_DATA_LEN);
	r->web = web_start(http_rig_answer, r);
	r->options = (struct store_options){
		.deadline_ms = HTTP_RIG_DEADLINE_MS, .cancel = &r->cancel, .log = &r->scratch->log,
	};
	assert_int_equal(http_open(&r->options, &r->http), 0);
	*state = r;
	return 0;
}

int http_rig_teardown(void **state)
{
	struct http_rig *r = *state;

	http_close(r->http);
	web_stop(r->web);
	buf_free(&r->seen);
	assert_int_equal(scratch_teardown((void **)&r->scratch), 0);
	free(r);
	return 0;
}

const char *http_rig_url(struct http_rig *r, const char *what)
{
	snprintf(r->url, sizeof(r->url), "%s/%s", web_url(r->web), what);
	return r->url;
}

static bool answer_range_wrong(const struct http_rig *r, const struct web_request *q)
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

bool http_rig_answer(void *arg, const struct web_request *q)
{
	struct http_rig *r = arg;
	const char *what = q->target + 1;
	char text[400], other[256];

	if (strcmp(what, "data") == 0) {
		web_serve(q, r->data, HTTP_RIG_DATA_LEN);
	} else if (strcmp(what, "rangeless") == 0) {
		web_answer(q, 200, "", r->data, HTTP_RIG_DATA_LEN);
	} else if (strcmp(what, "put") == 0) {
		buf_clear(&r->seen);
		buf_append(&r->seen, q->body.data, q->body.len);
		web_answer(q, 201, "", "", 0);
	} else if (strcmp(what, "truncated") == 0) {
		web_print(q, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", HTTP_RIG_DATA_LEN);
		web_write(q, r->data, HTTP_RIG_DATA_LEN / 2);
		return false;
	} else if (strcmp(what, "truncated-range") == 0) {
		web_print(q, "HTTP/1.1 206 OK\r\nContent-Range: bytes 1000-1099/9999\r\nConnection: close\r\n\r\n");
		web_write(q, r->data, 99);
		return false;
	} else if (strcmp(what, "stall") == 0) {
		web_stall(q);
		return false;
	} else if (strcmp(what, "stall-later") == 0) {
		web_print(q, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", HTTP_RIG_DATA_LEN);
		web_write(q, r->data, HTTP_RIG_DATA_LEN / 2);
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

int http_rig_get(struct http_rig *r, const char *what, struct buf *out, size_t max, struct http_reply *reply)
{
	struct http_request q = { .method = "GET", .url = http_rig_url(r, what), .append = out, .max = max };

	return http_perform(r->http, &q, reply);
}

int http_rig_get_range(struct http_rig *r, const char *what, uint64_t off, uint64_t len, struct http_reply *reply)
{
	struct http_request q = {
		.method = "GET", .url = http_rig_url(r, what), .into = r->into, .max = sizeof(r->into),
		.ranged = true, .range_off = off, .range_len = len,
	};

	return http_perform(r->http, &q, reply);
}
