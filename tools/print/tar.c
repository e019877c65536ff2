/*
 * A directory as a tar stream.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/query/walk.h"
#include "repo/tree/xattr.h"
#include "tools/print/tar.h"
#include "tools/print/tar_header.h"

#define COPY_LEN (1024 * 1024)
#define LINKS_MAX (1u << 20) /* groups of hard links that are remembered; beyond, files are written again */

struct link {
	uint64_t dev, ino;
	char *path;
};

struct tar {
	struct tree *tree;
	FILE *out;
	const struct log *log;
	struct tar_result *result;
	uint8_t *copy;
	struct link *links; /* open addressing by (dev, ino) */
	size_t nlinks, links_mask;
};

/* --- Bytes -------------------------------------------------------------------------------------------------------- */

static int put(struct tar *t, const void *data, size_t len)
{
	return len == 0 || fwrite(data, 1, len, t->out) == len ? 0 : -EIO;
}

static int pad(struct tar *t, uint64_t len)
{
	static const uint8_t zeros[TAR_BLOCK];

	return put(t, zeros, (size_t)((TAR_BLOCK - len % TAR_BLOCK) % TAR_BLOCK));
}

static int put_header(struct tar *t, struct tar_header *h)
{
	tar_header_finish(h);
	return put(t, h, sizeof(*h));
}

/* --- Hard links --------------------------------------------------------------------------------------------------- */

static struct link *link_place(struct tar *t, const struct tree_entry *e)
{
	size_t h = (size_t)((e->ino ^ e->dev << 32) * UINT64_C(0x9e3779b97f4a7c15) >> 20);

	while (t->links[h & t->links_mask].path != NULL) {
		struct link *l = &t->links[h & t->links_mask];

		if (l->dev == e->dev && l->ino == e->ino)
			break;
		h++;
	}
	return &t->links[h & t->links_mask];
}

static int grow_links(struct tar *t)
{
	struct link *old = t->links;
	size_t n = old != NULL ? t->links_mask + 1 : 0;

	t->links_mask = n > 0 ? 2 * n - 1 : 255;
	t->links = calloc(t->links_mask + 1, sizeof(*t->links));
	if (t->links == NULL) {
		t->links = old;
		t->links_mask = n - 1;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct tree_entry key = { .dev = old[i].dev, .ino = old[i].ino };

		if (old[i].path != NULL)
			*link_place(t, &key) = old[i];
	}
	free(old);
	return 0;
}

/* Path of the first link that was written, or NULL if this is it (it is then remembered). */
static const char *first_link(struct tar *t, const struct tree_entry *e, const char *path)
{
	struct link *l;

	if (e->nlink < 2 || e->type == ENTRY_DIR || e->ino == 0)
		return NULL;
	if ((t->links == NULL || 2 * t->nlinks > t->links_mask) && grow_links(t) != 0)
		return NULL;
	l = link_place(t, e);
	if (l->path == NULL && t->nlinks < LINKS_MAX) {
		l->dev = e->dev;
		l->ino = e->ino;
		l->path = strdup(path);
		t->nlinks += l->path != NULL;
		return NULL;
	}
	return l->path;
}

/* --- One entry ---------------------------------------------------------------------------------------------------- */

static int pax_xattrs(struct tar *t, const struct tree_entry *e, struct buf *pax)
{
	struct buf encoded = BUF_INIT, key = BUF_INIT;
	struct xattr x;
	struct rd r;
	int rc;

	rc = e->xattrs_len > 0 || (e->flags & ENTRY_XATTRS_BY_ID) ? tree_xattrs(t->tree, e, &encoded) : 0;
	r = rd_init(encoded.data, encoded.len);
	while (rc == 0 && (rc = xattr_next(&r, &x)) == 1) {
		buf_clear(&key);
		rc = buf_printf(&key, "SCHILY.xattr.%.*s", x.name_len, x.name);
		if (rc == 0)
			rc = pax_record(pax, (const char *)key.data, x.value, x.value_len);
	}
	buf_free(&encoded);
	buf_free(&key);
	return rc;
}

