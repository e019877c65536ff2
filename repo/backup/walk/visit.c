/*
 * What becomes of one entry: left out, taken from the parent, described here, or given to workers to be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/backup/fill/large.h"
#include "repo/backup/walk/walk_impl.h"

int visit_missed(struct walker *w, const struct subject *x, int err, const char *what)
{
	session_report(w->s, x->dir, x->name, x->len, err == -ENOENT ? 0 : err, err == -ENOENT ? "vanished" : what);
	if (w->depth > 0)
		walk_top(w)->partial = true;
	return 0;
}

void visit_describe(struct walker *w, const struct subject *x, struct tree_entry *e)
{
	*e = (struct tree_entry){ .name = x->name, .name_len = (uint16_t)x->len };
	attr_fill(&x->st, e);
	names_fill(w->p.names, e);
}

bool visit_same_as_parent(struct walker *w, const struct subject *x)
{
	return x->old && attr_same(&x->st, x->old) &&
	       parent_contents_known(w->s->repo->tree, w->s->writer, x->old);
}

int visit_take_xattrs(struct tree_entry *e, const struct tree_entry *old)
{
	e->flags |= old->flags & ENTRY_XATTRS_BY_ID;
	e->xattrs = old->xattrs;
	e->xattrs_len = old->xattrs_len;
	e->xattrs_id = old->xattrs_id;
	return 0;
}

int visit_read_xattrs(struct walker *w, const struct subject *x, int fd, struct tree_entry *e)
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
		visit_missed(w, x, err, "cannot read extended attributes");
	e->xattrs = b->data;
	e->xattrs_len = (uint32_t)b->len;
	return 0;
}

/* --- Anything but files and directories --- */

static int visit_other(struct walker *w, const struct subject *x)
{
	char target[ENTRY_TARGET_MAX + 1];
	struct tree_entry e;
	ssize_t len;
	int err;

	visit_describe(w, x, &e);
	atomic_fetch_add(&w->s->progress->others, 1);
	if (visit_same_as_parent(w, x)) {
		visit_take_xattrs(&e, x->old);
		e.target = x->old->target;
		e.size = e.target_len = x->old->target_len;
		return producer_entry(&w->p, ITEM_ENTRY, '.', &e, NULL);
	}
	if (e.type == ENTRY_LNK) {
		len = readlinkat(x->dir->fd, x->name, target, sizeof(target));
		if (len < 0 || (size_t)len > ENTRY_TARGET_MAX)
			return visit_missed(w, x, len < 0 ? -errno : -ENAMETOOLONG, "cannot read symlink");
		e.target = target;
		e.size = e.target_len = (uint16_t)len;
	}
	err = visit_read_xattrs(w, x, -1, &e);
	return err < 0 ? err : producer_entry(&w->p, ITEM_ENTRY, x->old ? 'M' : '+', &e, NULL);
}

/* --- Files --- */

/* A file that is the parent's: with its contents. */
static int visit_unchanged(struct walker *w, const struct subject *x, struct tree_entry *e)
{
	visit_take_xattrs(e, x->old);
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

	visit_describe(w, x, &e);
	atomic_fetch_add(&w->s->progress->files, 1);
	/* A worker sees whether contents are still there, and reads the file if not; a large one it cannot read. */
	if (again && attr_same(&x->st, x->old) && (e.size <= SMALL_FILE_MAX || visit_same_as_parent(w, x)))
		return visit_unchanged(w, x, &e);
	if (e.size <= SMALL_FILE_MAX)
		return producer_file(&w->p, ITEM_READ, again ? 'M' : '+', &e, x->dir);
	return large_file(&w->p, x->dir, &e, again ? 'M' : '+');
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

/* The absolute path of the entry at hand, if it is another one than the stored one and wanted; or NULL. */
static const char *real_path(struct walker *w)
{
	const struct frame *f = walk_top(w);

	if (!w->real_wanted || !f->source)
		return NULL;
	buf_clear(&w->real);
	if (buf_printf(&w->real, "%s%s", f->source->real, (const char *)w->path.data + f->source_len) < 0)
		return NULL;
	return (const char *)w->real.data;
}

static bool is_excluded(struct walker *w, bool is_dir)
{
	const struct match_list *m = w->s->opts->exclude;

	return m && match_paths(m, (const char *)w->path.data, real_path(w), is_dir);
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
		return visit_missed(w, &x, err, "cannot read attributes");
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
