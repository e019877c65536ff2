/*
 * treecmp's parts: walk two trees side by side, compare what one name is in both, field by field.
 *
 * A *difference* is told on stdout as `"path": field: A != B`; a thing that could not be looked at is an *error*, told
 * on stderr, because then nothing is known about it.
 */
#ifndef VARVE_TEST_CMP_H
#define VARVE_TEST_CMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tests/tools/lib/tool.h"

enum field {
	FIELD_NAME,
	FIELD_TYPE,
	FIELD_MODE,
	FIELD_UID,
	FIELD_GID,
	FIELD_NLINK,
	FIELD_SIZE,
	FIELD_MTIME,
	FIELD_RDEV,
	FIELD_TARGET,
	FIELD_XATTR,
	FIELD_LINKS,  /* which paths are the same file */
	FIELD_INODE,  /* two files with one number */
	FIELD_DIRENT, /* type and inode: what readdir says against what stat says */
	FIELD_HOLES,
	FIELD_BLOCKS,
	FIELD_DATA,
	NFIELDS,
};

enum hole_mode {
	HOLES_NONE,
	HOLES_LOGICAL,
	HOLES_EXACT,
};

/* Smallest hole of A that must be one in B under HOLES_LOGICAL, bytes. */
#define HOLE_MIN (64 * 1024)

struct cmp_options {
	bool ignore[NFIELDS];
	const char **ignore_xattr; /* patterns of fnmatch(3) */
	size_t nignore_xattr;
	enum hole_mode holes;
	uint64_t blocks_slack; /* units of 512 bytes; only asked if FIELD_BLOCKS is not ignored */
	bool all_inodes;       /* remember files with one link and directories too */
	bool read_holes;       /* read the ends of what both call a hole */
	bool extra_in_b;       /* names that only B has are no differences */
	bool ignore_root;      /* do not compare the attributes of the two roots */
	uint64_t max;          /* print at most so many differences; all are counted */
};

struct links;

struct cmp {
	struct cmp_options opt;
	const char *root[2]; /* as given, for messages */
	struct str path;     /* of the entry at hand, from the roots */
	struct links *links;
	char *buf[2]; /* CMP_BUF bytes each */
	uint64_t differences, errors, entries, bytes;
};

#define CMP_BUF (1024 * 1024)

/* One name in both trees: ${dir[i]} is open (O_PATH will do), ${name} stands in it ("." for the roots). */
struct pair {
	int dir[2];
	const char *name;
	struct stat st[2];
};

extern const char *const cmp_field_names[NFIELDS];

/*
 * Count and print a difference, unless ${f} is ignored.  ${note} (may be NULL) follows the field's name, quoted; ${a}
 * and ${b} are printed as they are.
 */
void cmp_diff(struct cmp *c, enum field f, const char *note, const char *a, const char *b);

/* As cmp_diff(), for two numbers; ${label} stands before each. */
void cmp_diff_number(struct cmp *c, enum field f, const char *note, const char *label, uint64_t a, uint64_t b);

/* Count and print an error: ${what} of side ${side} failed with the positive errno ${err}. */
void cmp_error(struct cmp *c, int side, const char *what, int err);

/* Compare both trees wholly; the findings are in ${c}. */
void cmp_walk(struct cmp *c, int root_a, int root_b);

/* Compare everything but the contents of a directory.  Return true if both are directories, to be descended into. */
bool cmp_entry(struct cmp *c, struct pair *p);

void cmp_xattrs(struct cmp *c, const struct pair *p);

/* Hole map and bytes of a regular file. */
void cmp_contents(struct cmp *c, const struct pair *p);

/**
 * cmp_links(c, p):
 * Note which inode the path is in each tree and tell where the groups of equal inodes differ.  Return true if the same
 * pair of inodes was already compared under another name.
 */
bool cmp_links(struct cmp *c, const struct pair *p);
struct links *links_new(void);
void links_free(struct links *l);

#endif
