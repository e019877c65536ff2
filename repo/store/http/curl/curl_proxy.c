/*
 * Transfers: what is wrong with the proxy, in words of ours.  See curl_impl.h.
 *
 * Curl's words quote a proxy's URL, or what of a malformed one it took for the host and the port, and so a part of the
 * password.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/http/curl/curl_impl.h"
#include "repo/store/http/url.h"

#define MALFORMED "the proxy's URL in the environment is malformed or of a kind that is not known " \
		  "(special characters of a password are written as %%XX there)"

bool transfer_direct(const struct transfer *t)
{
	const char *host = t->url + strlen("http://");

	if (t->q->direct)
		return true;
	if (strncmp(t->url, "http://", strlen("http://")) != 0)
		return false;
	return url_host_is_here(host, *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#"));
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* What the environment says of a proxy for such URLs; NULL: nothing.  In curl's order (CURLOPT_PROXY). */
static const char *proxy_for(const char *url)
{
	const char *proxy;
	char name[32];

	snprintf(name, sizeof(name), "%.*s_proxy", (int)strcspn(url, ":"), url);
	proxy = variable(name);
	/* $HTTP_PROXY may come from a header of who asks a web server for something. */
	if (proxy == NULL && strcmp(name, "http_proxy") != 0) {
		for (char *c = name; *c != '\0'; c++)
			*c = (char)toupper((unsigned char)*c);
		proxy = variable(name);
	}
	if (proxy == NULL)
		proxy = variable("all_proxy");
	return proxy != NULL ? proxy : variable("ALL_PROXY");
}

/* Does the host end, for curl, before the "@"?  A "/", "?" or "#" of a password is to be written as %XX. */
static bool cut_short(const char *proxy)
{
	const char *host = strstr(proxy, "://");

	host = host != NULL ? host + 3 : proxy;
	return strchr(host + strcspn(host, "/?#"), '@') != NULL;
}

static unsigned port_of(const struct url *u)
{
	if (u->port != 0)
		return u->port;
	return strcmp(u->scheme, "https") == 0 ? 443 : strcmp(u->scheme, "sftp") == 0 ? 22 : 80;
}

/* Does ${text} go on with the host, and the port if it tells one? */
static bool goes_on_with(const char *text, const struct url *u)
{
	const char *host = u->host;
	size_t len = strlen(host);
	char *end;

	/* Of an address of IPv6 without its brackets. */
	if (*host == '[' && len > 2) {
		host++;
		len -= 2;
	}
	if (strncasecmp(text, host, len) != 0)
		return false;
	text += len;
	if (*text == '\'')
		return true;
	if (strncmp(text, " port ", 6) == 0)
		text += 6;
	else if (*text++ != ':')
		return false;
	/* "port 443 via PROXY after 0 ms" of newer ones is about the proxy. */
	return strtoul(text, &end, 10) == port_of(u) && strncmp(end, " via ", 5) != 0;
}

/* Do curl's words name a machine, and another one than that of the URL? */
static bool names_another(const char *text, const char *url)
{
	static const char *const words[] = { "Failed to connect to ", "in connection to ", "target host name '" };
	struct url u = { 0 };
	const char *at = NULL;
	bool other;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && at == NULL; i++) {
		at = strstr(text, words[i]);
		if (at != NULL)
			at += strlen(words[i]);
	}
	if (at == NULL || url_parse(url, NULL, &u) < 0)
		return false;
	other = !goes_on_with(at, &u);
	url_free(&u);
	return other;
}

/* There is no connection to the proxy. */
static int no_connection(struct transfer *t, CURLcode code, const char *proxy)
{
	long err = 0;

	if (cut_short(proxy)) {
		transfer_cause(t, MALFORMED);
		return -EINVAL;
	}
	if (code == CURLE_COULDNT_RESOLVE_PROXY) {
		transfer_cause(t, "the name of the proxy cannot be resolved");
	} else if (code == CURLE_PEER_FAILED_VERIFICATION) {
		transfer_cause(t, "the proxy's certificate is for another name");
		return -EPERM;
	} else {
		(void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &err);
		transfer_cause(t, "cannot connect to the proxy%s%s", err != 0 ? ": " : "",
		    err != 0 ? strerror((int)err) : "");
	}
	return -EHOSTUNREACH;
}

/* What it answered to CONNECT. */
static int refused(struct transfer *t, long answer)
{
	switch (answer) {
	case 401: /* tinyproxy's word for others */
	case 407:
		transfer_cause(t, "the proxy wants credentials, or others than it was given (it answered %ld)", answer);
		return -EACCES;
	case 403:
	case 405:
		transfer_cause(t, "the proxy refuses to connect to this server (it answered %ld)", answer);
		return -EACCES;
	default:
		return 0;
	}
}

/* A SOCKS proxy's. */
static int refused_by_socks(struct transfer *t)
{
	long why = CURLPX_OK;

	(void)curl_easy_getinfo(t->easy, CURLINFO_PROXY_ERROR, &why);
	switch (why) {
	case CURLPX_NO_AUTH:
	case CURLPX_USER_REJECTED:
		transfer_cause(t, "the proxy wants credentials, or others than it was given");
		return -EACCES;
	case CURLPX_REPLY_NOT_ALLOWED:
		transfer_cause(t, "the proxy refuses to connect to this server");
		return -EACCES;
	default:
		return 0;
	}
}

int transfer_proxy_failed(struct transfer *t, CURLcode code, const char *text)
{
	const char *proxy = transfer_direct(t) ? NULL : proxy_for(t->url);
	long answer = 0;

	if (strstr(text, "Unsupported proxy") != NULL) {
		transfer_cause(t, MALFORMED);
		return -EINVAL;
	}
	if (code == CURLE_URL_MALFORMAT) {
		transfer_cause(t, "the URL, or the proxy's in the environment, is malformed");
		return -EINVAL;
	}
	if (code == CURLE_PROXY)
		return refused_by_socks(t);
	if (proxy != NULL && (code == CURLE_COULDNT_RESOLVE_PROXY || names_another(text, t->url)))
		return no_connection(t, code, proxy);
	(void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &answer);
	return refused(t, answer);
}
