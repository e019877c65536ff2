/*
 * SFTP: opening, and the operations of one request each.  See store_sftp.h.
 */
#include "repo/store/sftp/store_sftp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/sftp/sftp_impl.h"

int sftp_perform(struct store_sftp *f, const struct http_request *q, const char *name, struct http_reply *r)
{
	struct http_auth auth = sftp_place_auth(&f->place);
	struct http_request full = *q;
	struct buf url = BUF_INIT;
	int rc;

	rc = buf_printf(&url, "%s", f->place.server);
	if (rc == 0)
		rc = http_escape(&url, f->place.path, "/");
	if (rc == 0)
		rc = buf_printf(&url, "/%s", name);
	if (rc == 0) {
		full.url = (const char *)url.data;
		full.auth = &auth;
		rc = http_perform(f->http, &full, r);
	}
	buf_free(&url);
	return rc;
}

int sftp_run(struct store_sftp *f, const char *const *commands, struct http_reply *r)
{
	struct http_request q = { .method = "QUOTE", .commands = commands };

	return sftp_perform(f, &q, "", r);
}

/* In quotes, as curl's commands have them: those and backslashes are escaped. */
static int append_path(struct buf *out, const struct store_sftp *f, const char *name)
{
	int rc = buf_printf(out, " \"");

	for (const char *c = f->place.directory; *c != '\0' && rc == 0; c++)
		rc = buf_printf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
	return rc < 0 ? rc : buf_printf(out, "%s\"", name);
}

int sftp_command(struct buf *out, const char *verb, const struct store_sftp *f, const char *name, const char *other)
{
	int rc = buf_printf(out, "%s", verb);

	if (rc == 0)
		rc = append_path(out, f, name);
	if (rc == 0 && other != NULL)
		rc = append_path(out, f, other);
	return rc < 0 ? rc : buf_u8(out, 0);
}

int sftp_failed(struct store_sftp *f, int rc, const struct http_reply *r, const char *operation, const char *name)
{
	const struct sftp_place *p = &f->place;
	const struct log *log = f->base.log;

	if (rc == -EPERM && strncmp(r->cause, "the host's key", 14) == 0) {
		log_error(log, "%s/%s: %s: %s: another machine may pretend to be %s; if it has new keys, put them "
		    "there", f->base.url, name, operation, r->cause, p->host);
		return -EACCES;
	}
	if (rc == -EACCES && strncmp(r->cause, "the proxy ", 10) != 0) {
		log_error(log, "%s/%s: %s: login of %s denied, with %s%s%s", f->base.url, name, operation, p->user,
		    p->password != NULL ? "the password" : p->key_file != NULL ? "the key " :
						      "the agent's keys and those in ~/.ssh",
		    p->password == NULL && p->key_file != NULL ? p->key_file : "",
		    p->key_file != NULL && sftp_key_is_rsa(p->key_file) ?
		    ": servers refuse RSA keys from this libssh2, use an Ed25519 key" : "");
		return rc;
	}
	if (rc == 0 && r->status == 403) {
		log_error(log, "%s/%s: no permission to %s", f->base.url, name, operation);
		return -EACCES;
	}
	if (rc == 0 && r->status >= 300 && r->status != 404 && r->status != 500 && r->status != 507) {
		log_error(log, "%s/%s: %s: %.*s", f->base.url, name, operation, (int)r->error.len,
		    r->error.data != NULL ? (const char *)r->error.data : "");
		return -EIO;
	}
	return http_failed(&f->base, rc, r, operation, name);
}

int sftp_size(struct store *s, const char *name, uint64_t *size)
{
	struct http_request q = { .method = "HEAD" };
	struct http_reply r = { 0 };
	char length[32];
	int rc;

	rc = sftp_perform(sftp_of(s), &q, name, &r);
	if (rc < 0 || r.status != 200) {
		rc = sftp_failed(sftp_of(s), rc, &r, "stat", name);
	} else if (http_header(&r, "content-length", length, sizeof(length))) {
		*size = strtoull(length, NULL, 10);
	} else {
		log_error(s->log, "%s/%s: stat: the server tells no length", s->url, name);
		rc = -EIO;
	}
	http_reply_free(&r);
	return rc;
}

