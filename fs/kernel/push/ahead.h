/*
 * Ahead: what will be read next, guessed from what is being read.
 *
 * Two habits of readers are known.  Who goes through a tree in its order (tar, cp, rsync, grep -r: list a directory,
 * read its files one after the other) will want the next files of the directory; who reads one file from front to end
 * will want its next bytes.  Everything else (random access, reading backwards, listing alone) leads to no guess.
 *
 * A guess is paid by whoever is right often: each file that is asked for in spite of it confirms it (one in a while is
 * left out for that purpose, the probe), which lets the window grow; who skips the probe makes it shrink, and of what
 * nobody confirms no more than a few MiB is guessed.
 *
 * Thread-safe.  Memory: fixed tables.
 */
#ifndef VARVE_FS_AHEAD_H
#define VARVE_FS_AHEAD_H

#include "fs/vfs/vfs.h"

struct ahead;

#define AHEAD_TASKS 1024              /* that a plan holds */
#define AHEAD_FILE_MAX (1024u * 1024) /* bytes; longer files are not taken whole */

struct ahead_task {
	uint64_t node, off;
	uint32_t len;
	bool whole; /* a whole file, to be pushed; else a part of one, to be prefetched */
};

/* What to do now, in order. */
struct ahead_plan {
	unsigned n;
	struct ahead_task task[AHEAD_TASKS];
};

/* ${file_window}: bytes to be ahead within one file.  ${whole}: also plan whole files.  NULL if there is no memory. */
struct ahead *ahead_new(struct vfs *v, uint32_t file_window, bool whole);
void ahead_free(struct ahead *a);

/**
 * ahead_read(a, node, off, len, plan), ahead_list(a, node, plan):
 * Somebody asks for bytes of a file, or for a directory from its beginning: write to ${plan} what follows from it,
 * which may be nothing.  Reads directories; what cannot be read is left to whoever asks for it.
 */
void ahead_read(struct ahead *a, uint64_t node, uint64_t off, uint32_t len, struct ahead_plan *plan);
void ahead_list(struct ahead *a, uint64_t node, struct ahead_plan *plan);

/* Has anybody read files in order, so that listings may matter?  Until then ahead_list() does nothing. */
bool ahead_follows(const struct ahead *a);

/* Has a reader gone past this file, so that it is too late for it? */
bool ahead_passed(struct ahead *a, uint64_t node);

#endif
