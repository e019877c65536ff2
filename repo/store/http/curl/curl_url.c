/*
 * URLs, by libcurl's parser.  See url.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/store/http/curl/curl_impl.h"
#include "repo/store/http/url.h"

/* Copy a part to ${*out}, decoded if ${flags} say so; NULL if the URL has none. */
static CURLUcode get_part(CURLU *u, CURLUPart part, unsigned flags, char **out)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(u, part, &text, flags);

	*out = NULL;
	if (code == CURLUE_OK) {
		*out = strdup(text);
		if (*out == NULL)
			code = CURLUE_OUT_OF_MEMORY;
	} else if (code != CURLUE_OUT_OF_MEMORY && code != CURLUE_URLDECODE) {
		code = CURLUE_OK;
	}
	curl_free(text);
	return code;
}

static CURLUcode get_parts(CURLU *u, struct url *out)
{
	char *port = NULL;
	CURLUcode code;

	code = get_part(u, CURLUPART_SCHEME, 0, &out->scheme);
	if (code == CURLUE_OK)
		code = get_part(u, CURLUPART_USER, CURLU_URLDECODE, &out->user);
	if (code == CURLUE_OK)
		code = get_part(u, CURLUPART_PASSWORD, CURLU_URLDECODE, &out->password);
	if (code == CURLUE_OK)
		code = get_part(u, CURLUPART_HOST, 0, &out->host);
	if (code == CURLUE_OK)
		code = get_part(u, CURLUPART_PORT, 0, &port);
	if (code == CURLUE_OK)
		code = get_part(u, CURLUPART_PATH, CURLU_URLDECODE, &out->path);
	if (code == CURLUE_OK)
		code = get_part(u, CURLUPART_QUERY, 0, &out->query);
	out->port = port != NULL ? (unsigned)strtoul(port, NULL, 10) : 0;
	free(port);
	return code;
}

/* Curl would take the path's first part for the host of "s3:///path". */
static bool has_host(const char *text)
{
	const char *host = strstr(text, "://");

	return host != NULL && host[3] != '/';
}

/* Curl takes a number for an IPv4 address and writes it as one; it may be a bucket's name. */
static int keep_number(const char *text, struct url *u)
{
	const char *host = strstr(text, "://") + 3, *end = host + strcspn(host, "/?#"), *at;
	char *raw;

	if (u->host == NULL || u->host[strspn(u->host, "0123456789.")] != '\0')
		return 0;
	at = memrchr(host, '@', (size_t)(end - host));
	host = at != NULL ? at + 1 : host;
	raw = strndup(host, strcspn(host, ":/?#"));
	if (raw == NULL)
		return -ENOMEM;
	free(u->host);
	u->host = raw;
	return 0;
}

static void trim_path(char *path)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		path[--len] = '\0';
}

/* As it is shown: path and host as they were typed might hold control bytes, so from the parts. */
static int make_shown(struct url *u)
{
	struct buf b = BUF_INIT;
	int rc;

	rc = buf_printf(&b, "%s://", u->scheme);
	if (rc == 0 && u->user != NULL)
		rc = http_escape(&b, u->user, "");
	if (rc == 0 && u->user != NULL)
		rc = buf_u8(&b, '@');
	if (rc == 0)
		rc = buf_printf(&b, "%s", u->host != NULL ? u->host : "");
	if (rc == 0 && u->port != 0)
		rc = buf_printf(&b, ":%u", u->port);
	if (rc == 0)
		rc = http_escape(&b, u->path, "/:@!$&'()*+,;=");
	if (rc == 0)
		rc = buf_u8(&b, 0);
	u->shown = (char *)b.data;
	return rc;
}

/* Nothing but the scheme is shown: there may be a password in the rest. */
static int malformed(const char *text, const char *why, const struct log *log)
{
	size_t len = strcspn(text, ":");

	log_error(log, "%.*s://...: not a valid URL: %s", (int)(len < 32 ? len : 32), text, why);
	return -EINVAL;
}

