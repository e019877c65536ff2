/*
 * For tests of backups: sources with everything that the system can have, in the working directory.
 */
#ifndef VARVE_TEST_BACKUP_SOURCE_H
#define VARVE_TEST_BACKUP_SOURCE_H

#include <sys/types.h>

/* "all/": sizes, kinds, names, attributes, xattrs, links, holes. */
void source_all(void);

/* "all/sizes/": files of all sizes at which something changes; some are large. */
void source_sizes(void);

/* A file of ${size} bytes, all of them holes but for ${n} blocks of 4 KiB, the i-th at ${step} * i (from 1). */
void source_extents(const char *path, unsigned n, off_t step, off_t size);

#endif
