/*
 * What becomes of one entry: left out, taken from the parent, described here, or given to workers to be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/backup/large.h"
#include "repo/backup/walk_impl.h"
#include "repo/util/when.h"

#define TAG_NAME "CACHEDIR.TAG"
#define TAG_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

/* Tell that the entry could not be read, and mark the directory that lacks it. */
static int missed(struct walker *w, const struct subject *x, int err, const char *what)
{
	session_report(w->s, x->dir, x->name, x->len, err == -ENOENT ? 0 : err, err == -ENOENT ? "vanished" : what);
	if (w->depth > 0)
		walk_top(w)->partial = true;
	return 0;
}

/* The entry's attributes and owners, and its name; the rest is empty.  Borrowed names as names_fill(). */
static void describe(struct walker *w, const struct subject *x, struct tree_entry *e)
{
	*e = (struct tree_entry){ .name = x->name, .name_len = (uint16_t)x->len };
	attr_fill(&x->st, e);
	names_fill(w->p.names, e);
}

/* Can the parent's xattrs (and target) be taken: did nothing change, and are they still stored? */
static bool same_as_parent(struct walker *w, const struct subject *x)
{
	return x->old && attr_same(&x->st, x->old) &&
	       parent_contents_known(w->s->repo->tree, w->s->writer, x->old);
}

/* The parent's xattrs.  Return 0. */
static int take_xattrs(struct tree_entry *e, const struct tree_entry *old)
{
	e->flags |= old->flags & ENTRY_XATTRS_BY_ID;
	e->xattrs = old->xattrs;
	e->xattrs_len = old->xattrs_len;
	e->xattrs_id = old->xattrs_id;
	return 0;
}

/* Read xattrs, of ${fd} or by name, into ${e} (borrowed until the next call).  Return 0, or -ENOMEM. */
static int read_xattrs(struct walker *w, const struct subject *x, int fd, struct tree_entry *e)
{
	struct buf *b = &w->p.xattrs;
	int err;

	buf_clear(b);
	err = attr_xattrs(fd, x->dir ? x->dir->fd : -1, x->name, &w->p.scratch, b);
	if (err == -ENOMEM)
		return err;
	if (err == -ENOSYS && !atomic_exchange(&w->s->proc_missing, true))
		session_report(w->s, NULL, "/proc", 5, 0, "not there: no xattrs of symlinks and special files");
	else if (err < 0 && err != -ENOSYS)
		missed(w, x, err, "cannot read extended attributes");
	e->xattrs = b->data;
	e->xattrs_len = (uint32_t)b->len;
	return 0;
}

static char change_of(const struct subject *x)
{
	if (!x->old)
		return '+';
	return attr_same(&x->st, x->old) ? '.' : 'M';
}

/* --- Anything but files and directories --- */

static int visit_other(struct walker *w, const struct subject *x)
{
	char target[ENTRY_TARGET_MAX + 1];
	struct tree_entry e;
	ssize_t len;
	int err;

	describe(w, x, &e);
	atomic_fetch_add(&w->s->progress->others, 1);
	if (same_as_parent(w, x)) {
		take_xattrs(&e, x->old);
		e.target = x->old->target;
		e.size = e.target_len = x->old->target_len;
		return producer_entry(&w->p, ITEM_ENTRY, '.', &e, NULL);
	}
	if (e.type == ENTRY_LNK) {
		len = readlinkat(x->dir->fd, x->name, target, sizeof(target));
		if (len < 0 || (size_t)len > ENTRY_TARGET_MAX)
			return missed(w, x, len < 0 ? -errno : -ENAMETOOLONG, "cannot read symlink");
		e.target = target;
		e.size = e.target_len = (uint16_t)len;
	}
	err = read_xattrs(w, x, -1, &e);
	return err < 0 ? err : producer_entry(&w->p, ITEM_ENTRY, x->old ? 'M' : '+', &e, NULL);
}

/* --- Files --- */

