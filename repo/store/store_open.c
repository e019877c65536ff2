/*
 * URLs find their stores, which are put together here: bare ones, replicas, retries.  See store.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/store/azure/store_azure.h"
#include "repo/store/dir/store_dir.h"
#include "repo/store/http/http.h"
#include "repo/store/replica/store_replica.h"
#include "repo/store/retry/store_retry.h"
#include "repo/store/s3/store_s3.h"
#include "repo/store/sftp/store_sftp.h"
#include "repo/store/store_impl.h"
#include "repo/store/web/store_static.h"
#include "repo/store/webdav/store_webdav.h"

/* Length of the "scheme" in "scheme://...", or 0. */
static size_t scheme_length(const char *url)
{
	size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	if (len == 0 || strncmp(url + len, "://", 3) != 0)
		return 0;
	return (*url | 0x20) >= 'a' && (*url | 0x20) <= 'z' ? len : 0;
}

bool store_url_is_remote(const char *url)
{
	size_t len = scheme_length(url);

	return len > 0 && !(len == strlen("file") && strncasecmp(url, "file", len) == 0);
}

static int open_file(const struct store_options *opts, struct store **out)
{
	const char *rest = opts->url + strlen("file://");
	char *path = NULL;
	int rc;

	if (*rest != '/') {
		log_error(opts->log, "file://%s: a file URL has an absolute path and no host: file:///path", rest);
		rc = -EINVAL;
		goto out;
	}
	path = strdup(rest);
	if (path == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	rc = http_unescape(path);
	if (rc < 0)
		log_error(opts->log, "file://%s: a %% in a URL is followed by two hexadecimal digits other than 00",
		    rest);
	else
		rc = store_dir_open(path, opts->create, opts->log, out);
out:
	free(path);
	return rc;
}

/* Which store a scheme stands for. */
static const struct {
	const char *scheme;
	store_opener *open;
} openers[] = {
	{ "file", open_file },
	{ "s3", store_s3_open },
	{ "gs", store_s3_open },
	{ "azure", store_azure_open },
	{ "sftp", store_sftp_open },
	{ "https", store_static_open },
	{ "http", store_static_open },
	{ "webdav+https", store_webdav_open },
	{ "webdav+http", store_webdav_open },
};

/* The bare store of ${opts->url}. */
static int open_bare(const struct store_options *opts, struct store **out)
{
	size_t len = scheme_length(opts->url);

	if (*opts->url == '\0') {
		log_error(opts->log, "the repository's URL is empty");
		return -EINVAL;
	}
	if (len == 0)
		return store_dir_open(opts->url, opts->create, opts->log, out);
	for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
		if (strlen(openers[i].scheme) == len && strncasecmp(opts->url, openers[i].scheme, len) == 0)
			return openers[i].open(opts, out);
	}
	/* Nothing but the scheme is shown: there may be a password in the rest. */
	log_error(opts->log, "%.*s://: this program has no store for such URLs", (int)(len < 32 ? len : 32), opts->url);
	return -EPROTONOSUPPORT;
}

int store_open(const struct store_options *opts, struct store **out)
{
	struct store *inner = NULL;
	int rc = opts->nreplicas > 0 ? store_replica_open_all(opts, open_bare, &inner) : open_bare(opts, &inner);

	if (rc < 0)
		return rc;
	if (opts->nreplicas == 0 && inner->local_path != NULL) {
		*out = inner;
		return 0;
	}
	rc = store_retry_open(opts, inner, out);
	if (rc < 0)
		store_close(inner);
	return rc;
}
