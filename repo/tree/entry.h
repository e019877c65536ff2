/*
 * Entry: one name in a directory, and all that is recorded of it.
 *
 * struct tree_entry is a decoded view; its pointers are borrowed from the tree page it was read from (as long as the
 * page is held) or from whoever fills it in to be written.
 */
#ifndef VARVE_TREE_ENTRY_H
#define VARVE_TREE_ENTRY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "repo/util/bytes/id.h"

/* As DT_* of <dirent.h>. */
enum entry_type {
	ENTRY_FIFO = 1,
	ENTRY_CHR = 2,
	ENTRY_DIR = 4,
	ENTRY_BLK = 6,
	ENTRY_REG = 8,
	ENTRY_LNK = 10,
	ENTRY_SOCK = 12,
};

enum entry_flags {
	ENTRY_HAS_CHILD = 1,      /* ${child} is set: root page of the directory (if not empty), or of the span list */
	ENTRY_XATTRS_BY_ID = 2,   /* xattrs are a tree object of their own: ${xattrs_id} */
	ENTRY_PARTIAL = 4,        /* contents of the directory could not all be read at backup */
	ENTRY_HAS_BTIME = 8,
};

#define ENTRY_NAME_MAX 255      /* bytes */
#define ENTRY_TARGET_MAX 4095   /* bytes of a symlink's target */
#define ENTRY_SPANS_INLINE 8    /* at most as many spans in the entry itself */
#define ENTRY_XATTRS_INLINE 1024 /* bytes of encoded xattrs in the entry itself */
#define ENTRY_XATTRS_MAX (4u * 1024 * 1024) /* bytes of encoded xattrs at all */

struct tree_entry {
	const char *name; /* name_len bytes, no NUL behind */
	uint16_t name_len;
	uint8_t type;     /* enum entry_type */
	uint8_t flags;    /* enum entry_flags */
	uint16_t mode;    /* permission bits, 07777 */
	uint32_t uid, gid;
	const char *user, *group; /* names at the source; may be empty */
	uint8_t user_len, group_len;
	uint32_t nlink;
	uint32_t rdev_major, rdev_minor;
	int64_t mtime, ctime, btime;             /* seconds since 1970 */
	uint32_t mtime_ns, ctime_ns, btime_ns;   /* 0 to 999,999,999 */
	uint64_t size;       /* bytes (st_size) */
	uint64_t data_bytes; /* bytes of it that are not in holes */
	uint64_t dev;        /* source device: for hard links (nlink > 1, no directory), else 0 */
	uint64_t ino;        /* source inode */
	uint64_t below;      /* directory: number of all entries below it */
	uint64_t before;     /* sum of 1 + below over the entries before it in its page, or (tree.h) directory */
	const char *target;  /* symlink */
	uint16_t target_len;
	const uint8_t *xattrs; /* encoded (xattr.h), unless ENTRY_XATTRS_BY_ID */
	uint32_t xattrs_len;
	struct id xattrs_id;
	struct id child;
	const uint8_t *spans;  /* regular file without ENTRY_HAS_CHILD: nspans records of SPAN_RECORD_LEN (span.h) */
	uint32_t nspans;
};

/* S_IFMT bits of a type; and the type of a mode (0 if unknown). */
mode_t entry_ifmt(uint8_t type);
uint8_t entry_type_of(mode_t mode);

/**
 * entry_stat(e, st):
 * Fill ${st} with what is recorded: st_mode, nlink, uid, gid, rdev, size, blocks (data_bytes in units of 512, rounded
 * up), blksize 4096, mtime, ctime; atime is mtime.  st_ino and st_dev are 0: they are the caller's.
 */
void entry_stat(const struct tree_entry *e, struct stat *st);

/* Does ${name} of ${len} bytes make a valid entry name: 1 to 255 bytes, no '/', no NUL, not "." or ".."? */
bool entry_name_valid(const char *name, size_t len);

/* Order of names in a directory: bytes, unsigned, shorter first. */
int entry_name_compare(const char *a, size_t alen, const char *b, size_t blen);

#endif
