/*
 * Connect.  See connect.h.
 */
#include "repo/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/store/cache/store_cache.h"

struct connecting {
	const struct connect_options *opts;
	struct store *store;
	struct buf raw; /* the config */
};

/* --- What is remembered of a URL ---------------------------------------------------------------------------------- */

static int remembered_name(const struct connecting *n, struct buf *out)
{
	const char *url = store_url(n->store);
	char hex[ID_HEX_SIZE];
	struct id id;

	crypt_hash(url, strlen(url), &id);
	return buf_printf(out, "%s/urls/%.32s", n->opts->cache_dir, id_hex(&id, hex));
}

/* Read a file of at most CONFIG_MAX bytes. */
static int read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = buf_reserve(out, CONFIG_MAX) == 0 ? pread(fd, out->data + out->len, CONFIG_MAX, 0) : -1;
	close(fd);
	if (len < 0)
		return -EIO;
	out->len += (size_t)len;
	return 0;
}

/* -ENOENT if nothing is remembered. */
static int recall(struct connecting *n)
{
	struct buf path = BUF_INIT;
	int rc = -ENOENT;

	if (n->opts->cache_dir != NULL && remembered_name(n, &path) == 0 && read_file((char *)path.data, &n->raw) == 0)
		rc = 0;
	buf_free(&path);
	return rc;
}

/* A file of this process, which then takes the name.  It is a convenience: failures are of no concern. */
static void write_file(const char *path, const struct buf *b)
{
	struct buf own = BUF_INIT;
	int fd = buf_printf(&own, "%s.%d", path, (int)getpid()) < 0 ? -1 :
	    open((char *)own.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0) {
		if (write(fd, b->data, b->len) != (ssize_t)b->len || rename((char *)own.data, path) < 0)
			unlink((char *)own.data);
		close(fd);
	}
	buf_free(&own);
}

static void remember(const struct connecting *n)
{
	struct buf path = BUF_INIT, old = BUF_INIT;
	char *slash;

	if (n->opts->cache_dir == NULL || remembered_name(n, &path) < 0)
		goto out;
	if (read_file((char *)path.data, &old) == 0 && old.len > 0 && old.len == n->raw.len &&
	    memcmp(old.data, n->raw.data, old.len) == 0)
		goto out;
	/* The cache's directory, and "urls" in it; who is above is the user's business. */
	slash = strrchr((char *)path.data, '/');
	*slash = '\0';
	mkdir(n->opts->cache_dir, 0700);
	mkdir((char *)path.data, 0700);
	*slash = '/';
	write_file((char *)path.data, &n->raw);
out:
	buf_free(&path);
	buf_free(&old);
}

/* --- The config --------------------------------------------------------------------------------------------------- */

/* May ${rc} be for want of a network? */
static bool is_unreachable(int rc)
{
	return rc == -EIO || rc == -ETIMEDOUT || rc == -EHOSTUNREACH;
}

static int recall_or(struct connecting *n, int rc)
{
	const char *url = store_url(n->store);

	if (n->opts->uncached || (n->opts->exact && !n->opts->offline) || recall(n) < 0) {
		if (n->opts->offline)
			log_error(n->opts->log, "%s: not known here, and offline", url);
		return rc;
	}
	if (!n->opts->offline)
		log_warn(n->opts->log, "%s: cannot be reached: working with what is cached", url);
	return 0;
}

static int get_config(struct connecting *n)
{
	bool remote = store_local_path(n->store) == NULL;
	int rc;

	if (remote && n->opts->offline)
		return recall_or(n, -ENETDOWN);
	rc = store_get_all(n->store, "config", CONFIG_MAX, &n->raw);
	if (rc == -ENOENT)
		log_error(n->opts->log, "%s: not a varve repository (it has no config)", store_url(n->store));
	return remote && is_unreachable(rc) ? recall_or(n, rc) : rc;
}

/* Get what decodes: where another copy may be good, that is asked for.  A version that is newer may be damage too. */
static int get_sound(struct connecting *n, struct config *config)
{
	unsigned others = n->opts->store->nreplicas > 0 ? n->opts->store->nreplicas : 1;
	int rc, got = get_config(n);

	if (got != 0)
		return got;
	for (;;) {
		rc = config_decode(n->raw.data, n->raw.len, config);
		if ((rc != -EBADMSG && rc != -EPROTONOSUPPORT) || others-- == 0 ||
		    store_distrust(n->store, "config", 0, n->raw.len) != 0)
			break;
		buf_clear(&n->raw);
		if (get_config(n) != 0)
			break;
	}
	return rc;
}

static int read_config(struct connecting *n, struct config *config)
{
	const char *url = store_url(n->store);
	int rc = get_sound(n, config);

	if (rc == -EPROTONOSUPPORT)
		log_error(n->opts->log, "%s: config: format version %u is newer than this program (%u)", url,
		    config->version, FORMAT_VERSION);
	else if (rc != 0)
		log_error(n->opts->log, "%s: config: %s", url, ERR(rc));
	if (rc == 0 && !crypt_available(config->cipher)) {
		log_error(n->opts->log, "%s: config: cipher %s is not available on this machine", url,
		    crypt_cipher_name(config->cipher));
		rc = -ENOTSUP;
	}
	return rc;
}

/* --- The whole ---------------------------------------------------------------------------------------------------- */

/* The store is the cache's on success. */
static int put_cache_around(struct connecting *n, const uint8_t repo_id[16])
{
	struct cache_options co = {
		.max_bytes = n->opts->cache_bytes,
		.offline = n->opts->offline,
		.exact = n->opts->exact,
		.log = n->opts->log,
	};
	struct store *inner = n->store;
	struct buf dir = BUF_INIT;
	char hex[33];
	int rc;

	hex_encode(repo_id, 16, hex);
	rc = buf_printf(&dir, "%s/sealed/%s", n->opts->cache_dir, hex);
	if (rc == 0) {
		co.dir = (const char *)dir.data;
		n->store = NULL;
		rc = store_cache_open(inner, &co, &n->store);
	}
	buf_free(&dir);
	return rc;
}

int connect_store(const struct connect_options *opts, struct config *config, struct store **out)
{
	struct connecting n = { .opts = opts };
	struct store_options so = *opts->store;
	int rc;

	so.create = false;
	so.log = opts->log;
	rc = store_open(&so, &n.store);
	if (rc == 0)
		rc = read_config(&n, config);
	if (rc == 0 && store_local_path(n.store) == NULL && opts->cache_dir != NULL && !opts->uncached) {
		remember(&n);
		rc = put_cache_around(&n, config->repo_id);
	}
	buf_free(&n.raw);
	if (rc == 0)
		*out = n.store;
	else
		store_close(n.store);
	return rc;
}
