/*
 * Making directories, and opening those that exist, component by component and never through a symlink.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/restore/output/attrs.h"
#include "repo/restore/output/temp.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define TRIES 3

/* Why a directory could not be had. */
struct reason {
	int err;
	const char *what;
};

/* Open a directory that its owner has shut himself out of, by letting him in: its own mode is set in the end. */
static int open_shut(int dirfd, const char *name)
{
	struct subject s;
	struct stat st;
	int fd = -1;

	if (subject_open(&s, dirfd, name, false) < 0)
		return -1;
	if (fstat(s.fd, &st) == 0 && S_ISDIR(st.st_mode) && chmod(s.proc, (st.st_mode & 07777) | S_IRWXU) == 0)
		fd = openat(dirfd, name, DIR_FLAGS | O_NOFOLLOW);
	subject_close(&s);
	return fd;
}

static int open_existing(const struct restore *rs, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, DIR_FLAGS | O_NOFOLLOW);

	if (fd < 0 && errno == EACCES && !rs->opts->dry_run && rs->opts->overwrite != RESTORE_NEVER)
		fd = open_shut(dirfd, name);
	return fd;
}

/* Is there something that is no directory? */
static bool in_the_way(int err)
{
	return err == ENOTDIR || err == ELOOP;
}

/* The directory's descriptor; or -1 with the reason. */
static int make_or_open(const struct restore *rs, struct outdir *d, struct reason *why)
{
	int dirfd = d->parent->base.fd, fd = -1;
	const char *name = d->e.name;

	*why = (struct reason){ -EEXIST, "cannot make the directory" };
	for (unsigned i = 0; i < TRIES && fd < 0; i++) {
		d->fresh = mkdirat(dirfd, name, 0700) == 0;
		if (!d->fresh && errno != EEXIST) {
			why->err = -errno;
			break;
		}
		if (!d->fresh && d->parent->fresh) {
			*why = (struct reason){ 0, "another entry has this name on this filesystem" };
			break;
		}
		fd = open_existing(rs, dirfd, name);
		if (fd >= 0 || errno == ENOENT)
			continue;
		if (!in_the_way(errno)) {
			*why = (struct reason){ -errno, "cannot open the directory" };
			break;
		}
		if (rs->opts->overwrite == RESTORE_NEVER) {
			*why = (struct reason){ 0, "something else is in the place of the directory" };
			break;
		}
		if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT && errno != EISDIR) {
			*why = (struct reason){ -errno, "cannot remove what is in the place of the directory" };
			break;
		}
	}
	return fd;
}

/* What is there already, in a dry run: -1 is fine if there is nothing that stays. */
static int open_dry(const struct restore *rs, struct outdir *d, struct reason *why)
{
	int fd = d->parent->absent ? -1 : openat(d->parent->base.fd, d->e.name, DIR_FLAGS | O_NOFOLLOW);

	*why = (struct reason){ 0, NULL };
	d->fresh = fd < 0;
	if (fd < 0 && !d->parent->absent && in_the_way(errno) && rs->opts->overwrite == RESTORE_NEVER)
		why->what = "something else is in the place of the directory";
	return fd;
}

/* Let its owner work in a directory that exists. */
static void let_in(const struct restore *rs, struct outdir *d)
{
	if (rs->uid == 0 || d->uid != rs->uid || (d->mode & S_IRWXU) == S_IRWXU)
		return;
	if (fchmod(d->base.fd, (d->mode & 07777) | S_IRWXU) == 0)
		d->mode |= S_IRWXU;
}

