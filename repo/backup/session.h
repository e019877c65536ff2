/*
 * What the threads of one backup share, and how they tell of items that could not be read.
 */
#ifndef VARVE_BACKUP_SESSION_H
#define VARVE_BACKUP_SESSION_H

#include "repo/backup/backup.h"
#include "repo/backup/fill/links.h"
#include "repo/backup/job/queue.h"
#include "repo/object/chunker.h"
#include "repo/object/writer.h"
#include "repo/util/files/dir.h"

/* A file up to this size is read by one worker; a larger one is read by the producer and shared out in pieces. */
#define SMALL_FILE_MAX (4u * 1024 * 1024)

/* Fixed once the threads run, but for what is atomic or has a lock of its own. */
struct session {
	struct repo *repo;
	const struct backup_options *opts;
	struct backup_progress *progress; /* the caller's, or ${own_progress} */
	struct backup_progress own_progress;
	struct object_writer *writer;
	struct chunker chunker;
	size_t piece;       /* bytes of a large file that one job has at most */
	struct queue *queue;
	struct dir_pool *dirs;
	struct links *links;
	unsigned threads;   /* workers */
	unsigned ahead;     /* files that a worker opens ahead of the one it reads */
	bool any_owner;     /* may open anybody's files without touching their atime */
	uid_t owner;        /* or only this user's */
	bool has_parent;
	struct id parent;
	struct tree_entry root;     /* of the parent; borrowed from its manifest */
	_Atomic uint64_t errors;    /* items reported */
	_Atomic bool proc_missing;  /* told that /proc is not there */
};

/* Has the caller asked to end?  Then the queue fails with -EINTR, which ends all threads.  Any thread. */
bool session_cancelled(struct session *s);

/* Can a file of ${uid} be opened with O_NOATIME? */
static inline bool session_noatime(const struct session *s, uid_t uid)
{
	return s->any_owner || s->owner == uid;
}

/**
 * session_report(s, dir, name, len, err, what):
 * Count and tell the item ${name} of ${dir} (NULL: ${name} is a path) as not read: ${what}, followed by the cause
 * unless ${err} is 0. Any thread.
 */
void session_report(struct session *s, const struct dir *dir, const char *name, size_t len, int err, const char *what);

/* Log a warning of an item that is no fault. */
void session_notice(struct session *s, const struct dir *dir, const char *name, size_t len, const char *what);

#endif
