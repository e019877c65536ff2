/*
 * Copies of entries that outlive the tree page they were read from.
 */
#ifndef VARVE_RESTORE_COPY_H
#define VARVE_RESTORE_COPY_H

#include "repo/tree/entry.h"

#define ENTRY_COPY_MAX (ENTRY_NAME_MAX + ENTRY_TARGET_MAX + 2 + ENTRY_XATTRS_INLINE + ENTRY_SPANS_INLINE * 44)

/* Bytes that the parts of an entry need, at most ENTRY_COPY_MAX. */
size_t entry_copy_size(const struct tree_entry *e);

/*
 * Copy an entry, its parts to ${room}.  A NUL follows name and target; names of owners are left out, as the target's
 * owners are set by number.
 */
void entry_copy(struct tree_entry *dst, const struct tree_entry *src, void *room);

#endif
