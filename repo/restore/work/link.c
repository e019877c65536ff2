/*
 * Hard links.
 *
 * The first name of a group is known by its number alone.  Its path follows from the counts in the tree: down from the
 * nearest directory that is open and has it below, which mostly is the one at hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "repo/restore/output/existing.h"
#include "repo/restore/output/temp.h"

#define TRIES 3

/* An entry that was restored: its name in an open directory. */
struct first {
	struct outdir *top; /* held */
	int fd;             /* of the directory: ${top}'s, or the finder's own */
	char name[ENTRY_NAME_MAX + 1];
};

static bool has_below(const struct outdir *d, uint64_t number)
{
	return number > d->number && number - d->number <= d->e.below;
}

/* The nearest directory from ${d} up with ${number} below it whose descriptor is open, held. */
static struct outdir *find_top(struct outdir *d, uint64_t number)
{
	while (d != NULL && !(has_below(d, number) && outdir_try_hold(d)))
		d = d->parent;
	return d;
}

/*
 * One step down: the entry that has or is position ${*pos}; ${*pos} is then that below it.  1: it is; 0: below;
 * -errno.
 */
static int step(struct tree *t, struct id *dir, uint64_t *pos, char name[ENTRY_NAME_MAX + 1])
{
	struct tree_hit hit;
	int rc = tree_at(t, dir, *pos, &hit);

	if (rc < 0)
		return rc;
	memcpy(name, hit.entry.name, hit.entry.name_len);
	name[hit.entry.name_len] = '\0';
	rc = hit.entry.before == *pos;
	if (rc == 0 && !(hit.entry.flags & ENTRY_HAS_CHILD))
		rc = -EBADMSG;
	if (rc == 0) {
		*pos -= hit.entry.before + 1;
		*dir = hit.entry.child;
	}
	tree_hit_release(t, &hit);
	return rc;
}

static void first_close(struct first *f)
{
	if (f->top == NULL)
		return;
	if (f->fd >= 0 && f->fd != f->top->base.fd)
		close(f->fd);
	outdir_release(f->top);
}

/* Find the entry ${number}.  Return 0 (then first_close() in the end), or a negative errno. */
static int first_open(struct worker *w, struct outdir *from, uint64_t number, struct first *f)
{
	uint64_t pos;
	struct id dir;
	int rc, sub;

	f->top = find_top(from, number);
	if (f->top == NULL || !(f->top->e.flags & ENTRY_HAS_CHILD)) {
		f->fd = -1;
		return -ESTALE;
	}
	f->fd = f->top->base.fd;
	dir = f->top->e.child;
	pos = number - f->top->number - 1;
	while ((rc = step(w->rs->repo->tree, &dir, &pos, f->name)) == 0) {
		sub = openat(f->fd, f->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = sub < 0 ? -errno : 0;
		if (f->fd != f->top->base.fd)
			close(f->fd);
		f->fd = sub;
		if (rc < 0)
			break;
	}
	return rc < 0 ? rc : 0;
}

/* Link it to ${name} in the entry's directory. */
static int make(const struct first *f, const struct batch_item *i, const char *name)
{
	return linkat(f->fd, f->name, i->dir->base.fd, name, 0) < 0 ? -errno : 0;
}

/*
 * Under a temporary name first, as something is there; it must not be the same file, of which rename() makes
 * nothing.
 */
static int replace(const struct first *f, const struct batch_item *i)
{
	char temp[TEMP_NAME_SIZE];
	int rc;

	temp_name(temp);
	rc = make(f, i, temp);
	if (rc < 0)
		return rc;
	rc = existing_replace(i, temp);
	if (rc < 0)
		unlinkat(i->dir->base.fd, temp, 0);
	return rc;
}

static bool is_first(const struct first *f, const struct stat *there)
{
	struct stat st;

	return fstatat(f->fd, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == there->st_dev &&
	       st.st_ino == there->st_ino;
}

/* 1: linked; 0: left as it was, or refused; or a negative errno. */
static int link_to(struct worker *w, const struct batch_item *i, const struct first *f)
{
	enum fate fate;
	struct stat st;
	int rc = -EEXIST;

	for (unsigned n = 0; n < TRIES && rc == -EEXIST; n++) {
		fate = existing_fate(w->rs, i, n > 0, &st);
		if (fate == FATE_REFUSE)
			return 0;
		if (fate == FATE_LEAVE || (fate != FATE_NEW && is_first(f, &st))) {
			restore_skipped(w->rs);
			return 0;
		}
		rc = fate == FATE_NEW ? make(f, i, i->e.name) : replace(f, i);
	}
	return rc == 0 ? 1 : rc;
}

bool link_restore(struct worker *w, const struct batch_item *i, uint64_t first)
{
	struct first f;
	int rc;

	rc = first_open(w, i->dir, first, &f);
	if (rc == 0)
		rc = link_to(w, i, &f);
	first_close(&f);
	if (rc < 0)
		restore_failed(w->rs, i->dir, i->e.name, i->e.name_len, rc,
		    "copied, as it cannot be linked to its other name");
	else if (rc > 0)
		restore_done(w->rs, i->dir, i->e.name, i->e.name_len, i->e.type);
	return rc >= 0;
}
