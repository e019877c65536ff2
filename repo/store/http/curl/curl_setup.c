/*
 * Transfers: a request becomes curl's options.  See curl_impl.h.
 *
 * Choices:
 * - Expect: 100-continue is left as curl has it, for bodies of more than 1 MiB by HTTP/1.1: a server that refuses a
 *   pack says so before the pack is sent, and what it says is not lost in a reset connection.
 * - PIPEWAIT: while the first connection to a server is being made, others wait to learn whether it speaks HTTP/2.  The
 *   first requests to a store come one after the other anyway.
 * - With a rate limit all go by HTTP/1.1, a connection each: one that is held back is not read from, and the server has
 *   to wait.  A stream of HTTP/2 that is held back would fill memory instead.
 * - No encoding is asked for: the bytes are sealed and do not compress.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "repo/store/http/curl/curl_impl.h"
#include "repo/store/store_impl.h"

#define BUFFER_SIZE (64L * 1024)
#define SFTP_DOWN_BUFFER (512L * 1024)       /* libssh2 asks for four times as much ahead */
#define SFTP_UP_BUFFER (2L * 1024 * 1024)    /* and sends no more than this before it is acknowledged */
#define UNSENT_MAX (256 * 1024)          /* bytes in the kernel that wait to be sent */
#define RECEIVE_BUFFER_MIN (32 * 1024)   /* bytes in the kernel that wait for us, where a rate is set */
#define RECEIVE_BUFFER_MAX (1024 * 1024)

#define SET(option, value) (t->easy != NULL && curl_easy_setopt(t->easy, (option), (value)) == CURLE_OK)

static int bounded(uint64_t v, int min, int max)
{
	return v < (uint64_t)min ? min : v > (uint64_t)max ? max : (int)v;
}

/* Sockets that no child inherits, and that do not take in more than the clock of what has moved can see. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = arg;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol), n = UNSENT_MAX;

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	/* Hints; a socket that is not TCP has no such options. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &n, sizeof(n));
	if (t->http->down.per_s != 0) {
		n = bounded(t->http->down.per_s / 4, RECEIVE_BUFFER_MIN, RECEIVE_BUFFER_MAX);
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
	}
	t->moved_ms = store_now_ms();
	t->connecting = true;
	t->fd = fd;
	t->arrived = 0;
	if (t->sftp)
		sockets_add(&t->http->sockets, fd);
	return fd;
}

/* ${arg} is the handle's: a connection outlives the transfer that it was made for. */
static int close_socket(void *arg, curl_socket_t fd)
{
	struct http *h = arg;

	sockets_remove(&h->sockets, fd);
	for (struct transfer *t = h->active; t != NULL; t = t->next) {
		if (t->fd == fd)
			t->fd = -1;
	}
	return close(fd);
}

/* There is a connection; from now on the server is waited for. */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct transfer *t = arg;

	(void)ip;
	(void)local_ip;
	(void)port;
	t->moved_ms = store_now_ms();
	t->connecting = false;
	t->fd = t->sftp && t->q->body != NULL ? sockets_find(&t->http->sockets, local_port) : -1;
	t->arrived = t->fd >= 0 ? socket_acked(t->fd) : 0;
	return CURL_PREREQFUNC_OK;
}

static bool append(struct curl_slist **list, const char *text)
{
	struct curl_slist *more = curl_slist_append(*list, text);

	if (more == NULL)
		return false;
	*list = more;
	return true;
}

static bool setup_common(struct transfer *t)
{
	const struct http *h = t->http;

	return SET(CURLOPT_PRIVATE, t) && SET(CURLOPT_URL, t->url) && SET(CURLOPT_ERRORBUFFER, t->error) &&
	       SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_SHARE, h->share) && SET(CURLOPT_BUFFERSIZE, BUFFER_SIZE) &&
	       SET(CURLOPT_PROTOCOLS_STR, "http,https,sftp") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
	       SET(CURLOPT_CONNECTTIMEOUT_MS, h->patience_ms * 9 / 10) && SET(CURLOPT_TCP_KEEPALIVE, 1L) &&
	       SET(CURLOPT_OPENSOCKETFUNCTION, open_socket) && SET(CURLOPT_OPENSOCKETDATA, t) &&
	       SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket) && SET(CURLOPT_CLOSESOCKETDATA, t->http) &&
	       SET(CURLOPT_PREREQFUNCTION, on_connected) && SET(CURLOPT_PREREQDATA, t) &&
	       /* A name server that does not answer must not hold up the thread when its request is given up. */
	       SET(CURLOPT_QUICK_EXIT, 1L) && SET(CURLOPT_PATH_AS_IS, 1L) &&
	       (!transfer_direct(t) || SET(CURLOPT_NOPROXY, "*")) &&
	       SET(CURLOPT_WRITEFUNCTION, transfer_on_body) && SET(CURLOPT_WRITEDATA, t);
}

