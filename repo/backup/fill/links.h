/*
 * Contents of files with several names, so that they are read once: whoever comes first reads, the others take what
 * he found.
 *
 * Bounded: an inode whose names have all been seen is forgotten; beyond the bound nothing is kept, and such a file is
 * read again (which costs time, not space).
 *
 * Waiting.  A worker only waits for another worker, which never waits while others wait for it; the producer may also
 * wait for the committer to finish a large file of its own, all of which it has queued.  So nobody waits in a circle.
 *
 * Thread-safe.
 */
#ifndef VARVE_BACKUP_LINKS_H
#define VARVE_BACKUP_LINKS_H

#include "repo/backup/job/job.h"

struct links;

/* ${max_bytes}: what may be kept.  NULL without memory. */
struct links *links_new(size_t max_bytes);
void links_free(struct links *l);

enum links_answer {
	LINKS_READ,  /* read it, and say what was found with links_tell() */
	LINKS_KNOWN, /* the entry has its contents now */
	LINKS_ALONE, /* read it, and tell nobody */
};

/**
 * links_ask(l, e, j, producer):
 * What to do for the contents of ${e}, of which all attributes are set (nlink > 1).  If known, its size, contents and
 * xattrs are set, in memory of ${j}. Waits while another reads them.  Return an answer, or -ENOMEM.
 */
int links_ask(struct links *l, struct tree_entry *e, struct job *j, bool producer);

/* After LINKS_READ for the inode ${ino} of ${dev}: what was found; NULL: nothing to share. */
void links_tell(struct links *l, uint64_t dev, uint64_t ino, const struct tree_entry *found);

/* Nobody shall wait any more. */
void links_stop(struct links *l);

#endif
