/*
 * Spool: an object on its way to a remote store.  Its name is often known only at its end (the hash of its bytes), so
 * it waits in a file without a name: sealed bytes only, gone with the process, and no memory is taken.
 *
 * Objects of up to SPOOL_MEMORY bytes stay in memory.  Not thread-safe.
 */
#ifndef VARVE_STORE_SPOOL_H
#define VARVE_STORE_SPOOL_H

#include "repo/store/http/http.h"

#define SPOOL_MEMORY (64 * 1024)

struct spool {
	struct buf head;  /* all bytes while there is no file */
	int fd;           /* -1: there is none yet */
	uint64_t len;
	const char *dir;  /* borrowed; NULL: $TMPDIR, /var/tmp */
};

void spool_init(struct spool *s, const char *dir);
void spool_free(struct spool *s);

/* Append.  Return 0; -ENOSPC and the like (logged with the directory); -ENOMEM. */
int spool_append(struct spool *s, const void *data, size_t len, const struct log *log);

/* Its bytes as a request's body, borrowed until it is changed. */
struct http_body spool_body(const struct spool *s);

/* Read ${len} bytes from byte ${off}: for checksums.  Return 0 or a negative errno. */
int spool_read(const struct spool *s, uint64_t off, void *out, size_t len);

#endif