static bool setup_tls(struct transfer *t)
{
	const char *ca_file = t->http->ca_file;

	return SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
	       SET(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) &&
	       (ca_file == NULL || (SET(CURLOPT_CAINFO, ca_file) && SET(CURLOPT_PROXY_CAINFO, ca_file)));
}

static bool setup_http(struct transfer *t)
{
	const struct http *h = t->http;
	long version = h->up.per_s != 0 || h->down.per_s != 0 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
	const char *method = t->q->method;
	const char *const *line;

	for (line = t->q->headers; line != NULL && *line != NULL; line++) {
		if (!append(&t->headers, *line))
			return false;
	}
	if (strcmp(method, "HEAD") == 0 ? !SET(CURLOPT_NOBODY, 1L) :
	    strcmp(method, "GET") != 0 && !SET(CURLOPT_CUSTOMREQUEST, method))
		return false;
	return SET(CURLOPT_HTTP_VERSION, version) && SET(CURLOPT_PIPEWAIT, 1L) &&
	       SET(CURLOPT_USERAGENT, "varve/" VARVE_VERSION) && SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
	       SET(CURLOPT_HEADERFUNCTION, transfer_on_header) && SET(CURLOPT_HEADERDATA, t);
}

/* By the host's key as it is in ${known_hosts}, and by nothing else. */
static int judge_host_key(CURL *easy, const struct curl_khkey *known, const struct curl_khkey *found,
			  enum curl_khmatch match, void *arg)
{
	struct transfer *t = arg;

	(void)easy;
	(void)known;
	(void)found;
	if (match == CURLKHMATCH_OK)
		return CURLKHSTAT_FINE;
	transfer_cause(t, "%s in %s", match == CURLKHMATCH_MISMATCH ? "the host's key is not the one" :
	    "the host's key is not", t->q->auth->known_hosts);
	return CURLKHSTAT_REJECT;
}

/* The key that ssh would take.  Libcurl's own guess knows RSA and DSA only. */
static bool set_usual_key(struct transfer *t)
{
	static const char *const names[] = { "id_ed25519", "id_ecdsa", "id_rsa" };
	const char *home = getenv("HOME");
	char path[4096];

	for (size_t i = 0; home != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (snprintf(path, sizeof(path), "%s/.ssh/%s", home, names[i]) < (int)sizeof(path) &&
		    access(path, R_OK) == 0)
			return SET(CURLOPT_SSH_PRIVATE_KEYFILE, path) &&
			       SET(CURLOPT_SSH_AUTH_TYPES, CURLSSH_AUTH_AGENT | CURLSSH_AUTH_PUBLICKEY);
	}
	return SET(CURLOPT_SSH_AUTH_TYPES, CURLSSH_AUTH_AGENT);
}

static bool setup_ssh(struct transfer *t)
{
	const struct http_auth *a = t->q->auth;

	if (!SET(CURLOPT_SSH_KNOWNHOSTS, a->known_hosts) || !SET(CURLOPT_SSH_KEYFUNCTION, judge_host_key) ||
	    !SET(CURLOPT_SSH_KEYDATA, t) || !SET(CURLOPT_USERNAME, a->user))
		return false;
	if (a->password != NULL)
		return SET(CURLOPT_PASSWORD, a->password) &&
		       SET(CURLOPT_SSH_AUTH_TYPES, CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD);
	if (a->key_file != NULL)
		return SET(CURLOPT_SSH_PRIVATE_KEYFILE, a->key_file) &&
		       SET(CURLOPT_SSH_AUTH_TYPES, CURLSSH_AUTH_PUBLICKEY);
	return set_usual_key(t);
}

