/*
 * Access: how a store is to be opened, from options and environment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/access/access.h"
#include "repo/util/text/when.h"

#define DEADLINE_MAX 86400 /* seconds */

/* A setting as it was given, and where. */
struct setting {
	const char *value, *from;
};

static struct setting find(const char *option, const char *option_name, const char *variable)
{
	const char *env = getenv(variable);

	if (option != NULL)
		return (struct setting){ option, option_name };
	return env != NULL && *env != '\0' ? (struct setting){ env, variable } : (struct setting){ NULL, NULL };
}

static int bad_value(const struct access *a, struct setting s, const char *wanted)
{
	log_error(a->log, "%s: \"%s\" is not %s", s.from, s.value, wanted);
	return -EINVAL;
}

static int take_rate(const struct access *a, struct setting s, uint64_t *out)
{
	if (s.value == NULL)
		return 0;
	if (size_parse(s.value, out) != 0 || *out == 0)
		return bad_value(a, s, "a size, of bytes a second (500K, 2M)");
	return 0;
}

static int take_deadline(const struct access *a, struct setting s, unsigned *out)
{
	char *end;
	unsigned long n;

	if (s.value == NULL)
		return 0;
	errno = 0;
	n = strtoul(s.value, &end, 10);
	if (*s.value < '0' || *s.value > '9' || *end != '\0' || errno != 0 || n == 0 || n > DEADLINE_MAX)
		return bad_value(a, s, "a number of seconds from 1 to 86400");
	*out = (unsigned)n * 1000;
	return 0;
}

int access_store_options(const struct access *a, unsigned patience_ms, struct store_options *out)
{
	int rc;

	out->url = access_url(a);
	out->ca_file = find(a->ca_file, "", "VARVE_CA_FILE").value;
	out->deadline_ms = patience_ms;
	rc = take_rate(a, find(a->limit_upload, "limit-upload", "VARVE_LIMIT_UPLOAD"), &out->upload_rate);
	if (rc == 0)
		rc = take_rate(a, find(a->limit_download, "limit-download", "VARVE_LIMIT_DOWNLOAD"),
		    &out->download_rate);
	if (rc == 0)
		rc = take_deadline(a, find(a->deadline, "deadline", "VARVE_DEADLINE"), &out->deadline_ms);
	return rc;
}

int access_cache_bytes(const struct access *a, uint64_t *out)
{
	struct setting s = find(a->cache_size, "cache-size", "VARVE_CACHE_SIZE");

	*out = 0;
	if (s.value == NULL)
		return 0;
	if (size_parse(s.value, out) != 0)
		return bad_value(a, s, "a size (500M, 4G)");
	/* None is as little as can be, and not the default. */
	*out += *out == 0;
	return 0;
}

/* --- Replicas ----------------------------------------------------------------------------------------------------- */

int access_add_replicas(struct access *a, const char *urls, const char *separators)
{
	size_t len;

	for (; *urls != '\0'; urls += len) {
		urls += strspn(urls, separators);
		len = strcspn(urls, separators);
		if (len == 0)
			continue;
		if (a->nreplicas == STORE_REPLICAS_MAX) {
			log_error(a->log, "more than %d replicas", STORE_REPLICAS_MAX);
			return -E2BIG;
		}
		a->replica[a->nreplicas] = strndup(urls, len);
		if (a->replica[a->nreplicas] == NULL)
			return -ENOMEM;
		a->nreplicas++;
	}
	return 0;
}

int access_store_replicas(struct access *a, struct store_options *out)
{
	const char *env = getenv("VARVE_REPLICAS");
	int rc = 0;

	if (a->nreplicas == 0 && env != NULL && *env != '\0')
		rc = access_add_replicas(a, env, " \t\n");
	else if (a->nreplicas == 0 && a->default_replicas != NULL)
		rc = access_add_replicas(a, a->default_replicas, "\n");
	out->replicas = (const char *const *)a->replica;
	out->nreplicas = a->nreplicas;
	return rc;
}

void access_forget_replicas(struct access *a)
{
	while (a->nreplicas > 0)
		free(a->replica[--a->nreplicas]);
}
