/*
 * What becomes of a directory: walked, stored without what is in it, or only for the sources below it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "repo/backup/walk/walk_impl.h"
#include "repo/util/text/when.h"

#define TAG_NAME "CACHEDIR.TAG"
#define TAG_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

static char change_of(const struct subject *x)
{
	if (!x->old)
		return '+';
	return attr_same(&x->st, x->old) ? '.' : 'M';
}

static bool is_same(const struct own_dir *o, const struct statx *st)
{
	return o->exists && o->dev == attr_dev(st) && o->ino == st->stx_ino;
}

/* Is it the repository, its index, or what was seen of it here?  They change while we look, and are no loss. */
static bool is_own(struct walker *w, const struct subject *x, const char *path)
{
	if (is_same(&w->repository, &x->st)) {
		session_notice(w->s, x->dir, path, strlen(path), "the repository itself, contents left out");
		return true;
	}
	return is_same(&w->index, &x->st) || is_same(&w->seen, &x->st);
}

/*
 * Is the open directory where varvefs is mounted?  What is in there is backed up already, and the next backup would
 * find it once more in what this one makes of it.
 */
static bool is_mount(const struct subject *x, int fd)
{
	return x->dir && x->dir->dev != attr_dev(&x->st) && fgetxattr(fd, "user.varve.requests", NULL, 0) >= 0;
}

/* Queue the begin of a directory. */
static int enter(struct walker *w, const struct subject *x, const struct tree_entry *e, bool made_up)
{
	struct item *item;
	int err = producer_entry(&w->p, ITEM_ENTER, change_of(x), e, &item);

	if (err < 0)
		return err;
	item->made_up = made_up;
	atomic_fetch_add(&w->s->progress->dirs, 1);
	return 0;
}

int visit_above(struct walker *w, const struct root *root, const struct tree_entry *old, bool partial)
{
	struct subject x = { .name = root->name, .len = strlen(root->name), .old = old, .root = root };
	int64_t now = when_now_ns();
	struct tree_entry e;
	int fd, err;

	if (attr_stat(AT_FDCWD, root->path, 0, &x.st) < 0)
		x.st = (struct statx){ .stx_mode = 0755, .stx_nlink = 1, .stx_uid = geteuid(), .stx_gid = getegid(),
			.stx_mtime.tv_sec = now / NS_PER_SEC, .stx_ctime.tv_sec = now / NS_PER_SEC };
	x.st.stx_mode = (x.st.stx_mode & 07777) | S_IFDIR;
	visit_describe(w, &x, &e);
	fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? 0 : visit_read_xattrs(w, &x, fd, &e);
	if (fd >= 0)
		close(fd);
	if (err == 0)
		err = enter(w, &x, &e, true);
	if (err == 0)
		err = walk_push(w, NULL, &x, 0, false);
	if (err == 0)
		walk_top(w)->partial = partial;
	return err;
}

/* Are there sources below it? */
static bool has_sources(const struct subject *x)
{
	return x->root && x->root->nchildren > 0;
}

/* Store the directory without what is in it, but for sources; ${partial}: it could not be read. */
static int visit_closed(struct walker *w, const struct subject *x, bool partial)
{
	struct tree_entry e;
	struct item *item = NULL;
	int err;

	if (has_sources(x))
		return visit_above(w, x->root, x->old, partial);
	visit_describe(w, x, &e);
	err = visit_same_as_parent(w, x) ? visit_take_xattrs(&e, x->old) : x->dir ? visit_read_xattrs(w, x, -1, &e) : 0;
	if (err == 0)
		err = enter(w, x, &e, partial);
	if (err == 0)
		err = producer_item(&w->p, &item);
	if (err != 0 || item == NULL)
		return err;
	item->kind = ITEM_LEAVE;
	item->e.flags = partial ? ENTRY_PARTIAL : 0;
	return 0;
}

/* Has the directory a tag that says that its contents can be had again? */
static bool is_cache(int fd)
{
	char begin[sizeof(TAG_SIGNATURE) - 1];
	int tag = attr_open(fd, TAG_NAME, 0, false);
	ssize_t n;

	if (tag < 0)
		return false;
	n = read(tag, begin, sizeof(begin));
	close(tag);
	return n == (ssize_t)sizeof(begin) && memcmp(begin, TAG_SIGNATURE, sizeof(begin)) == 0;
}

/* Wait until one more directory may be open: jobs that hold some must get done. */
static int wait_for_descriptors(struct walker *w)
{
	int err = 0;

	while (err == 0 && dir_pool_full(w->s->dirs)) {
		err = producer_submit(&w->p);
		if (err == 0)
			err = session_cancelled(w->s) ? -EINTR : queue_error(w->s->queue);
		if (queue_idle(w->s->queue))
			break; /* they are the walker's own */
		dir_pool_wait(w->s->dirs);
	}
	return err;
}

/* Go into the open directory ${dir}, of which the hold is taken over. */
static int enter_open(struct walker *w, struct subject *x, struct dir *dir)
{
	const struct backup_options *o = w->s->opts;
	struct tree_entry e;
	dev_t fs;
	int err;

	err = attr_stat(dir->fd, "", AT_EMPTY_PATH, &x->st);
	if (err < 0) {
		dir_release(dir);
		return visit_missed(w, x, err, "cannot read attributes");
	}
	if (is_mount(x, dir->fd)) {
		session_notice(w->s, x->dir, x->name, x->len, "a mount of varvefs, contents left out");
		dir_release(dir);
		return visit_closed(w, x, false);
	}
	visit_describe(w, x, &e);
	err = visit_same_as_parent(w, x) ? visit_take_xattrs(&e, x->old) : visit_read_xattrs(w, x, dir->fd, &e);
	if (err == 0)
		err = enter(w, x, &e, false);
	if (err < 0) {
		dir_release(dir);
		return err;
	}
	fs = x->dir && w->depth > 0 ? walk_top(w)->fs : attr_dev(&x->st);
	return walk_push(w, dir, x, fs, o->exclude_caches && is_cache(dir->fd));
}

/* Length of a source's path without slashes behind it: names below it are shown with one before them. */
static size_t shown_len(const char *path)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		len--;
	return len;
}

int visit_dir(struct walker *w, struct subject *x)
{
	int at = x->dir ? x->dir->fd : AT_FDCWD, fd, err;
	const char *path = x->dir ? x->name : x->root->path;
	struct dir *dir;

	if (is_own(w, x, path))
		return visit_closed(w, x, false);
	if (x->dir && w->s->opts->one_file_system && attr_dev(&x->st) != walk_top(w)->fs)
		return visit_closed(w, x, false);
	err = wait_for_descriptors(w);
	if (err < 0)
		return err;
	fd = attr_open(at, path, O_DIRECTORY, session_noatime(w->s, x->st.stx_uid));
	if (fd < 0 && !has_sources(x) && (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP))
		return visit_missed(w, x, fd == -ENOENT ? fd : 0, "changed while being read");
	if (fd < 0) {
		session_report(w->s, x->dir, path, strlen(path), fd, "cannot open directory");
		return visit_closed(w, x, true);
	}
	err = dir_new(w->s->dirs, x->dir, path, x->dir ? x->len : shown_len(path), fd, &dir);
	if (err == -ENOMEM)
		return err;
	return err < 0 ? visit_missed(w, x, err, "cannot read attributes") : enter_open(w, x, dir);
}
