/*
 * One regular file from its creation to its name.
 *
 * Where there is nothing yet it is made under its own name: what a killed restore leaves half written has another
 * size, or else another mtime, which is set last, and is thus replaced by the next run.  What takes the place of
 * something, or must not ever be taken for complete (RESTORE_NEVER), is made under a temporary name and renamed when
 * it is complete.
 */
#ifndef VARVE_RESTORE_OUTFILE_H
#define VARVE_RESTORE_OUTFILE_H

#include "repo/restore/output/attrs.h"
#include "repo/restore/output/temp.h"
#include "repo/restore/work/work.h"

struct outfile {
	int fd;
	char temp[TEMP_NAME_SIZE]; /* "": it has its name */
	struct attrs_now now;
};

/* What outfile_begin() came to. */
enum outfile_begun {
	OUTFILE_OPEN,  /* write its contents, then outfile_end() */
	OUTFILE_KEPT,  /* what was there is as it should be */
	OUTFILE_NONE,  /* nothing is made: left as it was, or told why not */
};

enum outfile_begun outfile_begin(struct worker *w, const struct batch_item *i, struct outfile *f);

/*
 * Give it its attributes and its name; or, if ${trouble} is not NULL, remove it and tell.  Return whether it is there
 * now.
 */
bool outfile_end(struct worker *w, const struct batch_item *i, struct outfile *f, const struct trouble *trouble);

#endif
