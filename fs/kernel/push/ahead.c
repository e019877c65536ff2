/*
 * Ahead.  See ahead.h.
 *
 * A walker is somebody who goes through a snapshot with ascending numbers; the numbers are those of entries in
 * preorder, so "the next file" is "a slightly greater number".  For each directory that a walker is in, the frontier is
 * how far its files have been planned.  They are planned by sections of a window's bytes.  A section but the first
 * begins with its probe, a file that is left out: when that is read, the section after it is planned.  So there is
 * always between one and two windows to read.
 *
 * Who goes through a tree goes down into each directory before he reads the file behind it, which lies behind all of
 * its contents in the packs, too.  So what is behind a large directory waits until he has come near it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs/kernel/push/ahead.h"

#define WALKERS 16
#define DIRS 64
#define FILES 16

#define GAP 4096u                          /* numbers that a walker may skip: what was pushed, what is no file */
#define REACH 64u                          /* numbers that a file may be ahead of its reader, to be planned */
#define IN_ORDER 2                         /* reads in order before anything is guessed */
#define WINDOW_FIRST (256u * 1024)         /* bytes of a section */
#define WINDOW_MIN (64u * 1024)
#define WINDOW_MAX (2u * 1024 * 1024)
#define UNCONFIRMED_MAX (8u * 1024 * 1024) /* bytes planned since the last read */
#define SECTION_ENTRIES 2048u              /* entries of a directory looked at for one section */
#define PART (1024u * 1024)                /* bytes of one prefetch */
#define LARGE_READ (64u * 1024)            /* a first read of so many bytes may be of a file with more */

struct walker {
	uint64_t used; /* 0: free */
	uint64_t id;
	uint32_t slot;
	uint32_t window;
	uint64_t last;        /* number of the entry last read or listed */
	uint64_t last_read;
	uint64_t unconfirmed; /* bytes */
	unsigned reads;       /* in order */
};

struct dir {
	uint64_t used;
	uint64_t node;
	uint64_t walker;   /* whose; each has a frontier of his own */
	uint64_t frontier; /* node of the last entry that was looked at */
	uint64_t cookie;   /* behind it */
	uint64_t probe;
	uint64_t planned;  /* number of the last file that was looked at */
	uint64_t waiting;  /* of the next one, which is far behind that, until its reader is near; 0: none */
	unsigned sections; /* planned since somebody began here */
};

struct file {
	uint64_t used;
	uint64_t node;
	uint64_t next;  /* where reading is expected to go on */
	uint64_t ahead; /* prefetched up to here */
	unsigned run;   /* reads in sequence */
};

struct ahead {
	struct vfs *vfs;
	uint32_t file_window;
	bool whole;
	atomic_bool follows; /* somebody who reads in order */
	pthread_mutex_t lock;
	uint64_t clock;
	struct walker walkers[WALKERS];
	struct dir dirs[DIRS];
	struct file files[FILES];
};

