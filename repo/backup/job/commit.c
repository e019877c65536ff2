/*
 * What becomes of the items of a job, in order: entries of the directory being built, its begin and end, and the
 * spans of large files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/job/commit.h"
#include "repo/backup/job/levels.h"

struct commit {
	struct session *s;
	struct levels levels;        /* the directories being built */
	struct span_builder *spans;  /* of the large file whose chunks are coming */
	struct buf path;             /* of the directory being built; only for opts->entry */
	struct level root;           /* once it is done */
	bool any;                    /* something of a source is stored */
	struct backup_result counts;
};

static int put_page(void *arg, const void *data, size_t len, struct id *id)
{
	struct commit *c = arg;

	return object_writer_put(c->s->writer, data, len, id);
}

struct commit *commit_new(struct session *s)
{
	struct commit *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->s = s;
	levels_init(&c->levels, put_page, c);
	return c;
}

void commit_free(struct commit *c)
{
	if (!c)
		return;
	levels_destroy(&c->levels);
	level_destroy(&c->root);
	span_builder_free(c->spans);
	buf_free(&c->path);
	free(c);
}

/* Large xattrs become an object of their own. */
static int store_xattrs(struct commit *c, struct tree_entry *e)
{
	int err;

	if (e->flags & ENTRY_XATTRS_BY_ID || e->xattrs_len <= ENTRY_XATTRS_INLINE)
		return 0;
	err = object_writer_put(c->s->writer, e->xattrs, e->xattrs_len, &e->xattrs_id);
	e->flags |= ENTRY_XATTRS_BY_ID;
	return err;
}

static void count(struct commit *c, const struct tree_entry *e, char change)
{
	struct backup_progress *p = c->s->progress;

	if (e->type == ENTRY_DIR) {
		c->counts.dirs++;
		return;
	}
	if (e->type != ENTRY_REG) {
		c->counts.others++;
		return;
	}
	c->counts.files++;
	c->counts.bytes += e->data_bytes;
	if (change == '+') {
		c->counts.files_new++;
		atomic_fetch_add(&p->files_new, 1);
	} else if (change == 'M') {
		c->counts.files_changed++;
		atomic_fetch_add(&p->files_changed, 1);
	} else {
		c->counts.files_unchanged++;
		atomic_fetch_add(&p->files_unchanged, 1);
	}
}

/* Tell the caller of an entry in the directory at hand. */
static int tell(struct commit *c, const struct tree_entry *e, char change)
{
	const struct backup_options *o = c->s->opts;
	size_t len = c->path.len, size;
	char *quoted;
	int err;

	if (!o->entry)
		return 0;
	err = buf_printf(&c->path, "/%.*s", (int)e->name_len, e->name ? e->name : "");
	size = c->path.len * 4 + 1;
	quoted = err < 0 ? NULL : malloc(size);
	if (quoted) {
		quote_name((const char *)c->path.data, (unsigned)c->path.len, quoted, (unsigned)size);
		o->entry(o->arg, change, quoted);
	}
	free(quoted);
	c->path.len = len;
	return quoted ? 0 : -ENOMEM;
}

/* Store an entry that is complete in the directory being built. */
static int store_entry(struct commit *c, const struct tree_entry *e, char change)
{
	int err = levels_add(&c->levels, e);

	if (err < 0)
		return err;
	count(c, e, change);
	c->any = true;
	return tell(c, e, change);
}

/* Enter all spans of the item into the list that is being built. */
static int add_spans(struct commit *c, const struct tree_entry *e)
{
	struct span span;
	uint32_t i;
	int err = 0;

	for (i = 0; i < e->nspans && err == 0; i++) {
		span_decode(e->spans + (size_t)i * SPAN_RECORD_LEN, &span);
		err = span_builder_add(c->spans, &span);
	}
	return err;
}

/* A file with more spans than an entry can hold: they become a list. */
static int store_long_entry(struct commit *c, struct tree_entry *e, char change)
{
	int err = span_builder_new(put_page, c, &c->spans);

	if (err == 0)
		err = add_spans(c, e);
	if (err == 0)
		err = span_builder_finish(c->spans, e);
	if (err == 0)
		err = store_entry(c, e, change);
	span_builder_free(c->spans);
	c->spans = NULL;
	return err;
}

static int on_entry(struct commit *c, struct item *item)
{
	struct tree_entry *e = &item->e;
	int err = store_xattrs(c, e);

	if (err < 0)
		return err;
	if (e->type == ENTRY_REG && !(e->flags & ENTRY_HAS_CHILD) && e->nspans > ENTRY_SPANS_INLINE)
		return store_long_entry(c, e, item->change);
	return store_entry(c, e, item->change);
}

