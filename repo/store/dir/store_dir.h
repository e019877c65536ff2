/*
 * Store in a local directory: one file an object.  A put goes to tmp/<random>, is synced, renamed to its name, and the
 * directory it is now in is synced.  What a killed writer leaves in tmp/ is removed by later puts once nothing has been
 * written to it for a day.  A delete is synced too, but for packs and trees: after a power cut those may be back.
 * Files are created with mode 0400, directories with 0700.  A second put of an existing name keeps the file that is
 * there if it has the same size, and replaces it otherwise.
 */
#ifndef VARVE_STORE_STORE_DIR_H
#define VARVE_STORE_STORE_DIR_H

#include "repo/store/store.h"

/* As store_open() for a path. */
int store_dir_open(const char *path, bool create, const struct log *log, struct store **out);

#endif
