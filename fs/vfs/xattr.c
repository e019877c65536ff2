/*
 * Extended attributes: those of the source, and user.varve.* which tell about the backup itself.
 *
 * The latter are answered by name and never listed, so that cp -a and rsync -X do not copy them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/vfs/vfs_impl.h"
#include "repo/tree/xattr.h"
#include "repo/util/text/when.h"

#define OWN_PREFIX "user.varve."

int vfs_listxattr(struct vfs *v, uint64_t node, struct buf *out)
{
	struct buf encoded = BUF_INIT;
	struct xattr x;
	struct tnode t;
	struct rd r;
	int rc;

	if (node_slot(node) == 0)
		return 0;
	rc = tnode_get(v, node, &t);
	if (rc != 0)
		return rc;
	rc = tree_xattrs(v->repo->tree, &t.hit.entry, &encoded);
	r = rd_init(encoded.data, encoded.len);
	while (rc == 0 && (rc = xattr_next(&r, &x)) == 1) {
		rc = buf_append(out, x.name, x.name_len);
		if (rc == 0)
			rc = buf_u8(out, 0);
	}
	if (rc != 0)
		rc = tnode_error(v, node, rc, "list extended attributes");
	buf_free(&encoded);
	tnode_put(v, &t);
	return rc;
}

/* --- user.varve.* ------------------------------------------------------------------------------------------------- */

/* What a file takes in the store: its boxes, and its share of those that it has in common with others. */
static int stored_size(struct vfs *v, const struct tree_entry *e, uint64_t *stored, bool *missing)
{
	struct place place;
	struct span s;
	uint64_t off = 0;
	int rc;

	*stored = 0;
	*missing = false;
	while ((rc = tree_span(v->repo->tree, e, off, &s)) == 1) {
		off = s.off + s.len;
		rc = object_place(v->repo->reader, PACK_DATA, &s.id, &place);
		if (rc == -EBADMSG)
			*missing = true;
		else if (rc != 0)
			return rc;
		else if (place.nown == 0)
			*stored += (uint64_t)place.box[0] * place.len / place.shared_len;
		else
			for (unsigned i = 0; i < place.nown; i++)
				*stored += place.box[i];
	}
	return rc;
}

static int file_value(struct vfs *v, const struct tree_entry *e, const char *name, struct buf *out)
{
	uint64_t stored;
	bool missing;
	int rc;

	if (strcmp(name, "stored") != 0 && strcmp(name, "state") != 0)
		return -ENODATA;
	rc = stored_size(v, e, &stored, &missing);
	if (rc != 0)
		return rc;
	if (strcmp(name, "stored") == 0)
		return buf_printf(out, "%llu", (unsigned long long)stored);
	return buf_printf(out, "%s", missing ? "damaged" : "complete");
}

static int snapshot_value(const struct manifest *m, const char *name, struct buf *out)
{
	char text[WHEN_SIZE], hex[ID_HEX_SIZE];

	if (strcmp(name, "time") == 0)
		return buf_printf(out, "%s", when_format(m->time_ns, WHEN_RFC3339, true, text));
	if (strcmp(name, "host") == 0)
		return buf_printf(out, "%s", m->host);
	if (strcmp(name, "writer") == 0)
		return buf_printf(out, "%s", m->writer != NULL ? m->writer : "");
	if (strcmp(name, "stored") == 0)
		return buf_printf(out, "%llu", (unsigned long long)m->stored);
	if (strcmp(name, "root") == 0)
		return buf_printf(out, "%s", m->root.flags & ENTRY_HAS_CHILD ? id_hex(&m->root.child, hex) : "");
	if (strcmp(name, "state") == 0 && m->unreadable > 0)
		return buf_printf(out, "partial (%llu unreadable)", (unsigned long long)m->unreadable);
	if (strcmp(name, "state") == 0)
		return buf_printf(out, "complete");
	return -ENODATA;
}

static int own_value(struct vfs *v, const struct tnode *t, const char *name, struct buf *out)
{
	char hex[ID_HEX_SIZE];

	if (strcmp(name, "snapshot") == 0)
		return buf_printf(out, "%s", id_hex(&t->snap->id, hex));
	if (t->number == 0)
		return snapshot_value(&t->snap->manifest, name, out);
	if (t->hit.entry.type == ENTRY_REG)
		return file_value(v, &t->hit.entry, name, out);
	return -ENODATA;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static int source_value(struct vfs *v, const struct tree_entry *e, const char *name, struct buf *out)
{
	struct buf encoded = BUF_INIT;
	struct xattr x;
	int rc;

	if (e->xattrs_len == 0 && !(e->flags & ENTRY_XATTRS_BY_ID))
		return -ENODATA;
	rc = tree_xattrs(v->repo->tree, e, &encoded);
	if (rc == 0)
		rc = xattr_find(encoded.data, encoded.len, name, &x);
	if (rc == 0)
		rc = buf_append(out, x.value, x.value_len);
	buf_free(&encoded);
	return rc;
}

int vfs_getxattr(struct vfs *v, uint64_t node, const char *name, struct buf *out)
{
	struct tnode t;
	int rc;

	if (node_slot(node) == 0)
		return -ENODATA;
	rc = tnode_get(v, node, &t);
	if (rc != 0)
		return rc;
	if (strncmp(name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0)
		rc = own_value(v, &t, name + strlen(OWN_PREFIX), out);
	else
		rc = source_value(v, &t.hit.entry, name, out);
	if (rc != 0 && rc != -ENODATA)
		rc = tnode_error(v, node, rc, "read an extended attribute");
	tnode_put(v, &t);
	return rc;
}

/* --- Paths for messages ------------------------------------------------------------------------------------------- */

/* Names from the root down to entry ${number}. */
static int collect_path(struct vfs *v, const struct tree_entry *root, uint64_t number, struct buf *out)
{
	struct tree_hit at = { .entry = *root }, next;
	uint64_t dir = 0;
	int rc = 0;

	while (rc == 0 && dir != number) {
		if (!(at.entry.flags & ENTRY_HAS_CHILD) || at.entry.type != ENTRY_DIR)
			break;
		rc = tree_at(v->repo->tree, &at.entry.child, number - dir - 1, &next);
		if (rc != 0)
			break;
		dir += 1 + next.entry.before;
		tree_hit_release(v->repo->tree, &at);
		at = next;
		rc = buf_u8(out, '/');
		if (rc == 0)
			rc = buf_append(out, at.entry.name, at.entry.name_len);
	}
	tree_hit_release(v->repo->tree, &at);
	return rc;
}

char *vfs_path(struct vfs *v, uint64_t node, char *out, unsigned size)
{
	struct buf path = BUF_INIT;
	struct view *view = vfs_view(v);
	const struct view_snapshot *s = view_by_slot(view, node_slot(node));
	struct snap *snap;

	if (node_slot(node) == 0) {
		snprintf(out, size, "virtual node %llx", (unsigned long long)node);
	} else {
		buf_printf(&path, "/snapshots/%s", s != NULL ? s->name : "(forgotten)");
		if (snap_get(v->snaps, node_slot(node), &snap) == 0) {
			collect_path(v, &snap->manifest.root, node_number(node), &path);
			snap_put(v->snaps, snap);
		}
		quote_name((const char *)path.data, (unsigned)path.len, out, size);
	}
	view_unref(view);
	buf_free(&path);
	return out;
}
