/*
 * Store in a local directory: writing.  See store_dir.h.
 *
 * An object is written to tmp/<random>, synced, given its name by an atomic rename, and then the directory that it is
 * now in is synced.  A power cut before the last step may leave the object there or not, but never a part of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/store/dir/store_dir_impl.h"
#include "repo/util/bytes/id.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#define RANDOM_LEN 16
#define TMP_NAME_SIZE (sizeof(TMP_DIR "/") + 2 * RANDOM_LEN)
#define LEFTOVER_AGE (24 * 3600) /* seconds */

/* Bytes that may be unwritten before the kernel is asked to start: small against a pack, so that its sync is short. */
#define WRITEBACK_SIZE (4u * 1024 * 1024)

struct dir_put {
	struct store_put base;
	int fd; /* -1 when closed */
	uint64_t started; /* bytes whose writeback has been started */
	char tmp[TMP_NAME_SIZE];
};

static struct dir_put *put_of(struct store_put *p)
{
	return (struct dir_put *)p;
}

/*
 * Remove what killed writers left: files whose last write is a day before ${now}, which is the time of a file that has
 * just been made here, so that only the filesystem's own clock counts.  Failures don't matter; the next writer tries.
 */
static void tidy(const struct store_dir *d, time_t now)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd;

	fd = openat(d->root, TMP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		    now - st.st_mtime < LEFTOVER_AGE)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			log_info(d->base.log, "%s/" TMP_DIR "/%s: removed, left by a writer that did not end well",
				 d->base.url, entry->d_name);
	}
	closedir(dir);
}

