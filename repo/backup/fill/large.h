/*
 * Large files and streams: read in order by the producer, cut into chunks that all workers share.
 */
#ifndef VARVE_BACKUP_LARGE_H
#define VARVE_BACKUP_LARGE_H

#include "repo/backup/fill/producer.h"

/**
 * large_file(p, dir, e, change):
 * Read the file of the entry ${e} (name, owner names, attributes as listed) in ${dir}.  What cannot be read is
 * reported and becomes an ITEM_DROP.  Return 0, or an error that ends the backup.
 */
int large_file(struct producer *p, struct dir *dir, const struct tree_entry *e, char change);

/*
 * Read ${fd} to its end as the contents of the entry ${e}.  Return 0; what read() said; or an error that ends the
 * backup.
 */
int large_stream(struct producer *p, int fd, const struct tree_entry *e);

#endif
