/*
 * The stack of directories being walked.
 *
 * Only the LIVE deepest have everything in memory and a descriptor.  What lies above is parked: names are read again
 * when it is its turn, and the directory is opened again by ".." (see dir_wake()): so depth costs a frame, nothing
 * else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/walk/walk.h"
#include "repo/backup/walk/walk_impl.h"

#define LIVE 32                          /* frames */
#define WINDOW_MAX (12u * 1024 * 1024)    /* bytes of names of one directory */
#define WINDOWS_MAX (16u * 1024 * 1024)   /* of all live ones */

static void park(struct walker *w, struct frame *f)
{
	scan_drop(&f->scan, &w->room);
	parent_dir_park(&f->parent);
	/* A source's top stays open: from there all else can be found again. */
	if (!f->dir || !f->dir->parent || f->parked)
		return;
	dir_rest(f->dir);
	f->parked = true;
}

/* Make the top frame usable again; ${below} is the directory that was left for it, if any. */
static void unpark(struct walker *w, const struct dir *below)
{
	struct frame *f = walk_top(w);
	int err;

	if (!f->parked || f->lost)
		return;
	err = dir_wake(f->dir, below);
	if (err == 0) {
		f->parked = false;
		return;
	}
	session_report(w->s, f->dir->parent, f->dir->name, f->dir->len, err == -ESTALE ? 0 : err,
	    "directory was moved while being read");
	f->lost = f->partial = true;
}

/* Of which source are the names in the directory, if it has another absolute path than its stored one? */
static void set_source(struct frame *f, const struct frame *above)
{
	if (f->root && f->root->source) {
		f->source = f->root->real ? f->root : NULL;
		f->source_len = f->path_len;
	} else if (above) {
		f->source = above->source;
		f->source_len = above->source_len;
	}
}

int walk_push(struct walker *w, struct dir *dir, const struct subject *x, dev_t fs, bool tag_only)
{
	struct parent_dir parent; /* before the frames move, as ${x->old} may be in one */
	struct frame *grown;
	size_t i;

	parent_dir_init(&parent, w->s->repo->tree, x->old);
	if (w->depth == w->cap) {
		grown = realloc(w->frames, (w->cap ? w->cap * 2 : 64) * sizeof(*grown));
		if (!grown) {
			dir_release(dir);
			return -ENOMEM;
		}
		w->frames = grown;
		w->cap = w->cap ? w->cap * 2 : 64;
	}
	w->frames[w->depth++] = (struct frame){ .dir = dir, .root = x->root, .parent = parent, .path_len = w->path.len,
		.fs = fs, .tag_only = tag_only };
	set_source(walk_top(w), w->depth > 1 ? walk_top(w) - 1 : NULL);
	if (w->depth > LIVE)
		park(w, &w->frames[w->depth - 1 - LIVE]);
	for (i = 0; i + 1 < w->depth && w->room.held > WINDOWS_MAX; i++)
		scan_drop(&w->frames[i].scan, &w->room);
	return 0;
}

static void free_frame(struct walker *w, struct frame *f)
{
	scan_drop(&f->scan, &w->room);
	parent_dir_park(&f->parent);
	if (f->parked)
		dir_unref(f->dir);
	else
		dir_release(f->dir);
}

static int leave(struct walker *w)
{
	struct frame done = *walk_top(w);
	struct item *item;
	int err = producer_item(&w->p, &item);

	if (err < 0)
		return err;
	item->kind = ITEM_LEAVE;
	if (done.partial)
		item->e.flags = ENTRY_PARTIAL;
	w->depth--;
	if (w->depth > 0)
		unpark(w, done.parked ? NULL : done.dir);
	free_frame(w, &done);
	return 0;
}

/* The next name that the directory itself has, or NULL at its end.  Return 0, or -ENOMEM. */
static int next_entry(struct walker *w, struct frame *f, struct scan_name *n, const char **name)
{
	int err;

	do {
		err = f->dir && !f->lost ? scan_next(&f->scan, &w->room, f->dir->fd, n, name) : 0;
	} while (err > 0 && f->tag_only && strcmp(*name, "CACHEDIR.TAG") != 0);
	if (err > 0)
		return 0;
	*name = NULL;
	if (err == 0 || err == -ENOMEM)
		return err;
	session_report(w->s, f->dir->parent, f->dir->name, f->dir->len, err, "cannot read directory");
	f->partial = true;
	return 0;
}

/* One entry of the top frame, or its end. */
static int step(struct walker *w)
{
	struct frame *f = walk_top(w);
	const struct root *root = NULL;
	const char *name = NULL;
	struct scan_name n;
	int err = next_entry(w, f, &n, &name), order;

	if (err < 0)
		return err;
	if (f->root && f->next_root < f->root->nchildren)
		root = f->root->children[f->next_root];
	if (!name && !root)
		return leave(w);
	order = !name ? 1 : !root ? -1 : entry_name_compare(name, n.len, root->name, strlen(root->name));
	if (order < 0)
		return visit_name(w, name, n.len, n.type, NULL);
	f->next_root++;
	if (order > 0 && name)
		scan_back(&f->scan);
	if (order > 0 || root->source)
		return visit_root(w, root);
	return visit_name(w, name, n.len, n.type, root);
}

static struct own_dir own_dir(const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return (struct own_dir){ .exists = false };
	return (struct own_dir){ true, st.st_dev, st.st_ino };
}

int walk_sources(struct session *s, const struct root *top)
{
	struct walker w = { .s = s };
	int err = producer_init(&w.p, s);

	scan_room_init(&w.room, WINDOW_MAX);
	w.repository = own_dir(store_local_path(s->repo->store));
	w.index = own_dir(index_path(s->repo->index));
	w.seen = own_dir(s->repo->witness != NULL ? witness_path(s->repo->witness) : NULL);
	w.real_wanted = s->opts->exclude && match_anchored(s->opts->exclude);
	if (err == 0)
		err = buf_reserve(&w.path, 1);
	if (err == 0)
		err = visit_root(&w, top);
	while (err == 0 && w.depth > 0)
		err = session_cancelled(s) ? -EINTR : step(&w);
	if (err == 0)
		err = producer_submit(&w.p);
	while (w.depth > 0)
		free_frame(&w, &w.frames[--w.depth]);
	free(w.frames);
	scan_room_destroy(&w.room);
	buf_free(&w.path);
	buf_free(&w.real);
	producer_destroy(&w.p);
	return err;
}
