/*
 * Restore: a snapshot, or a part of it, into a directory.
 *
 * Everything is made relative to directory descriptors and nothing planted in the target is followed: a symlink where
 * a directory is wanted is replaced (or, with RESTORE_NEVER, refused), so that no byte is written outside the target.
 * What takes the place of an existing file is written under a temporary name and renamed when complete.  Where there
 * is nothing, a file is written under its own name, and its mtime set last: what is left half written by a restore
 * that was killed has another size or mtime and is replaced by the next one, so that it can be run again to continue.
 * Nothing is synced.
 */
#ifndef VARVE_RESTORE_RESTORE_H
#define VARVE_RESTORE_RESTORE_H

#include <stdatomic.h>

#include "repo/repo.h"
#include "repo/util/text/match.h"

enum restore_overwrite {
	RESTORE_IF_CHANGED, /* default: leave what has the same type, size and mtime; attributes are set anyway */
	RESTORE_ALWAYS,
	RESTORE_NEVER,      /* leave whatever is there */
};

struct restore_progress {
	_Atomic uint64_t entries, bytes; /* done */
	_Atomic uint64_t total_entries;  /* from the tree; bytes are not known before */
	_Atomic uint64_t skipped;        /* left as they were */
	_Atomic uint64_t errors;
};

struct restore_options {
	enum restore_overwrite overwrite;
	const struct match_list *include, *exclude; /* NULL: all, nothing; paths are those in the snapshot */
	bool dry_run;
	bool verify;      /* read back and compare what was written; what would be left and differs is replaced */
	bool sparse;      /* also make holes of zeros that the source had written */
	unsigned threads; /* 0: as the machine has */
	size_t memory_bytes; /* 0: 32 MiB */
	struct restore_progress *progress;
	const atomic_int *cancel;
	/* Any thread; quoted path in the target; ${what} names the cause; may be NULL. */
	void (*report)(void *arg, const char *path, int err, const char *what);
	/*
	 * The target is open as ${fd} (-1: a dry run, and it is not there), nothing has been made in it yet, and there
	 * are no threads of the restore: an error ends it.  May be NULL.
	 */
	int (*opened)(void *arg, int fd);
	/* Each entry restored; any thread; quoted path in the snapshot; may be NULL. */
	void (*entry)(void *arg, const char *path);
	void *arg;
};

struct restore_result {
	uint64_t files, dirs, others, bytes, skipped;
	uint64_t errors;   /* could not be written */
	uint64_t damaged;  /* contents missing or damaged in the repository */
	uint64_t no_owner, no_xattr, no_device; /* attributes that this user may not set */
};

/**
 * restore_tree(r, root, path, target, opts, out):
 * Restore the entry at ${path} ("" or "/" for all) of the snapshot with root entry ${root}: a directory's contents
 * (and its attributes) into ${target}, which is made if missing; anything else as an entry in ${target}.  What fails
 * for one entry is reported and counted, and the rest goes on.  Return 0 (see the counts in ${out}); -ENOENT if the
 * snapshot has no such path; -ELOOP if ${target} lies in the repository or among the local indexes (logged; nothing was
 * made); -EINTR; an error of the target directory itself (logged); or, after reporting it, what no other entry would
 * fare better with: -ENOSPC, -EDQUOT, -EROFS, -EACCES (the key does not open contents), -ENOMEM.
 */
int restore_tree(struct repo *r, const struct tree_entry *root, const char *path, const char *target,
    const struct restore_options *opts, struct restore_result *out);

#endif
