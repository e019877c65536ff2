/*
 * Walk two trees side by side, in name order, without recursion and without long paths.
 *
 * The stack has one frame for each level.  Only the roots and the ${KEEP_OPEN} deepest levels have open directories, so
 * that depth costs no descriptors; a level that was closed is opened again by stepping down from an open one above it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/treecmp/cmp.h"

#define KEEP_OPEN 32

struct frame {
	char *name; /* in the level above; NULL for the roots */
	int fd[2];  /* -1 while closed */
	struct names names[2];
	size_t next[2];
	size_t path_len; /* what c->path has of this directory */
};

struct walk {
	struct cmp *c;
	struct frame *frame;
	size_t depth, cap; /* frames in use, allocated */
};

static void frame_close(struct frame *f)
{
	for (int i = 0; i < 2; i++) {
		if (f->fd[i] >= 0)
			close(f->fd[i]);
		f->fd[i] = -1;
	}
}

static bool frame_open(struct cmp *c, const struct frame *above, struct frame *f)
{
	for (int i = 0; i < 2; i++) {
		f->fd[i] = openat(above->fd[i], f->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (f->fd[i] < 0) {
			cmp_error(c, i, "cannot open directory", errno);
			frame_close(f);
			return false;
		}
	}
	return true;
}

static void frame_pop(struct walk *w)
{
	struct frame *f = &w->frame[--w->depth];

	frame_close(f);
	names_free(&f->names[0]);
	names_free(&f->names[1]);
	free(f->name);
}

/* Have the deepest frame open.  Return false, with the error told, if a level has become impossible to open. */
static bool top_reopen(struct walk *w)
{
	size_t top = w->depth - 1, k = top;

	while (w->frame[k].fd[0] < 0)
		k--;
	for (; k < top; k++) {
		if (!frame_open(w->c, &w->frame[k], &w->frame[k + 1]))
			return false;
		if (k > 0 && k + KEEP_OPEN / 2 < top)
			frame_close(&w->frame[k]);
	}
	return true;
}

static bool frame_read(struct cmp *c, struct frame *f)
{
	for (int i = 0; i < 2; i++) {
		int rc = names_read(f->fd[i], &f->names[i]);

		if (rc < 0) {
			cmp_error(c, i, "cannot read directory", -rc);
			return false;
		}
	}
	return true;
}

/* Enter the directory ${name} of the deepest frame; c->path names it already. */
static void frame_push(struct walk *w, const char *name)
{
	struct frame *f;

	if (w->depth == w->cap) {
		w->cap = w->cap * 2 + 16;
		w->frame = xrealloc(w->frame, w->cap * sizeof(*w->frame));
	}
	f = &w->frame[w->depth];
	*f = (struct frame){ .name = xstrdup(name), .fd = { -1, -1 }, .path_len = w->c->path.len };
	w->depth++;
	if (!frame_open(w->c, f - 1, f) || !frame_read(w->c, f)) {
		frame_pop(w);
		return;
	}
	if (w->depth > KEEP_OPEN + 1)
		frame_close(&w->frame[w->depth - 1 - KEEP_OPEN]);
}

/* What readdir told about an entry must be what stat says. */
static void check_dirent(struct cmp *c, const struct pair *p, int side, const struct name *n)
{
	const struct stat *st = &p->st[side];
	const char *where = side ? "readdir of B" : "readdir of A";

	if (n->type != DT_UNKNOWN && n->type != IFTODT(st->st_mode))
		cmp_diff_number(c, FIELD_DIRENT, where, "type ", n->type, IFTODT(st->st_mode));
	if (n->ino != st->st_ino)
		cmp_diff_number(c, FIELD_DIRENT, where, "inode ", n->ino, st->st_ino);
}

static void check_twice(struct cmp *c, const struct names *n, size_t i, int side)
{
	if (i > 0 && strcmp(names_get(n, i - 1), names_get(n, i)) == 0)
		cmp_diff(c, FIELD_NAME, side ? "readdir of B" : "readdir of A", "once", "twice");
}

/* Step over the smallest name that is still to come.  Return how it stands: -1 only in A, 1 only in B, 0 in both. */
static int frame_next(struct frame *f, size_t at[2])
{
	bool more[2];
	int order;

	for (int i = 0; i < 2; i++) {
		at[i] = f->next[i];
		more[i] = at[i] < f->names[i].count;
	}
	if (more[0] && more[1])
		order = strcmp(names_get(&f->names[0], at[0]), names_get(&f->names[1], at[1]));
	else
		order = more[0] ? -1 : 1;
	f->next[0] += order <= 0;
	f->next[1] += order >= 0;
	return order < 0 ? -1 : order > 0;
}

/* Look at the next name of the deepest frame. */
static void step(struct walk *w)
{
	struct cmp *c = w->c;
	struct frame *f = &w->frame[w->depth - 1];
	size_t at[2];
	int order = frame_next(f, at);
	int side = order > 0;
	const char *name = names_get(&f->names[side], at[side]);
	struct pair p = { .dir = { f->fd[0], f->fd[1] }, .name = name };
	bool descend;

	str_cut(&c->path, f->path_len);
	str_add_name(&c->path, name);
	if (order <= 0)
		check_twice(c, &f->names[0], at[0], 0);
	if (order >= 0)
		check_twice(c, &f->names[1], at[1], 1);
	if (order > 0 && c->opt.extra_in_b)
		return;
	if (order != 0) {
		cmp_diff(c, FIELD_NAME, NULL, side ? "absent" : "present", side ? "present" : "absent");
		return;
	}
	descend = cmp_entry(c, &p);
	for (int i = 0; i < 2; i++)
		if (p.st[i].st_mode && !c->opt.ignore[FIELD_DIRENT])
			check_dirent(c, &p, i, &f->names[i].name[at[i]]);
	if (descend)
		frame_push(w, name);
}

static void walk_all(struct walk *w)
{
	while (w->depth > 0) {
		struct frame *f = &w->frame[w->depth - 1];

		if (f->next[0] >= f->names[0].count && f->next[1] >= f->names[1].count) {
			frame_pop(w);
			continue;
		}
		if (f->fd[0] < 0) {
			str_cut(&w->c->path, f->path_len);
			if (!top_reopen(w)) {
				frame_pop(w);
				continue;
			}
		}
		step(w);
	}
}

void cmp_walk(struct cmp *c, int root_a, int root_b)
{
	struct walk w = { .c = c, .depth = 1, .cap = 16 };
	struct pair root = { .dir = { root_a, root_b }, .name = "." };

	w.frame = xmalloc(w.cap * sizeof(*w.frame));
	w.frame[0] = (struct frame){ .fd = { root_a, root_b } };
	if (!c->opt.ignore_root)
		cmp_entry(c, &root);
	if (frame_read(c, &w.frame[0]))
		walk_all(&w);
	while (w.depth > 0)
		frame_pop(&w);
	free(w.frame);
}