/* What the ustar header has no room for. */
static int pax_fields(struct tar *t, const struct tree_entry *e, const char *path, const char *link, struct buf *pax)
{
	int rc = 0;

	if (strlen(path) > sizeof(((struct tar_header *)0)->name))
		rc = pax_record(pax, "path", path, strlen(path));
	if (rc == 0 && link != NULL && strlen(link) > sizeof(((struct tar_header *)0)->linkname))
		rc = pax_record(pax, "linkpath", link, strlen(link));
	if (rc == 0 && !tar_fits_octal(8, e->uid))
		rc = pax_number(pax, "uid", e->uid);
	if (rc == 0 && !tar_fits_octal(8, e->gid))
		rc = pax_number(pax, "gid", e->gid);
	if (rc == 0 && e->user_len > 31)
		rc = pax_record(pax, "uname", e->user, e->user_len);
	if (rc == 0 && e->group_len > 31)
		rc = pax_record(pax, "gname", e->group, e->group_len);
	if (rc == 0 && (e->mtime_ns != 0 || e->mtime < 0 || !tar_fits_octal(12, (uint64_t)e->mtime)))
		rc = pax_time(pax, "mtime", e->mtime, e->mtime_ns);
	return rc == 0 ? pax_xattrs(t, e, pax) : rc;
}

static int put_pax(struct tar *t, const struct buf *pax)
{
	struct tar_header h;
	int rc;

	if (pax->len == 0)
		return 0;
	memset(&h, 0, sizeof(h));
	snprintf(h.name, sizeof(h.name), "././@PaxHeader");
	tar_octal(h.mode, sizeof(h.mode), 0644);
	tar_octal(h.uid, sizeof(h.uid), 0);
	tar_octal(h.gid, sizeof(h.gid), 0);
	tar_octal(h.size, sizeof(h.size), pax->len);
	tar_octal(h.mtime, sizeof(h.mtime), 0);
	h.type = 'x';
	rc = put_header(t, &h);
	if (rc == 0)
		rc = put(t, pax->data, pax->len);
	return rc == 0 ? pad(t, pax->len) : rc;
}

/* --- Contents ----------------------------------------------------------------------------------------------------- */

static int put_range(struct tar *t, const struct tree_entry *e, uint64_t off, uint64_t end)
{
	int rc = 0;

	while (off < end && rc == 0) {
		size_t want = end - off < COPY_LEN ? (size_t)(end - off) : COPY_LEN;
		ssize_t n = tree_read(t->tree, e, off, want, t->copy);

		if (n <= 0)
			return n < 0 ? (int)n : -EBADMSG;
		rc = put(t, t->copy, (size_t)n);
		off += (uint64_t)n;
	}
	return rc;
}

/* The next run of data at or after ${off}: 1, 0 if there is none. */
static int next_data(struct tar *t, const struct tree_entry *e, uint64_t off, uint64_t *begin, uint64_t *end)
{
	struct span s;
	int rc;

	rc = tree_span(t->tree, e, off, &s);
	if (rc != 1)
		return rc;
	*begin = s.off;
	do {
		*end = s.off + s.len;
		rc = tree_span(t->tree, e, *end, &s);
	} while (rc == 1 && s.off == *end);
	return rc < 0 ? rc : 1;
}

/* Map of a file with holes: GNU tar manual, "Storing Sparse Files", version 1.0. */
static int sparse_map(struct tar *t, const struct tree_entry *e, struct buf *map, uint64_t *data)
{
	struct buf lines = BUF_INIT;
	uint64_t begin, end = 0, n = 0;
	int rc;

	*data = 0;
	while ((rc = next_data(t, e, end, &begin, &end)) == 1) {
		*data += end - begin;
		n++;
		rc = buf_printf(&lines, "%llu\n%llu\n", (unsigned long long)begin, (unsigned long long)(end - begin));
		if (rc != 0)
			break;
	}
	/* A hole at the end is told by an empty piece of data there. */
	if (rc == 0 && end < e->size) {
		n++;
		rc = buf_printf(&lines, "%llu\n0\n", (unsigned long long)e->size);
	}
	if (rc == 0)
		rc = buf_printf(map, "%llu\n", (unsigned long long)n);
	if (rc == 0)
		rc = buf_append(map, lines.data, lines.len);
	while (rc == 0 && map->len % TAR_BLOCK != 0)
		rc = buf_u8(map, 0);
	buf_free(&lines);
	return rc;
}

