/*
 * Contents of regular files: chunks out of the repository into the file, and back for comparing.
 *
 * Every chunk is read whole and its id verified.  Nothing is written where the source had a hole.
 */
#ifndef VARVE_RESTORE_CONTENTS_H
#define VARVE_RESTORE_CONTENTS_H

#include "repo/restore/work/work.h"

/*
 * Write ${n} chunks, at most OBJECT_READ_MAX, to their places in the file ${fd}: first all are read, and verified side
 * by side; with verify they are read back at the end.  Return 0, or -1 with ${*t} set.
 */
int contents_write_spans(struct worker *w, int fd, const struct span *s, unsigned n, struct trouble *t);

/* Write all of ${e}'s contents to the empty file ${fd} and give it its size.  Return as contents_write_spans(). */
int contents_write(struct worker *w, const struct tree_entry *e, int fd, struct trouble *t);

/* Are the contents of ${fd} those of ${e}, holes included (which must read as zeros)? */
bool contents_check(struct worker *w, const struct tree_entry *e, int fd);

#endif
