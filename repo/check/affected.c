/*
 * Paths that damage affects: a walk over all snapshots, the newest first, made only if there is damage.
 *
 * A directory that has been walked is remembered with the number of affected paths below it, and is not entered again
 * in another snapshot, unless the paths of every snapshot are wanted and there are any.  A path is told once for each
 * finding, unless those are wanted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/check_impl.h"
#include "repo/query/walk.h"

/* A directory that the walk is in. */
struct level {
	unsigned depth;
	uint64_t key;   /* in ${known}; 0: not to be remembered */
	uint64_t paths; /* affected, in and below it */
	bool told;      /* that it is affected itself */
};

struct trace {
	struct check *c;
	char snapshot[ID_HEX_SIZE];
	struct hash_map known; /* directory -> affected paths in and below it */
	struct hash_map told;  /* path and finding */
	struct level *stack;
	size_t depth, cap;
	uint64_t path;         /* running number of the path at hand */
	uint64_t total;        /* affected paths of this snapshot */
};

/* Is this the first time that ${path} is told to be affected by that finding? */
static bool first_time(struct trace *t, uint32_t finding, const char *path)
{
	if (t->c->o->every_snapshot)
		return true;
	return hash_map_add(&t->told, hash_mix(hash_bytes(path, strlen(path)), finding), 0) != 0;
}

/* The path at hand is affected by a finding.  Return 1, or 0 if that has been said of it already in this snapshot. */
static unsigned tell_path(struct trace *t, uint32_t finding, const char *path, const char *what)
{
	struct check *c = t->c;
	struct finding *f;

	if (finding == 0 || finding > c->nfindings)
		return 0;
	f = &c->findings[finding - 1];
	if (f->last_path == t->path)
		return 0;
	f->last_path = t->path;
	if (first_time(t, finding, path) && f->paths++ < check_paths_told(c)) {
		struct check_finding out = {
			.kind = f->kind,
			.object = f->object,
			.what = what,
			.snapshot = t->snapshot,
			.path = path,
		};

		c->o->found(c->o->arg, &out);
	}
	return 1;
}

/* Findings that affect the contents of a file.  Return how many. */
static unsigned trace_contents(struct trace *t, const struct tree_entry *e, const char *path)
{
	struct check *c = t->c;
	struct span s;
	uint64_t off = 0;
	unsigned n = 0;

	/* A list that cannot be read as a whole says so by its root page. */
	if (e->flags & ENTRY_HAS_CHILD)
		n += tell_path(t, damage_of(c, &e->child), path, "contents");
	while (n == 0 || !(e->flags & ENTRY_HAS_CHILD)) {
		if (tree_span(c->tree, e, off, &s) != 1)
			break;
		n += tell_path(t, damage_of_span(c, &s.id, s.len), path, "contents");
		off = s.off + s.len;
	}
	return n;
}

static unsigned trace_entry(struct trace *t, const struct tree_entry *e, const char *path)
{
	unsigned n = 0;

	t->path++;
	if (e->flags & ENTRY_XATTRS_BY_ID)
		n += tell_path(t, damage_of(t->c, &e->xattrs_id), path, "extended attributes");
	if (e->type == ENTRY_REG)
		n += trace_contents(t, e, path);
	else if (e->flags & ENTRY_HAS_CHILD)
		n += tell_path(t, damage_of(t->c, &e->child), path, "directory");
	return n;
}

/* Add to what is affected in the innermost directory, or in the snapshot. */
static void account(struct trace *t, uint64_t paths)
{
	if (t->depth > 0)
		t->stack[t->depth - 1].paths += paths;
	else
		t->total += paths;
}

