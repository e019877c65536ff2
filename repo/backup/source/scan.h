/*
 * Names of a directory in order of bytes, in bounded memory: a window of the next names is read and sorted; a
 * directory that does not fit is read again for the names after the last one of the window.
 *
 * Not thread-safe.
 */
#ifndef VARVE_BACKUP_SCAN_H
#define VARVE_BACKUP_SCAN_H

#include <stdbool.h>

#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"

/* What scans of one thread share. */
struct scan_room {
	uint8_t *entries;   /* of getdents64(); made when first needed */
	size_t window_max;  /* bytes of a window */
	size_t held;        /* bytes of all windows now */
};

void scan_room_init(struct scan_room *r, size_t window_max);
void scan_room_destroy(struct scan_room *r);

struct scan_name {
	uint64_t key;  /* first 8 bytes, for comparing */
	uint32_t at;   /* in the text */
	uint16_t len;
	uint8_t type;  /* DT_* as the directory says; DT_UNKNOWN 0 */
};

struct scan {
	struct scan_name *names;
	size_t count, cap, next;
	struct buf text;
	size_t held;    /* bytes of this window that the room counts */
	bool filled;    /* the window is there */
	bool more;      /* there are names after it */
	bool started;   /* ${last} is set */
	int err;        /* the directory could not be read to its end */
	uint16_t last_len;
	char last[ENTRY_NAME_MAX]; /* name that was given last, once the window was dropped */
};

/* All zero is a scan at its begin. */

/**
 * scan_next(s, room, fd, out, name):
 * The next name of the directory open at ${fd}, borrowed until the next call, with its NUL.  Return 1; 0 at the end;
 * -ENOMEM; or once what reading the directory said, after the names that could be read.
 */
int scan_next(struct scan *s, struct scan_room *room, int fd, struct scan_name *out, const char **name);

/* Give the last name back: the next call returns it again.  Only right after scan_next() returned 1. */
void scan_back(struct scan *s);

/* Is there something to read from the directory yet (so that it must be open for the next call)? */
bool scan_needs_dir(const struct scan *s);

/* Free the window; it is read again when needed. */
void scan_drop(struct scan *s, struct scan_room *room);

#endif
