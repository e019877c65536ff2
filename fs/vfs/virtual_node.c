/*
 * Nodes above the snapshots: /snapshots /latest /hosts /tags /ids /at.
 *
 * A snapshot is a directory in one place only, /snapshots; all other ways to it are symlinks, as the kernel knows a
 * directory by one name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/vfs/vfs_impl.h"
#include "repo/util/text/when.h"

static const struct {
	enum node_fixed node;
	const char *name;
} fixed[] = {
	{ NODE_SNAPSHOTS, "snapshots" }, { NODE_LATEST, "latest" }, { NODE_HOSTS, "hosts" },
	{ NODE_TAGS, "tags" },           { NODE_IDS, "ids" },       { NODE_AT, "at" },
};

#define NFIXED (sizeof(fixed) / sizeof(fixed[0]))

/* --- Attributes --------------------------------------------------------------------------------------------------- */

static void set_times(struct stat *st, int64_t ns)
{
	int64_t s = ns / NS_PER_SEC, rest = ns % NS_PER_SEC;

	if (rest < 0) {
		rest += NS_PER_SEC;
		s--;
	}
	st->st_mtim.tv_sec = s;
	st->st_mtim.tv_nsec = rest;
	st->st_ctim = st->st_atim = st->st_mtim;
}

static void fill(const struct vfs *v, uint64_t node, mode_t mode, int64_t time_ns, struct vfs_attr *out)
{
	memset(&out->st, 0, sizeof(out->st));
	out->node = node;
	out->st.st_ino = node;
	out->st.st_mode = mode;
	out->st.st_nlink = S_ISDIR(mode) ? 2 : 1;
	out->st.st_uid = v->uid;
	out->st.st_gid = v->gid;
	out->st.st_blksize = 4096;
	set_times(&out->st, time_ns);
	out->cache = VFS_CACHE_WATCHED;
}

static void fill_dir(const struct vfs *v, const struct view *view, uint64_t node, struct vfs_attr *out)
{
	const struct view_snapshot *newest = view_latest(view);

	fill(v, node, S_IFDIR | 0555, newest != NULL ? newest->time_ns : v->started_ns, out);
}

/* A symlink to a snapshot, ${up} being the way to the root. */
static int fill_link(const struct vfs *v, const struct view_snapshot *s, uint64_t node, const char *up,
    struct vfs_attr *out)
{
	if (s == NULL)
		return -ENOENT;
	fill(v, node, S_IFLNK | 0777, s->time_ns, out);
	out->st.st_size = (off_t)(strlen(up) + strlen("snapshots/") + strlen(s->name));
	return 0;
}

static const char *way_up(enum node_class class)
{
	switch (class) {
	case NODE_AT_LINK:
	case NODE_ID_LINK:
		return "../";
	case NODE_HOST_LINK:
	case NODE_TAG_LINK:
		return "../../";
	default:
		return "";
	}
}

/* The snapshot that a symlink's node points to, or NULL. */
static const struct view_snapshot *link_snapshot(const struct view *view, uint64_t node)
{
	if (node == NODE_LATEST)
		return view_latest(view);
	return view_by_slot(view, node_arg(node));
}

static bool is_link(uint64_t node)
{
	enum node_class class = node_class(node);

	return node == NODE_LATEST || (class >= NODE_AT_LINK && class <= NODE_TAG_LINK);
}

static int getattr_in(struct vfs *v, const struct view *view, uint64_t node, struct vfs_attr *out)
{
	int rc = 0;

	if (is_link(node)) {
		rc = fill_link(v, link_snapshot(view, node), node, way_up(node_class(node)), out);
		if (rc == -ENOENT)
			rc = -ESTALE;
	} else if (node_class(node) == NODE_FIXED && node >= NODE_ROOT && node <= NODE_AT) {
		fill_dir(v, view, node, out);
	} else if (node_class(node) == NODE_HOST_DIR || node_class(node) == NODE_TAG_DIR) {
		fill_dir(v, view, node, out);
	} else {
		rc = -ESTALE;
	}
	return rc;
}

int virtual_getattr(struct vfs *v, uint64_t node, struct vfs_attr *out)
{
	struct view *view = vfs_view(v);
	int rc = getattr_in(v, view, node, out);

	view_unref(view);
	return rc;
}

int virtual_readlink(struct vfs *v, uint64_t node, char *out, size_t size)
{
	struct view *view = vfs_view(v);
	const struct view_snapshot *s = is_link(node) ? link_snapshot(view, node) : NULL;
	int rc = 0;

	if (!is_link(node))
		rc = -EINVAL;
	else if (s == NULL)
		rc = -ESTALE;
	else
		snprintf(out, size, "%ssnapshots/%s", way_up(node_class(node)), s->name);
	view_unref(view);
	return rc;
}

