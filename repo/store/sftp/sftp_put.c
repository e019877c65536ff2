/*
 * Writing: to tmp/RANDOM, then renamed.  See store_sftp.h.
 *
 * Directories are made when a rename or an upload finds that they are missing, which is seldom.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/crypt.h"
#include "repo/store/http/spool.h"
#include "repo/store/sftp/sftp_impl.h"
#include "repo/util/bytes/id.h"

#define RANDOM_LEN 16
#define COMMANDS_MAX 64
#define ASIDE ".old"

struct sftp_put {
	struct store_put base;
	struct spool spool;
	/* The same for each try, so that nothing is left behind: */
	char tmp[sizeof(SFTP_TMP "/") + 2 * RANDOM_LEN];               /* the upload */
	char aside[sizeof(SFTP_TMP "/") + 2 * RANDOM_LEN + sizeof(ASIDE)]; /* what it replaces */
	bool replacing; /* there may be something at ${aside} */
};

/* Commands that are run one after the other, each with a NUL in ${text}. */
struct batch {
	struct buf text;
	size_t at[COMMANDS_MAX];
	size_t n;
};

static struct sftp_put *put_of(struct store_put *p)
{
	return (struct sftp_put *)p;
}

int sftp_put_begin(struct store *s, struct store_put **out)
{
	struct sftp_put *p = calloc(1, sizeof(*p));
	uint8_t random[RANDOM_LEN];

	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	crypt_random(random, sizeof(random));
	memcpy(p->tmp, SFTP_TMP "/", sizeof(SFTP_TMP));
	hex_encode(random, sizeof(random), p->tmp + sizeof(SFTP_TMP));
	snprintf(p->aside, sizeof(p->aside), "%s" ASIDE, p->tmp);
	spool_init(&p->spool, sftp_of(s)->spool_dir);
	*out = &p->base;
	return 0;
}

int sftp_put_append(struct store_put *base, const void *data, size_t len)
{
	return spool_append(&put_of(base)->spool, data, len, base->store->log);
}

void sftp_put_abort(struct store_put *base)
{
	struct sftp_put *p = put_of(base);

	spool_free(&p->spool);
	free(p);
}

static int add(struct batch *b, const struct store_sftp *f, const char *verb, const char *name, const char *other)
{
	if (b->n == COMMANDS_MAX)
		return -ENAMETOOLONG;
	b->at[b->n++] = b->text.len;
	return sftp_command(&b->text, verb, f, name, other);
}

/* Run what is in ${b}, and forget it; ${rc}: whether it could be put there.  As http_perform(). */
static int run_batch(struct batch *b, int rc, struct store_sftp *f, struct http_reply *r)
{
	const char *commands[COMMANDS_MAX + 1];

	for (size_t i = 0; i < b->n; i++)
		commands[i] = (const char *)b->text.data + b->at[i];
	commands[b->n] = NULL;
	if (rc == 0)
		rc = sftp_run(f, commands, r);
	buf_free(&b->text);
	b->n = 0;
	return rc;
}

/* A "*" in front: that it is there already does no harm.  Each parent of ${name}, from the top. */
static int add_parents(struct batch *b, const struct store_sftp *f, const char *name)
{
	char parent[STORE_NAME_MAX + 1];
	int rc = 0;

	for (const char *slash = strchr(name, '/'); slash != NULL && rc == 0; slash = strchr(slash + 1, '/')) {
		memcpy(parent, name, (size_t)(slash - name));
		parent[slash - name] = '\0';
		rc = add(b, f, "*mkdir", parent, NULL);
	}
	return rc;
}

/* The store's own directory, and those it is in; that of the user who logs in, "", is there. */
static int add_root(struct batch *b, const struct store_sftp *f)
{
	struct store_sftp above = *f;
	char *part = strdup(f->place.directory);
	int rc = part != NULL ? 0 : -ENOMEM;

	for (char *slash = part; rc == 0 && *slash != '\0' && (slash = strchr(slash + 1, '/')) != NULL;) {
		/* With a "/" behind it, which does no harm. */
		char next = slash[1];

		slash[1] = '\0';
		above.place.directory = part;
		rc = add(b, &above, "*mkdir", "", NULL);
		slash[1] = next;
	}
	free(part);
	return rc;
}

/* Make what has to be there before an object can be uploaded, and be called ${name}. */
static int make_parents(struct store_sftp *f, const struct sftp_put *p, const char *name)
{
	struct http_reply r = { 0 };
	struct batch b = { 0 };
	int rc = store_may_make(&f->base, f->create, sftp_look);

	if (rc < 0)
		return rc;
	if (f->create)
		rc = add_root(&b, f);
	if (rc == 0)
		rc = add_parents(&b, f, p->tmp);
	if (rc == 0)
		rc = add_parents(&b, f, name);
	rc = run_batch(&b, rc, f, &r);
	if (rc < 0 || r.status != 200)
		rc = sftp_failed(f, rc, &r, "make the directory of", name);
	http_reply_free(&r);
	return rc == -ENOENT ? -EIO : rc;
}

/* Remove a file in tmp/.  It is no more than litter if that fails. */
static void drop(struct store_sftp *f, const char *tmp)
{
	struct http_reply r = { 0 };
	struct batch b = { 0 };

	(void)run_batch(&b, add(&b, f, "*rm", tmp, NULL), f, &r);
	http_reply_free(&r);
}