struct ahead *ahead_new(struct vfs *v, uint32_t file_window, bool whole)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->vfs = v;
	a->file_window = file_window;
	a->whole = whole;
	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void ahead_free(struct ahead *a)
{
	if (a == NULL)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* --- Within a file ------------------------------------------------------------------------------------------------ */

static struct file *file_of(struct ahead *a, uint64_t node, bool *found)
{
	struct file *oldest = &a->files[0];

	*found = true;
	for (struct file *f = a->files; f < a->files + FILES; f++) {
		if (f->used != 0 && f->node == node)
			return f;
		if (f->used < oldest->used)
			oldest = f;
	}
	*found = false;
	return oldest;
}

static void plan_parts(struct ahead *a, struct file *f, struct ahead_plan *plan)
{
	uint64_t target = f->next + a->file_window;

	if (f->ahead < f->next)
		f->ahead = f->next;
	for (; f->ahead < target && plan->n < AHEAD_TASKS; f->ahead += PART)
		plan->task[plan->n++] = (struct ahead_task){ .node = f->node, .off = f->ahead, .len = PART };
}

static void read_part(struct ahead *a, uint64_t node, uint64_t off, uint32_t len, struct ahead_plan *plan)
{
	/* The kernel's reads ahead do not come in strict order: one that is late tells nothing. */
	uint64_t end = off + len, slack = 2ull * len;
	bool found;
	struct file *f;

	if (off == 0 && len < LARGE_READ)
		return;
	f = file_of(a, node, &found);
	if (found && end <= f->next && end + slack >= f->next)
		return;
	if (!found || off > f->next + slack || end <= f->next)
		*f = (struct file){ .node = node, .ahead = end };
	f->next = end;
	f->used = ++a->clock;
	if (++f->run > IN_ORDER)
		plan_parts(a, f, plan);
}

/* --- Walkers ------------------------------------------------------------------------------------------------------ */

/* Who has come from slightly before this number; NULL if nobody has. */
static struct walker *follow(struct ahead *a, uint32_t slot, uint64_t number)
{
	struct walker *best = NULL;

	for (struct walker *w = a->walkers; w < a->walkers + WALKERS; w++) {
		if (w->used == 0 || w->slot != slot || number < w->last || number - w->last > GAP)
			continue;
		if (best == NULL || w->last > best->last)
			best = w;
	}
	if (best != NULL) {
		best->last = number;
		best->used = ++a->clock;
	}
	return best;
}

static struct walker *newcomer(struct ahead *a, uint32_t slot, uint64_t number)
{
	struct walker *oldest = &a->walkers[0];

	for (struct walker *w = a->walkers; w < a->walkers + WALKERS; w++) {
		if (w->used < oldest->used)
			oldest = w;
	}
	a->clock++;
	*oldest = (struct walker){ .used = a->clock, .id = a->clock, .slot = slot, .last = number,
		.window = WINDOW_FIRST };
	return oldest;
}

bool ahead_follows(const struct ahead *a)
{
	return a->follows;
}

bool ahead_passed(struct ahead *a, uint64_t node)
{
	uint64_t number = node_number(node);
	bool passed = false;

	pthread_mutex_lock(&a->lock);
	for (const struct walker *w = a->walkers; w < a->walkers + WALKERS && !passed; w++)
		passed = w->used != 0 && w->slot == node_slot(node) && w->last_read >= number &&
		    w->last_read - number <= GAP;
	pthread_mutex_unlock(&a->lock);
	return passed;
}

/* --- Within a directory ------------------------------------------------------------------------------------------- */

static struct dir *dir_of(struct ahead *a, uint64_t node, const struct walker *w)
{
	for (struct dir *d = a->dirs; d < a->dirs + DIRS; d++) {
		if (d->used != 0 && d->node == node && d->walker == w->id) {
			d->used = ++a->clock;
			return d;
		}
	}
	return NULL;
}

static struct dir *dir_new(struct ahead *a, uint64_t node, const struct walker *w)
{
	struct dir *oldest = &a->dirs[0];

	for (struct dir *d = a->dirs; d < a->dirs + DIRS; d++) {
		if (d->used < oldest->used)
			oldest = d;
	}
	*oldest = (struct dir){ .used = ++a->clock, .node = node, .walker = w->id };
	return oldest;
}

struct section {
	struct dir *dir;
	struct ahead_plan *plan;
	uint64_t bytes, window;
	uint64_t last; /* number of what the reader had last */
	unsigned entries;
	bool probe; /* is still to be left out */
};

/* Is a large directory before this file, into which the reader goes first?  Then the file waits. */
static bool is_far(const struct section *s, uint64_t number)
{
	uint64_t from = s->dir->planned > s->last ? s->dir->planned : s->last;

	if (number <= from || number - from <= REACH)
		return false;
	s->dir->waiting = number;
	return true;
}

static int add_file(void *arg, const char *name, const struct vfs_attr *attr, uint64_t next)
{
	struct section *s = arg;
	uint64_t size = (uint64_t)attr->st.st_size;
	bool file = S_ISREG(attr->st.st_mode) && size > 0;

	(void)name;
	if (s->plan->n == AHEAD_TASKS || ++s->entries > SECTION_ENTRIES)
		return 1;
	if (file && is_far(s, node_number(attr->node)))
		return 1;
	if (file)
		s->dir->planned = node_number(attr->node);
	if (file && s->probe) {
		s->dir->probe = attr->node;
		s->probe = false;
	} else if (file && size <= AHEAD_FILE_MAX) {
		if (s->bytes > 0 && s->bytes + size > s->window)
			return 1;
		s->plan->task[s->plan->n++] =
		    (struct ahead_task){ .node = attr->node, .len = (uint32_t)size, .whole = true };
		s->bytes += size;
	}
	if (attr->node != 0)
		s->dir->frontier = attr->node;
	s->dir->cookie = next;
	return 0;
}

static void plan_section(struct ahead *a, struct dir *d, struct walker *w, struct ahead_plan *plan)
{
	struct section s = { .dir = d, .plan = plan, .window = w->window, .last = w->last, .probe = d->sections > 0 };

	if (d->waiting == 0 && vfs_readdir(a->vfs, d->node, d->cookie, add_file, &s) == 0) {
		d->sections++;
		w->unconfirmed += s.bytes;
	}
}

/* Somebody reads on from here: two sections, so that the probe of the second comes in time. */
static void plan_from(struct ahead *a, struct dir *d, struct walker *w, struct ahead_plan *plan)
{
	d->sections = 0;
	d->waiting = 0;
	plan_section(a, d, w, plan);
	plan_section(a, d, w, plan);
}

/* Plan what has waited for its reader to come out of a directory before it. */
static void plan_waiting(struct ahead *a, struct walker *w, struct ahead_plan *plan)
{
	for (struct dir *d = a->dirs; d < a->dirs + DIRS; d++) {
		if (d->used != 0 && d->walker == w->id && d->waiting > w->last && d->waiting - w->last <= REACH)
			plan_from(a, d, w, plan);
	}
}

static void read_file(struct ahead *a, uint64_t node, struct ahead_plan *plan)
{
	uint64_t number = node_number(node), parent;
	struct walker *w = follow(a, node_slot(node), number);
	struct dir *d;

	if (w == NULL)
		w = newcomer(a, node_slot(node), number);
	w->last_read = number;
	w->unconfirmed = 0;
	if (w->reads++ < IN_ORDER || vfs_parent(a->vfs, node, &parent) != 0)
		return;
	a->follows = true;
	d = dir_of(a, parent, w);
	if (d != NULL && node == d->probe) {
		w->window = w->window * 2 < WINDOW_MAX ? w->window * 2 : WINDOW_MAX;
		plan_section(a, d, w, plan);
	} else if (d == NULL || node > d->frontier) {
		if (d != NULL && d->sections > 0 && d->waiting == 0)
			w->window = w->window / 2 > WINDOW_MIN ? w->window / 2 : WINDOW_MIN;
		else if (d == NULL)
			d = dir_new(a, parent, w);
		d->frontier = node;
		d->planned = number;
		d->cookie = vfs_cookie_behind(parent, node);
		plan_from(a, d, w, plan);
	}
	plan_waiting(a, w, plan);
}

/* --- The two events ----------------------------------------------------------------------------------------------- */

void ahead_read(struct ahead *a, uint64_t node, uint64_t off, uint32_t len, struct ahead_plan *plan)
{
	plan->n = 0;
	if (node_slot(node) == 0)
		return;
	pthread_mutex_lock(&a->lock);
	read_part(a, node, off, len, plan);
	if (off == 0 && a->whole)
		read_file(a, node, plan);
	pthread_mutex_unlock(&a->lock);
}

void ahead_list(struct ahead *a, uint64_t node, struct ahead_plan *plan)
{
	struct walker *w;
	struct dir *d;

	plan->n = 0;
	if (node_slot(node) == 0 || !a->whole)
		return;
	pthread_mutex_lock(&a->lock);
	w = follow(a, node_slot(node), node_number(node));
	if (w != NULL && w->reads > IN_ORDER && dir_of(a, node, w) == NULL) {
		d = dir_new(a, node, w);
		d->frontier = node;
		d->planned = node_number(node);
		if (w->unconfirmed < UNCONFIRMED_MAX)
			plan_from(a, d, w, plan);
	}
	pthread_mutex_unlock(&a->lock);
}