/* --- Lookup ------------------------------------------------------------------------------------------------------- */

static int lookup_root(struct vfs *v, const struct view *view, const char *name, struct vfs_attr *out)
{
	for (size_t i = 0; i < NFIXED; i++) {
		if (strcmp(fixed[i].name, name) == 0) {
			int rc = getattr_in(v, view, fixed[i].node, out);

			return rc == -ESTALE ? -ENOENT : rc;
		}
	}
	return -ENOENT;
}

static enum view_group group_kind(uint64_t node)
{
	bool hosts = node == NODE_HOSTS || node_class(node) == NODE_HOST_DIR;

	return hosts ? VIEW_HOSTS : VIEW_TAGS;
}

/* A host or tag: if a manifest cannot be read, a name that is not found may be in it, so that is no ENOENT. */
static int lookup_group(struct vfs *v, struct view *view, uint64_t parent, const char *name, struct vfs_attr *out)
{
	enum view_group kind = group_kind(parent);
	int rc = view_grouped(view);
	ssize_t i = view_group_find(view, kind, name);

	if (i < 0 || !view_group_used(view, kind, (size_t)i))
		return rc == 0 ? -ENOENT : -EIO;
	fill_dir(v, view, node_virtual(kind == VIEW_HOSTS ? NODE_HOST_DIR : NODE_TAG_DIR, (uint32_t)i), out);
	return 0;
}

static int lookup_in_group(struct vfs *v, struct view *view, uint64_t parent, const char *name, struct vfs_attr *out)
{
	enum view_group kind = group_kind(parent);
	const struct view_snapshot *s = view_by_name(view, name);
	int rc = view_grouped(view);

	if (s == NULL)
		return -ENOENT;
	if (!view_group_has(view, kind, node_arg(parent), s))
		return rc == 0 ? -ENOENT : -EIO;
	return fill_link(v, s, node_virtual(kind == VIEW_HOSTS ? NODE_HOST_LINK : NODE_TAG_LINK, s->slot), "../../",
	    out);
}

static int lookup_at(struct vfs *v, const struct view *view, const char *name, struct vfs_attr *out)
{
	const struct view_snapshot *s;
	int64_t ns;

	if (when_parse(name, v->opts->utc, when_now_ns(), &ns) != 0)
		return -ENOENT;
	s = view_by_time(view, ns);
	return s == NULL ? -ENOENT : fill_link(v, s, node_virtual(NODE_AT_LINK, s->slot), "../", out);
}

static int lookup_in(struct vfs *v, struct view *view, uint64_t parent, const char *name, struct vfs_attr *out)
{
	const struct view_snapshot *s;

	switch (node_class(parent) == NODE_FIXED ? node_arg(parent) : 0) {
	case NODE_ROOT:
		return lookup_root(v, view, name, out);
	case NODE_SNAPSHOTS:
		s = view_by_name(view, name);
		return s == NULL ? -ENOENT : tree_node_getattr(v, node_make(s->slot, 0), out);
	case NODE_HOSTS:
	case NODE_TAGS:
		return lookup_group(v, view, parent, name, out);
	case NODE_IDS:
		s = view_by_id(view, name);
		return s == NULL ? -ENOENT : fill_link(v, s, node_virtual(NODE_ID_LINK, s->slot), "../", out);
	case NODE_AT:
		return lookup_at(v, view, name, out);
	default:
		break;
	}
	if (node_class(parent) == NODE_HOST_DIR || node_class(parent) == NODE_TAG_DIR)
		return lookup_in_group(v, view, parent, name, out);
	return -ENOTDIR;
}

