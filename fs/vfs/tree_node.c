/*
 * Nodes inside snapshots.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs/vfs_impl.h"

/* --- Holding nodes ------------------------------------------------------------------------------------------------ */

static bool is_forgotten(struct vfs *v, uint32_t slot)
{
	struct view *view = vfs_view(v);
	bool gone = view_by_slot(view, slot) == NULL;

	view_unref(view);
	return gone;
}

int tnode_error(struct vfs *v, uint64_t node, int rc, const char *what)
{
	char path[512];

	switch (rc) {
	case -ENOMEM:
	case -ESTALE:
	case -ENOTDIR:
	case -EISDIR:
	case -EINTR:
		return rc;
	default:
		break;
	}
	if (!told_before(&v->told, node))
		log_error(v->log, "%s: %s: %s", vfs_path(v, node, path, sizeof(path)), what, ERR(rc));
	if (rc == -ETIMEDOUT)
		return rc;
	return is_forgotten(v, node_slot(node)) ? -ESTALE : -EIO;
}

int tnode_get(struct vfs *v, uint64_t node, struct tnode *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	out->number = node_number(node);
	rc = snap_get(v->snaps, node_slot(node), &out->snap);
	if (rc != 0)
		return rc;
	if (out->number == 0) {
		out->hit.entry = out->snap->manifest.root;
		return 0;
	}
	snap_enter(v->snaps, out->snap);
	rc = tree_number(v->repo->tree, &out->snap->manifest.root, out->number, &out->hit);
	if (rc == 0)
		return 0;
	snap_put(v->snaps, out->snap);
	/* The number came from us: that it is not there now is damage, or a handle of another time. */
	return rc == -ENOENT ? -ESTALE : tnode_error(v, node, rc, "look up");
}

void tnode_put(struct vfs *v, struct tnode *t)
{
	tree_hit_release(v->repo->tree, &t->hit);
	snap_put(v->snaps, t->snap);
}

/* --- Attributes --------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/*
 * All links of a file show one number, derived from what identifies them at the source; no other node has one like
 * it.
 */
static uint64_t inode_number(uint32_t slot, const struct tree_entry *e, uint64_t node)
{
	if (e->nlink < 2 || e->type == ENTRY_DIR || e->ino == 0)
		return node;
	return NODE_LINK_BIT | (mix(mix(mix(slot) ^ e->dev) ^ e->ino) & (NODE_LINK_BIT - 1));
}

static void fill_attr(const struct vfs *v, uint32_t slot, const struct tree_entry *e, uint64_t number,
    struct vfs_attr *out)
{
	entry_stat(e, &out->st);
	out->node = node_make(slot, number);
	out->st.st_ino = inode_number(slot, e, out->node);
	if (v->opts->has_uid)
		out->st.st_uid = v->opts->uid;
	if (v->opts->has_gid)
		out->st.st_gid = v->opts->gid;
	out->cache = VFS_CACHE_ALWAYS;
}

int tree_node_getattr(struct vfs *v, uint64_t node, struct vfs_attr *out)
{
	struct tnode t;
	int rc;

	rc = tnode_get(v, node, &t);
	if (rc != 0)
		return rc;
	fill_attr(v, node_slot(node), &t.hit.entry, t.number, out);
	tnode_put(v, &t);
	return 0;
}

/* --- Directories -------------------------------------------------------------------------------------------------- */

static const struct id *dir_root(const struct tree_entry *e)
{
	return e->flags & ENTRY_HAS_CHILD ? &e->child : NULL;
}

int tree_node_lookup(struct vfs *v, uint64_t parent, const char *name, struct vfs_attr *out)
{
	struct tree_hit hit;
	struct tnode t;
	int rc;

	rc = tnode_get(v, parent, &t);
	if (rc != 0)
		return rc;
	out->cache = VFS_CACHE_ALWAYS;
	if (t.hit.entry.type != ENTRY_DIR) {
		rc = -ENOTDIR;
	} else if (dir_root(&t.hit.entry) == NULL) {
		rc = -ENOENT;
	} else {
		snap_enter(v->snaps, t.snap);
		rc = tree_find(v->repo->tree, &t.hit.entry.child, name, strlen(name), &hit);
		if (rc == 0) {
			fill_attr(v, node_slot(parent), &hit.entry, t.number + 1 + hit.entry.before, out);
			tree_hit_release(v->repo->tree, &hit);
		} else if (rc != -ENOENT) {
			rc = tnode_error(v, parent, rc, "look up a name in it");
		}
	}
	tnode_put(v, &t);
	return rc;
}

