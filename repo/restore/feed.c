/*
 * The feeder.
 *
 * Levels are the directories from the target down to where the walk is:
 *
 *   [0, 1)       the target, always open
 *   [1, low)     made, resting
 *   [low, made)  made, open
 *   [made, n)    not made yet, as nothing that is included was met in them; or they could not be made
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/query/walk.h"
#include "repo/restore/feed.h"
#include "repo/restore/file/bigfile.h"
#include "repo/restore/work/linkset.h"

#define AWAKE_MAX 48 /* levels open at once */

struct level {
	struct outdir *dir;
	bool included; /* and so is all below it */
};

struct feeder {
	struct restore *rs;
	struct tree_walk *walk;
	struct outdir *target;
	struct level *levels;
	size_t n, cap, low, made;
	struct batch *batch; /* being filled, or NULL */
	struct buf path;     /* in the snapshot, for patterns */
	bool touched;        /* something is restored in the target */
	bool left;           /* the target's share has ended */
};

/*
 * --- Batches
 * -------------------------------------------------------------------------------------------------------
 */

static void flush(struct feeder *f)
{
	if (f->batch != NULL)
		batch_queue_push(f->rs->queue, f->batch);
	f->batch = NULL;
}

static int get_batch(struct feeder *f)
{
	if (f->batch == NULL)
		f->batch = batch_queue_get(f->rs->queue);
	return f->batch == NULL ? -ENOMEM : 0;
}

/* One item for each worker. */
static int add_big(struct feeder *f, struct outdir *dir, const struct tree_entry *e, uint64_t number,
    enum link_role role)
{
	struct bigfile *big = bigfile_new(e);
	struct batch_item *i;
	int rc = big == NULL ? -ENOMEM : 0;

	flush(f);
	for (unsigned n = 0; n < f->rs->threads && rc == 0; n++) {
		rc = get_batch(f);
		if (rc < 0)
			break;
		i = batch_add(f->batch, dir);
		i->e = *bigfile_entry(big);
		i->number = number;
		i->role = role;
		i->big = bigfile_ref(big);
		flush(f);
	}
	bigfile_unref(big);
	return rc;
}

static int add_small(struct feeder *f, struct outdir *dir, const struct tree_entry *e, uint64_t number,
    enum link_role role)
{
	struct batch_item *i = NULL;
	int rc = 0;

	while (rc == 0 && i == NULL) {
		rc = get_batch(f);
		if (rc == 0)
			i = batch_add_entry(f->batch, dir, e);
		if (rc == 0 && i == NULL)
			flush(f);
	}
	if (rc == 0) {
		i->number = number;
		i->role = role;
	}
	return rc;
}

static bool has_links(const struct tree_entry *e)
{
	return e->nlink > 1 && (e->dev != 0 || e->ino != 0);
}

static int add(struct feeder *f, const struct tree_entry *e, uint64_t number)
{
	struct outdir *dir = f->n > 0 ? f->levels[f->n - 1].dir : f->target;
	bool dry = f->rs->opts->dry_run;
	int role = LINK_NONE;

	if (has_links(e))
		role = linkset_meet(f->rs->links, e, number);
	if (role < 0)
		return role;
	if (e->type == ENTRY_REG && e->data_bytes >= BIGFILE_MIN && role != LINK_LATER && !dry)
		return add_big(f, dir, e, number, (enum link_role)role);
	return add_small(f, dir, e, number, (enum link_role)role);
}

/*
 * --- Levels
 * --------------------------------------------------------------------------------------------------------
 */

