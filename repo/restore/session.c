/*
 * Counting, telling, ending.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/restore/work/linkset.h"
#include "repo/restore/session.h"

void restore_stop(struct restore *rs, int err)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&rs->stop, &none, err))
		linkset_stop(rs->links);
}

bool restore_stopped(struct restore *rs)
{
	if (rs->opts->cancel != NULL && *rs->opts->cancel != 0 && rs->stop == 0)
		restore_stop(rs, -EINTR);
	return rs->stop != 0;
}

/* Hand the quoted path of an entry, behind ${before}, to one of the caller's functions. */
static void with_path(const char *before, const struct outdir *dir, const char *name, size_t len,
    void (*tell)(void *, const char *), void *arg)
{
	struct buf path = BUF_INIT;
	size_t size;
	char *quoted = NULL;

	if (buf_append(&path, before, strlen(before)) == 0 && (len == 0 || buf_u8(&path, '/') == 0) &&
	    outdir_path(dir, name, len, &path) == 0 && (path.len > 0 || buf_u8(&path, '/') == 0)) {
		size = 4 * path.len + 1;
		quoted = malloc(size);
		if (quoted != NULL)
			tell(arg, quote_name((const char *)path.data, (unsigned)path.len, quoted, (unsigned)size));
	}
	if (quoted == NULL)
		tell(arg, before);
	free(quoted);
	buf_free(&path);
}

struct message {
	const struct restore_options *opts;
	int err;
	char what[192];
};

static void tell_report(void *arg, const char *path)
{
	const struct message *m = arg;

	m->opts->report(m->opts->arg, path, m->err, m->what);
}

static void tell_entry(void *arg, const char *path)
{
	const struct restore_options *opts = arg;

	opts->entry(opts->arg, path);
}

static void report(struct restore *rs, const struct outdir *dir, const char *name, size_t len, int err,
    const char *what)
{
	struct message m = { .opts = rs->opts, .err = err };

	if (rs->opts->report == NULL)
		return;
	if (err != 0)
		snprintf(m.what, sizeof(m.what), "%s: %s", what, ERR(err));
	else
		snprintf(m.what, sizeof(m.what), "%s", what);
	with_path(rs->target, dir, name, len, tell_report, &m);
}

/* Will everything else fail as well? */
static bool is_final(const struct trouble *t)
{
	if (t->minor)
		return false;
	if (t->repo)
		return t->err == -EACCES || t->err == -ENOMEM || t->err == -EINTR;
	return t->err == -ENOSPC || t->err == -EDQUOT || t->err == -EROFS || t->err == -ENOMEM;
}

void restore_trouble(struct restore *rs, const struct outdir *dir, const char *name, size_t len,
    const struct trouble *t)
{
	bool damaged = t->repo && t->err == -EBADMSG;

	atomic_fetch_add(damaged ? &rs->n.damaged : &rs->n.errors, 1);
	atomic_fetch_add(&rs->progress->errors, 1);
	if (damaged) {
		char what[128];

		snprintf(what, sizeof(what), "%s damaged in the repository", t->what);
		report(rs, dir, name, len, 0, what);
	} else if (t->repo) {
		char what[128];

		snprintf(what, sizeof(what), "%s not to be had", t->what);
		report(rs, dir, name, len, t->err, what);
	} else {
		report(rs, dir, name, len, t->err, t->what);
	}
	if (is_final(t))
		restore_stop(rs, t->err);
}

void restore_failed(struct restore *rs, const struct outdir *dir, const char *name, size_t len, int err,
    const char *what)
{
	struct trouble t = { .err = err, .what = what };

	restore_trouble(rs, dir, name, len, &t);
}

void restore_done(struct restore *rs, const struct outdir *dir, const char *name, size_t len, uint8_t type)
{
	_Atomic uint64_t *n = type == ENTRY_REG ? &rs->n.files : type == ENTRY_DIR ? &rs->n.dirs : &rs->n.others;

	atomic_fetch_add(n, 1);
	if (rs->opts->entry != NULL)
		with_path(rs->prefix, dir, name, len, tell_entry, (void *)(uintptr_t)rs->opts);
}

void restore_skipped(struct restore *rs)
{
	atomic_fetch_add(&rs->n.skipped, 1);
	atomic_fetch_add(&rs->progress->skipped, 1);
}

void restore_bytes(struct restore *rs, uint64_t n)
{
	atomic_fetch_add(&rs->n.bytes, n);
	atomic_fetch_add(&rs->progress->bytes, n);
}
