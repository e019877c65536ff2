/*
 * Backup: source directories, or a stream, into a snapshot.
 *
 *   walk (one thread: sorted directories, lstat, comparison with the parent snapshot) -> jobs of a few segments' size,
 *   in order -> workers (read, cut, name, claim, group, compress) -> committer (in order: seal, pack, index; trees
 *   bottom-up) -> manifest
 *
 * Memory is bounded by the options, not by the source.  Nothing of the source is followed: every open is relative to
 * its directory and refuses symlinks.
 */
#ifndef VARVE_BACKUP_BACKUP_H
#define VARVE_BACKUP_BACKUP_H

#include <stdatomic.h>

#include "repo/repo.h"
#include "repo/util/text/match.h"

/* Figures of a running backup, for progress: written by the backup, read by anybody. */
struct backup_progress {
	_Atomic uint64_t files, dirs, others; /* seen */
	_Atomic uint64_t bytes;               /* of contents dealt with: read, or known unchanged */
	_Atomic uint64_t files_new, files_changed, files_unchanged;
	_Atomic uint64_t errors;              /* items that could not be read */
	_Atomic uint64_t scan_items, scan_bytes; /* estimate of the whole, from the parent; 0: unknown */
};

struct backup_options {
	const char *host, *user, *profile, *program; /* host must be set */
	const char *const *tags;
	size_t ntags;
	int64_t time_ns;            /* of the snapshot; 0: now */
	/* By paths in the snapshot; patterns with '/' in front also by absolute ones at the source.  NULL: nothing. */
	const struct match_list *exclude;
	bool exclude_caches;        /* contents of directories with a valid CACHEDIR.TAG */
	bool exclude_nodump;        /* files with the nodump flag (chattr +d) */
	bool one_file_system;
	bool no_parent;             /* compare with nothing */
	const struct id *parent;    /* NULL: the newest of this host and these paths */
	bool dry_run;
	int level;                  /* zstd's; 0: default */
	unsigned threads;           /* workers; 0: as the machine has */
	size_t memory_bytes;        /* for contents in flight; 0: 8 MiB, and 4 MiB for each worker */
	struct backup_progress *progress; /* NULL: none */
	const atomic_int *cancel;   /* NULL: none; non-zero: end cleanly with -EINTR */
	const struct clock *clock;  /* by which it is in time for prunes; NULL: the system's */
	/*
	 * Called for each item that could not be read or changed while read: its path at the source, quoted; ${err}, a
	 * negative errno, or 0 if ${what} says all ("vanished", "changed while being read"), which else ends with the
	 * cause.  Any thread; may be NULL.
	 */
	void (*report)(void *arg, const char *path, int err, const char *what);
	/*
	 * Called for each entry as it is stored, directories after what is in them: '+' new, 'M' changed, '.'
	 * unchanged; its path in the snapshot, quoted, with a leading '/'.  The caller's thread; may be NULL.
	 */
	void (*entry)(void *arg, char change, const char *path);
	/* After the end of a stream, before the snapshot is made: non-zero means there shall be none. */
	int (*finish)(void *arg);
	void *arg;
};

struct backup_result {
	struct id snapshot;      /* not set in a dry run */
	uint64_t files, dirs, others, bytes;
	uint64_t files_new, files_changed, files_unchanged;
	uint64_t errors;         /* items that could not be read: the snapshot is partial */
	uint64_t data_added, tree_added; /* new plaintext bytes */
	uint64_t stored_bytes;   /* put to the store */
	int64_t duration_ns;
};

/**
 * backup_paths(r, opts, paths, n, out):
 * Back up ${n} paths.  Absolute ones are stored absolute, relative ones relative; "." stores the directory's contents
 * at the root; ".." in a path is resolved first.  Directories above a path are stored with their own attributes.  A
 * path that does not exist is reported and counted, as is one in the repository or its index on this machine; if none
 * can be read there is no snapshot and -ENOENT.  The repository itself, its index and mounts of varvefs that are met on
 * the way are stored as empty directories.  If a prune dooms what it relies on, and it takes too long for the sweep to
 * know of it, it begins anew, some times at most.  Return 0 (see ${out->errors}); -EINTR; -EACCES if this role cannot
 * write; -ESTALE if it has begun anew too often (logged); -ENOSPC and others of the store: nothing that was there is
 * touched, and what was stored is found again by a rerun.
 */
int backup_paths(struct repo *r, const struct backup_options *opts, const char *const *paths, size_t n,
    struct backup_result *out);

/**
 * backup_stream(r, opts, fd, name, out):
 * Store what can be read from ${fd} as the file ${name} (may contain '/').  Return as backup_paths(), or what
 * ${opts->finish} returned.  A stream cannot begin anew: -ESTALE (logged) in that case.
 */
int backup_stream(struct repo *r, const struct backup_options *opts, int fd, const char *name,
    struct backup_result *out);

#endif