int url_parse(const char *text, const struct log *log, struct url *out)
{
	CURLU *u = curl_url();
	CURLUcode code;
	int rc = 0;

	*out = (struct url){ 0 };
	if (u == NULL)
		return -ENOMEM;
	code = curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS);
	if (code == CURLUE_OK)
		code = get_parts(u, out);
	curl_url_cleanup(u);
	if (code == CURLUE_OUT_OF_MEMORY)
		rc = -ENOMEM;
	else if (code != CURLUE_OK)
		rc = malformed(text, curl_url_strerror(code), log);
	else if (!has_host(text) || out->scheme == NULL || out->host == NULL || out->path == NULL)
		rc = malformed(text, "there is no host, or bucket", log);
	if (rc == 0) {
		for (char *c = out->scheme; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		trim_path(out->path);
		rc = keep_number(text, out);
		if (rc == 0)
			rc = make_shown(out);
	}
	if (rc < 0)
		url_free(out);
	return rc;
}

static void wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

bool url_host_is_here(const char *host, size_t len)
{
	size_t digits = 0;

	if ((len == 9 && strncasecmp(host, "localhost", len) == 0) || (len == 5 && memcmp(host, "[::1]", len) == 0))
		return true;
	while (digits < len && strchr("0123456789.", host[digits]) != NULL)
		digits++;
	return digits == len && len > 4 && memcmp(host, "127.", 4) == 0;
}

void url_free(struct url *u)
{
	free(u->scheme);
	free(u->user);
	wipe(u->password);
	free(u->host);
	free(u->path);
	wipe(u->query); /* a SAS token */
	free(u->shown);
	*u = (struct url){ 0 };
}

/* The next "name=value" of a query.  Return it with its length, or NULL after the last. */
static const char *next_option(const char **at, size_t *len)
{
	const char *option;

	while (**at == '&')
		(*at)++;
	option = *at;
	*len = strcspn(option, "&");
	*at += *len;
	return *len > 0 ? option : NULL;
}

int url_option(const struct url *u, const char *name, char **out)
{
	const char *at = u->query != NULL ? u->query : "", *option;
	size_t len, name_len = strlen(name);
	char *decoded;
	int decoded_len;

	*out = NULL;
	while ((option = next_option(&at, &len)) != NULL) {
		if (len < name_len || memcmp(option, name, name_len) != 0 ||
		    (len > name_len && option[name_len] != '='))
			continue;
		if (len > name_len)
			name_len++;
		if (len == name_len) {
			*out = strdup("");
			break;
		}
		decoded = curl_easy_unescape(NULL, option + name_len, (int)(len - name_len), &decoded_len);
		if (decoded != NULL) {
			*out = strdup(decoded);
			explicit_bzero(decoded, (size_t)decoded_len);
		}
		curl_free(decoded);
		break;
	}
	return option != NULL && *out == NULL ? -ENOMEM : 0;
}

int url_options_known(const struct url *u, const char *const *names, const struct log *log)
{
	const char *at = u->query != NULL ? u->query : "", *option;
	const char *const *name;
	char quoted[64];
	size_t len;

	while ((option = next_option(&at, &len)) != NULL) {
		len = strcspn(option, "=&");
		for (name = names; *name != NULL; name++) {
			if (strlen(*name) == len && memcmp(option, *name, len) == 0)
				break;
		}
		if (*name != NULL)
			continue;
		log_error(log, "%s: there is no option \"%s\" in such URLs", u->shown,
			  quote_name(option, (unsigned)len, quoted, sizeof(quoted)));
		return -EINVAL;
	}
	return 0;
}

/* The two are the same: there and not null, or both null. */
static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcasecmp(a, b) == 0;
}

static unsigned port_of(const struct url *u)
{
	return u->port != 0 ? u->port : strcmp(u->scheme, "https") == 0 ? 443 : 80;
}

bool url_may_follow(const char *from, const char *to)
{
	struct url a = { 0 }, b = { 0 };
	bool upgrade, may = false;

	if (url_parse(from, NULL, &a) == 0 && url_parse(to, NULL, &b) == 0) {
		upgrade = strcmp(a.scheme, "http") == 0 && strcmp(b.scheme, "https") == 0;
		may = same(a.host, b.host) &&
		      (upgrade || (strcmp(a.scheme, b.scheme) == 0 && port_of(&a) == port_of(&b)));
	}
	url_free(&a);
	url_free(&b);
	return may;
}
