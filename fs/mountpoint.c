/*
 * Checks on the directory to mount on.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "fs/mountpoint.h"
#include "repo/util/files/inside.h"

#define AUTOFS_MAGIC 0x0187 /* AUTOFS_SUPER_MAGIC, linux/magic.h */

/* Systemd's automount units, and direct maps of autofs: what is there waits for a mount to go on it. */
static bool is_trigger(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == AUTOFS_MAGIC;
}

static bool is_mounted_on(const char *path)
{
	struct stat here, above;
	char parent[4096];

	if (is_trigger(path) || snprintf(parent, sizeof(parent), "%s/..", path) >= (int)sizeof(parent))
		return false;
	return stat(path, &here) == 0 && stat(parent, &above) == 0 &&
	    (here.st_dev != above.st_dev || here.st_ino == above.st_ino);
}

static int check_empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int rc = 0;

	if (d == NULL)
		return -errno;
	/* opendir() alone tells nothing: a mount may have told the kernel not to ask it (ops.c). */
	errno = 0;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = -ENOTEMPTY;
		errno = 0;
	}
	if (rc == 0)
		rc = -errno;
	closedir(d);
	return rc;
}

static const char dead_mount[] = "a mount whose daemon is gone is still here: unmount it first";

/*
 * Something is mounted: is anybody behind it?  Its attributes may still be in the kernel's cache, so ask for its
 * entries.
 */
static int check_mounted(const char *dir, const char **why)
{
	bool dead = check_empty(dir) == -ENOTCONN;

	*why = dead ? dead_mount : "something is mounted here already";
	return dead ? -ENOTCONN : -EBUSY;
}

static int check(const char *dir, const char *repository, const char **why)
{
	char *real = NULL;
	struct stat st;
	int rc;

	if (stat(dir, &st) != 0) {
		rc = -errno;
		*why = rc == -ENOTCONN ? dead_mount : strerror(-rc);
		return rc;
	}
	*why = strerror(ENOTDIR);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	real = realpath(dir, NULL);
	if (real == NULL) {
		rc = -errno;
		*why = strerror(-rc);
		return rc;
	}
	rc = is_mounted_on(real) ? check_mounted(real, why) : 0;
	if (rc == 0 && repository != NULL && (path_inside(real, repository) || path_inside(repository, real))) {
		rc = -ELOOP;
		*why = "the mountpoint and the repository overlap";
	}
	if (rc == 0) {
		rc = check_empty(real);
		*why = rc == -ENOTEMPTY ? "the mountpoint is not empty" : strerror(-rc);
	}
	free(real);
	return rc;
}

int mountpoint_check(const char *dir, const char *repository, const struct log *log)
{
	const char *why = "";
	int rc = check(dir, repository, &why);

	if (rc != 0)
		log_error(log, "%s: %s", dir, why);
	return rc;
}
