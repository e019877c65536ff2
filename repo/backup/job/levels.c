/*
 * The stack of directories being built.
 *
 * A builder is made with the first entry, so that a deep path costs little; pages of all levels together are bounded:
 * beyond that the open ones are put early.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/job/levels.h"

#define PAGES_MAX (12u * 1024 * 1024) /* bytes of open pages of all levels */
#define SPILL_MIN (16u * 1024)        /* a level with less is not worth putting early */

void levels_init(struct levels *l, tree_put_fn *put, void *arg)
{
	*l = (struct levels){ .put = put, .arg = arg };
}

void level_destroy(struct level *l)
{
	dir_builder_free(l->builder);
	free(l->strings);
	*l = (struct level){ 0 };
}

void levels_destroy(struct levels *l)
{
	while (l->depth > 0)
		level_destroy(&l->level[--l->depth]);
	free(l->level);
}

struct level *levels_top(struct levels *l)
{
	return &l->level[l->depth - 1];
}

/* Count what the level's builder holds now. */
static void recount(struct levels *l, struct level *level)
{
	l->memory -= level->memory;
	level->memory = dir_builder_memory(level->builder);
	l->memory += level->memory;
}

/* Put the open pages of all levels that have much of them. */
static int spill(struct levels *l)
{
	size_t i;
	int err = 0;

	for (i = 0; i < l->depth && err == 0; i++) {
		if (l->level[i].memory < SPILL_MIN)
			continue;
		err = dir_builder_spill(l->level[i].builder);
		recount(l, &l->level[i]);
	}
	return err;
}

int levels_add(struct levels *l, const struct tree_entry *e)
{
	struct level *top = levels_top(l);
	int err = 0;

	if (!top->builder)
		err = dir_builder_new(l->put, l->arg, &top->builder);
	if (err == 0)
		err = dir_builder_add(top->builder, e);
	if (err < 0)
		return err;
	recount(l, top);
	return l->memory > PAGES_MAX ? spill(l) : 0;
}

/* Copy ${len} bytes to ${*at}, move on, and say where they are. */
static void *place(uint8_t **at, const void *from, size_t len)
{
	void *to = *at;

	if (len > 0)
		memcpy(to, from, len);
	*at += len;
	return to;
}

/* Copy the entry with its strings. */
static int keep_entry(struct level *l, const struct tree_entry *e)
{
	size_t xattrs = e->flags & ENTRY_XATTRS_BY_ID ? 0 : e->xattrs_len;
	uint8_t *at = malloc((size_t)e->name_len + e->user_len + e->group_len + xattrs + 1);

	if (!at)
		return -ENOMEM;
	l->strings = at;
	l->e = *e;
	l->e.name = place(&at, e->name, e->name_len);
	l->e.user = place(&at, e->user, e->user_len);
	l->e.group = place(&at, e->group, e->group_len);
	l->e.xattrs = place(&at, e->xattrs, xattrs);
	return 0;
}

int levels_enter(struct levels *l, const struct tree_entry *e)
{
	size_t cap = l->cap ? l->cap * 2 : 64;
	struct level *grown;
	int err;

	if (l->depth == l->cap) {
		grown = realloc(l->level, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->level = grown;
		l->cap = cap;
	}
	l->level[l->depth] = (struct level){ 0 };
	err = keep_entry(&l->level[l->depth], e);
	l->depth += err == 0;
	return err;
}

int levels_leave(struct levels *l, struct level *done)
{
	struct level *top = levels_top(l);
	uint64_t entries = 0;
	int some = 0;

	if (top->builder)
		some = dir_builder_finish(top->builder, &top->e.child, &entries, &top->e.below);
	if (some < 0)
		return some;
	if (some > 0)
		top->e.flags |= ENTRY_HAS_CHILD;
	if (top->partial)
		top->e.flags |= ENTRY_PARTIAL;
	l->memory -= top->memory;
	dir_builder_free(top->builder);
	top->builder = NULL;
	*done = *top;
	l->depth--;
	return 0;
}
