/*
 * Store in a local directory: opening, reading, deleting.  See store_dir.h; listing is in store_dir_list.c, writing in
 * store_dir_put.c.
 *
 * Files are looked up relative to the directory that was opened, which may therefore be renamed meanwhile.  Only
 * regular files with valid names are objects; a symbolic link may stand for a directory, not for an object.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "repo/store/dir/store_dir.h"
#include "repo/store/dir/store_dir_impl.h"
#include "repo/util/files/direct.h"

static int store_error(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return -EACCES;
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	case EROFS:
	case ETIMEDOUT:
	case ENOMEM:
		return -err;
	default:
		return -EIO;
	}
}

int store_dir_fail(const struct store_dir *d, const char *name, const char *what)
{
	int rc = store_error(errno);

	log_error(d->base.log, "%s/%s: %s: %m", d->base.url, name, what);
	return rc;
}

int store_dir_absent(const struct store_dir *d, const char *name)
{
	struct stat st;

	if (fstat(d->root, &st) < 0)
		return store_dir_fail(d, name, "cannot look");
	if (st.st_nlink == 0) {
		log_error(d->base.log, "%s/%s: cannot look: the repository's directory has been removed", d->base.url,
			  name);
		return -EIO;
	}
	/* As network filesystems that go by paths look (sshfs), once the disk behind them has gone. */
	if (atomic_load(&d->base.config) != STORE_CONFIG_SEEN ||
	    fstatat(d->root, STORE_CONFIG, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -ENOENT;
	if (errno != ENOENT)
		return store_dir_fail(d, name, "cannot look");
	log_error(d->base.log, "%s/%s: cannot look: the repository is not visible there, it has no config: is its disk "
		  "mounted?", d->base.url, name);
	return -EIO;
}

static int fsync_retry(int fd)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc < 0 && errno == EINTR);
	return rc;
}