static int push(struct feeder *f, struct outdir *dir, bool included)
{
	size_t cap = f->cap ? f->cap * 2 : 64;
	struct level *grown;

	if (f->n == f->cap) {
		grown = realloc(f->levels, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		f->levels = grown;
		f->cap = cap;
	}
	f->levels[f->n++] = (struct level){ dir, included };
	return 0;
}

static void wake(struct feeder *f, struct outdir *d, const struct outdir *child)
{
	int rc = outdir_wake(d, child);

	if (rc == 0)
		return;
	d->failed = true;
	restore_failed(f->rs, d->parent, d->e.name, d->e.name_len, rc, "cannot open the directory again");
}

static void pop(struct feeder *f)
{
	struct outdir *d = f->levels[--f->n].dir;

	if (f->made > f->n) {
		f->made = f->n;
		if (f->low > 1 && f->low == f->n) {
			f->low--;
			wake(f, f->levels[f->low].dir, d);
		}
	}
	f->left |= d == f->target;
	outdir_leave(d);
}

/* Something is restored here: make what is not made of the levels.  False if it cannot be. */
static bool make_levels(struct feeder *f)
{
	struct restore *rs = f->rs;
	struct outdir *d;

	if (!f->touched)
		outdir_use_target(rs, f->target);
	f->touched = true;
	if (f->made > 0 && f->levels[f->made - 1].dir->failed)
		return false;
	for (; f->made < f->n; f->made++) {
		d = f->levels[f->made].dir;
		while (outdir_pool_full(rs->dirs) && !restore_stopped(rs)) {
			flush(f);
			outdir_pool_wait(rs->dirs);
		}
		if (d->failed || restore_stopped(rs) || !outdir_make(rs, d))
			return false;
		if (f->made - f->low >= AWAKE_MAX)
			outdir_rest(f->levels[f->low++].dir);
	}
	return true;
}

/*
 * --- The walk
 * ------------------------------------------------------------------------------------------------------
 */

enum choice {
	CHOICE_SKIP,
	CHOICE_PASS, /* a directory that is not included itself, but something in it may be */
	CHOICE_TAKE,
};

/* Path in the snapshot, or NULL without memory. */
static const char *snapshot_path(struct feeder *f, const struct walk_item *w)
{
	struct buf *b = &f->path;

	buf_clear(b);
	if (buf_append(b, f->rs->prefix, strlen(f->rs->prefix)) < 0 || buf_u8(b, '/') < 0 ||
	    buf_append(b, w->path, w->path_len) < 0 || buf_u8(b, '\0') < 0)
		return NULL;
	return (const char *)b->data;
}

static int choose(struct feeder *f, const struct walk_item *w)
{
	const struct match_list *include = f->rs->opts->include, *exclude = f->rs->opts->exclude;
	bool is_dir = w->entry->type == ENTRY_DIR;
	const char *path;

	if (include == NULL && exclude == NULL)
		return CHOICE_TAKE;
	path = snapshot_path(f, w);
	if (path == NULL)
		return -ENOMEM;
	/* What was asked for by name is not excluded. */
	if (w->depth > 0 && match_path(exclude, path, is_dir))
		return CHOICE_SKIP;
	/* Asked in any case, so that a pattern is known to match something. */
	if (match_path(include, path, is_dir) || include == NULL || (f->n > 0 && f->levels[f->n - 1].included))
		return CHOICE_TAKE;
	return is_dir && match_may_below(include, path) ? CHOICE_PASS : CHOICE_SKIP;
}

static void skip(struct feeder *f, const struct tree_entry *e)
{
	tree_walk_skip(f->walk);
	atomic_fetch_add(&f->rs->progress->entries, 1 + (e->type == ENTRY_DIR ? e->below : 0));
}

static int enter(struct feeder *f, const struct walk_item *w, bool included)
{
	struct outdir *parent = f->n > 0 ? f->levels[f->n - 1].dir : NULL, *d = f->target;
	int rc;

	if (parent != NULL)
		d = outdir_new(f->rs->dirs, parent, w->entry, w->number);
	if (d == NULL)
		return -ENOMEM;
	rc = push(f, d, included);
	if (rc < 0) {
		if (parent != NULL)
			outdir_leave(d);
		return rc;
	}
	if (parent == NULL)
		f->low = f->made = 1;
	if (included && !make_levels(f)) {
		pop(f);
		skip(f, w->entry);
		return 0;
	}
	atomic_fetch_add(&f->rs->progress->entries, 1);
	return 0;
}

static int on_entry(struct feeder *f, const struct walk_item *w)
{
	int choice = choose(f, w);

	if (choice < 0)
		return choice;
	if (choice != CHOICE_SKIP && w->entry->type == ENTRY_DIR)
		return enter(f, w, choice == CHOICE_TAKE);
	if (choice == CHOICE_TAKE && make_levels(f))
		return add(f, w->entry, w->number);
	skip(f, w->entry);
	return 0;
}

static void on_damage(struct feeder *f, const struct walk_item *w)
{
	struct trouble t = { .err = w->err, .repo = true, .what = "entries of the directory are" };
	const struct outdir *d = w->depth < f->n ? f->levels[w->depth].dir : f->target;

	restore_trouble(f->rs, d->parent, d->e.name, d->parent == NULL ? 0 : d->e.name_len, &t);
}

static int on_event(struct feeder *f, const struct walk_item *w)
{
	/* A directory that cannot be read has an end of its own in some cases, and in others just ends. */
	while (f->n > w->depth + (w->event == WALK_DAMAGED))
		pop(f);
	if (w->event == WALK_ENTRY)
		return on_entry(f, w);
	if (w->event == WALK_DAMAGED)
		on_damage(f, w);
	return 0;
}

void feed(struct restore *rs, const struct tree_entry *root, struct outdir *target)
{
	struct feeder f = { .rs = rs, .target = target };
	struct walk_item w;
	int rc, more;

	rc = tree_walk_begin(rs->repo->tree, root, &f.walk);
	while (rc == 0 && !restore_stopped(rs)) {
		more = tree_walk_next(f.walk, &w);
		if (more <= 0) {
			rc = more;
			break;
		}
		rc = on_event(&f, &w);
	}
	if (rc < 0)
		restore_stop(rs, rc);
	flush(&f);
	while (f.n > 0)
		pop(&f);
	if (!f.left)
		outdir_leave(target);
	tree_walk_end(f.walk);
	buf_free(&f.path);
	free(f.levels);
}
