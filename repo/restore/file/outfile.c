/*
 * One regular file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "repo/restore/file/outfile.h"
#include "repo/restore/output/existing.h"

#define TRIES 3

static void failed(struct worker *w, const struct batch_item *i, int err, const char *what)
{
	restore_failed(w->rs, i->dir, i->e.name, i->e.name_len, err, what);
}

/* Create it.  Return 0 or a negative errno. */
static int create(struct worker *w, const struct batch_item *i, struct outfile *f)
{
	int flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | (w->rs->opts->verify ? O_RDWR : O_WRONLY);
	mode_t mode = attrs_begin(w->rs, i->dir, &i->e, &f->now);
	bool temp = f->temp[0] != '\0';

	f->fd = openat(i->dir->base.fd, temp ? f->temp : i->e.name, flags, mode);
	if (f->fd < 0)
		return -errno;
	if (temp)
		temp_lock(f->fd);
	return 0;
}

enum outfile_begun outfile_begin(struct worker *w, const struct batch_item *i, struct outfile *f)
{
	enum fate fate;
	struct stat st;
	int rc = -EEXIST;

	for (unsigned n = 0; n < TRIES && rc == -EEXIST; n++) {
		/* A directory that was made just now is looked into only if something is in the way after all. */
		fate = existing_fate(w->rs, i, n > 0, &st);
		if (fate == FATE_LEAVE)
			restore_skipped(w->rs);
		if (fate == FATE_LEAVE || fate == FATE_REFUSE)
			return OUTFILE_NONE;
		if (fate == FATE_KEEP) {
			if (existing_keep(w, i, &st))
				return OUTFILE_KEPT;
			fate = FATE_REPLACE;
		}
		f->temp[0] = '\0';
		if (fate == FATE_REPLACE || w->rs->opts->overwrite == RESTORE_NEVER)
			temp_name(f->temp);
		rc = create(w, i, f);
	}
	if (rc == 0)
		return OUTFILE_OPEN;
	failed(w, i, rc, "cannot create");
	return OUTFILE_NONE;
}

static void discard(const struct batch_item *i, struct outfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	unlinkat(i->dir->base.fd, f->temp[0] != '\0' ? f->temp : i->e.name, 0);
}

/* Rename it to its name, which must be free if nothing may be replaced: then -EEXIST if it is not. */
static int give_name(struct worker *w, const struct batch_item *i, struct outfile *f)
{
	int dirfd = i->dir->base.fd, rc;

	if (f->temp[0] == '\0')
		return 0;
	if (w->rs->opts->overwrite != RESTORE_NEVER)
		return existing_replace(i, f->temp);
	rc = renameat2(dirfd, f->temp, dirfd, i->e.name, RENAME_NOREPLACE) < 0 ? -errno : 0;
	/* Not every filesystem knows that. */
	if (rc == -EINVAL) {
		rc = linkat(dirfd, f->temp, dirfd, i->e.name, 0) < 0 ? -errno : 0;
		if (rc == 0)
			unlinkat(dirfd, f->temp, 0);
	}
	return rc;
}

static bool complete(struct worker *w, const struct batch_item *i, struct outfile *f)
{
	struct subject s;
	int rc;

	subject_init(&s, f->fd);
	attrs_set(w->rs, &s, i->dir, &i->e, &f->now);
	rc = close(f->fd) < 0 ? -errno : 0;
	f->fd = -1;
	if (rc < 0 && rc != -EINTR) {
		failed(w, i, rc, "cannot write");
		return false;
	}
	rc = give_name(w, i, f);
	if (rc == -EEXIST && w->rs->opts->overwrite == RESTORE_NEVER)
		restore_skipped(w->rs);
	else if (rc < 0)
		failed(w, i, rc, "cannot rename the complete file to its name");
	return rc == 0;
}

bool outfile_end(struct worker *w, const struct batch_item *i, struct outfile *f, const struct trouble *trouble)
{
	bool there = trouble == NULL && complete(w, i, f);

	if (!there)
		discard(i, f);
	if (trouble != NULL && !(trouble->err == -EINTR && !trouble->repo))
		restore_trouble(w->rs, i->dir, i->e.name, i->e.name_len, trouble);
	if (there)
		restore_done(w->rs, i->dir, i->e.name, i->e.name_len, ENTRY_REG);
	return there;
}
