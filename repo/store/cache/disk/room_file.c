/*
 * Small files of a cache's directory, read and replaced as a whole.  See room.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/store/cache/disk/room.h"

int room_read_file(struct cache_room *r, const char *name, size_t max, struct buf *out)
{
	size_t before = out->len, len;
	struct id sum, found;
	struct stat st;
	int fd, rc = -ENOENT;

	if (r->dir < 0)
		return -ENOENT;
	fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -errno;
	if (fstat(fd, &st) < 0 || st.st_size < ID_LEN || (uint64_t)st.st_size - ID_LEN > max)
		goto out;
	len = (size_t)st.st_size - ID_LEN;
	rc = buf_reserve(out, len);
	if (rc < 0)
		goto out;
	rc = -ENOENT;
	if (pread(fd, sum.b, ID_LEN, 0) != ID_LEN || pread(fd, out->data + before, len, ID_LEN) != (ssize_t)len)
		goto out;
	crypt_hash(out->data + before, len, &found);
	if (!id_equal(&sum, &found))
		goto out;
	out->len += len;
	rc = 0;
out:
	close(fd);
	return rc;
}

static int write_all(int fd, const void *data, size_t len, off_t at)
{
	const uint8_t *p = data;
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n, at += n) {
		n = pwrite(fd, p, len, at);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
	}
	return 0;
}

/* Open the file ${new} and lock it.  One that has got its final name meanwhile is not it any more: -EAGAIN. */
static int open_new(struct cache_room *r, const char *new, int *fd)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat mine, there;

	*fd = openat(r->dir, new, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0 || fcntl(*fd, F_OFD_SETLKW, &l) < 0 || fstat(*fd, &mine) < 0)
		return errno == EAGAIN ? -EIO : -errno;
	if (fstatat(r->dir, new, &there, AT_SYMLINK_NOFOLLOW) < 0 || mine.st_ino != there.st_ino)
		return -EAGAIN;
	return ftruncate(*fd, 0) < 0 ? -errno : 0;
}

/*
 * A new file, which then takes the name.  Its own name is the same for all processes, so that what a killed one has
 * left is used again.
 */
int room_write_file(struct cache_room *r, const char *name, const void *data, size_t len)
{
	char new[512];
	struct id sum;
	int fd = -1, rc;

	if (r->dir < 0)
		return -ENOENT;
	snprintf(new, sizeof(new), "%s.new", name);
	while ((rc = open_new(r, new, &fd)) == -EAGAIN)
		close(fd);
	crypt_hash(data, len, &sum);
	if (rc == 0)
		rc = write_all(fd, sum.b, ID_LEN, 0);
	if (rc == 0)
		rc = write_all(fd, data, len, ID_LEN);
	if (rc == 0 && renameat(r->dir, new, r->dir, name) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}
