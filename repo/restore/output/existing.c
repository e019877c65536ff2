/*
 * Existing entries.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "repo/restore/file/contents.h"
#include "repo/restore/output/attrs.h"
#include "repo/restore/output/existing.h"

static bool same_time(const struct tree_entry *e, const struct stat *st)
{
	return e->mtime == st->st_mtim.tv_sec && (long)e->mtime_ns == st->st_mtim.tv_nsec;
}

static bool same_target(int dirfd, const struct tree_entry *e)
{
	char target[ENTRY_TARGET_MAX + 1];
	ssize_t len = readlinkat(dirfd, e->name, target, sizeof(target));

	return len == (ssize_t)e->target_len && memcmp(target, e->target, e->target_len) == 0;
}

/* Can it be told from ${st} that contents are as recorded? */
static bool unchanged(int dirfd, const struct tree_entry *e, const struct stat *st)
{
	if (entry_type_of(st->st_mode) != e->type)
		return false;
	switch (e->type) {
	case ENTRY_REG:
		return (uint64_t)st->st_size == e->size && same_time(e, st);
	case ENTRY_LNK:
		return same_target(dirfd, e);
	case ENTRY_CHR:
	case ENTRY_BLK:
		return st->st_rdev == makedev(e->rdev_major, e->rdev_minor);
	}
	return true;
}

static void refuse(struct restore *rs, const struct batch_item *i, int err, const char *what)
{
	restore_failed(rs, i->dir, i->e.name, i->e.name_len, err, what);
}

static enum fate remove_dir(struct restore *rs, const struct batch_item *i)
{
	if (rs->opts->dry_run || unlinkat(i->dir->base.fd, i->e.name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return FATE_NEW;
	if (errno == ENOTEMPTY || errno == EEXIST)
		refuse(rs, i, 0, "a directory that is not empty is in its place");
	else
		refuse(rs, i, -errno, "cannot remove the directory in its place");
	return FATE_REFUSE;
}

enum fate existing_fate(struct restore *rs, const struct batch_item *i, bool look, struct stat *st)
{
	const struct outdir *d = i->dir;

	if (d->absent || (d->fresh && !look))
		return FATE_NEW;
	if (fstatat(d->base.fd, i->e.name, st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return FATE_NEW;
		refuse(rs, i, -errno, "cannot look at what is there");
		return FATE_REFUSE;
	}
	if (d->fresh) {
		/* Names that differ in the snapshot and not here: the first one must not be lost. */
		refuse(rs, i, 0, "another entry has this name on this filesystem");
		return FATE_REFUSE;
	}
	if (rs->opts->overwrite == RESTORE_NEVER)
		return FATE_LEAVE;
	if (S_ISDIR(st->st_mode))
		return remove_dir(rs, i);
	return rs->opts->overwrite == RESTORE_IF_CHANGED && unchanged(d->base.fd, &i->e, st) ? FATE_KEEP : FATE_REPLACE;
}

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* An inode with other names is nobody's to change: it must be as recorded already. */
static bool may_keep(struct worker *w, const struct batch_item *i, const struct subject *s, const struct stat *st,
    struct attrs_now *now)
{
	if (st->st_nlink > 1 && !(same_time(&i->e, st) && attrs_same(w->rs, s, &i->e, now)))
		return false;
	if (!w->rs->opts->verify || i->e.type != ENTRY_REG)
		return true;
	return !s->path_only && contents_check(w, &i->e, s->fd);
}

bool existing_keep(struct worker *w, const struct batch_item *i, const struct stat *st)
{
	struct attrs_now now;
	struct subject s;
	struct stat open;
	bool keep;

	if (subject_open(&s, i->dir->base.fd, i->e.name, i->e.type == ENTRY_REG) < 0)
		return false;
	keep = fstat(s.fd, &open) == 0 && same_inode(&open, st);
	if (keep) {
		attrs_of_stat(&open, &now);
		keep = may_keep(w, i, &s, &open, &now);
	}
	if (keep && open.st_nlink == 1)
		attrs_set(w->rs, &s, i->dir, &i->e, &now);
	if (keep)
		restore_skipped(w->rs);
	subject_close(&s);
	return keep;
}

int existing_replace(const struct batch_item *i, const char *temp)
{
	return renameat(i->dir->base.fd, temp, i->dir->base.fd, i->e.name) < 0 ? -errno : 0;
}