int sftp_look(struct store *s, const char *name)
{
	uint64_t size;

	return sftp_size(s, name, &size);
}

static int sftp_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct http_request q = { .method = "GET", .ranged = true, .range_off = off, .range_len = len, .into = out,
		.max = len };
	struct http_reply r = { 0 };
	int rc;

	rc = sftp_perform(sftp_of(s), &q, name, &r);
	if (rc == 0 && (r.status == 416 || (r.status == 200 && r.received < len)))
		rc = store_too_short(s, name, off, len);
	else if (rc < 0 || r.status != 200)
		rc = sftp_failed(sftp_of(s), rc, &r, "get", name);
	http_reply_free(&r);
	return rc == -ENOENT ? store_absent(s, "get", name, sftp_look) : rc;
}

static int sftp_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct http_request q = { .method = "GET", .append = out, .max = max };
	struct http_reply r = { 0 };
	int rc;

	rc = sftp_perform(sftp_of(s), &q, name, &r);
	if (rc == -EMSGSIZE)
		rc = store_too_long(s, name, max);
	else if (rc < 0 || r.status != 200)
		rc = sftp_failed(sftp_of(s), rc, &r, "get", name);
	http_reply_free(&r);
	return rc == -ENOENT ? store_absent(s, "get", name, sftp_look) : rc;
}

int sftp_stat(struct store *s, const char *name, uint64_t *size)
{
	int rc = sftp_size(s, name, size);

	return rc == -ENOENT ? store_absent(s, "stat", name, sftp_look) : rc;
}

static int sftp_delete(struct store *s, const char *name)
{
	struct buf command = BUF_INIT;
	const char *commands[2] = { NULL, NULL };
	struct http_reply r = { 0 };
	int rc;

	rc = sftp_command(&command, "rm", sftp_of(s), name, NULL);
	if (rc == 0) {
		commands[0] = (const char *)command.data;
		rc = sftp_run(sftp_of(s), commands, &r);
	}
	if (rc < 0 || r.status != 200)
		rc = sftp_failed(sftp_of(s), rc, &r, "delete", name);
	http_reply_free(&r);
	buf_free(&command);
	if (rc == -ENOENT)
		rc = store_absent(s, "delete", name, sftp_look);
	return rc == -ENOENT ? 0 : rc;
}

static int sftp_info(struct store *s, struct store_info *out)
{
	(void)s;
	*out = (struct store_info){ 0 };
	return 0;
}

static void sftp_close(struct store *s)
{
	struct store_sftp *f = sftp_of(s);

	http_close(f->http);
	sftp_place_free(&f->place);
	store_destroy(s);
	free(f);
}

static const struct store_ops sftp_ops = {
	.get = sftp_get,
	.get_all = sftp_get_all,
	.stat = sftp_stat,
	.list = sftp_list,
	.list_names = sftp_list_names,
	.del = sftp_delete,
	.info = sftp_info,
	.put_begin = sftp_put_begin,
	.put_append = sftp_put_append,
	.put_commit = sftp_put_commit,
	.put_abort = sftp_put_abort,
	.close = sftp_close,
};

int store_sftp_open(const struct store_options *opts, struct store **out)
{
	static const char *const known[] = { "key", "known_hosts", NULL };
	struct store_sftp *f = calloc(1, sizeof(*f));
	struct url u = { 0 };
	int rc;

	if (f == NULL)
		return -ENOMEM;
	rc = url_parse(opts->url, opts->log, &u);
	if (rc == 0)
		rc = store_init(&f->base, &sftp_ops, opts->log, u.shown, NULL);
	if (rc < 0) {
		free(f);
		goto out;
	}
	f->spool_dir = opts->spool_dir;
	f->create = opts->create;
	rc = url_options_known(&u, known, opts->log);
	if (rc == 0)
		rc = sftp_place_find(&u, opts->log, &f->place);
	if (rc == 0)
		rc = http_open(opts, &f->http);
	if (rc == 0)
		*out = &f->base;
	else
		sftp_close(&f->base);
out:
	url_free(&u);
	return rc;
}