/* The directory that holds entry ${number}: its number, by descending. */
static int parent_number(struct vfs *v, const struct tree_entry *root, uint64_t number, uint64_t *out)
{
	struct tree_hit at = { .entry = *root }, next;
	uint64_t dir = 0, child;
	int rc = 0;

	*out = 0;
	while (number > 0 && rc == 0) {
		rc = dir_root(&at.entry) == NULL ? -ENOENT :
		    tree_at(v->repo->tree, &at.entry.child, number - dir - 1, &next);
		if (rc != 0)
			break;
		child = dir + 1 + next.entry.before;
		tree_hit_release(v->repo->tree, &at);
		at = next;
		if (child == number) {
			*out = dir;
			break;
		}
		dir = child;
	}
	tree_hit_release(v->repo->tree, &at);
	return rc;
}

/* The node of the directory that holds a held node. */
static int parent_node(struct vfs *v, const struct tnode *t, uint64_t *out)
{
	uint64_t node = node_make(t->snap->slot, t->number), number = 0;
	int rc = 0;

	if (t->number == 0 || node == v->root) {
		*out = NODE_SNAPSHOTS;
		return 0;
	}
	rc = parent_number(v, &t->snap->manifest.root, t->number, &number);
	if (rc == 0)
		*out = node_make(t->snap->slot, number);
	return rc;
}

int tree_node_parent(struct vfs *v, uint64_t node, uint64_t *out)
{
	struct tnode t;
	int rc;

	rc = tnode_get(v, node, &t);
	if (rc != 0)
		return rc;
	rc = parent_node(v, &t, out);
	if (rc != 0)
		rc = tnode_error(v, node, rc, "find the directory of it");
	tnode_put(v, &t);
	return rc;
}

int vfs_parent(struct vfs *v, uint64_t node, uint64_t *out)
{
	return node_slot(node) == 0 || node_number(node) == 0 ? -EINVAL : tree_node_parent(v, node, out);
}

uint64_t vfs_cookie_behind(uint64_t dir, uint64_t node)
{
	return COOKIE_FIRST + node_number(node) - node_number(dir);
}

static int read_entries(struct vfs *v, const struct tnode *t, uint64_t pos, vfs_entry_fn *fn, void *arg)
{
	struct tree_iter it;
	struct tree_entry e;
	struct vfs_attr attr;
	char name[ENTRY_NAME_MAX + 1];
	int rc;

	rc = tree_iter_begin_dir(&it, v->repo->tree, &t->hit.entry, pos);
	while (rc == 0 && (rc = tree_iter_next(&it, &e, NULL, NULL)) == 1) {
		memcpy(name, e.name, e.name_len);
		name[e.name_len] = '\0';
		fill_attr(v, t->snap->slot, &e, t->number + 1 + e.before, &attr);
		rc = fn(arg, name, &attr, COOKIE_FIRST + e.before + 1 + e.below);
		if (rc != 0) {
			rc = 0;
			break;
		}
	}
	tree_iter_end(&it);
	return rc;
}

int tree_node_readdir(struct vfs *v, uint64_t node, uint64_t off, vfs_entry_fn *fn, void *arg)
{
	uint64_t parent = 0;
	struct tnode t;
	int rc;

	rc = tnode_get(v, node, &t);
	if (rc != 0)
		return rc;
	if (t.hit.entry.type != ENTRY_DIR) {
		rc = -ENOTDIR;
		goto out;
	}
	if (off < COOKIE_DOTDOT) {
		rc = parent_node(v, &t, &parent);
		if (rc == 0 && vfs_readdir_dots(node, parent, off, fn, arg))
			goto out;
	}
	snap_enter(v->snaps, t.snap);
	if (rc == 0)
		rc = read_entries(v, &t, off < COOKIE_FIRST ? 0 : off - COOKIE_FIRST, fn, arg);
	if (rc != 0)
		rc = tnode_error(v, node, rc, "list it");
out:
	tnode_put(v, &t);
	return rc;
}