/* By default a round trip would move 256 KiB at most, and 64 KiB of an upload.  What has a rate set goes smoothly. */
static bool setup_sftp_buffers(struct transfer *t)
{
	const struct http *h = t->http;

	return (h->down.per_s != 0 || SET(CURLOPT_BUFFERSIZE, SFTP_DOWN_BUFFER)) &&
	       (h->up.per_s != 0 || SET(CURLOPT_UPLOAD_BUFFERSIZE, SFTP_UP_BUFFER));
}

static bool setup_sftp(struct transfer *t)
{
	bool after = strcmp(t->q->method, "PUT") == 0;
	bool bodyless = strcmp(t->q->method, "QUOTE") == 0 || strcmp(t->q->method, "HEAD") == 0;
	const char *const *line;

	for (line = t->q->commands; line != NULL && *line != NULL; line++) {
		if (!append(&t->commands, *line))
			return false;
	}
	return setup_sftp_buffers(t) && SET(after ? CURLOPT_POSTQUOTE : CURLOPT_QUOTE, t->commands) &&
	       SET(CURLOPT_NEW_FILE_PERMS, 0600L) && SET(CURLOPT_NEW_DIRECTORY_PERMS, 0700L) &&
	       (!bodyless || SET(CURLOPT_NOBODY, 1L));
}

static bool setup_auth(struct transfer *t)
{
	const struct http_auth *a = t->q->auth;
	char *line = NULL;
	bool ok;

	switch (a != NULL ? a->kind : HTTP_AUTH_NONE) {
	case HTTP_AUTH_BASIC:
		return SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC) && SET(CURLOPT_USERNAME, a->user) &&
		       SET(CURLOPT_PASSWORD, a->password);
	case HTTP_AUTH_SIGV4:
		if (a->token != NULL) {
			ok = asprintf(&line, "x-amz-security-token: %s", a->token) >= 0 && append(&t->headers, line);
			free(line);
			if (!ok)
				return false;
		}
		return SET(CURLOPT_AWS_SIGV4, a->sigv4) && SET(CURLOPT_USERNAME, a->user) &&
		       SET(CURLOPT_PASSWORD, a->password);
	case HTTP_AUTH_SSH:
		return setup_ssh(t);
	default:
		return true;
	}
}

static bool setup_body(struct transfer *t)
{
	const struct http_body *b = t->q->body;

	if (b != NULL)
		return SET(CURLOPT_UPLOAD, 1L) && SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)b->len) &&
		       SET(CURLOPT_READFUNCTION, transfer_read_body) && SET(CURLOPT_READDATA, t) &&
		       SET(CURLOPT_SEEKFUNCTION, transfer_seek_body) && SET(CURLOPT_SEEKDATA, t);
	if (!t->q->ranged)
		return true;
	snprintf(t->range, sizeof(t->range), "%llu-%llu", (unsigned long long)t->q->range_off,
		 (unsigned long long)(t->q->range_off + t->q->range_len - 1));
	return SET(CURLOPT_RANGE, t->range);
}

int transfer_setup(struct transfer *t)
{
	const struct http_request *q = t->q;
	const struct http_auth *a = q->auth;

	if ((q->ranged && q->range_len == 0) || (t->sftp && (a == NULL || a->kind != HTTP_AUTH_SSH ||
	    a->known_hosts == NULL || a->user == NULL))) {
		transfer_cause(t, "not a request that can be made");
		return -EINVAL;
	}
	t->easy = curl_easy_init();
	if (setup_common(t) && setup_tls(t) && (t->sftp ? setup_sftp(t) : setup_http(t)) && setup_auth(t) &&
	    setup_body(t) && SET(CURLOPT_HTTPHEADER, t->headers))
		return 0;
	transfer_cause(t, "out of memory");
	return -ENOMEM;
}

static void free_list(struct curl_slist **list)
{
	for (struct curl_slist *l = *list; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(*list);
	*list = NULL;
}

void transfer_clean(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	/* They may hold a session token. */
	free_list(&t->headers);
	free_list(&t->commands);
}