static int put_sparse(struct tar *t, const struct tree_entry *e, const char *path, struct buf *pax)
{
	struct buf map = BUF_INIT;
	uint64_t data, begin, end = 0;
	struct tar_header h;
	int rc;

	rc = sparse_map(t, e, &map, &data);
	if (rc == 0)
		rc = pax_record(pax, "GNU.sparse.major", "1", 1);
	if (rc == 0)
		rc = pax_record(pax, "GNU.sparse.minor", "0", 1);
	if (rc == 0)
		rc = pax_record(pax, "GNU.sparse.name", path, strlen(path));
	if (rc == 0)
		rc = pax_number(pax, "GNU.sparse.realsize", e->size);
	if (rc == 0 && !tar_fits_octal(12, map.len + data))
		rc = pax_number(pax, "size", map.len + data);
	if (rc == 0)
		rc = put_pax(t, pax);
	tar_header_fill(&h, e, path, NULL, map.len + data);
	if (rc == 0)
		rc = put_header(t, &h);
	if (rc == 0)
		rc = put(t, map.data, map.len);
	while (rc == 0 && (rc = next_data(t, e, end, &begin, &end)) == 1)
		rc = put_range(t, e, begin, end);
	buf_free(&map);
	return rc == 0 ? pad(t, data) : rc;
}

/* Anything but a sparse file.  ${type}: '1' for a hard link to ${link}; a symlink's ${link} is its target. */
static int put_plain(struct tar *t, const struct tree_entry *e, char type, const char *path, const char *link,
    struct buf *pax)
{
	uint64_t size = type == '0' ? e->size : 0;
	struct tar_header h;
	int rc = 0;

	if (!tar_fits_octal(12, size))
		rc = pax_number(pax, "size", size);
	if (rc == 0)
		rc = put_pax(t, pax);
	tar_header_fill(&h, e, path, link, size);
	h.type = type;
	if (rc == 0)
		rc = put_header(t, &h);
	if (rc == 0)
		rc = put_range(t, e, 0, size);
	return rc == 0 ? pad(t, size) : rc;
}

static int put_entry(struct tar *t, const struct tree_entry *e, const char *path)
{
	const char *link = first_link(t, e, path);
	char type = link != NULL ? '1' : tar_type(e);
	struct buf pax = BUF_INIT, target = BUF_INIT;
	int rc = 0;

	if (e->type == ENTRY_SOCK) {
		log_warn(t->log, "%s: a socket, left out as tar has none", path);
		return 0;
	}
	if (type == '2') {
		rc = buf_printf(&target, "%.*s", e->target_len, e->target);
		link = (const char *)target.data;
	}
	if (rc == 0)
		rc = pax_fields(t, e, path, link, &pax);
	if (rc == 0 && type == '0' && e->data_bytes < e->size)
		rc = put_sparse(t, e, path, &pax);
	else if (rc == 0)
		rc = put_plain(t, e, type, path, link, &pax);
	buf_free(&pax);
	buf_free(&target);
	return rc;
}

/* --- The whole ---------------------------------------------------------------------------------------------------- */

static int make_path(struct buf *b, const char *prefix, const struct walk_item *item)
{
	buf_clear(b);
	if (buf_printf(b, "%s%s%s%s", prefix, item->path_len > 0 && *prefix != '\0' ? "/" : "", item->path,
	    item->entry->type == ENTRY_DIR ? "/" : "") != 0)
		return -ENOMEM;
	return 0;
}

static int put_all(struct tar *t, struct tree_walk *w, const char *prefix)
{
	struct buf path = BUF_INIT;
	struct walk_item item;
	int rc;

	while ((rc = tree_walk_next(w, &item)) == 1) {
		rc = 0;
		if (item.event == WALK_DAMAGED) {
			log_error(t->log, "%s: %s", item.path, ERR(item.err));
			t->result->status = cli_worse(t->result->status, item.err);
		}
		/* A root without a name has nothing to be called. */
		if (item.event == WALK_ENTRY && (item.depth > 0 || *prefix != '\0')) {
			rc = make_path(&path, prefix, &item);
			if (rc == 0)
				rc = put_entry(t, item.entry, (const char *)path.data);
		}
		if (rc != 0)
			break;
	}
	buf_free(&path);
	return rc;
}

int tar_tree(struct tree *tree, const struct tree_entry *root, const char *prefix, FILE *out, const struct log *log,
    struct tar_result *result)
{
	struct tar t = { .tree = tree, .out = out, .log = log, .result = result };
	static const uint8_t end[2 * TAR_BLOCK];
	struct tree_walk *w = NULL;
	int rc;

	memset(result, 0, sizeof(*result));
	t.copy = malloc(COPY_LEN);
	rc = t.copy != NULL ? tree_walk_begin(tree, root, &w) : -ENOMEM;
	if (rc == 0)
		rc = put_all(&t, w, prefix);
	if (rc == 0)
		rc = put(&t, end, sizeof(end));
	tree_walk_end(w);
	for (size_t i = 0; t.links != NULL && i <= t.links_mask; i++)
		free(t.links[i].path);
	free(t.links);
	free(t.copy);
	return rc;
}