static int open_tmp(const struct store_dir *d, const char *tmp)
{
	int fd, rc, tries;

	for (tries = 0; tries < 2; tries++) {
		fd = openat(d->root, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
		if (fd >= 0 || errno != ENOENT)
			break;
		/* A store that was copied may lack the empty directory. */
		rc = store_dir_absent(d, tmp);
		if (rc == -ENOENT)
			rc = store_dir_make(d, TMP_DIR);
		if (rc < 0)
			return rc;
	}
	return fd < 0 ? store_dir_fail(d, tmp, "create") : fd;
}

int store_dir_put_begin(struct store *s, struct store_put **out)
{
	struct store_dir *d = store_dir_of(s);
	uint8_t random[RANDOM_LEN];
	struct dir_put *p;
	struct stat st;
	int rc = 0;

	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	crypt_random(random, sizeof(random));
	memcpy(p->tmp, TMP_DIR "/", sizeof(TMP_DIR "/") - 1);
	hex_encode(random, sizeof(random), p->tmp + sizeof(TMP_DIR "/") - 1);
	p->fd = open_tmp(d, p->tmp);
	if (p->fd < 0) {
		rc = p->fd;
		goto out;
	}
	if (!atomic_exchange(&d->tidied, true) && fstat(p->fd, &st) == 0)
		tidy(d, st.st_mtime);
	*out = &p->base;
	p = NULL;
out:
	free(p);
	return rc;
}

int store_dir_put_append(struct store_put *base, const void *data, size_t len)
{
	struct dir_put *p = put_of(base);
	uint64_t end = base->len + len, whole;
	const uint8_t *from = data;
	ssize_t n;

	while (len > 0) {
		n = write(p->fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return store_dir_fail(store_dir_of(base->store), p->tmp, "write");
		}
		from += n;
		len -= (size_t)n;
	}
	/* Whole pages only: one that is being written could not be appended to.  This is a hint and may fail. */
	whole = end & ~UINT64_C(0xffff);
	if (whole - p->started >= WRITEBACK_SIZE) {
		(void)sync_file_range(p->fd, (off_t)p->started, (off_t)(whole - p->started), SYNC_FILE_RANGE_WRITE);
		p->started = whole;
	}
	return 0;
}

/* Sync and close the file. */
static int finish_file(struct dir_put *p)
{
	struct store_dir *d = store_dir_of(p->base.store);
	int rc;

	do
		rc = fsync(p->fd);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		rc = store_dir_fail(d, p->tmp, "sync");
	/* Linux has closed it even if a signal came; then the data is safe, for it has been synced. */
	if (close(p->fd) < 0 && errno != EINTR && rc == 0)
		rc = store_dir_fail(d, p->tmp, "close");
	p->fd = -1;
	return rc;
}

/* Give ${tmp} the name ${name} unless that is taken.  Return 0 or a negative errno; -EEXIST if it is. */
static int rename_new(int root, const char *tmp, const char *name)
{
	struct stat st;

	if (syscall(SYS_renameat2, root, tmp, root, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;

	/* NFS has no such rename.  It may say EEXIST of a link that it has made, if its answer was lost on the way. */
	if (linkat(root, tmp, root, name, 0) == 0 ||
	    (errno == EEXIST && fstatat(root, tmp, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2)) {
		unlinkat(root, tmp, 0);
		return 0;
	}
	if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;

	/* FAT and the like can do neither: two that come at the same moment are not told apart. */
	if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT || renameat(root, tmp, root, name) < 0)
		return -errno;
	return 0;
}

/* Is the directory ${dir} known to survive a power cut?  With ${add}, it is from now on (without memory it is not). */
static bool is_kept(struct store_dir *d, const char *dir, bool add)
{
	size_t at = 0, len = strlen(dir) + 1;
	bool found = false;

	pthread_mutex_lock(&d->lock);
	for (; at < d->kept.len && !found; at += strlen((const char *)d->kept.data + at) + 1)
		found = strcmp((const char *)d->kept.data + at, dir) == 0;
	if (add && !found)
		(void)buf_append(&d->kept, dir, len);
	pthread_mutex_unlock(&d->lock);
	return found;
}

/*
 * See to it that the directories above ${name} survive a power cut, and with ${make} that they are there.  One that is
 * there already may be that of a writer who has not come to the sync yet, or was killed before it.
 */
static int keep_parents(struct store_dir *d, const char *name, bool make)
{
	char dir[STORE_NAME_MAX + 1];
	const char *slash;
	int rc = 0;

	for (slash = strchr(name, '/'); slash != NULL && rc == 0; slash = strchr(slash + 1, '/')) {
		memcpy(dir, name, (size_t)(slash - name));
		dir[slash - name] = '\0';
		if (!make && is_kept(d, dir, false))
			continue;
		rc = make ? store_dir_make(d, dir) : store_dir_sync_parent(d, dir);
		if (rc == 0)
			is_kept(d, dir, true);
	}
	return rc;
}

/* Is ${name} a file of ${len} bytes, and can it be made sure that it stays? */
static bool is_safe(int root, const char *name, uint64_t len)
{
	struct stat st;
	bool safe;
	int fd;

	fd = openat(root, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	safe = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len && fsync(fd) == 0;
	close(fd);
	return safe;
}

/* Bring the finished file to its name. */
static int publish(struct dir_put *p, const char *name, unsigned flags)
{
	struct store_dir *d = store_dir_of(p->base.store);
	int rc;

	rc = rename_new(d->root, p->tmp, name);
	if (rc == -ENOENT) {
		rc = store_dir_absent(d, name);
		if (rc == -ENOENT)
			rc = keep_parents(d, name, true);
		if (rc < 0)
			return rc;
		rc = rename_new(d->root, p->tmp, name);
	}
	if (rc == -EEXIST && (flags & STORE_EXCL) != 0)
		return rc;
	if (rc == -EEXIST) {
		if ((flags & STORE_REPLACE) == 0 && is_safe(d->root, name, p->base.len)) {
			unlinkat(d->root, p->tmp, 0);
			return 0;
		}
		rc = renameat(d->root, p->tmp, d->root, name) < 0 ? -errno : 0;
		fd_cache_drop(d->fds, name);
	}
	if (rc < 0) {
		errno = -rc;
		rc = store_dir_fail(d, name, "rename to this name");
	}
	return rc;
}

int store_dir_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct dir_put *p = put_of(base);
	struct store_dir *d = store_dir_of(base->store);
	int rc;

	rc = finish_file(p);
	if (rc == 0)
		rc = publish(p, name, flags);
	if (rc < 0) {
		store_dir_put_abort(base);
		return rc;
	}
	free(p);
	/* If this fails the object may still be there, whole.  To take it away could take one that was there before. */
	rc = keep_parents(d, name, false);
	return rc == 0 ? store_dir_sync_parent(d, name) : rc;
}

void store_dir_put_abort(struct store_put *base)
{
	struct dir_put *p = put_of(base);

	if (p->fd >= 0)
		close(p->fd);
	unlinkat(store_dir_of(base->store)->root, p->tmp, 0);
	free(p);
}
