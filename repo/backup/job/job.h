/*
 * Jobs: runs of items in the order of the snapshot, the unit that passes from producer to workers to committer.
 *
 * A job belongs to one thread at a time.
 */
#ifndef VARVE_BACKUP_JOB_H
#define VARVE_BACKUP_JOB_H

#include "repo/util/files/dir.h"
#include "repo/object/writer.h"
#include "repo/tree/span/span.h"

#define JOB_ITEMS_MAX 256
#define JOB_DIRS_MAX 48 /* directories that the items of one job hold at most */

enum item_kind {
	ITEM_ENTRY, /* an entry, complete */
	ITEM_KNOWN, /* a regular file with its parent's contents: a worker sees that they are stored, else reads it */
	ITEM_READ,  /* a regular file that a worker is to read */
	ITEM_ENTER, /* a directory begins: its entry, but for what is below */
	ITEM_LEAVE, /* it ends; ${e.flags} may say ENTRY_PARTIAL */
	ITEM_DATA,  /* a chunk of a large file */
	ITEM_LARGE, /* a large file has ended: its entry */
	ITEM_DROP,  /* left out: it could not be read */
};

/* A piece of a large file. */
struct item_data {
	const uint8_t *bytes; /* in the job's ${data} */
	struct span span;     /* id: set by the worker */
};

struct item {
	enum item_kind kind;
	char change;      /* '+', 'M', '.', as backup.h reports it */
	bool made_up;     /* a directory that is only above sources, or could not be read */
	bool shared;      /* ITEM_LARGE: others wait for its contents in links.h */
	int fd;           /* ITEM_READ: opened ahead by the worker; else -1 */
	struct dir *dir;  /* ITEM_KNOWN, ITEM_READ: held, where the file is; released by the worker */
	union {
		/* Strings are the job's.  The worker may leave more spans here than an entry can have inline. */
		struct tree_entry e;
		struct item_data data;
	};
};

struct job_block;

struct job {
	uint64_t seq;              /* the queue's */
	bool done;
	size_t cost;               /* bytes it counts for in the queue's bound */
	struct item *items;
	unsigned nitems;
	unsigned ndirs;            /* of its items, counted when they change */
	struct job_block *blocks;  /* memory of strings */
	size_t block_bytes;
	uint8_t *data;             /* ${data_len} bytes of a large file's chunks, or NULL */
	size_t data_len;
	struct segment_out *segments; /* what the worker made, in order */
};

/* NULL without memory. */
struct job *job_new(void);

/* Make it empty for another use: releases directories, closes descriptors, frees what it holds. */
void job_reset(struct job *j);
void job_free(struct job *j);

/* ${len} bytes that live as long as the job's contents; NULL without memory. */
void *job_alloc(struct job *j, size_t len);

/* Give it room for ${len} bytes of a large file, which it must not have yet.  Return 0 or -ENOMEM. */
int job_data_alloc(struct job *j, size_t len);

/* Free that room.  Does nothing without. */
void job_data_free(struct job *j);

/* Free such room that was taken out of its job. */
void job_data_unmap(uint8_t *data, size_t len);

/* A further item, zeroed, with no descriptor; NULL without memory.  There must be less than JOB_ITEMS_MAX. */
struct item *job_add(struct job *j);

/* Copy an entry with all it points to into the job's memory; its name gets a NUL behind.  Return 0 or -ENOMEM. */
int job_copy_entry(struct job *j, struct tree_entry *dst, const struct tree_entry *src);

/* Free a list of segments. */
void segments_free(struct segment_out *list);

/* Bytes that it holds. */
size_t job_memory(const struct job *j);

#endif
