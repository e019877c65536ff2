/*
 * An object that waits for its upload.  See spool.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/store/http/spool.h"

#define SPOOL_DIR "/var/tmp"

void spool_init(struct spool *s, const char *dir)
{
	*s = (struct spool){ .head = BUF_INIT, .fd = -1, .dir = dir };
}

void spool_free(struct spool *s)
{
	buf_free(&s->head);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->len = 0;
}

static const char *spool_dir(const struct spool *s)
{
	const char *dir = s->dir;

	if (dir == NULL)
		dir = getenv("TMPDIR");
	return dir != NULL && *dir != '\0' ? dir : SPOOL_DIR;
}

/* A file without a name.  Where the filesystem cannot make one, a file that has lost its name. */
static int open_unnamed(const char *dir)
{
	char path[4096];
	int fd;

	fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	if (snprintf(path, sizeof(path), "%s/varve-spool-XXXXXX", dir) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int write_at(int fd, uint64_t off, const void *data, size_t len)
{
	const uint8_t *from = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, from, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* What memory holds becomes the file's beginning. */
static int move_to_file(struct spool *s)
{
	int rc;

	s->fd = open_unnamed(spool_dir(s));
	if (s->fd < 0)
		return -errno;
	rc = write_at(s->fd, 0, s->head.data, s->head.len);
	buf_free(&s->head);
	return rc;
}

int spool_append(struct spool *s, const void *data, size_t len, const struct log *log)
{
	int rc = 0;

	if (s->fd < 0 && s->len + len <= SPOOL_MEMORY) {
		rc = buf_append(&s->head, data, len);
	} else {
		if (s->fd < 0)
			rc = move_to_file(s);
		if (rc == 0)
			rc = write_at(s->fd, s->len, data, len);
		if (rc < 0)
			log_error(log, "%s: keep what is to be uploaded: %s", spool_dir(s), strerror(-rc));
	}
	if (rc == 0)
		s->len += len;
	return rc;
}

struct http_body spool_body(const struct spool *s)
{
	static const uint8_t nothing[1];

	if (s->fd >= 0)
		return (struct http_body){ .fd = s->fd, .len = s->len };
	return (struct http_body){ .data = s->len > 0 ? s->head.data : nothing, .fd = -1, .len = s->len };
}

int spool_read(const struct spool *s, uint64_t off, void *out, size_t len)
{
	uint8_t *to = out;
	ssize_t n;

	if (off > s->len || len > s->len - off)
		return -EINVAL;
	if (s->fd < 0) {
		if (len > 0)
			memcpy(out, s->head.data + off, len);
		return 0;
	}
	while (len > 0) {
		n = pread(s->fd, to, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		to += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}
