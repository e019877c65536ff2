/*
 * Directories of environments: where they are, whether they can be trusted, and the files in them.
 */
#ifndef VARVE_INDEX_ENV_DIR_H
#define VARVE_INDEX_ENV_DIR_H

#include <stdint.h>
#include <sys/stat.h>

#define ENV_STATE_FILE "state"

/* "<cache dir>/<repository id>" (malloc), or NULL. */
char *env_dir_name(const char *cache_dir, const uint8_t repo_id[16]);

/**
 * env_dir_make(dir):
 * Make it and what is missing above it, all with mode 0700.  Return 0; -EPERM if it belongs to somebody else or others
 * can write to it, as LMDB believes its files; -EREMOTE if it is on a network file system, on which LMDB does not work;
 * another negative errno.
 */
int env_dir_make(const char *dir);

/* A new private one (malloc) below ${parent}.  Return 0 or a negative errno. */
int env_dir_make_private(const char *parent, char **out);

/* Open a file of it to read and write, making it if it is missing.  Return the descriptor or a negative errno. */
int env_dir_open_file(const char *dir, const char *file);

/* lstat() of a file of it.  Return 0 or a negative errno. */
int env_dir_stat_file(const char *dir, const char *file, struct stat *out);

/* Move a file of ${from} to ${to}, in the place of what is there, and have that on the disk. */
int env_dir_move_file(const char *from, const char *file, const char *to);

/* The directory in it in which a compact file is written (malloc), or NULL. */
char *env_dir_compact_name(const char *dir);

/*
 * Remove all its files, what may be left of a compact one, and itself, unless somebody makes a new one there meanwhile.
 */
int env_dir_remove(const char *dir);

/**
 * env_dir_make_lock_file(dir):
 * Make LMDB's lock file anew, with its blocks allocated: it is mapped, and a disk that is full would end the process at
 * the first access.  Nobody may have the environment open.  Return 0 or a negative errno.
 */
int env_dir_make_lock_file(const char *dir);

#endif
