/*
 * Directories of environments.  See env_dir.h.
 */
#include "repo/index/env/env_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "repo/index/lmdb/lmdb.h"
#include "repo/util/bytes/buf.h"
#include "repo/util/bytes/id.h"

#define COMPACT_DIR "compact"

/* "<dir>/<file>" in a buffer; NULL without memory. */
static const char *join(struct buf *b, const char *dir, const char *file)
{
	return buf_printf(b, "%s/%s", dir, file) < 0 ? NULL : (const char *)b->data;
}

char *env_dir_name(const char *cache_dir, const uint8_t repo_id[16])
{
	struct buf b = BUF_INIT;
	char hex[33];

	hex_encode(repo_id, 16, hex);
	return join(&b, cache_dir, hex) ? (char *)b.data : NULL;
}

static int make_dirs(char *path)
{
	char *slash = path;
	int rc;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		rc = mkdir(path, 0700);
		*slash = '/';
		/* What is there may be no directory, or not ours to look into: the last one tells. */
		if (rc < 0 && errno != EEXIST && errno != EACCES && errno != EROFS && errno != EPERM)
			return -errno;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* File systems whose mapped files do not show what another machine, or even a process here, writes. */
static bool is_remote(const struct statfs *fs)
{
	static const uint32_t remote[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
		V9FS_MAGIC, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, CEPH_SUPER_MAGIC };

	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if ((uint32_t)fs->f_type == remote[i])
			return true;
	return false;
}

int env_dir_make(const char *dir)
{
	char *path = strdup(dir);
	struct statfs fs;
	struct stat st;
	int rc;

	if (!path)
		return -ENOMEM;
	rc = make_dirs(path);
	free(path);
	if (rc < 0)
		return rc;
	if (lstat(dir, &st) < 0 || statfs(dir, &fs) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	return is_remote(&fs) ? -EREMOTE : 0;
}

int env_dir_make_private(const char *parent, char **out)
{
	struct buf b = BUF_INIT;

	if (!join(&b, parent, "varve-index-XXXXXX"))
		return -ENOMEM;
	if (!mkdtemp((char *)b.data)) {
		int rc = -errno;

		buf_free(&b);
		return rc;
	}
	*out = (char *)b.data;
	return 0;
}

int env_dir_open_file(const char *dir, const char *file)
{
	struct buf b = BUF_INIT;
	const char *path = join(&b, dir, file);
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -ENOMEM;

	if (path && fd < 0)
		fd = -errno;
	buf_free(&b);
	return fd;
}

int env_dir_stat_file(const char *dir, const char *file, struct stat *out)
{
	struct buf b = BUF_INIT;
	const char *path = join(&b, dir, file);
	int rc = path ? 0 : -ENOMEM;

	if (path && lstat(path, out) < 0)
		rc = -errno;
	buf_free(&b);
	return rc;
}

static int remove_file(const char *dir, const char *file)
{
	struct buf b = BUF_INIT;
	const char *path = join(&b, dir, file);
	int rc = 0;

	if (!path)
		return -ENOMEM;
	if (unlink(path) < 0 && errno != ENOENT)
		rc = -errno;
	buf_free(&b);
	return rc;
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

int env_dir_move_file(const char *from, const char *file, const char *to)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	const char *old = join(&a, from, file), *new = join(&b, to, file);
	int rc = -ENOMEM;

	if (old && new)
		rc = rename(old, new) < 0 ? -errno : sync_dir(to);
	buf_free(&a);
	buf_free(&b);
	return rc;
}

char *env_dir_compact_name(const char *dir)
{
	struct buf b = BUF_INIT;

	return join(&b, dir, COMPACT_DIR) ? (char *)b.data : NULL;
}

/*
 * Without its directories.  The data file goes last: it bears the locks (guard.h), so once it is gone somebody else may
 * have begun anew, and what lies here is his.
 */
static int remove_flat(const char *dir)
{
	static const char *const files[] = { ENV_STATE_FILE, LMDB_LOCK_FILE, LMDB_DATA_FILE };
	struct stat st;
	int rc = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && rc == 0; i++)
		rc = remove_file(dir, files[i]);
	if (rc == 0 && rmdir(dir) < 0 && errno != ENOENT)
		rc = -errno;
	if (rc == -ENOTEMPTY && env_dir_stat_file(dir, LMDB_DATA_FILE, &st) == 0)
		rc = 0;
	return rc;
}

int env_dir_remove(const char *dir)
{
	char *compact = env_dir_compact_name(dir);
	int rc;

	if (!compact)
		return -ENOMEM;
	rc = remove_flat(compact);
	free(compact);
	return rc == 0 || rc == -ENOTDIR ? remove_flat(dir) : rc;
}

int env_dir_make_lock_file(const char *dir)
{
	struct buf b = BUF_INIT;
	const char *path = join(&b, dir, LMDB_LOCK_FILE);
	int fd = -1, rc = -ENOMEM;

	if (!path)
		goto out;
	rc = remove_file(dir, LMDB_LOCK_FILE);
	if (rc < 0)
		goto out;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : -posix_fallocate(fd, 0, LMDB_LOCK_SIZE);
out:
	if (fd >= 0)
		close(fd);
	buf_free(&b);
	return rc;
}
