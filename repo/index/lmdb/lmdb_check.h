/*
 * Is an LMDB data file as it was written?  Reads it page by page, without LMDB.
 */
#ifndef VARVE_INDEX_LMDB_CHECK_H
#define VARVE_INDEX_LMDB_CHECK_H

/**
 * lmdb_check(fd, tables, ntables):
 * Check the file that lmdb.h keeps these tables in; nobody may write to it meanwhile.  It is sound if every page that
 * is reachable is well-formed, within the file and used once, the keys are in order, the counts are right, no free page
 * is in use, and each table's records have the recorded sum: then LMDB neither crashes on it nor finds anything else in
 * it than what was committed.  An empty file, or one without tables, is sound.  Costs one reading of the file, and
 * memory for one bit a page.  Return 0 if it is sound, -EBADMSG if not; -EIO; -ENOMEM.
 */
int lmdb_check(int fd, const char *const *tables, unsigned ntables);

#endif
