/*
 * Producer: what fills jobs.  The walker stands on it, and large files and streams, whose bytes it reads itself.
 *
 * One thread's.
 */
#ifndef VARVE_BACKUP_PRODUCER_H
#define VARVE_BACKUP_PRODUCER_H

#include "repo/backup/source/attr.h"
#include "repo/backup/source/names.h"
#include "repo/backup/session.h"

struct producer {
	struct session *s;
	struct job *job;      /* being filled; NULL: none yet */
	struct dir *last_dir; /* that an item of ${job} holds; borrowed */
	uint64_t planned;     /* bytes of contents that workers will read for ${job} */
	uint32_t fill;        /* of them, those in the segment that would be open then */
	struct names *names;
	struct attr_scratch scratch;
	struct buf xattrs;
};

/* Return 0 or -ENOMEM; producer_destroy() in any case. */
int producer_init(struct producer *p, struct session *s);
void producer_destroy(struct producer *p);

/* Queue what is filled, if anything.  Return 0, -ENOMEM, what the queue failed with. */
int producer_submit(struct producer *p);

/* A further item, zeroed.  Return 0 with ${*out}, valid until the next call; errors as producer_submit(). */
int producer_item(struct producer *p, struct item **out);

/* A further item with a copy of ${e}.  Errors as producer_submit(). */
int producer_entry(struct producer *p, enum item_kind kind, char change, const struct tree_entry *e, struct item **out);

/**
 * producer_file(p, kind, change, e, dir):
 * A further item for a regular file in ${dir} that workers may read: begins a new job where that fills segments best.
 * Errors as producer_submit().
 */
int producer_file(struct producer *p, enum item_kind kind, char change, const struct tree_entry *e, struct dir *dir);

#endif