/* As http_perform(). */
static int rename_upload(struct store_sftp *f, const struct sftp_put *p, const char *name, struct http_reply *r)
{
	struct batch b = { 0 };

	http_reply_free(r);
	return run_batch(&b, add(&b, f, "rename", p->tmp, name), f, r);
}

/* Failures don't matter: it stays aside then. */
static void put_back(struct store_sftp *f, const struct sftp_put *p, const char *name)
{
	struct http_reply r = { 0 };
	struct batch b = { 0 };

	(void)run_batch(&b, add(&b, f, "*rename", p->aside, name), f, &r);
	http_reply_free(&r);
}

/*
 * Rename the upload onto what has that name.  No command does that at once, and none makes a second name: so the old
 * one is put aside before, and removed afterwards.  Who is killed in between leaves both in tmp/.  As http_perform().
 */
static int replace(struct store_sftp *f, struct sftp_put *p, const char *name, struct http_reply *r)
{
	struct batch b = { 0 };
	int rc = 0;

	http_reply_free(r);
	/* From a try whose end is not known; now there is one of the name again. */
	if (p->replacing)
		rc = add(&b, f, "*rm", p->aside, NULL);
	p->replacing = true;
	/* It may have gone meanwhile. */
	if (rc == 0)
		rc = add(&b, f, "*rename", name, p->aside);
	if (rc == 0)
		rc = add(&b, f, "rename", p->tmp, name);
	if (rc == 0)
		rc = add(&b, f, "*rm", p->aside, NULL);
	rc = run_batch(&b, rc, f, r);
	if (rc == 0 && r->status != 200)
		put_back(f, p, name);
	p->replacing = rc != 0 || r->status != 200;
	return rc;
}

/*
 * The rename has failed.  Is it because there is an object?  Without STORE_EXCL it is the same one, if it is as long;
 * a damaged one gives way.
 */
static int judge_existing(struct store_sftp *f, struct sftp_put *p, const char *name, unsigned flags,
    struct http_reply *r)
{
	uint64_t size = 0;
	int rc;

	rc = sftp_size(&f->base, name, &size);
	if (rc == 0 && (flags & STORE_EXCL) != 0)
		return -EEXIST;
	if (rc == 0 && size == p->spool.len && (flags & STORE_REPLACE) == 0)
		return 0;
	if (rc == 0) {
		rc = replace(f, p, name, r);
		if (rc == 0 && r->status == 200)
			return 0;
	} else if (rc != -ENOENT) {
		return rc;
	} else {
		rc = 0;
	}
	rc = sftp_failed(f, rc, r, "rename to", name);
	return rc == -ENOENT ? -EIO : rc;
}

/* Upload and rename in one request.  As http_perform(); ${r->status} 404: a directory is missing. */
static int upload(struct store_sftp *f, const struct sftp_put *p, const char *name, struct http_reply *r)
{
	struct buf command = BUF_INIT;
	struct http_body body = spool_body(&p->spool);
	const char *commands[2] = { NULL, NULL };
	struct http_request q = { .method = "PUT", .commands = commands, .body = &body };
	int rc;

	http_reply_free(r);
	rc = sftp_command(&command, "rename", f, p->tmp, name);
	if (rc == 0) {
		commands[0] = (const char *)command.data;
		rc = sftp_perform(f, &q, p->tmp, r);
	}
	buf_free(&command);
	return rc;
}

/* ${*uploaded}: there is something at ${p->tmp} that has to go. */
static int publish(struct store_sftp *f, struct sftp_put *p, const char *name, unsigned flags, bool *uploaded)
{
	struct http_reply r = { 0 };
	int rc;

	rc = upload(f, p, name, &r);
	if (rc == 0 && r.status == 404) {
		/* The directory of ${name} is missing, or, then without an upload, tmp/: it is not told which. */
		rc = make_parents(f, p, name);
		if (rc < 0)
			goto out;
		rc = rename_upload(f, p, name, &r);
		if (rc == 0 && r.status == 404)
			rc = upload(f, p, name, &r);
	}
	*uploaded = rc == 0 && r.status == 409;
	if (*uploaded)
		rc = judge_existing(f, p, name, flags, &r);
	else if (rc < 0 || r.status != 200)
		rc = sftp_failed(f, rc, &r, "put", name);
out:
	http_reply_free(&r);
	return rc == -ENOENT ? -EIO : rc;
}

int sftp_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct store_sftp *f = sftp_of(base->store);
	struct sftp_put *p = put_of(base);
	bool uploaded = false;
	uint64_t size;
	int rc = -ENOENT;

	/* Servers that replace what exists. */
	if ((flags & STORE_EXCL) != 0)
		rc = sftp_size(&f->base, name, &size);
	if (rc == 0)
		rc = -EEXIST;
	else if (rc == -ENOENT)
		rc = publish(f, p, name, flags, &uploaded);
	if (uploaded)
		drop(f, p->tmp);
	/* A try before this one has put it aside, and did not learn how that ended. */
	if (rc == 0 && p->replacing)
		drop(f, p->aside);
	if (rc != -EAGAIN)
		sftp_put_abort(base);
	return rc;
}
