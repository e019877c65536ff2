/*
 * Account, endpoint and credentials.  See azure_account.h.
 */
#include "repo/store/azure/azure_account.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/crypt/crypt.h"
#include "repo/store/http/url.h"

/* What was said, from wherever.  Owned strings. */
struct said {
	char *account, *key, *sas, *endpoint;
	char *protocol, *suffix; /* connection string only */
};

/* Of a connection string: "Name=value;Name=value".  Names are as Microsoft's documentation has them. */
static const struct {
	const char *name;
	size_t offset;
} connection_names[] = {
	{ "AccountName", offsetof(struct said, account) },
	{ "AccountKey", offsetof(struct said, key) },
	{ "SharedAccessSignature", offsetof(struct said, sas) },
	{ "BlobEndpoint", offsetof(struct said, endpoint) },
	{ "DefaultEndpointsProtocol", offsetof(struct said, protocol) },
	{ "EndpointSuffix", offsetof(struct said, suffix) },
};

/* In the environment, and what they say. */
static const struct {
	const char *name;
	size_t offset;
} variables[] = {
	{ "AZURE_STORAGE_ACCOUNT", offsetof(struct said, account) },
	{ "AZURE_STORAGE_KEY", offsetof(struct said, key) },
	{ "AZURE_STORAGE_SAS_TOKEN", offsetof(struct said, sas) },
	{ "AZURE_STORAGE_SERVICE_ENDPOINT", offsetof(struct said, endpoint) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char **place_of(struct said *s, size_t offset)
{
	return (char **)(void *)((char *)s + offset);
}

static void wipe_string(char *text)
{
	if (text != NULL)
		crypt_wipe(text, strlen(text));
	free(text);
}

static void said_free(struct said *s)
{
	free(s->account);
	wipe_string(s->key);
	wipe_string(s->sas);
	free(s->endpoint);
	free(s->protocol);
	free(s->suffix);
}

/* Copy ${len} bytes of ${value}, unless something that goes before was said, or there are none. */
static int say(char **place, const char *value, size_t len)
{
	if (*place != NULL || len == 0)
		return 0;
	*place = strndup(value, len);
	return *place != NULL ? 0 : -ENOMEM;
}

static int take_url(const struct url *u, struct said *s)
{
	int rc = url_option(u, "account", &s->account);

	return rc < 0 ? rc : url_option(u, "endpoint", &s->endpoint);
}

static int take_variables(struct said *s)
{
	const char *value;
	int rc = 0;

	for (size_t i = 0; i < COUNT(variables) && rc == 0; i++) {
		value = getenv(variables[i].name);
		if (value != NULL)
			rc = say(place_of(s, variables[i].offset), value, strlen(value));
	}
	return rc;
}

static int take_connection_string(struct said *s, const char *text)
{
	const char *equals;
	size_t len;
	int rc = 0;

	for (; *text != '\0' && rc == 0; text += len + (text[len] == ';')) {
		len = strcspn(text, ";");
		equals = memchr(text, '=', len);
		for (size_t i = 0; equals != NULL && i < COUNT(connection_names) && rc == 0; i++) {
			if (strlen(connection_names[i].name) == (size_t)(equals - text) &&
			    strncasecmp(text, connection_names[i].name, (size_t)(equals - text)) == 0)
				rc = say(place_of(s, connection_names[i].offset), equals + 1,
				    len - (size_t)(equals + 1 - text));
		}
	}
	return rc;
}

/* "https://host[:port][/path]" without "/" at its end: where its path begins, or NULL if it is none. */
static const char *endpoint_path(char *endpoint)
{
	size_t len = strlen(endpoint);
	const char *host;

	while (len > 0 && endpoint[len - 1] == '/')
		endpoint[--len] = '\0';
	if (strncasecmp(endpoint, "https://", 8) == 0)
		host = endpoint + 8;
	else if (strncasecmp(endpoint, "http://", 7) == 0)
		host = endpoint + 7;
	else
		return NULL;
	if (*host == '/' || *host == '\0' || strpbrk(host, "?#@ ") != NULL)
		return NULL;
	return host + strcspn(host, "/");
}

/* Would it travel in clear text? */
static bool leaves_in_clear(const char *endpoint)
{
	const char *host = endpoint + 7;

	if (strncasecmp(endpoint, "http://", 7) != 0)
		return false;
	return !url_host_is_here(host, *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/"));
}

static int find_endpoint(struct said *s, const struct log *log, struct azure_account *out)
{
	if (s->endpoint != NULL) {
		out->endpoint = s->endpoint;
		s->endpoint = NULL;
	} else if (asprintf(&out->endpoint, "%s://%s.blob.%s", s->protocol != NULL ? s->protocol : "https",
		       out->name, s->suffix != NULL ? s->suffix : "core.windows.net") < 0) {
		out->endpoint = NULL;
		return -ENOMEM;
	}
	out->base = endpoint_path(out->endpoint);
	if (out->base == NULL) {
		log_error(log, "azure: the endpoint is not of the form https://host[:port][/account]");
		return -EINVAL;
	}
	if (out->sas != NULL && leaves_in_clear(out->endpoint)) {
		log_error(log, "azure: a shared access signature would travel in clear text to %s: use https",
		    out->endpoint);
		return -EINVAL;
	}
	return 0;
}

static int decode_key(const char *text, const struct log *log, struct azure_account *out)
{
	size_t size = strlen(text);

	out->key = malloc(size + 1);
	if (out->key == NULL)
		return -ENOMEM;
	if (crypt_base64_decode(text, out->key, size, &out->keylen) == 0 && out->keylen > 0)
		return 0;
	log_error(log, "azure: the account's key is not in base64: is it copied whole?");
	return -EINVAL;
}

static int find_credentials(struct said *s, const struct log *log, struct azure_account *out)
{
	if (s->sas != NULL) {
		out->sas = strdup(*s->sas == '?' ? s->sas + 1 : s->sas);
		return out->sas != NULL ? 0 : -ENOMEM;
	}
	if (s->key != NULL)
		return decode_key(s->key, log, out);
	log_error(log, "azure: no credentials for the account \"%s\": set $AZURE_STORAGE_SAS_TOKEN, $AZURE_STORAGE_KEY "
	    "or $AZURE_STORAGE_CONNECTION_STRING", out->name);
	return -EINVAL;
}

/* Names of accounts are 3 to 24 letters and digits; they become part of host names and signatures. */
static int find_name(struct said *s, const struct log *log, struct azure_account *out)
{
	if (s->account == NULL) {
		log_error(log, "azure: no account: add ?account=NAME to the URL, or set $AZURE_STORAGE_ACCOUNT");
		return -EINVAL;
	}
	if (strspn(s->account, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s->account)) {
		log_error(log, "azure: the name of an account is of small letters and digits");
		return -EINVAL;
	}
	out->name = s->account;
	s->account = NULL;
	return 0;
}

int azure_account_find(const struct url *u, const struct log *log, struct azure_account *out)
{
	const char *connection = getenv("AZURE_STORAGE_CONNECTION_STRING");
	struct said s = { 0 };
	int rc;

	*out = (struct azure_account){ 0 };
	rc = take_url(u, &s);
	if (rc == 0)
		rc = take_variables(&s);
	if (rc == 0 && connection != NULL)
		rc = take_connection_string(&s, connection);
	if (rc == 0)
		rc = find_name(&s, log, out);
	if (rc == 0)
		rc = find_credentials(&s, log, out);
	if (rc == 0)
		rc = find_endpoint(&s, log, out);
	said_free(&s);
	if (rc < 0)
		azure_account_free(out);
	return rc;
}

void azure_account_free(struct azure_account *a)
{
	if (a->key != NULL)
		crypt_wipe(a->key, a->keylen);
	free(a->key);
	wipe_string(a->sas);
	free(a->name);
	free(a->endpoint);
	*a = (struct azure_account){ 0 };
}
