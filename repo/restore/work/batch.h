/*
 * Batches: runs of entries in the order of the snapshot, which is that of their segments in the packs, so that a
 * segment is opened by one worker and all its files are written out of it; and the queue that takes them from the
 * feeder to the workers.
 *
 * A batch belongs to one thread at a time.  Batches are taken in the order in which they were given, so that a worker
 * who waits for an entry before his own waits for somebody who is at work on it.
 */
#ifndef VARVE_RESTORE_BATCH_H
#define VARVE_RESTORE_BATCH_H

#include "repo/restore/work/copy.h"
#include "repo/restore/output/outdir.h"

#define BATCH_ITEMS_MAX 256
#define BATCH_DIRS_MAX 24
#define BATCH_ROOM (64u * 1024)
#define BATCH_BYTES (1024u * 1024) /* of contents, at which a batch is full */

struct bigfile;

enum link_role {
	LINK_NONE,  /* the only name there is */
	LINK_FIRST, /* the first one met of a file with several: others wait for it */
	LINK_LATER, /* a link to that */
};

struct batch_item {
	struct outdir *dir;
	struct tree_entry e; /* its parts are the batch's, or ${big}'s */
	uint64_t number;
	enum link_role role;
	struct bigfile *big; /* NULL, or what the workers who get this item do together; counted */
};

struct batch {
	struct batch *next; /* among the spare ones */
	unsigned nitems, ndirs;
	uint64_t bytes;
	size_t room_used;
	struct outdir *dirs[BATCH_DIRS_MAX]; /* held */
	struct batch_item items[BATCH_ITEMS_MAX];
	uint8_t room[BATCH_ROOM];
};

/* A further item for ${dir}, whose entry the caller fills in; NULL if the batch has no place for it. */
struct batch_item *batch_add(struct batch *b, struct outdir *dir);

/* The same with a copy of ${e}; NULL if the batch has no place, or would get too large. */
struct batch_item *batch_add_entry(struct batch *b, struct outdir *dir, const struct tree_entry *e);

struct batch_queue;

/* ${slots}: batches that may wait.  NULL without memory. */
struct batch_queue *batch_queue_new(unsigned slots);
void batch_queue_free(struct batch_queue *q);

/* An empty batch, or NULL without memory. */
struct batch *batch_queue_get(struct batch_queue *q);

/* Give one that is done with back: its directories and files are released. */
void batch_queue_put(struct batch_queue *q, struct batch *b);

/* Queue a batch (taken over), waiting while the queue is full.  There must be somebody who takes. */
void batch_queue_push(struct batch_queue *q, struct batch *b);

/* No more will be pushed. */
void batch_queue_end(struct batch_queue *q);

/* The next batch, or NULL at the end. */
struct batch *batch_queue_take(struct batch_queue *q);

#endif