int store_dir_sync_parent(const struct store_dir *d, const char *name)
{
	char parent[STORE_NAME_MAX + 1] = ".";
	const char *slash = strrchr(name, '/');
	int fd, rc = 0;

	if (slash != NULL) {
		memcpy(parent, name, (size_t)(slash - name));
		parent[slash - name] = '\0';
	}
	fd = openat(d->root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return store_dir_fail(d, parent, "open to sync it");
	/* Some network filesystems cannot sync a directory, and need not. */
	if (fsync_retry(fd) < 0 && errno != EINVAL && errno != EBADF && errno != ENOTSUP)
		rc = store_dir_fail(d, parent, "sync");
	close(fd);
	return rc;
}

int store_dir_make(const struct store_dir *d, const char *name)
{
	/* One that is there already may be another writer's who has not come to the sync yet. */
	if (mkdirat(d->root, name, DIR_MODE) < 0 && errno != EEXIST)
		return store_dir_fail(d, name, "make directory");
	return store_dir_sync_parent(d, name);
}

/* Open an object and look at it.  Return a file descriptor; -ENOENT; others as in store.h. */
static int open_object(const struct store_dir *d, const char *name, struct stat *st)
{
	int fd, rc;

	/* O_NONBLOCK: a fifo in place of the object must not hang us. */
	do
		fd = openat(d->root, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return errno == ENOENT ? store_dir_absent(d, name) : store_dir_fail(d, name, "open");
	if (fstat(fd, st) < 0) {
		rc = store_dir_fail(d, name, "stat");
	} else if (!S_ISREG(st->st_mode)) {
		log_error(d->base.log, "%s/%s: open: not a regular file", d->base.url, name);
		rc = -EIO;
	} else {
		return fd;
	}
	close(fd);
	return rc;
}

static int lease_object(const struct store_dir *d, const char *name, struct fd_lease *lease, struct stat *st)
{
	int fd;

	if (fd_cache_take(d->fds, name, lease)) {
		if (fstat(lease->fd, st) == 0 && st->st_nlink > 0)
			return 0;
		/* Somebody else has deleted or replaced it. */
		fd_cache_drop(d->fds, name);
		fd_cache_give(d->fds, lease);
	}
	fd = open_object(d, name, st);
	if (fd < 0)
		return fd;
	fd_cache_add(d->fds, name, fd, lease);
	return 0;
}

/*
 * Read ${len} bytes of a file that has just been ${size} long; past the page cache if ${room}, bytes at ${out}, is not
 * 0: nobody else may then read by that descriptor.
 */
static int read_range(const struct store_dir *d, const char *name, int fd, off_t size, uint64_t off, size_t len,
		      void *out, size_t room)
{
	uint8_t *to = out;
	uint64_t end = off + len;
	ssize_t n = (uint64_t)size < end ? 0 : 1;
	struct direct direct;

	if (room > 0)
		direct_init(&direct, fd);
	while (n > 0 && len > 0) {
		n = room > 0 ? direct_read(&direct, to, len, room, end - len) : pread(fd, to, len, (off_t)(end - len));
		if (n < 0 && errno == EINTR) {
			n = 1;
		} else if (n > 0) {
			to += n;
			len -= (size_t)n;
			room -= room > 0 ? (size_t)n : 0;
		}
	}
	if (n < 0)
		return store_dir_fail(d, name, "read");
	if (n == 0) {
		log_error(d->base.log, "%s/%s: read up to byte %llu: the file is too short", d->base.url, name,
			  (unsigned long long)end);
		return -EBADMSG;
	}
	return 0;
}

static int dir_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct store_dir *d = store_dir_of(s);
	struct fd_lease lease;
	struct stat st;
	int rc;

	rc = lease_object(d, name, &lease, &st);
	if (rc < 0)
		return rc;
	rc = read_range(d, name, lease.fd, st.st_size, off, len, out, 0);
	fd_cache_give(d->fds, &lease);
	return rc;
}

static int dir_get_once(struct store *s, const char *name, uint64_t off, size_t len, void *out, size_t room)
{
	struct store_dir *d = store_dir_of(s);
	struct stat st;
	int fd, rc;

	fd = open_object(d, name, &st);
	if (fd < 0)
		return fd;
	rc = read_range(d, name, fd, st.st_size, off, len, out, room);
	close(fd);
	return rc;
}

static int dir_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct store_dir *d = store_dir_of(s);
	struct stat st;
	size_t len;
	int fd, rc;

	fd = open_object(d, name, &st);
	if (fd < 0)
		return fd;
	if ((uint64_t)st.st_size > max) {
		log_error(s->log, "%s/%s: has %lld bytes, and can only have %zu", s->url, name, (long long)st.st_size,
			  max);
		rc = -EBADMSG;
		goto out;
	}
	len = (size_t)st.st_size;
	rc = buf_reserve(out, len);
	if (rc < 0) {
		log_error(s->log, "%s/%s: read %zu bytes: out of memory", s->url, name, len);
		goto out;
	}
	if (len > 0)
		rc = read_range(d, name, fd, st.st_size, 0, len, out->data + out->len, 0);
	if (rc == 0)
		out->len += len;
out:
	close(fd);
	return rc;
}