/* Look at the open directory ${fd}, and take it over. */
static int take_over(const struct restore *rs, struct outdir *d, int fd)
{
	bool inherits = d->parent == NULL || d->parent->inherits;
	struct stat st;
	int rc;

	if (fd >= 0 && fstat(fd, &st) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	outdir_set_made(d, fd);
	if (fd < 0)
		return 0;
	d->base.dev = st.st_dev;
	d->base.ino = st.st_ino;
	d->uid = st.st_uid;
	d->gid = st.st_gid;
	d->mode = st.st_mode;
	if (rs->opts->dry_run)
		return 0;
	d->own = d->fresh && st.st_uid == rs->uid && st.st_gid == rs->gid;
	if (d->fresh && inherits)
		xattrs_disinherit(fd);
	else if (!d->fresh)
		d->inherits = xattrs_inherited(fd);
	if (!d->fresh)
		temp_clean(fd);
	if (!d->keep)
		let_in(rs, d);
	return 0;
}

bool outdir_make(struct restore *rs, struct outdir *d)
{
	const char *name = d->e.name;
	size_t len = d->e.name_len;
	struct reason why;
	int fd, rc;

	fd = rs->opts->dry_run ? open_dry(rs, d, &why) : make_or_open(rs, d, &why);
	if (fd < 0 && (!rs->opts->dry_run || why.what != NULL)) {
		restore_failed(rs, d->parent, name, len, why.err, why.what);
		d->failed = true;
		return false;
	}
	d->keep = !d->fresh && rs->opts->overwrite == RESTORE_NEVER;
	rc = take_over(rs, d, fd);
	if (rc < 0) {
		restore_failed(rs, d->parent, name, len, rc, "cannot look at the directory");
		d->failed = true;
		return false;
	}
	if (d->keep)
		restore_skipped(rs);
	else
		restore_done(rs, d->parent, name, len, ENTRY_DIR);
	return true;
}

/* Make directory ${path} with all above it.  Return 1 if it was made, 0 if it was there, or a negative errno. */
static int make_path(const char *path)
{
	size_t len = strlen(path);
	char *copy, *end;
	int rc;

	while (len > 1 && path[len - 1] == '/')
		len--;
	copy = strndup(path, len);
	if (copy == NULL)
		return -ENOMEM;
	/* What is above is everybody's as usual. */
	for (end = strchr(copy + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
		*end = '\0';
		mkdir(copy, 0777);
		*end = '/';
	}
	rc = mkdir(copy, 0700) == 0 ? 1 : errno == EEXIST ? 0 : -errno;
	free(copy);
	return rc;
}

/* ${*fd} stays -1 in a dry run if it is not there. */
static int open_target(const struct restore *rs, bool *fresh, int *fd)
{
	int rc;

	*fresh = false;
	*fd = open(rs->target, DIR_FLAGS);
	if (*fd >= 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (rs->opts->dry_run)
		return 0;
	rc = make_path(rs->target);
	if (rc < 0)
		return rc;
	*fresh = rc == 1;
	*fd = open(rs->target, DIR_FLAGS);
	return *fd < 0 ? -errno : 0;
}

int outdir_open_target(struct restore *rs, const struct tree_entry *e, struct outdir **out)
{
	struct outdir *d = outdir_new(rs->dirs, NULL, e, 0);
	int fd, rc;

	if (d == NULL)
		return -ENOMEM;
	rc = open_target(rs, &d->fresh, &fd);
	d->keep = true;
	if (rc == 0)
		rc = take_over(rs, d, fd);
	if (rc < 0) {
		log_error(rs->repo->log, "%s: cannot open the directory to restore to: %s", rs->target, ERR(rc));
		d->failed = true;
		outdir_leave(d);
		return rc;
	}
	*out = d;
	return 0;
}

void outdir_use_target(struct restore *rs, struct outdir *d)
{
	if (d->e.type != ENTRY_DIR)
		return;
	if (!d->fresh && !d->absent && rs->opts->overwrite == RESTORE_NEVER) {
		restore_skipped(rs);
		return;
	}
	d->keep = false;
	if (!d->absent && !rs->opts->dry_run)
		let_in(rs, d);
	restore_done(rs, NULL, "", 0, ENTRY_DIR);
}
