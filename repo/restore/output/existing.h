/*
 * What is there already where an entry shall be, and what becomes of it.
 */
#ifndef VARVE_RESTORE_EXISTING_H
#define VARVE_RESTORE_EXISTING_H

#include "repo/restore/work/batch.h"
#include "repo/restore/work/work.h"

enum fate {
	FATE_NEW,     /* there is nothing: make it */
	FATE_REPLACE, /* what is there gives way when the new one is complete */
	FATE_KEEP,    /* as it should be: attributes are set */
	FATE_LEAVE,   /* not to be touched */
	FATE_REFUSE,  /* stands in the way, and has been told */
};

/**
 * existing_fate(rs, i, look, st):
 * Look at what is in the place of an entry that is no directory; ${look}: even if its directory was made just now, as
 * something seems to be there (then it is another entry's, where names that differ in case are the same: refused).  An
 * empty directory is removed.  ${*st} is set for FATE_KEEP and FATE_REPLACE.
 */
enum fate existing_fate(struct restore *rs, const struct batch_item *i, bool look, struct stat *st);

/**
 * existing_keep(w, i, st):
 * Set attributes of what FATE_KEEP said of, after looking again with the file open; with verify its contents are
 * compared as well.  Return false if it is not to be kept after all, but to be replaced: it has changed, or differs, or
 * is an inode with other names, of which nobody knows where they are, and has other attributes.
 */
bool existing_keep(struct worker *w, const struct batch_item *i, const struct stat *st);

/* Rename ${temp} in the entry's directory to the entry's name.  Return 0 or a negative errno. */
int existing_replace(const struct batch_item *i, const char *temp);

#endif
