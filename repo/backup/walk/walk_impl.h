/*
 * The walker's inside, for walk.c (the stack of directories) and visit.c (what to do with an entry).
 */
#ifndef VARVE_BACKUP_WALK_IMPL_H
#define VARVE_BACKUP_WALK_IMPL_H

#include <dirent.h>

#include "repo/backup/fill/producer.h"
#include "repo/backup/source/scan.h"
#include "repo/backup/walk/parent.h"
#include "repo/backup/walk/roots.h"

/* A directory that is being walked. */
struct frame {
	struct dir *dir;          /* NULL: it is not read; only sources below it are stored */
	const struct root *root;  /* sources below it, or NULL */
	size_t next_root;
	struct scan scan;
	struct parent_dir parent;
	size_t path_len;          /* its part of the walker's path */
	const struct root *source; /* the relative source that it is of, or NULL */
	size_t source_len;        /* the source's part of the walker's path */
	dev_t fs;                 /* file system that one_file_system stays in */
	bool tag_only;            /* a cache: only its tag is stored */
	bool partial;             /* something of it could not be read */
	bool parked;              /* ${dir} is kept without its descriptor */
	bool lost;                /* and could not be opened again */
};

struct own_dir {
	bool exists;
	dev_t dev;
	ino_t ino;
};

struct walker {
	struct session *s;
	struct producer p;
	struct frame *frames; /* from the root down */
	size_t depth, cap;
	struct scan_room room;
	struct buf path;      /* stored path of the entry at hand, with a '/' before each name */
	struct buf real;      /* its absolute path at the source, where patterns ask for it */
	bool real_wanted;
	struct own_dir repository, index, seen; /* directories of ours, not stored in themselves */
};

/* An entry at hand. */
struct subject {
	struct dir *dir;       /* where it is; NULL for a directory that is reached by ${root->path} */
	const char *name;      /* in ${dir}, and as stored; NUL behind */
	size_t len;
	struct statx st;
	const struct tree_entry *old; /* the parent's, or NULL; borrowed until the parent's directory is asked again */
	const struct root *root;      /* sources below it, or NULL */
};

/* The directory that is being walked now. */
static inline struct frame *walk_top(struct walker *w)
{
	return &w->frames[w->depth - 1];
}

/*
 * visit.c: store the entry ${name} of the top frame, of the kind ${type} (DT_*) as far as the directory says.  0, or
 * what ends the backup.
 */
int visit_name(struct walker *w, const char *name, size_t len, uint8_t type, const struct root *root);

/* visit.c: store what the user named, or a directory above it.  ${w->depth} is 0 for the root. */
int visit_root(struct walker *w, const struct root *root);

/* visit_dir.c: store a directory; ${x->dir} NULL: reached by the path of ${x->root}. */
int visit_dir(struct walker *w, struct subject *x);

/* visit_dir.c: a directory above sources that is not read itself; ${partial}: because it cannot be. */
int visit_above(struct walker *w, const struct root *root, const struct tree_entry *old, bool partial);

/* visit.c: tell that the entry could not be read, and mark the directory that lacks it.  Return 0. */
int visit_missed(struct walker *w, const struct subject *x, int err, const char *what);

/* visit.c: the entry's attributes, owners and name; the rest is empty.  Borrowed as names_fill(). */
void visit_describe(struct walker *w, const struct subject *x, struct tree_entry *e);

/* visit.c: has nothing changed since the parent, and are its contents and xattrs still stored? */
bool visit_same_as_parent(struct walker *w, const struct subject *x);

/* visit.c: set xattrs to the parent's.  Return 0. */
int visit_take_xattrs(struct tree_entry *e, const struct tree_entry *old);

/* visit.c: read xattrs, of ${fd} or by name, into ${e} (borrowed until the next call).  Return 0, or -ENOMEM. */
int visit_read_xattrs(struct walker *w, const struct subject *x, int fd, struct tree_entry *e);

/* walk.c: go into a directory whose ITEM_ENTER is queued; takes the hold of ${dir}.  0 or -ENOMEM. */
int walk_push(struct walker *w, struct dir *dir, const struct subject *x, dev_t fs, bool tag_only);

#endif
