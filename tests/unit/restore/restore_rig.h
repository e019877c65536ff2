/*
 * For tests of restore: a repository in memory with snapshots made by hand, entry by entry, so that there can be what
 * no backup would make; a target directory; and a record of what the restore told.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_RESTORE_RIG_H
#define VARVE_TEST_RESTORE_RIG_H

#include "repo/restore/restore.h"
#include "tests/lib/fixture.h"

#define OUTRIG_MTIME 1600000000
#define OUTRIG_KEEP_MAX 4096

struct outrig {
	struct fixture f;
	struct object_writer *writer; /* until the first restore */
	struct repo repo;
	struct restore_options opts;
	struct restore_progress progress;
	struct restore_result result;
	atomic_int cancel;
	char target[SCRATCH_PATH_SIZE]; /* "out" in the scratch directory, not made */
	pthread_mutex_t lock;           /* of the next three */
	struct buf reports;             /* "path: what" lines; the target's path is written as "T" */
	struct buf entries;             /* names of what was restored, a line each */
	unsigned cancel_after;          /* entries after which to cancel; 0: never */
	void *kept[OUTRIG_KEEP_MAX];       /* memory of entries */
	unsigned nkept;
};

/* As cmocka's setup and teardown, with *state a struct outrig. */
int outrig_setup(void **state);
int outrig_teardown(void **state);

/* Entries, with this process's owner, mode 0644 or 0755, and mtime OUTRIG_MTIME.  The name is borrowed. */
struct tree_entry outrig_entry(const char *name, uint8_t type);
struct tree_entry outrig_symlink(const char *name, const char *target);

/* A regular file of ${len} bytes in chunks of at most 64 KiB; pieces of zeros are chunks as others. */
struct tree_entry outrig_file(struct outrig *r, const char *name, const void *data, size_t len);

/* The same for text. */
struct tree_entry outrig_text(struct outrig *r, const char *name, const char *text);

/* A file of ${size} bytes with ${n} chunks ${data[i]} (text) at the offsets ${off[i]}, and holes between them. */
struct tree_entry outrig_sparse(struct outrig *r, const char *name, uint64_t size, unsigned n, const uint64_t *off,
    const char *const *data);

/* A file or directory that names an object which is not there. */
struct tree_entry outrig_lost(const char *name, uint8_t type);

/* A directory of these entries, which must be in order of name. */
struct tree_entry outrig_dir(struct outrig *r, const char *name, const struct tree_entry *entries, unsigned n);

/* Give an entry one extended attribute. */
void outrig_xattr(struct outrig *r, struct tree_entry *e, const char *name, const char *value);

/* Restore what is at ${path}; r->result, reports and entries are those of this call. */
int outrig_restore(struct outrig *r, const struct tree_entry *root, const char *path);

/* Path of ${name} in the target; valid until 8 more calls. */
const char *outrig_path(struct outrig *r, const char *name);

/* Was "${line}" told, or ${name} named as restored? */
bool outrig_told(struct outrig *r, const char *line);
bool outrig_named(struct outrig *r, const char *name);

/* Make a file in the target, with directories above it. */
void outrig_plant(struct outrig *r, const char *name, const char *text);

/* Assert that the file holds ${text}; that there is nothing; how many entries there are in a directory. */
void outrig_assert_text(struct outrig *r, const char *name, const char *text);
void outrig_assert_absent(struct outrig *r, const char *name);
unsigned outrig_count(struct outrig *r, const char *name);

/* lstat() that must succeed. */
struct stat outrig_stat(struct outrig *r, const char *name);

#endif
