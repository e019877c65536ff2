/*
 * For tests of backups: a fixture as a repository, a source directory, what was reported, and a comparison of a
 * snapshot with its source.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_BACKUP_RIG_H
#define VARVE_TEST_BACKUP_RIG_H

#include "repo/backup/backup.h"
#include "tests/lib/fixture.h"

#define RIG_TEXT_SIZE 8192

struct rig {
	struct fixture f;
	struct repo repo;
	char src[SCRATCH_PATH_SIZE]; /* an empty directory; also the working directory */
	struct backup_options opts;  /* for the next backup; arg is the rig */
	struct backup_progress progress;
	struct backup_result result;
	pthread_mutex_t lock;
	char reports[RIG_TEXT_SIZE]; /* "path: what" a line each */
	char entries[RIG_TEXT_SIZE]; /* "+ /path" a line each */
	void (*on_entry)(struct rig *g, const char *path); /* NULL: nothing */
	int on_finish;               /* what opts.finish returns */
};

/* As cmocka's setup and teardown, with *state a rig over a store in memory, or in a directory. */
int rig_setup(void **state);
int rig_setup_dir(void **state);
int rig_teardown(void **state);

/* Back up; the paths end with NULL.  Reports and entries are of this one then.  Return as backup_paths(). */
int rig_backup(struct rig *g, ...);

/* The index is deleted and read again from the store, as on another machine. */
void rig_forget_index(struct rig *g);

bool rig_reported(const struct rig *g, const char *text);
bool rig_stored(const struct rig *g, const char *line);

/* The entry at ${path} of the newest snapshot, in ${hit} (tree_hit_release()).  Return as tree_path(). */
int rig_find(struct rig *g, const char *path, struct tree_hit *hit);

/*
 * Compare the file or directory ${stored} of the newest snapshot with ${source}, all that is recorded and all below
 * it.
 */
void rig_same(struct rig *g, const char *stored, const char *source);

/* Number of snapshots. */
size_t rig_snapshots(struct rig *g);

/* The newest snapshot's manifest; the caller's to destroy. */
void rig_manifest(struct rig *g, struct manifest *out);

/* A file with ${len} bytes of noise by ${seed}; in ${path} relative to the working directory. */
void rig_file(const char *path, uint64_t seed, size_t len);

/* A file with a few bytes, and its directories. */
void rig_note(const char *path, const char *text);

#endif