int virtual_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_attr *out)
{
	struct view *view = vfs_view(v);
	int rc;

	out->cache = VFS_CACHE_NEVER;
	rc = lookup_in(v, view, parent, name, out);
	/* What "/at/yesterday" means changes with the clock. */
	if (parent == NODE_AT)
		out->cache = VFS_CACHE_NEVER;
	else if (parent == NODE_SNAPSHOTS && rc == 0)
		out->cache = VFS_CACHE_WATCHED;
	view_unref(view);
	return rc;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

static int list_root(struct vfs *v, const struct view *view, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	struct vfs_attr attr;

	for (size_t i = off < COOKIE_FIRST ? 0 : off - COOKIE_FIRST; i < NFIXED; i++) {
		if (getattr_in(v, view, fixed[i].node, &attr) == 0 &&
		    fn(arg, fixed[i].name, &attr, COOKIE_FIRST + i + 1) != 0)
			break;
	}
	return 0;
}

/*
 * One snapshot in /snapshots, /ids, or a group.  A snapshot's directory is listed without attributes (node 0): they
 * are in its manifest, and a listing must not read ten thousand of those.
 */
static void fill_listed(struct vfs *v, uint64_t dir, const struct view_snapshot *s, struct vfs_attr *attr)
{
	if (dir == NODE_SNAPSHOTS) {
		fill(v, 0, S_IFDIR | 0555, s->time_ns, attr);
		attr->st.st_ino = node_make(s->slot, 0);
	} else if (dir == NODE_IDS) {
		fill_link(v, s, node_virtual(NODE_ID_LINK, s->slot), "../", attr);
	} else {
		fill_link(v, s, node_virtual(group_kind(dir) == VIEW_HOSTS ? NODE_HOST_LINK : NODE_TAG_LINK, s->slot),
		    "../../", attr);
	}
}

/* In order of slot: the cookies stay true while snapshots come and go. */
static int list_snapshots(struct vfs *v, const struct view *view, uint64_t dir, uint64_t off, vfs_entry_fn *fn,
    void *arg)
{
	bool grouped = node_class(dir) != NODE_FIXED;
	char hex[ID_HEX_SIZE];
	struct vfs_attr attr;
	uint32_t slot = off < COOKIE_FIRST ? 0 : (uint32_t)(off - COOKIE_FIRST);

	for (const struct view_snapshot *s; (s = view_next_slot(view, slot)) != NULL; slot = s->slot + 1) {
		if (grouped && !view_group_has(view, group_kind(dir), node_arg(dir), s))
			continue;
		fill_listed(v, dir, s, &attr);
		if (fn(arg, dir == NODE_IDS ? id_hex(&s->id, hex) : s->name, &attr, COOKIE_FIRST + s->slot + 1) != 0)
			break;
	}
	return 0;
}

static int list_groups(struct vfs *v, struct view *view, uint64_t dir, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	enum view_group kind = group_kind(dir);
	enum node_class class = kind == VIEW_HOSTS ? NODE_HOST_DIR : NODE_TAG_DIR;
	size_t n = view_ngroups(view, kind);
	struct vfs_attr attr;

	for (size_t i = off < COOKIE_FIRST ? 0 : off - COOKIE_FIRST; i < n; i++) {
		if (!view_group_used(view, kind, i))
			continue;
		fill_dir(v, view, node_virtual(class, (uint32_t)i), &attr);
		if (fn(arg, view_group_name(view, kind, i), &attr, COOKIE_FIRST + i + 1) != 0)
			break;
	}
	return 0;
}

static int list_in(struct vfs *v, struct view *view, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	int rc = 0;

	if (node == NODE_HOSTS || node == NODE_TAGS || node_class(node) == NODE_HOST_DIR ||
	    node_class(node) == NODE_TAG_DIR)
		rc = view_grouped(view);
	if (rc != 0)
		return rc == -ENOMEM ? rc : -EIO;
	switch (node_class(node) == NODE_FIXED ? node_arg(node) : 0) {
	case NODE_ROOT:
		return list_root(v, view, off, fn, arg);
	case NODE_SNAPSHOTS:
	case NODE_IDS:
		return list_snapshots(v, view, node, off, fn, arg);
	case NODE_HOSTS:
	case NODE_TAGS:
		return list_groups(v, view, node, off, fn, arg);
	case NODE_AT:
		return 0;
	default:
		return list_snapshots(v, view, node, off, fn, arg);
	}
}

uint64_t virtual_parent(uint64_t node)
{
	switch (node_class(node)) {
	case NODE_HOST_DIR:
		return NODE_HOSTS;
	case NODE_TAG_DIR:
		return NODE_TAGS;
	case NODE_AT_LINK:
		return NODE_AT;
	case NODE_ID_LINK:
		return NODE_IDS;
	default:
		return NODE_ROOT;
	}
}

int virtual_readdir(struct vfs *v, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	struct view *view;
	int rc;

	if (is_link(node))
		return -ENOTDIR;
	if (off < COOKIE_DOTDOT && vfs_readdir_dots(node, virtual_parent(node), off, fn, arg))
		return 0;
	view = vfs_view(v);
	rc = list_in(v, view, node, off, fn, arg);
	view_unref(view);
	return rc;
}