/* Leave the directories that are at ${depth} or deeper. */
static int unwind(struct trace *t, unsigned depth)
{
	struct level l;

	while (t->depth > 0 && t->stack[t->depth - 1].depth >= depth) {
		l = t->stack[--t->depth];
		account(t, l.paths);
		if (l.key != 0 && hash_map_add(&t->known, l.key, l.paths) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int enter(struct trace *t, const struct level *l)
{
	struct level *grown;

	if (t->depth == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;

		grown = realloc(t->stack, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		t->stack = grown;
		t->cap = cap;
	}
	t->stack[t->depth++] = *l;
	return 0;
}

/* A directory: is it worth entering? */
static int trace_dir(struct trace *t, struct tree_walk *w, const struct walk_item *item, unsigned affected)
{
	const struct tree_entry *e = item->entry;
	struct level l = { .depth = item->depth, .told = affected > 0 };
	uint64_t paths;

	if (!(e->flags & ENTRY_HAS_CHILD)) {
		tree_walk_skip(w);
		return 0;
	}
	l.key = hash_mix(id_hash(&e->child), e->below);
	if (hash_map_get(&t->known, l.key, &paths) && !(paths > 0 && t->c->o->every_snapshot)) {
		tree_walk_skip(w);
		account(t, paths);
		return 0;
	}
	return enter(t, &l);
}

/* A directory cannot be read further.  It has been told, unless this is new since the trees were checked. */
static void trace_damaged(struct trace *t, const struct walk_item *item)
{
	struct check *c = t->c;
	char name[SNAPSHOT_NAME_SIZE];
	struct id id;

	if ((t->depth > 0 && t->stack[t->depth - 1].told) || store_failed(c, item->err))
		return;
	t->path++;
	id_parse(t->snapshot, &id);
	account(t, tell_path(t, finding_add(c, CHECK_SNAPSHOT, snapshot_object_name(&id, name),
	    "a directory cannot be read: %s", ERR(item->err)), item->path, "directory"));
}

static int trace_item(struct trace *t, struct tree_walk *w, const struct walk_item *item)
{
	unsigned n;
	int rc = 0;

	if (item->event == WALK_DAMAGED) {
		trace_damaged(t, item);
	} else if (item->event == WALK_ENTRY) {
		rc = unwind(t, item->depth);
		n = trace_entry(t, item->entry, item->path);
		account(t, n > 0);
		if (rc == 0 && item->entry->type == ENTRY_DIR)
			rc = trace_dir(t, w, item, n);
	}
	return rc;
}

static int trace_tree(struct trace *t, const struct tree_entry *root)
{
	struct tree_walk *w = NULL;
	struct walk_item item;
	int rc = tree_walk_begin(t->c->tree, root, &w);

	while (rc == 0 && (rc = tree_walk_next(w, &item)) == 1)
		rc = cancelled(t->c) ? -EINTR : trace_item(t, w, &item);
	tree_walk_end(w);
	return rc == 0 ? unwind(t, 0) : rc;
}

static int trace_snapshot(struct trace *t, size_t i)
{
	struct check_finding f = { .snapshot = t->snapshot };
	struct manifest m;
	int rc;

	id_hex(&catalog_at(t->c->catalog, i)->id, t->snapshot);
	t->depth = 0;
	t->total = 0;
	rc = catalog_manifest(t->c->catalog, i, &m);
	if (rc < 0) /* told already */
		return rc == -ENOMEM ? rc : 0;
	rc = trace_tree(t, &m.root);
	manifest_destroy(&m);
	f.more = t->total;
	if (rc == 0 && t->total > 0)
		t->c->o->found(t->c->o->arg, &f);
	return rc;
}

static void tell_rest(struct check *c)
{
	for (uint32_t i = 0; i < c->nfindings; i++) {
		const struct finding *f = &c->findings[i];
		struct check_finding out = { .kind = f->kind, .object = f->object };

		if (f->paths <= check_paths_told(c))
			continue;
		out.more = f->paths - check_paths_told(c);
		c->o->found(c->o->arg, &out);
	}
}

int check_affected(struct check *c)
{
	struct trace t = { .c = c, .known.with_values = true };
	int rc = 0;

	if (c->damage.n == 0 || c->o->untraced)
		return 0;
	for (size_t i = catalog_count(c->catalog); i > 0 && rc == 0; i--)
		rc = trace_snapshot(&t, i - 1);
	if (rc == 0)
		tell_rest(c);
	hash_map_free(&t.known);
	hash_map_free(&t.told);
	free(t.stack);
	return rc;
}
