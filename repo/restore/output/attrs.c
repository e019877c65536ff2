/*
 * Owner, mode and times of restored entries.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "repo/restore/output/attrs.h"

#define MODE_BITS 07777u

void subject_init(struct subject *s, int fd)
{
	*s = (struct subject){ .fd = fd, .name = "" };
}

int subject_open(struct subject *s, int dirfd, const char *name, bool readable)
{
	*s = (struct subject){ .fd = -1, .dirfd = dirfd, .name = name };
	if (readable)
		s->fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (s->fd >= 0)
		return 0;
	s->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	s->path_only = true;
	snprintf(s->proc, sizeof(s->proc), "/proc/self/fd/%d", s->fd);
	return 0;
}

void subject_close(struct subject *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void attrs_of_stat(const struct stat *st, struct attrs_now *out)
{
	*out = (struct attrs_now){
		.owner_known = true,
		.mode_known = true,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mode = st->st_mode & MODE_BITS,
	};
}

static bool has_xattrs(const struct tree_entry *e)
{
	return e->xattrs_len > 0 || (e->flags & ENTRY_XATTRS_BY_ID);
}

mode_t attrs_begin(const struct restore *rs, const struct outdir *d, const struct tree_entry *e, struct attrs_now *now)
{
	bool mine = d->own && e->uid == rs->uid && e->gid == rs->gid;
	mode_t mode = mine && !has_xattrs(e) ? e->mode & 0777 : 0600;

	*now = (struct attrs_now){
		.owner_known = d->own,
		.mode_known = rs->umask != MODE_BITS && !d->inherits,
		.clean = !d->inherits,
		.uid = rs->uid,
		.gid = rs->gid,
		.mode = mode & ~rs->umask,
	};
	return mode;
}

bool attrs_needed(const struct tree_entry *e, const struct attrs_now *now)
{
	bool owner = now->owner_known && now->uid == e->uid && now->gid == e->gid;
	bool mode = e->type == ENTRY_LNK || (now->mode_known && now->mode == e->mode);

	return !owner || !mode || !now->clean || has_xattrs(e);
}

static int do_chown(const struct subject *s, uid_t uid, gid_t gid)
{
	int rc = s->path_only ? fchownat(s->fd, "", uid, gid, AT_EMPTY_PATH) : fchown(s->fd, uid, gid);

	return rc < 0 ? -errno : 0;
}

static int do_chmod(const struct subject *s, mode_t mode)
{
	int rc = s->path_only ? chmod(s->proc, mode) : fchmod(s->fd, mode);

	return rc < 0 ? -errno : 0;
}

static int do_times(const struct subject *s, const struct tree_entry *e)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = e->mtime, .tv_nsec = e->mtime_ns } };
	int rc;

	if (s->fd >= 0 && !s->path_only)
		rc = futimens(s->fd, t);
	else
		rc = utimensat(s->dirfd, s->name, t, AT_SYMLINK_NOFOLLOW);
	return rc < 0 ? -errno : 0;
}

/* Not this user's to do, or (in a user namespace) an owner that there is not. */
static bool not_permitted(int rc)
{
	return rc == -EPERM || rc == -EINVAL;
}

/* What is being set, and what came of it. */
struct setting {
	struct restore *rs;
	const struct subject *s;
	const struct outdir *dir;
	const struct tree_entry *e;
	struct attrs_now *now;
	mode_t mode;       /* the mode that it may have */
	bool lost;         /* not all was permitted */
};

static void failed(const struct setting *t, const struct trouble *trouble)
{
	restore_trouble(t->rs, t->dir, t->e->name, t->dir == NULL ? 0 : t->e->name_len, trouble);
}

static void cannot(const struct setting *t, int err, const char *what)
{
	failed(t, &(struct trouble){ .err = err, .minor = true, .what = what });
}

