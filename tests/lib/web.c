/*
 * A web server for tests.  See web.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
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

#include "tests/lib/web.h"

#define CONNECTIONS_MAX 256

struct connection {
	struct web *web;
	int fd;
	unsigned number;
	pthread_t thread;
};

struct web {
	web_fn *fn;
	void *arg;
	int listener;
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock; /* of the rest */
	unsigned connections, requests;
	bool stopping;
	struct connection connection[CONNECTIONS_MAX];
};

/* Read up to the empty line.  Return the length with it, or 0 if the connection ends before; the rest is in ${in}. */
static size_t read_head(int fd, struct buf *in)
{
	char piece[4096];
	const uint8_t *end;
	ssize_t n;

	for (;;) {
		end = in->len > 0 ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
		if (end != NULL)
			return (size_t)(end - in->data) + 4;
		n = recv(fd, piece, sizeof(piece), 0);
		if (n <= 0 || buf_append(in, piece, (size_t)n) < 0)
			return 0;
	}
}

static bool read_body(struct web_request *q, struct buf *in)
{
	char text[256], piece[65536];
	const char *value = web_header(q, "Content-Length", text);
	size_t want = value != NULL ? strtoul(value, NULL, 10) : 0;
	ssize_t n;

	if (web_header(q, "Expect", text) != NULL)
		web_print(q, "HTTP/1.1 100 Continue\r\n\r\n");
	while (in->len < want) {
		n = recv(q->fd, piece, sizeof(piece), 0);
		if (n <= 0 || buf_append(in, piece, (size_t)n) < 0)
			return false;
	}
	if (want > 0 && buf_append(&q->body, in->data, want) < 0)
		return false;
	in->len -= want;
	if (in->len > 0)
		memmove(in->data, in->data + want, in->len);
	return true;
}

static bool read_request(struct web_request *q, struct buf *in)
{
	char head[sizeof(q->headers)];
	size_t len = read_head(q->fd, in);
	const char *lines;

	if (len == 0 || len >= sizeof(head))
		return false;
	memcpy(head, in->data, len);
	head[len] = '\0';
	in->len -= len;
	memmove(in->data, in->data + len, in->len);
	if (sscanf(head, "%15s %1023s", q->method, q->target) != 2)
		return false;
	lines = strstr(head, "\r\n") + 2;
	memcpy(q->headers, lines, strlen(lines) + 1);
	return read_body(q, in);
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct web *w = c->web;
	struct buf in = BUF_INIT;
	bool more = true;

	while (more) {
		struct web_request q = { .web = w, .fd = c->fd, .connection = c->number };

		more = read_request(&q, &in);
		if (more) {
			pthread_mutex_lock(&w->lock);
			q.number = ++w->requests;
			pthread_mutex_unlock(&w->lock);
			more = w->fn(w->arg, &q);
		}
		buf_free(&q.body);
	}
	buf_free(&in);
	/* The descriptor is closed by web_stop(): another thread may be about to shut it down. */
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct web *w = arg;
	struct connection *c;
	int fd;

	for (;;) {
		fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_mutex_lock(&w->lock);
		if (fd < 0 || w->stopping || w->connections == CONNECTIONS_MAX) {
			if (fd >= 0)
				close(fd);
			break;
		}
		c = &w->connection[w->connections];
		*c = (struct connection){ .web = w, .fd = fd, .number = w->connections + 1 };
		if (pthread_create(&c->thread, NULL, serve, c) == 0)
			w->connections++;
		else
			close(fd);
		pthread_mutex_unlock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct web *web_start(web_fn *fn, void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct web *w = calloc(1, sizeof(*w));
	socklen_t len = sizeof(a);

	assert_non_null(w);
	w->fn = fn;
	w->arg = arg;
	pthread_mutex_init(&w->lock, NULL);
	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(w->listener >= 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(w->listener, 64), 0);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&a, &len), 0);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&w->thread, NULL, accept_all, w), 0);
	return w;
}

void web_stop(struct web *w)
{
	unsigned n;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	n = w->connections;
	for (unsigned i = 0; i < n; i++)
		shutdown(w->connection[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&w->lock);
	shutdown(w->listener, SHUT_RDWR);
	pthread_join(w->thread, NULL);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(w->connection[i].thread, NULL);
		close(w->connection[i].fd);
	}
	close(w->listener);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

const char *web_url(const struct web *w)
{
	return w->url;
}

unsigned web_connections(struct web *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->connections;
	pthread_mutex_unlock(&w->lock);
	return n;
}

unsigned web_requests(struct web *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->requests;
	pthread_mutex_unlock(&w->lock);
	return n;
}

const char *web_header(const struct web_request *q, const char *name, char out[256])
{
	size_t len = strlen(name);
	const char *line;

	for (line = q->headers; *line != '\r' && *line != '\0'; line = strstr(line, "\r\n") + 2) {
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " ");
			snprintf(out, 256, "%.*s", (int)strcspn(line, "\r"), line);
			return out;
		}
	}
	return NULL;
}

void web_write(const struct web_request *q, const void *data, size_t len)
{
	const char *from = data;
	ssize_t n;

	for (; len > 0; from += n, len -= (size_t)n) {
		n = send(q->fd, from, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
	}
}

void web_print(const struct web_request *q, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	web_write(q, text, (size_t)n);
}

void web_answer(const struct web_request *q, int status, const char *headers, const void *body, size_t len)
{
	web_print(q, "HTTP/1.1 %d Words\r\n%sContent-Length: %zu\r\n\r\n", status, headers, len);
	if (strcmp(q->method, "HEAD") != 0)
		web_write(q, body, len);
}

void web_serve(const struct web_request *q, const void *data, size_t len)
{
	char text[256], range[128];
	size_t from, to;

	if (web_header(q, "Range", text) == NULL || sscanf(text, "bytes=%zu-%zu", &from, &to) != 2) {
		web_answer(q, 200, "", data, len);
		return;
	}
	if (from >= len) {
		web_answer(q, 416, "", "", 0);
		return;
	}
	to = to < len ? to : len - 1;
	snprintf(range, sizeof(range), "Content-Range: bytes %zu-%zu/%zu\r\n", from, to, len);
	web_answer(q, 206, range, (const char *)data + from, to - from + 1);
}

void web_stall(const struct web_request *q)
{
	struct pollfd p = { .fd = q->fd, .events = POLLRDHUP };

	poll(&p, 1, -1);
}
