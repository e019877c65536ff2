/*
 * Transfers: the bytes of a request, in and out.  See curl_impl.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/store/http/curl/curl_impl.h"
#include "repo/store/store_impl.h"

/* --- What comes --------------------------------------------------------------------------------------------------- */

size_t transfer_on_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct buf *to = &t->r->headers;
	size_t len = size * n;

	t->moved_ms = store_now_ms();
	/* The headers of a 100, or of an answer that asked for other credentials, are of no use later. */
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		buf_clear(to);
		t->judged = false;
	}
	if (to->len + len > HTTP_HEADERS_MAX) {
		transfer_cause(t, "the headers of the reply are longer than %d bytes", HTTP_HEADERS_MAX);
		t->failed = -EPROTO;
	} else if (buf_append(to, line, len) < 0) {
		transfer_cause(t, "out of memory");
		t->failed = -ENOMEM;
	}
	return t->failed == 0 ? len : 0;
}

static int too_long(struct transfer *t, uint64_t max)
{
	transfer_cause(t, "the reply is longer than %llu bytes", (unsigned long long)max);
	return -EMSGSIZE;
}

/* Where the reply says that its bytes are from.  Return 0 or -EPROTO. */
static int judge_range(struct transfer *t)
{
	const struct http_request *q = t->q;
	unsigned long long from, to, total;
	char text[80] = "";
	int n;

	http_header(t->r, "Content-Range", text, sizeof(text));
	n = sscanf(text, "bytes %20llu-%20llu/%20llu", &from, &to, &total);
	if (n < 2 || from != q->range_off || to < from || to - from >= q->range_len ||
	    (to - from + 1 < q->range_len && (n < 3 || to + 1 != total))) {
		transfer_cause(t, "asked for bytes %s, the server answered with \"%s\"", t->range, text);
		return -EPROTO;
	}
	t->take = to - from + 1;
	t->exact = true;
	return 0;
}

int transfer_judge(struct transfer *t)
{
	const struct http_request *q = t->q;
	uint64_t room = q->into != NULL || q->append != NULL ? q->max : HTTP_DROPPED_MAX;
	long status = 200;
	int rc = 0;

	if (!t->sftp)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->judged = true;
	t->exact = t->stops = t->enough = false;
	t->skip = 0;
	t->take = room;
	t->r->status = (int)status;
	t->r->received = 0;
	if (status >= 300 || !q->ranged || t->sftp || strcmp(q->method, "GET") != 0)
		return 0;
	if (status == 206) {
		rc = judge_range(t);
	} else {
		/* This server knows of no ranges.  What we want is somewhere in what comes. */
		t->skip = q->range_off;
		t->take = q->range_len;
		t->stops = true;
	}
	return rc == 0 && t->take > room ? too_long(t, room) : rc;
}

/* The body of a reply that tells why not. */
static int keep_error(struct transfer *t, const char *data, size_t len)
{
	size_t room = HTTP_ERROR_MAX - t->r->error.len;

	return buf_append(&t->r->error, data, len < room ? len : room);
}

static int keep(struct transfer *t, const char *data, size_t len)
{
	const struct http_request *q = t->q;

	if (q->into != NULL)
		memcpy((char *)q->into + t->r->received, data, len);
	else if (q->append != NULL && buf_append(q->append, data, len) < 0)
		return -ENOMEM;
	t->r->received += len;
	return 0;
}

static int take_in(struct transfer *t, const char *data, size_t len)
{
	size_t skip;
	uint64_t left;
	int rc;

	rc = t->judged ? 0 : transfer_judge(t);
	if (rc < 0)
		return rc;
	if (t->r->status >= 300)
		return keep_error(t, data, len);
	skip = len < t->skip ? len : (size_t)t->skip;
	t->skip -= skip;
	data += skip;
	len -= skip;
	left = t->take - t->r->received;
	t->enough = t->stops && len > left;
	if (len <= left || t->enough)
		return keep(t, data, len < left ? len : (size_t)left);
	if (!t->exact)
		return too_long(t, t->take);
	transfer_cause(t, "the server sent more than it said");
	return -EPROTO;
}

size_t transfer_on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct rate *rate = &t->http->down;
	int64_t now = store_now_ms();
	size_t len = size * n;

	if (t->failed != 0)
		return CURL_WRITEFUNC_ERROR;
	if (!rate_open(rate, now)) {
		t->held_by = rate;
		return CURL_WRITEFUNC_PAUSE;
	}
	rate_take(rate, len);
	t->moved_ms = now;
	t->failed = take_in(t, data, len);
	if (t->failed == -ENOMEM)
		transfer_cause(t, "out of memory");
	return t->failed == 0 && !t->enough ? len : CURL_WRITEFUNC_ERROR;
}

/* --- What goes ---------------------------------------------------------------------------------------------------- */

size_t transfer_read_body(char *out, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	const struct http_body *b = t->q->body;
	size_t len = size * n;
	ssize_t got;

	len = len < b->len - t->sent ? len : (size_t)(b->len - t->sent);
	if (len == 0)
		return 0;
	if (!rate_open(&t->http->up, store_now_ms())) {
		t->held_by = &t->http->up;
		return CURL_READFUNC_PAUSE;
	}
	if (b->data != NULL) {
		memcpy(out, (const char *)b->data + t->sent, len);
		got = (ssize_t)len;
	} else {
		do
			got = pread(b->fd, out, len, (off_t)(b->offset + t->sent));
		while (got < 0 && errno == EINTR);
		if (got <= 0) {
			transfer_cause(t, "read the file to be sent: %s",
			    got < 0 ? strerror(errno) : "it is too short");
			t->failed = -EIO;
			return CURL_READFUNC_ABORT;
		}
	}
	rate_take(&t->http->up, (size_t)got);
	t->sent += (uint64_t)got;
	t->moved_ms = store_now_ms();
	return (size_t)got;
}

int transfer_seek_body(void *arg, curl_off_t off, int origin)
{
	struct transfer *t = arg;

	if (origin != SEEK_SET || off < 0 || (uint64_t)off > t->q->body->len)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (uint64_t)off;
	return CURL_SEEKFUNC_OK;
}