/* A file that is the parent's: with its contents. */
static int visit_unchanged(struct walker *w, const struct subject *x, struct tree_entry *e)
{
	take_xattrs(e, x->old);
	e->flags |= x->old->flags & ENTRY_HAS_CHILD;
	e->child = x->old->child;
	e->spans = x->old->spans;
	e->nspans = x->old->nspans;
	e->data_bytes = x->old->data_bytes;
	if (e->size <= SMALL_FILE_MAX)
		return producer_file(&w->p, ITEM_KNOWN, '.', e, x->dir);
	atomic_fetch_add(&w->s->progress->bytes, e->data_bytes);
	return producer_entry(&w->p, ITEM_ENTRY, '.', e, NULL);
}

static int visit_file(struct walker *w, const struct subject *x)
{
	bool again = x->old && x->old->type == ENTRY_REG;
	struct tree_entry e;

	describe(w, x, &e);
	atomic_fetch_add(&w->s->progress->files, 1);
	/* A worker sees whether contents are still there, and reads the file if not; a large one it cannot read. */
	if (again && attr_same(&x->st, x->old) && (e.size <= SMALL_FILE_MAX || same_as_parent(w, x)))
		return visit_unchanged(w, x, &e);
	if (e.size <= SMALL_FILE_MAX)
		return producer_file(&w->p, ITEM_READ, again ? 'M' : '+', &e, x->dir);
	return large_file(&w->p, x->dir, &e, again ? 'M' : '+');
}

/* --- Directories --- */

static bool is_same(const struct own_dir *o, const struct statx *st)
{
	return o->exists && o->dev == attr_dev(st) && o->ino == st->stx_ino;
}

/* Is it the repository, or its index on this machine?  They change while we look, and are no loss. */
static bool is_own(struct walker *w, const struct subject *x, const char *path)
{
	if (is_same(&w->repository, &x->st)) {
		session_notice(w->s, x->dir, path, strlen(path), "the repository itself, contents left out");
		return true;
	}
	return is_same(&w->index, &x->st);
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

/* A directory above sources that is not read itself; ${partial}: because it cannot be. */
static int visit_above(struct walker *w, const struct root *root, const struct tree_entry *old, bool partial)
{
	struct subject x = { .name = root->name, .len = strlen(root->name), .old = old, .root = root };
	int64_t now = when_now_ns();
	struct tree_entry e;
	int fd, err;

	if (attr_stat(AT_FDCWD, root->path, 0, &x.st) < 0)
		x.st = (struct statx){ .stx_mode = 0755, .stx_nlink = 1, .stx_uid = geteuid(), .stx_gid = getegid(),
			.stx_mtime.tv_sec = now / NS_PER_SEC, .stx_ctime.tv_sec = now / NS_PER_SEC };
	x.st.stx_mode = (x.st.stx_mode & 07777) | S_IFDIR;
	describe(w, &x, &e);
	fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? 0 : read_xattrs(w, &x, fd, &e);
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
	describe(w, x, &e);
	err = same_as_parent(w, x) ? take_xattrs(&e, x->old) : x->dir ? read_xattrs(w, x, -1, &e) : 0;
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
		return missed(w, x, err, "cannot read attributes");
	}
	describe(w, x, &e);
	err = same_as_parent(w, x) ? take_xattrs(&e, x->old) : read_xattrs(w, x, dir->fd, &e);
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

/* A directory; ${x->dir} NULL: reached by the path of ${x->root}. */
static int visit_dir(struct walker *w, struct subject *x)
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
		return missed(w, x, fd == -ENOENT ? fd : 0, "changed while being read");
	if (fd < 0) {
		session_report(w->s, x->dir, path, strlen(path), fd, "cannot open directory");
		return visit_closed(w, x, true);
	}
	err = dir_new(w->s->dirs, x->dir, path, x->dir ? x->len : shown_len(path), fd, &dir);
	if (err == -ENOMEM)
		return err;
	return err < 0 ? missed(w, x, err, "cannot read attributes") : enter_open(w, x, dir);
}

