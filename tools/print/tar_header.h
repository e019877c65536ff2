/*
 * Headers of tar: ustar's, and pax records for what these have no room for (POSIX.1-2001, pax utility, "ustar
 * Interchange Format" and "pax Header Block").
 */
#ifndef VARVE_TOOLS_TAR_HEADER_H
#define VARVE_TOOLS_TAR_HEADER_H

#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"

#define TAR_BLOCK 512

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, linkname[100], magic[6],
	    version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};

/* Octal, or 0 where it does not fit: the pax record has it then. */
void tar_octal(char *field, size_t size, uint64_t v);
bool tar_fits_octal(size_t size, uint64_t v);

/* What ustar calls an entry of that type. */
char tar_type(const struct tree_entry *e);

/* The header of ${e}, called ${path}; ${link} is where it leads, or NULL.  What has no room is cut or left out. */
void tar_header_fill(struct tar_header *h, const struct tree_entry *e, const char *path, const char *link,
    uint64_t size);

/* Its magic and checksum, once all else is in it. */
void tar_header_finish(struct tar_header *h);

/* Append "LENGTH KEY=VALUE\n", the length counting its own digits.  0 or -ENOMEM. */
int pax_record(struct buf *b, const char *key, const void *value, size_t len);
int pax_number(struct buf *b, const char *key, uint64_t v);
int pax_time(struct buf *b, const char *key, int64_t s, uint32_t ns);

#endif