static void set_owner(struct setting *t)
{
	struct attrs_now *now = t->now;
	uid_t uid = t->e->uid;
	gid_t gid = t->e->gid;
	bool uid_ok, gid_ok;
	int rc;

	if (now->owner_known && now->uid == uid && now->gid == gid)
		return;
	rc = do_chown(t->s, uid, gid);
	if (rc == 0) {
		/* It has cleared what must not pass to another owner. */
		now->mode &= ~(mode_t)(S_ISUID | S_ISGID);
		return;
	}
	if (!not_permitted(rc)) {
		cannot(t, rc, "cannot set the owner");
		uid_ok = gid_ok = false;
	} else {
		t->lost = true;
		uid_ok = uid == (now->owner_known ? now->uid : t->rs->uid);
		gid_ok = do_chown(t->s, (uid_t)-1, gid) == 0;
	}
	if (!uid_ok)
		t->mode &= ~(mode_t)S_ISUID;
	if (!gid_ok)
		t->mode &= ~(mode_t)S_ISGID;
	now->mode_known = false;
}

static void set_xattrs(struct setting *t)
{
	const struct tree_entry *e = t->e;
	struct buf by_id = BUF_INIT;
	const void *want = e->xattrs;
	size_t len = e->xattrs_len;
	int rc = 0;

	if (t->now->clean && !has_xattrs(e))
		return;
	if (e->flags & ENTRY_XATTRS_BY_ID) {
		rc = tree_xattrs(t->rs->repo->tree, e, &by_id);
		want = by_id.data;
		len = by_id.len;
	}
	if (rc < 0) {
		failed(t, &(struct trouble){ .err = rc, .repo = true, .what = "extended attributes are" });
	} else {
		/* Its owner cannot set them of what he may not write. */
		if (t->rs->uid != 0 && len > 0 && !(t->now->mode_known && (t->now->mode & S_IWUSR)))
			do_chmod(t->s, t->now->mode_known ? t->now->mode | S_IWUSR : 0600);
		rc = xattrs_set(t->s, want, len, t->now->clean);
		t->now->mode_known = false;
		if (rc > 0)
			atomic_fetch_add(&t->rs->n.no_xattr, 1);
		else if (rc < 0)
			cannot(t, rc, "cannot set extended attributes");
	}
	buf_free(&by_id);
}

static void set_mode(struct setting *t)
{
	int rc;

	if (t->e->type == ENTRY_LNK || (t->now->mode_known && t->now->mode == t->mode))
		return;
	rc = do_chmod(t->s, t->mode);
	if (rc == -EPERM)
		t->lost = true;
	else if (rc < 0)
		cannot(t, rc, "cannot set the mode");
}

static void set_times(struct setting *t)
{
	int rc = do_times(t->s, t->e);

	if (rc == -EPERM || rc == -EACCES)
		t->lost = true;
	else if (rc < 0)
		cannot(t, rc, "cannot set the time");
}

void attrs_set(struct restore *rs, const struct subject *s, const struct outdir *d, const struct tree_entry *e,
    struct attrs_now *now)
{
	struct setting t = { .rs = rs, .s = s, .dir = d, .e = e, .now = now, .mode = e->mode };

	if (s->fd >= 0) {
		set_owner(&t);
		set_xattrs(&t);
		set_mode(&t);
	}
	set_times(&t);
	if (t.lost)
		atomic_fetch_add(&rs->n.no_owner, 1);
}

bool attrs_same(struct restore *rs, const struct subject *s, const struct tree_entry *e, const struct attrs_now *now)
{
	struct buf by_id = BUF_INIT;
	bool same = now->uid == e->uid && now->gid == e->gid && (e->type == ENTRY_LNK || now->mode == e->mode);

	if (same && (e->flags & ENTRY_XATTRS_BY_ID))
		same = tree_xattrs(rs->repo->tree, e, &by_id) == 0 && xattrs_same(s, by_id.data, by_id.len);
	else if (same)
		same = xattrs_same(s, e->xattrs, e->xattrs_len);
	buf_free(&by_id);
	return same;
}

void attrs_finish_dir(void *arg, struct outdir *d)
{
	struct restore *rs = arg;
	struct attrs_now now = {
		.owner_known = true,
		.mode_known = true,
		.clean = d->fresh && d->parent != NULL && !d->parent->inherits,
		.uid = d->uid,
		.gid = d->gid,
		.mode = d->mode & MODE_BITS,
	};
	struct subject s;

	if (d->keep || rs->stop != 0)
		return;
	subject_init(&s, d->base.fd);
	attrs_set(rs, &s, d->parent, &d->e, &now);
}