static int dir_stat(struct store *s, const char *name, uint64_t *size)
{
	struct store_dir *d = store_dir_of(s);
	struct stat st;

	if (fstatat(d->root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? store_dir_absent(d, name) : store_dir_fail(d, name, "stat");
	if (!S_ISREG(st.st_mode)) {
		log_error(s->log, "%s/%s: stat: not a regular file", s->url, name);
		return -EIO;
	}
	*size = (uint64_t)st.st_size;
	return 0;
}

/*
 * Deletes must not be undone by a power cut in another order than they were made in: a snapshot that comes back without
 * its packs would be damage, and so would an index run be.  Packs are left out: they are many, and do no harm.
 */
static bool must_stay_deleted(const char *name)
{
	return strncmp(name, "packs/", 6) != 0 && strncmp(name, "trees/", 6) != 0;
}

static int dir_delete(struct store *s, const char *name)
{
	struct store_dir *d = store_dir_of(s);
	int rc = 0;

	if (unlinkat(d->root, name, 0) < 0) {
		rc = errno == ENOENT ? store_dir_absent(d, name) : store_dir_fail(d, name, "delete");
		if (rc == -ENOENT)
			rc = 0;
	} else if (must_stay_deleted(name)) {
		rc = store_dir_sync_parent(d, name);
	}
	fd_cache_drop(d->fds, name);
	return rc;
}

static int dir_info(struct store *s, struct store_info *out)
{
	struct store_dir *d = store_dir_of(s);
	struct statvfs v;

	if (fstatvfs(d->root, &v) < 0)
		return store_dir_fail(d, ".", "statvfs");
	out->total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
	out->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}

static void dir_close(struct store *s)
{
	struct store_dir *d = store_dir_of(s);

	fd_cache_free(d->fds);
	buf_free(&d->kept);
	pthread_mutex_destroy(&d->lock);
	if (d->root >= 0)
		close(d->root);
	free(s->url);
	free(s->local_path);
	free(d);
}

static const struct store_ops dir_ops = {
	.get = dir_get,
	.get_once = dir_get_once,
	.get_all = dir_get_all,
	.stat = dir_stat,
	.list = store_dir_list,
	.list_names = store_dir_list_names,
	.del = dir_delete,
	.info = dir_info,
	.put_begin = store_dir_put_begin,
	.put_append = store_dir_put_append,
	.put_commit = store_dir_put_commit,
	.put_abort = store_dir_put_abort,
	.close = dir_close,
};

/* As store_dir_fail(), while there is no store yet; that there is nothing, or a file, is an answer here. */
static int open_fail(const struct log *log, const char *path, const char *what)
{
	int err = errno;

	log_error(log, "%s: %s: %m", path, what);
	return err == ENOENT || err == ENOTDIR ? -err : store_error(err);
}

/* Make the directory itself durable if it ${is_new}, and its parts. */
static int make_parts(struct store_dir *d, bool is_new)
{
	int fd, rc = 0;

	if (is_new) {
		fd = openat(d->root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* A directory that may be searched but not read is synced together with its filesystem. */
		if (fd >= 0 ? fsync_retry(fd) < 0 && errno != EINVAL && errno != ENOTSUP : syncfs(d->root) < 0)
			rc = store_dir_fail(d, "..", "sync");
		if (fd >= 0)
			close(fd);
	}
	return rc == 0 ? store_dir_make(d, TMP_DIR) : rc;
}

int store_dir_open(const char *path, bool create, const struct log *log, struct store **out)
{
	struct store_dir *d;
	bool is_new = false;
	int rc = 0;

	d = calloc(1, sizeof(*d));
	if (d == NULL) {
		log_error(log, "%s: open: out of memory", path);
		return -ENOMEM;
	}
	d->base.ops = &dir_ops;
	d->base.log = log;
	d->root = -1;
	d->fds = fd_cache_new();
	pthread_mutex_init(&d->lock, NULL);

	if (create)
		is_new = mkdir(path, DIR_MODE) == 0;
	if (create && !is_new && errno != EEXIST) {
		rc = open_fail(log, path, "make directory");
		goto out;
	}
	d->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0) {
		rc = open_fail(log, path, "open");
		goto out;
	}
	d->base.local_path = realpath(path, NULL);
	if (d->base.local_path == NULL) {
		rc = open_fail(log, path, "resolve");
		goto out;
	}
	d->base.url = strdup(d->base.local_path);
	if (d->base.url == NULL || d->fds == NULL) {
		log_error(log, "%s: open: out of memory", path);
		rc = -ENOMEM;
		goto out;
	}
	if (create)
		rc = make_parts(d, is_new);
	if (rc == 0)
		*out = &d->base;
out:
	if (rc < 0)
		dir_close(&d->base);
	return rc;
}
