/*
 * Confining.  See confine.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/confine.h"
#include "repo/store/http/http.h"
#include "repo/store/http/url.h"

/* What a program needs that does nothing: libraries that are loaded late (libgcc_s), time zones, itself. */
static const char *const system_paths[] = {
	"/usr", "/lib", "/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/etc/localtime", "/proc",
	"/sys/devices/system/cpu", "/dev/urandom", "/dev/zero", NULL,
};

/*
 * What finding and trusting a server needs.  All of /etc, as resolv.conf and the certificates are replaced by new
 * files when the network changes, or an update comes.
 */
static const char *const network_paths[] = {
	"/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/run/nscd",
	"/var/lib/ca-certificates", "/var/lib/sss", NULL,
};

/* In the user's home: who he is to a server. */
static const char *const home_paths[] = { ".aws", ".ssh", NULL };

/* Variables that name files with credentials or certificates. */
static const char *const file_variables[] = {
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "VARVE_KNOWN_HOSTS",
	"VARVE_SSH_KEY", "RESOLV_CONF", NULL,
};

/* Options of URLs that do. */
static const char *const file_options[] = { "known_hosts", "key", NULL };

/* Parts of a repository in a directory: somebody may have put one elsewhere, with a symlink. */
static const char *const repository_parts[] = {
	"config", "keys", "generations", "packs", "trees", "index", "revoked", "snapshots", "doomed", NULL,
};

static int allow_all(struct sandbox *s, const char *const *paths)
{
	int rc = 0;

	for (; rc == 0 && *paths != NULL; paths++)
		rc = sandbox_allow(s, *paths, SANDBOX_READ);
	return rc;
}

/* ${dir}/${name}, for all names. */
static int allow_below(struct sandbox *s, const char *dir, const char *const *names)
{
	char *path;
	int rc = 0;

	for (; rc == 0 && *names != NULL; names++) {
		if (asprintf(&path, "%s/%s", dir, *names) < 0)
			return -ENOMEM;
		rc = sandbox_allow(s, path, SANDBOX_READ);
		free(path);
	}
	return rc;
}

/* Is there a scheme, and another than "file"? */
static bool is_remote(const char *url)
{
	return url != NULL && strstr(url, "://") != NULL && strncasecmp(url, "file://", 7) != 0;
}

bool confine_is_local(const struct store_options *o)
{
	bool local = !is_remote(o->url);

	for (unsigned i = 0; i < o->nreplicas; i++)
		local = local && !is_remote(o->replicas[i]);
	return local;
}

static int allow_directory(struct sandbox *s, const char *url)
{
	bool is_url = strncasecmp(url, "file://", 7) == 0;
	char *path = strdup(is_url ? url + 7 : url);
	int rc;

	if (path == NULL)
		return -ENOMEM;
	if (is_url && http_unescape(path) < 0)
		path[0] = '\0';
	rc = sandbox_allow(s, path, SANDBOX_READ);
	if (rc == 0 && path[0] != '\0')
		rc = allow_below(s, path, repository_parts);
	free(path);
	return rc;
}

/* The files that the URL names. */
static int allow_url_files(struct sandbox *s, const char *url)
{
	char *path;
	struct url u;
	int rc = 0;

	/* It has been opened, so that it is none of ours if it is not understood. */
	if (url_parse(url, NULL, &u) != 0)
		return 0;
	for (size_t i = 0; rc == 0 && file_options[i] != NULL; i++) {
		rc = url_option(&u, file_options[i], &path);
		if (rc == 0) {
			rc = sandbox_allow(s, path, SANDBOX_READ);
			free(path);
		}
	}
	url_free(&u);
	return rc;
}

static int allow_store(struct sandbox *s, const char *url)
{
	if (url == NULL)
		return 0;
	return is_remote(url) ? allow_url_files(s, url) : allow_directory(s, url);
}

static int allow_stores(struct sandbox *s, const struct store_options *o)
{
	int rc = allow_store(s, o->url);

	for (unsigned i = 0; rc == 0 && i < o->nreplicas; i++)
		rc = allow_store(s, o->replicas[i]);
	return rc;
}

static int allow_network(struct sandbox *s, const struct store_options *o)
{
	const char *home = getenv("HOME");
	int rc = allow_all(s, network_paths);

	for (size_t i = 0; rc == 0 && file_variables[i] != NULL; i++)
		rc = sandbox_allow(s, getenv(file_variables[i]), SANDBOX_READ);
	if (rc == 0)
		rc = sandbox_allow(s, o->ca_file, SANDBOX_READ);
	if (rc == 0 && home != NULL && *home == '/')
		rc = allow_below(s, home, home_paths);
	return rc;
}

/* Where private indexes and spooled bytes may go. */
static int allow_temporary(struct sandbox *s)
{
	const char *tmp = getenv("TMPDIR");
	int rc = sandbox_allow(s, "/dev/shm", SANDBOX_CHANGE);

	if (tmp != NULL && *tmp != '\0')
		return rc == 0 ? sandbox_allow(s, tmp, SANDBOX_CHANGE) : rc;
	if (rc == 0)
		rc = sandbox_allow(s, "/tmp", SANDBOX_CHANGE);
	return rc == 0 ? sandbox_allow(s, "/var/tmp", SANDBOX_CHANGE) : rc;
}

static int allow_places(struct sandbox *s, const struct confine_options *o)
{
	int rc = sandbox_allow(s, o->repo->cache_dir, SANDBOX_CHANGE);

	if (rc == 0)
		rc = sandbox_allow(s, "/dev/null", SANDBOX_DEVICE);
	if (rc == 0 && o->target_fd >= 0)
		rc = sandbox_allow_fd(s, o->target_fd, SANDBOX_RESTORE);
	for (const struct confine_place *p = o->places; rc == 0 && p != NULL && p->path != NULL; p++)
		rc = sandbox_allow(s, p->path, p->use);
	return rc;
}

int confine(const struct confine_options *opts)
{
	bool local = confine_is_local(opts->store);
	struct sandbox *s = NULL;
	int rc;

	rc = sandbox_new(!local, opts->repo->log, &s);
	if (rc == 0)
		rc = allow_all(s, system_paths);
	if (rc == 0 && !local)
		rc = allow_network(s, opts->store);
	if (rc == 0)
		rc = allow_stores(s, opts->store);
	if (rc == 0)
		rc = allow_temporary(s);
	if (rc == 0)
		rc = allow_places(s, opts);
	if (rc == 0)
		rc = sandbox_enter(s);
	sandbox_free(s);
	return rc;
}
