/*
 * Building trees.
 *
 * One level for each directory that is being built.  Its builder is made with its first entry, so that a deep path
 * costs little; pages of all levels together are bounded: beyond that the open ones are put early.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/commit.h"
#include "repo/tree/dir_build.h"

#define PAGES_MAX (12u * 1024 * 1024) /* bytes of open pages of all levels */
#define SPILL_MIN (16u * 1024)        /* a level with less is not worth putting early */

struct level {
	struct dir_builder *builder; /* NULL: no entry yet */
	size_t memory;               /* of it, as ${pages} counts it */
	struct tree_entry e;         /* the directory's own, strings in ${strings} */
	uint8_t *strings;
	size_t path_len;             /* of the path of the directory above */
	bool partial, made_up;
	char change;
};

struct commit {
	struct session *s;
	struct level *levels;
	size_t depth, cap;
	size_t pages;                /* bytes of open pages of all levels */
	struct span_builder *spans;  /* of the large file whose chunks are coming */
	struct buf path;             /* of the directory being built; only for opts->entry */
	struct level root;           /* once the root is done */
	bool any;                    /* something of a source is stored */
	struct backup_result counts;
};

struct commit *commit_new(struct session *s)
{
	struct commit *c = calloc(1, sizeof(*c));

	if (c)
		c->s = s;
	return c;
}

static void level_free(struct level *l)
{
	dir_builder_free(l->builder);
	free(l->strings);
	*l = (struct level){ 0 };
}

void commit_free(struct commit *c)
{
	if (!c)
		return;
	while (c->depth > 0)
		level_free(&c->levels[--c->depth]);
	level_free(&c->root);
	free(c->levels);
	span_builder_free(c->spans);
	buf_free(&c->path);
	free(c);
}

static int put_page(void *arg, const void *data, size_t len, struct id *id)
{
	struct commit *c = arg;

	return object_writer_put(c->s->writer, data, len, id);
}

/* Put the open pages of all levels that have much of them. */
static int spill(struct commit *c)
{
	size_t i;
	int err = 0;

	for (i = 0; i < c->depth && err == 0; i++) {
		struct level *l = &c->levels[i];

		if (l->memory < SPILL_MIN)
			continue;
		err = dir_builder_spill(l->builder);
		c->pages -= l->memory;
		l->memory = dir_builder_memory(l->builder);
		c->pages += l->memory;
	}
	return err;
}

/* Add an entry to the directory being built. */
static int add_entry(struct commit *c, const struct tree_entry *e)
{
	struct level *l = &c->levels[c->depth - 1];
	int err = 0;

	if (!l->builder)
		err = dir_builder_new(put_page, c, &l->builder);
	if (err == 0)
		err = dir_builder_add(l->builder, e);
	if (err < 0)
		return err;
	c->pages -= l->memory;
	l->memory = dir_builder_memory(l->builder);
	c->pages += l->memory;
	return c->pages > PAGES_MAX ? spill(c) : 0;
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
	int err = add_entry(c, e);

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
	c->levels[c->depth - 1].partial = true;
}

/* Keep the directory's entry beyond its job. */
static int keep_entry(struct level *l, const struct tree_entry *e)
{
	size_t xattrs = e->flags & ENTRY_XATTRS_BY_ID ? 0 : e->xattrs_len;
	uint8_t *p = malloc((size_t)e->name_len + e->user_len + e->group_len + xattrs + 1);

	if (!p)
		return -ENOMEM;
	l->e = *e;
	l->strings = p;
	l->e.name = (char *)p;
	p = e->name_len ? (uint8_t *)mempcpy(p, e->name, e->name_len) : p;
	l->e.user = (char *)p;
	p = e->user_len ? (uint8_t *)mempcpy(p, e->user, e->user_len) : p;
	l->e.group = (char *)p;
	p = e->group_len ? (uint8_t *)mempcpy(p, e->group, e->group_len) : p;
	l->e.xattrs = p;
	if (xattrs)
		memcpy(p, e->xattrs, xattrs);
	return 0;
}

static int on_enter(struct commit *c, struct item *item)
{
	struct level *grown, *l;
	int err = store_xattrs(c, &item->e);

	if (err < 0)
		return err;
	if (c->depth == c->cap) {
		grown = realloc(c->levels, (c->cap ? c->cap * 2 : 64) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->levels = grown;
		c->cap = c->cap ? c->cap * 2 : 64;
	}
	l = &c->levels[c->depth];
	*l = (struct level){ .path_len = c->path.len, .made_up = item->made_up, .change = item->change };
	err = keep_entry(l, &item->e);
	if (err < 0)
		return err;
	if (c->depth++ == 0 || !c->s->opts->entry)
		return 0;
	return buf_printf(&c->path, "/%.*s", (int)l->e.name_len, l->e.name);
}

/* Finish the directory being built: its entry is complete then. */
static int close_level(struct commit *c, struct level *l)
{
	uint64_t entries = 0;
	int some = 0;

	if (l->builder)
		some = dir_builder_finish(l->builder, &l->e.child, &entries, &l->e.below);
	if (some > 0)
		l->e.flags |= ENTRY_HAS_CHILD;
	if (l->partial)
		l->e.flags |= ENTRY_PARTIAL;
	c->pages -= l->memory;
	dir_builder_free(l->builder);
	l->builder = NULL;
	return some < 0 ? some : 0;
}

static int on_leave(struct commit *c, const struct item *item)
{
	struct level *l = &c->levels[c->depth - 1], done;
	int err;

	l->partial = l->partial || (item->e.flags & ENTRY_PARTIAL);
	err = close_level(c, l);
	if (err < 0)
		return err;
	done = *l;
	c->depth--;
	c->path.len = done.path_len;
	count(c, &done.e, done.change);
	c->any = c->any || !done.made_up;
	if (c->depth == 0) {
		c->root = done;
		return 0;
	}
	err = add_entry(c, &done.e);
	if (err == 0)
		err = tell(c, &done.e, done.change);
	level_free(&done);
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
	return err;
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
