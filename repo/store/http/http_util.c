/*
 * What stores do with a reply and with URLs, without curl.  See http.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "repo/store/http/http.h"
#include "repo/store/store_impl.h"
#include "repo/util/bytes/id.h"

#define RETRY_AFTER_MAX_S 3600
#define NAME_SHOWN_MAX 120 /* characters of an object's name in the note of a failure */

void http_reply_free(struct http_reply *r)
{
	buf_free(&r->headers);
	buf_free(&r->error);
	r->status = 0;
	r->received = 0;
	r->cause[0] = '\0';
}

/* Copy text without white space around it.  Return whether it fits. */
static bool copy_trimmed(const char *text, size_t len, char *out, size_t size)
{
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	if (len >= size)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

bool http_header(const struct http_reply *r, const char *name, char *out, size_t size)
{
	const char *at = (const char *)r->headers.data, *line_end;
	size_t left = r->headers.len, len, name_len = strlen(name);

	while (left > 0) {
		line_end = memchr(at, '\n', left);
		len = line_end != NULL ? (size_t)(line_end - at) + 1 : left;
		if (len > name_len && at[name_len] == ':' && strncasecmp(at, name, name_len) == 0)
			return copy_trimmed(at + name_len + 1, len - name_len - 1, out, size);
		at += len;
		left -= len;
	}
	return false;
}

/* Not by strptime(), which expects the locale's names. */
int64_t http_date(const char *text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	char month[4];
	const char *found;
	int end = 0;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month, &tm.tm_year,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 || end == 0 || text[end] != '\0')
		return -1;
	found = strlen(month) == 3 ? strstr(months, month) : NULL;
	if (found == NULL || (found - months) % 3 != 0 || tm.tm_year < 1970)
		return -1;
	tm.tm_mon = (int)(found - months) / 3;
	tm.tm_year -= 1900;
	return timegm(&tm);
}

unsigned http_retry_after(const struct http_reply *r)
{
	char text[64], *end;
	long long seconds;

	if (!http_header(r, "Retry-After", text, sizeof(text)))
		return 0;
	seconds = strtoll(text, &end, 10);
	if (end == text || *end != '\0')
		seconds = http_date(text) - (long long)time(NULL);
	if (seconds <= 0)
		return 0;
	return (unsigned)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000;
}

int http_escape(struct buf *out, const char *text, const char *keep)
{
	int rc = 0;

	for (; rc == 0 && *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		/* Not isalnum(): that depends on the locale. */
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c) != NULL || strchr(keep, c) != NULL)
			rc = buf_u8(out, c);
		else
			rc = buf_printf(out, "%%%02X", c);
	}
	return rc;
}

int http_unescape(char *text)
{
	char *to = text;
	int high, low;

	for (; *text != '\0'; text++) {
		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		high = hex_digit(text[1]);
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		*to++ = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return 0;
}

/* --- Failures ----------------------------------------------------------------------------------------------------- */

static bool status_transient(int status)
{
	switch (status) {
	case 408:
	case 425:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

static const char *status_words(int status)
{
	switch (status) {
	case 400:
		return ", bad request";
	case 401:
		return ", no or wrong credentials";
	case 403:
		return ", access denied";
	case 405:
		return ", method not allowed";
	case 407:
		return ", the proxy wants credentials";
	case 409:
		return ", conflict";
	case 412:
		return ", precondition failed";
	case 413:
		return ", too large";
	case 416:
		return ", no such range";
	case 501:
		return ", not implemented";
	case 507:
		return ", no space left";
	default:
		return "";
	}
}

static int failed_status(struct store *s, const struct http_reply *r, const char *operation, const char *name)
{
	char to[160] = "";

	if (status_transient(r->status))
		return store_transient(s, http_retry_after(r), "%s %.*s: the server answered %d", operation,
		    NAME_SHOWN_MAX, name, r->status);
	if (r->status == 404 || r->status == 410)
		return -ENOENT;
	if (r->status >= 300 && r->status < 400 && http_header(r, "Location", to, sizeof(to))) {
		/* What comes after a "?" may be a signature. */
		to[strcspn(to, "?@\r\n")] = '\0';
		log_error(s->log, "%s/%s: %s: the server answered %d, a redirection to %s that is not followed", s->url,
		    name, operation, r->status, to);
		return -EIO;
	}
	log_error(s->log, "%s/%s: %s: the server answered %d%s", s->url, name, operation, r->status,
	    status_words(r->status));
	switch (r->status) {
	case 401:
	case 403:
	case 407:
		return -EACCES;
	case 413:
	case 507:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

int http_failed(struct store *s, int rc, const struct http_reply *r, const char *operation, const char *name)
{
	switch (rc) {
	case 0:
		return failed_status(s, r, operation, name);
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
	case -EPIPE:
		return store_transient(s, 0, "%s %.*s: %s", operation, NAME_SHOWN_MAX, name, r->cause);
	default:
		log_error(s->log, "%s/%s: %s: %s", s->url, name, operation, r->cause);
		/* Not -EIO: who is not trusted must not pass for a store that cannot be reached. */
		if (rc == -EPERM)
			return -EACCES;
		return rc == -ECANCELED || rc == -EACCES || rc == -ENOMEM ? rc : -EIO;
	}
}