/* --- Contents ----------------------------------------------------------------------------------------------------- */

int tree_node_readlink(struct vfs *v, uint64_t node, char *out, size_t size)
{
	struct tnode t;
	int rc;

	rc = tnode_get(v, node, &t);
	if (rc != 0)
		return rc;
	if (t.hit.entry.type != ENTRY_LNK || t.hit.entry.target_len >= size) {
		rc = -EINVAL;
	} else {
		memcpy(out, t.hit.entry.target, t.hit.entry.target_len);
		out[t.hit.entry.target_len] = '\0';
	}
	tnode_put(v, &t);
	return rc;
}

/* Hold a regular file. */
static int hold_file(struct vfs *v, uint64_t node, struct tnode *t)
{
	int rc;

	if (node_slot(node) == 0)
		return -EISDIR;
	rc = tnode_get(v, node, t);
	if (rc != 0)
		return rc;
	if (t->hit.entry.type == ENTRY_REG)
		return 0;
	rc = t->hit.entry.type == ENTRY_DIR ? -EISDIR : -EINVAL;
	tnode_put(v, t);
	return rc;
}

ssize_t vfs_read(struct vfs *v, uint64_t node, uint64_t off, size_t len, uint8_t *out)
{
	struct tnode t;
	ssize_t n;

	n = hold_file(v, node, &t);
	if (n != 0)
		return n;
	n = tree_read(v->repo->tree, &t.hit.entry, off, len, out);
	if (n < 0)
		n = tnode_error(v, node, (int)n, "read");
	tnode_put(v, &t);
	return n;
}

bool vfs_read_unasked(struct vfs *v, uint64_t node, uint32_t len, uint8_t *out)
{
	struct tnode t;
	bool whole;

	if (hold_file(v, node, &t) != 0)
		return false;
	whole = tree_read(v->repo->tree, &t.hit.entry, 0, len, out) == (ssize_t)len;
	tnode_put(v, &t);
	return whole;
}

void vfs_prefetch(struct vfs *v, const struct vfs_range *ranges, unsigned n)
{
	struct tree_prefetch p = { .tree = v->repo->tree };
	struct tnode t;

	for (unsigned i = 0; i < n; i++) {
		if (hold_file(v, ranges[i].node, &t) != 0)
			continue;
		tree_prefetch(&p, &t.hit.entry, ranges[i].off, ranges[i].len);
		tnode_put(v, &t);
	}
	tree_prefetch_end(&p);
}

/* Where the run of data that ${off} is in ends. */
static int end_of_data(struct vfs *v, const struct tree_entry *e, uint64_t off, uint64_t *out)
{
	struct span s;
	int rc;

	for (;;) {
		rc = tree_span(v->repo->tree, e, off, &s);
		if (rc < 0)
			return rc;
		if (rc == 0 || s.off > off) {
			*out = off;
			return 0;
		}
		off = s.off + s.len;
	}
}

int vfs_seek(struct vfs *v, uint64_t node, uint64_t off, bool data, uint64_t *out)
{
	struct tnode t;
	struct span s;
	int rc;

	rc = hold_file(v, node, &t);
	if (rc != 0)
		return rc;
	if (off >= t.hit.entry.size) {
		rc = -ENXIO;
	} else if (data) {
		rc = tree_span(v->repo->tree, &t.hit.entry, off, &s);
		if (rc == 1)
			*out = s.off > off ? s.off : off;
		rc = rc == 1 ? 0 : rc == 0 ? -ENXIO : tnode_error(v, node, rc, "seek");
	} else {
		rc = end_of_data(v, &t.hit.entry, off, out);
		if (rc != 0)
			rc = tnode_error(v, node, rc, "seek");
	}
	tnode_put(v, &t);
	return rc;
}
