/*
 * The sources of a backup as a tree of the names they are stored under.  A node is a source (what the user named, and
 * all below it), or a directory above sources, or both.
 *
 * Immutable once built.
 */
#ifndef VARVE_BACKUP_ROOTS_H
#define VARVE_BACKUP_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

struct root {
	char *name;       /* as stored; empty for the root */
	char *path;       /* how the system reaches it; a source's symlink is not followed, unless a slash says so */
	char *real;       /* of a source with a relative path: its absolute one (roots_absolute()); else NULL */
	bool source;
	size_t nchildren;
	struct root **children; /* by name */
	struct root *next;      /* list of all nodes, from the root on */
};

/* Told of a source that is left out: of one that is not there, or whose place another one has (-EEXIST). */
typedef void roots_report_fn(void *arg, const char *path, int err);

/**
 * roots_build(paths, n, report, arg, out):
 * Return 0 with a tree in ${*out} (roots_free); -ENOENT if no source is there; -ENOMEM.
 */
int roots_build(const char *const *paths, size_t n, roots_report_fn *report, void *arg, struct root **out);
void roots_free(struct root *r);

/* ${path} made absolute and plain, without looking at the file system (malloc, the caller's).  NULL with errno set. */
char *roots_absolute(const char *path);

#endif
