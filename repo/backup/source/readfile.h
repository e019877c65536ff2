/*
 * Reading one file into chunks: the inner part of a worker.
 */
#ifndef VARVE_BACKUP_READFILE_H
#define VARVE_BACKUP_READFILE_H

#include "repo/backup/source/attr.h"
#include "repo/backup/session.h"

/* What one worker works with. */
struct reader {
	struct session *s;
	struct job *job;                 /* at hand: takes segments, and memory of entries */
	struct segment_builder *builder;
	uint8_t *room;                   /* bytes of the file: ${cap}, no less than the longest chunk */
	size_t cap;
	struct attr_scratch scratch;
	struct buf xattrs, spans;
};

/* Return 0 or -ENOMEM; reader_destroy() in any case. */
int reader_init(struct reader *r, struct session *s);
void reader_destroy(struct reader *r);

/* Name ${len} bytes, and gather them if they are new.  Return 0, or an error that ends the backup. */
int reader_chunk(struct reader *r, const uint8_t *data, uint32_t len, struct id *id);

/* The same when its id is known already. */
int reader_named_chunk(struct reader *r, const uint8_t *data, uint32_t len, const struct id *id);

/**
 * reader_file(r, item):
 * Read the file of an ITEM_READ: ${item} becomes an ITEM_ENTRY, or, if it cannot be read (reported), an ITEM_DROP.
 * Return 0, or an error that ends the backup.
 */
int reader_file(struct reader *r, struct item *item);

#endif
