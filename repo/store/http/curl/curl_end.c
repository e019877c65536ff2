/*
 * Transfers: how a request ended.  See curl_impl.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "repo/store/http/curl/curl_impl.h"

void transfer_cause(struct transfer *t, const char *fmt, ...)
{
	char *cause = t->r->cause;
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(t->r->cause), fmt, ap);
	va_end(ap);
	len = strlen(cause);
	while (len > 0 && (isspace((unsigned char)cause[len - 1]) || cause[len - 1] == '.'))
		cause[--len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (iscntrl((unsigned char)cause[i]))
			cause[i] = '?';
	}
}

/* Was a handshake broken off, rather than refused? */
static bool broken_off(const char *text)
{
	static const char *const words[] = { "SSL_ERROR_SYSCALL", "reset by peer", "unexpected eof", "Broken pipe" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasestr(text, words[i]) != NULL)
			return true;
	}
	return false;
}

static int errno_of(CURLcode code, const char *text)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_SSH:
		return -EPIPE;
	case CURLE_FAILED_INIT: /* what libssh2's handshake says if the server hangs up */
		return -EPIPE;
	case CURLE_SSL_CONNECT_ERROR:
		return broken_off(text) ? -EPIPE : -EPROTO;
	case CURLE_LOGIN_DENIED:
		return -EACCES;
	case CURLE_UNSUPPORTED_PROTOCOL: /* the URL's, or what answers is no HTTP */
		return strstr(text, "HTTP/0.9") != NULL ? -EPROTO : -EINVAL;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return -EPERM;
	case CURLE_WEIRD_SERVER_REPLY:
		return -EPROTO;
	default:
		return -EIO;
	}
}

/* What the sftp server said, as a status.  Return 0 if it said nothing. */
static int sftp_status(CURLcode code, const char *text)
{
	switch (code) {
	case CURLE_OK:
		return 200;
	case CURLE_REMOTE_FILE_NOT_FOUND:
		return 404;
	case CURLE_REMOTE_ACCESS_DENIED:
		return 403;
	case CURLE_BAD_DOWNLOAD_RESUME:
		return 416;
	case CURLE_REMOTE_DISK_FULL:
		return 507;
	case CURLE_REMOTE_FILE_EXISTS:
		return 409;
	case CURLE_QUOTE_ERROR:
		if (strcasestr(text, "no such file") != NULL)
			return 404;
		return strcasestr(text, "permission denied") != NULL ? 403 : 409;
	case CURLE_UPLOAD_FAILED:
		return 500;
	default:
		return 0;
	}
}

/* Is all there that had to come? */
static int complete(struct transfer *t)
{
	int rc = t->judged ? 0 : transfer_judge(t);

	if (rc == 0 && t->exact && t->r->received < t->take) {
		transfer_cause(t, "the reply ended after %llu of %llu bytes", (unsigned long long)t->r->received,
		    (unsigned long long)t->take);
		rc = -EPIPE;
	}
	return rc;
}

/* The header that an HTTP server would have sent.  Curl says -1 of an empty file. */
static int tell_length(struct transfer *t)
{
	curl_off_t len = -1;

	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
	return buf_printf(&t->r->headers, "Content-Length: %lld\n", len > 0 ? (long long)len : 0);
}

int transfer_result(struct transfer *t, CURLcode code)
{
	const char *text = t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
	char *redirect = NULL;
	int rc;

	if (t->failed != 0)
		return t->failed;
	if (t->enough)
		return 0;
	if (t->sftp) {
		t->r->status = sftp_status(code, text);
		if (t->r->status >= 300)
			return buf_append(&t->r->error, text, strlen(text));
		if (code == CURLE_OK && strcmp(t->q->method, "HEAD") == 0)
			return tell_length(t);
	}
	if (code == CURLE_OK) {
		/* It is gone with the handle. */
		if (curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK && redirect != NULL)
			t->redirect = strdup(redirect);
		return complete(t);
	}
	if (t->r->cause[0] != '\0')
		return errno_of(code, text);
	rc = transfer_proxy_failed(t, code, text);
	if (rc < 0)
		return rc;
	transfer_cause(t, "%s", text);
	return errno_of(code, text);
}