/* --- Where entries come from --- */

/* Make ${name} the last name of the walker's path. */
static int set_path(struct walker *w, const char *name, size_t len)
{
	struct buf *b = &w->path;

	b->len = w->depth > 0 ? walk_top(w)->path_len : 0;
	if (w->depth == 0)
		return 0;
	if (buf_reserve(b, len + 2) < 0)
		return -ENOMEM;
	b->data[b->len] = '/';
	memcpy(b->data + b->len + 1, name, len);
	b->len += len + 1;
	b->data[b->len] = '\0';
	return 0;
}

static bool is_excluded(const struct walker *w, bool is_dir)
{
	return w->s->opts->exclude && match_path(w->s->opts->exclude, (const char *)w->path.data, is_dir);
}

/* Open the directory that the last name of ${path} is in. */
static int open_above(struct walker *w, const char *path, struct dir **out)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 1;
	char *above = slash ? strndup(path, len ? len : 1) : strdup(".");
	int fd = above ? open(above, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int err = !above ? -ENOMEM : fd < 0 ? -errno : 0;

	if (err == 0)
		err = dir_new(w->s->dirs, NULL, slash ? above : ".", len, fd, out);
	free(above);
	return err;
}

int visit_root(struct walker *w, const struct root *root)
{
	struct subject x = { .name = root->name, .len = strlen(root->name), .root = root };
	int err = set_path(w, x.name, x.len);

	if (err < 0)
		return err;
	if (w->depth > 0)
		x.old = parent_dir_find(&walk_top(w)->parent, x.name, x.len);
	else if (w->s->has_parent)
		x.old = &w->s->root;
	if (!root->source)
		return visit_above(w, root, x.old, false);
	err = attr_stat(AT_FDCWD, root->path, AT_SYMLINK_NOFOLLOW, &x.st);
	if (err == 0 && S_ISDIR(x.st.stx_mode))
		return visit_dir(w, &x);
	if (err == 0)
		err = open_above(w, root->path, &x.dir);
	if (err == 0 && x.dir) {
		err = S_ISREG(x.st.stx_mode) ? visit_file(w, &x) : visit_other(w, &x);
		dir_release(x.dir);
		return err;
	}
	if (err == -ENOMEM)
		return err;
	session_report(w->s, NULL, root->path, strlen(root->path), err, "cannot read attributes");
	if (w->depth == 0 || root->nchildren > 0)
		return visit_above(w, root, x.old, true);
	walk_top(w)->partial = true;
	return 0;
}

int visit_name(struct walker *w, const char *name, size_t len, uint8_t type, const struct root *root)
{
	struct frame *f = walk_top(w);
	struct subject x = { .dir = f->dir, .name = name, .len = len, .root = root };
	int err = set_path(w, name, len);

	if (err < 0)
		return err;
	/* What is excluded is not even looked at: it may be a file system that does not answer. */
	if (!root && type != DT_UNKNOWN && is_excluded(w, type == DT_DIR))
		return 0;
	err = root && is_excluded(w, true) ? -ENOENT : attr_stat(f->dir->fd, name, AT_SYMLINK_NOFOLLOW, &x.st);
	if (root && (err < 0 || !S_ISDIR(x.st.stx_mode)))
		return visit_above(w, root, parent_dir_find(&f->parent, name, len), false);
	if (err < 0)
		return missed(w, &x, err, "cannot read attributes");
	if (!root && type == DT_UNKNOWN && is_excluded(w, S_ISDIR(x.st.stx_mode)))
		return 0;
	if (!root && w->s->opts->exclude_nodump && x.st.stx_attributes & x.st.stx_attributes_mask & STATX_ATTR_NODUMP)
		return 0;
	x.old = parent_dir_find(&f->parent, name, len);
	switch (x.st.stx_mode & S_IFMT) {
	case S_IFDIR:
		return visit_dir(w, &x);
	case S_IFREG:
		return visit_file(w, &x);
	default:
		return visit_other(w, &x);
	}
}
