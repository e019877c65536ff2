/*
 * Cancelling, and reports of items that could not be read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/session.h"

#define QUOTED_MAX (64u * 1024) /* bytes of a quoted path; longer ones are cut */

bool session_cancelled(struct session *s)
{
	if (!s->opts->cancel || !atomic_load_explicit(s->opts->cancel, memory_order_relaxed))
		return false;
	queue_fail(s->queue, -EINTR);
	return true;
}

/* The words for a source's error: err_text() speaks of the store for some of them. */
static const char *source_error(int err, char *out, unsigned size)
{
	if (err != -EIO)
		return err_text(err, out, size);
	snprintf(out, size, "Input/output error");
	return out;
}

/* The item's path for display (malloc, the caller's); NULL without memory. */
static char *quoted_path(const struct dir *dir, const char *name, size_t len)
{
	struct buf path = BUF_INIT;
	char *quoted = NULL;
	unsigned size;

	if (dir_path(dir, name, len, &path) < 0)
		goto out;
	size = path.len < QUOTED_MAX / 4 ? (unsigned)path.len * 4 + 1 : QUOTED_MAX;
	quoted = malloc(size);
	if (quoted)
		quote_name((const char *)path.data, (unsigned)path.len, quoted, size);
out:
	buf_free(&path);
	return quoted;
}

void session_report(struct session *s, const struct dir *dir, const char *name, size_t len, int err, const char *what)
{
	char text[160], cause[96], *path;

	atomic_fetch_add(&s->errors, 1);
	atomic_fetch_add(&s->progress->errors, 1);
	if (!s->opts->report)
		return;
	if (err)
		snprintf(text, sizeof(text), "%s: %s", what, source_error(err, cause, sizeof(cause)));
	else
		snprintf(text, sizeof(text), "%s", what);
	path = quoted_path(dir, name, len);
	s->opts->report(s->opts->arg, path ? path : "?", err, text);
	free(path);
}

void session_notice(struct session *s, const struct dir *dir, const char *name, size_t len, const char *what)
{
	char *path = quoted_path(dir, name, len);

	log_warn(s->repo->log, "%s: %s", path ? path : "?", what);
	free(path);
}
