/*
 * Extents of a file that hold data, in order; what lies between them are holes.
 */
#ifndef VARVE_BACKUP_EXTENT_H
#define VARVE_BACKUP_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/backup/source/attr.h"

struct extents {
	int fd;
	uint64_t size; /* of the file; less if it turns out to have shrunk */
	uint64_t at;   /* where to look on */
	bool whole;    /* holes are not looked for */
};

/* Begin.  Holes are looked for where there can be some worth the question. */
void extents_begin(struct extents *x, int fd, const struct statx *st);

/*
 * The next one: 1 with [*begin, *end), 0 at the end, or a negative errno.  A file that shrinks meanwhile ends where it
 * ends then, but not before what was handed out: ${x->size} says so.
 */
int extents_next(struct extents *x, uint64_t *begin, uint64_t *end);

#endif