static int on_data(struct commit *c, const struct item *item)
{
	int err = 0;

	if (!c->spans)
		err = span_builder_new(put_page, c, &c->spans);
	return err == 0 ? span_builder_add(c->spans, &item->data.span) : err;
}

static int on_large(struct commit *c, struct item *item)
{
	struct tree_entry *e = &item->e;
	int err = store_xattrs(c, e);

	if (err == 0 && c->spans)
		err = span_builder_finish(c->spans, e);
	if (err == 0 && item->shared)
		links_tell(c->s->links, e->dev, e->ino, e);
	if (err == 0)
		err = store_entry(c, e, item->change);
	span_builder_free(c->spans);
	c->spans = NULL;
	return err;
}

static void on_drop(struct commit *c)
{
	span_builder_free(c->spans);
	c->spans = NULL;
	levels_top(&c->levels)->partial = true;
}

static int on_enter(struct commit *c, struct item *item)
{
	struct level *l;
	int err = store_xattrs(c, &item->e);

	if (err == 0)
		err = levels_enter(&c->levels, &item->e);
	if (err < 0)
		return err;
	l = levels_top(&c->levels);
	l->made_up = item->made_up;
	l->change = item->change;
	l->path_len = c->path.len;
	if (c->levels.depth == 1 || !c->s->opts->entry)
		return 0;
	return buf_printf(&c->path, "/%.*s", (int)l->e.name_len, l->e.name);
}

static int on_leave(struct commit *c, const struct item *item)
{
	struct level done;
	int err;

	if (item->e.flags & ENTRY_PARTIAL)
		levels_top(&c->levels)->partial = true;
	err = levels_leave(&c->levels, &done);
	if (err < 0)
		return err;
	c->path.len = done.path_len;
	count(c, &done.e, done.change);
	c->any = c->any || !done.made_up;
	if (c->levels.depth == 0) {
		c->root = done;
		return 0;
	}
	err = levels_add(&c->levels, &done.e);
	if (err == 0)
		err = tell(c, &done.e, done.change);
	level_destroy(&done);
	return err;
}

static int on_item(struct commit *c, struct item *item)
{
	switch (item->kind) {
	case ITEM_ENTRY:
		return on_entry(c, item);
	case ITEM_ENTER:
		return on_enter(c, item);
	case ITEM_LEAVE:
		return on_leave(c, item);
	case ITEM_DATA:
		return on_data(c, item);
	case ITEM_LARGE:
		return on_large(c, item);
	case ITEM_DROP:
		on_drop(c);
		return 0;
	case ITEM_KNOWN:
	case ITEM_READ:
		break;
	}
	return -EINVAL;
}

/* Store a list of segments; ${*list} is what is left of it after an error. */
static int add_segments(struct commit *c, struct segment_out **list)
{
	struct segment_out *s;
	int err = 0;

	while (err == 0 && (s = *list) != NULL) {
		*list = s->next;
		s->next = NULL;
		err = object_writer_add_segment(c->s->writer, s);
	}
	return err;
}

static int commit_job(struct commit *c, struct job *j)
{
	unsigned i;
	int err = add_segments(c, &j->segments);

	for (i = 0; i < j->nitems && err == 0; i++)
		err = on_item(c, &j->items[i]);
	return err == 0 ? object_writer_tick(c->s->writer) : err;
}

int commit_run(struct commit *c)
{
	struct job *j;
	int err;

	while ((j = queue_pop(c->s->queue)) != NULL && !session_cancelled(c->s)) {
		err = commit_job(c, j);
		if (err < 0)
			queue_fail(c->s->queue, err);
		else
			queue_recycle(c->s->queue, j);
	}
	links_stop(c->s->links);
	return queue_error(c->s->queue);
}

int commit_left(struct commit *c)
{
	struct segment_out *left = queue_left(c->s->queue);
	int err = add_segments(c, &left);

	segments_free(left);
	return err;
}

int commit_result(const struct commit *c, const struct tree_entry **root, struct backup_result *out)
{
	*root = &c->root.e;
	out->files = c->counts.files;
	out->dirs = c->counts.dirs;
	out->others = c->counts.others;
	out->bytes = c->counts.bytes;
	out->files_new = c->counts.files_new;
	out->files_changed = c->counts.files_changed;
	out->files_unchanged = c->counts.files_unchanged;
	return c->any ? 0 : -ENOENT;
}
