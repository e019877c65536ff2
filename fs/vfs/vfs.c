/*
 * The mount's namespace: making it, refreshing it, and dispatch between virtual nodes and snapshots.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/vfs/vfs_impl.h"
#include "repo/util/text/when.h"

#define TOLD_SECONDS 60 /* in which an error of one file is logged once */

static bool is_virtual(uint64_t node)
{
	return node_slot(node) == 0;
}

struct view *vfs_view(struct vfs *v)
{
	struct view *view;

	pthread_mutex_lock(&v->lock);
	view = view_ref(v->view);
	pthread_mutex_unlock(&v->lock);
	return view;
}

int vfs_refresh(struct vfs *v, struct view **old, struct view **now)
{
	struct view *before = vfs_view(v), *after = NULL;
	int rc;

	pthread_mutex_lock(&v->refresh_lock);
	view_unref(before);
	before = vfs_view(v);
	rc = view_load(&v->view_options, before, &after);
	if (rc == 1) {
		pthread_mutex_lock(&v->lock);
		view_unref(v->view);
		v->view = view_ref(after);
		pthread_mutex_unlock(&v->lock);
		*old = before;
		*now = after;
		before = NULL;
	}
	pthread_mutex_unlock(&v->refresh_lock);
	view_unref(before);
	return rc;
}

/* Resolve "SNAP[:PATH]" to a directory. */
static int find_root(struct vfs *v, const char *text)
{
	struct vfs_attr attr;
	struct catalog *c = NULL;
	char *snap = NULL, *copy = NULL, *save = NULL;
	const char *path;
	uint32_t slot;
	size_t i;
	int rc;

	rc = catalog_split(text, &snap, &path);
	if (rc == 0 && (copy = strdup(path)) == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = repo_catalog(v->repo, &c);
	if (rc == 0)
		rc = catalog_resolve(c, snap, &v->view_options.filter, v->opts->utc, &i);
	if (rc == 0)
		rc = index_slot(v->repo->index, &catalog_at(c, i)->id, &slot);
	if (rc == 0) {
		attr.node = node_make(slot, 0);
		rc = tree_node_getattr(v, attr.node, &attr);
	}
	for (char *name = rc == 0 ? strtok_r(copy, "/", &save) : NULL; rc == 0 && name != NULL;
	     name = strtok_r(NULL, "/", &save))
		rc = tree_node_lookup(v, attr.node, name, &attr);
	if (rc == 0 && !S_ISDIR(attr.st.st_mode))
		rc = -ENOTDIR;
	if (rc == 0)
		v->root = attr.node;
	else
		log_error(v->log, "%s: %s", text,
		    rc == -ENOENT || rc == -EINVAL ? "no such snapshot or path" :
		    rc == -ERANGE ? WHEN_RANGE_TEXT : ERR(rc));
	catalog_free(c);
	free(snap);
	free(copy);
	return rc;
}

int vfs_new(struct repo *repo, const struct fs_options *opts, const struct log *log, struct vfs **out)
{
	struct vfs *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL)
		return -ENOMEM;
	v->repo = repo;
	v->opts = opts;
	v->log = log;
	v->root = NODE_ROOT;
	v->uid = opts->has_uid ? opts->uid : geteuid();
	v->gid = opts->has_gid ? opts->gid : getegid();
	v->started_ns = when_now_ns();
	told_init(&v->told, TOLD_SECONDS);
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->refresh_lock, NULL);
	v->groups = view_groups_new();
	v->snaps = snap_cache_new(repo);
	v->view_options = (struct view_options){
		.repo = repo,
		.groups = v->groups,
		.filter = { .host = opts->host, .tag = opts->tag, .path = opts->path },
		.style = opts->names,
		.utc = opts->utc,
	};
	rc = v->groups != NULL && v->snaps != NULL ? view_load(&v->view_options, NULL, &v->view) : -ENOMEM;
	if (rc == 1)
		rc = opts->snapshot != NULL ? find_root(v, opts->snapshot) : 0;
	if (rc == 0)
		*out = v;
	else
		vfs_free(v);
	return rc;
}

void vfs_free(struct vfs *v)
{
	if (v == NULL)
		return;
	snap_cache_free(v->snaps);
	view_unref(v->view);
	view_groups_free(v->groups);
	pthread_mutex_destroy(&v->lock);
	pthread_mutex_destroy(&v->refresh_lock);
	free(v);
}

uint64_t vfs_root(const struct vfs *v)
{
	return v->root;
}

int vfs_readdir_dots(uint64_t node, uint64_t parent, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	struct vfs_attr attr = { .node = 0 };
	int full = 0;

	attr.st.st_mode = S_IFDIR;
	attr.st.st_ino = node;
	if (off < COOKIE_DOT)
		full = fn(arg, ".", &attr, COOKIE_DOT);
	attr.st.st_ino = parent;
	if (!full && off < COOKIE_DOTDOT)
		full = fn(arg, "..", &attr, COOKIE_DOTDOT);
	return full;
}

int vfs_getattr(struct vfs *v, uint64_t node, struct vfs_attr *out)
{
	return is_virtual(node) ? virtual_getattr(v, node, out) : tree_node_getattr(v, node, out);
}

/*
 * "." and "..": how the kernel gets back from a file handle (NFS, open_by_handle_at) to a node that it has
 * forgotten.
 */
static int lookup_dots(struct vfs *v, uint64_t node, bool up, struct vfs_attr *out)
{
	uint64_t parent = node;
	int rc = 0;

	out->cache = VFS_CACHE_NEVER;
	if (up && node != v->root && is_virtual(node))
		parent = virtual_parent(node);
	else if (up && node != v->root)
		rc = tree_node_parent(v, node, &parent);
	return rc == 0 ? vfs_getattr(v, parent, out) : rc;
}

int vfs_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_attr *out)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return lookup_dots(v, parent, name[1] == '.', out);
	return is_virtual(parent) ? virtual_lookup(v, parent, name, out) : tree_node_lookup(v, parent, name, out);
}

int vfs_readdir(struct vfs *v, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	return is_virtual(node) ? virtual_readdir(v, node, off, fn, arg) : tree_node_readdir(v, node, off, fn, arg);
}

int vfs_readlink(struct vfs *v, uint64_t node, char *out, size_t size)
{
	return is_virtual(node) ? virtual_readlink(v, node, out, size) : tree_node_readlink(v, node, out, size);
}
